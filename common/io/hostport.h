/* SPDX-License-Identifier: Apache-2.0
 * hostport.h - "host:port" as people write it. Pure. */
#ifndef SWARM_COMMON_IO_HOSTPORT_H
#define SWARM_COMMON_IO_HOSTPORT_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

#define SW_HOST_MAX 256

struct sockaddr_storage;

struct sw_hostport {
    char host[SW_HOST_MAX]; /* without brackets; "" when @s was ":port" */
    uint16_t port;
};

/**
 * sw_hostport_parse() - "10.0.0.1:2377", "[fd00::1]:2377", "name:2377", ":2377"
 * @default_port: when there is none; 0 = it must be there
 *
 * Return: 0; SW_E_INVALID in words.
 */
int sw_hostport_parse(const char *s, uint16_t default_port, struct sw_hostport *out,
                      struct sw_err *err);
/** sw_hostport_numeric() - the socket address of a numeric host; "" is the wildcard of both
 * families. Return: 0; SW_E_INVALID when the host is a name. */
int sw_hostport_numeric(const struct sw_hostport *hp, struct sockaddr_storage *out,
                        struct sw_err *err);

#endif
