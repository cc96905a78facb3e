/* SPDX-License-Identifier: Apache-2.0
 * base64.h - RFC 4648 section 4, as Go's JSON has bytes. */
#ifndef SWARM_MANAGER_API_BASE64_H
#define SWARM_MANAGER_API_BASE64_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

char *base64_encode(const uint8_t *p, size_t n); /* sw_free(); NULL: memory is gone */
/** base64_decode() - standard or URL alphabet, padding optional. @out: sw_free(), NULL when empty.
 * Return: 0; SW_E_INVALID "illegal base64 data at input byte 3"; -ENOMEM. */
int base64_decode(const char *s, uint8_t **out, size_t *len, struct sw_err *err);

#endif
