/* SPDX-License-Identifier: Apache-2.0
 * base64.h - as the API carries secrets, configs and credentials. Pure. */
#ifndef SWARM_CLI_SPEC_BASE64_H
#define SWARM_CLI_SPEC_BASE64_H

#include "cli/spec/mem.h"

/** base64_encode() - with padding; @url: the alphabet of URLs. Returned. */
char *base64_encode(const void *p, size_t n, bool url);
/** base64_decode() - either alphabet. Return: false on a byte that does not belong. */
bool base64_decode(const char *s, struct sw_buf *out);

#endif
