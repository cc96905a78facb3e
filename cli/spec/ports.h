/* SPDX-License-Identifier: Apache-2.0
 * ports.h - published ports, short and long form. Pure.
 *
 * Short: "8080:80/tcp", "8000-8010:8000-8010", "80" (published port chosen by the cluster).
 * Long:  "published=8080,target=80,protocol=tcp,mode=ingress". */
#ifndef SWARM_CLI_SPEC_PORTS_H
#define SWARM_CLI_SPEC_PORTS_H

#include "cli/spec/js.h"
#include "common/base/err.h"

/** ports_parse() - append the PortConfig objects of @s to the array @out.
 * Return: 0; SW_E_INVALID, @out may then hold a part. */
int ports_parse(const char *s, json_t *out, struct sw_err *err);
/** ports_parse_short() - the short form alone; @keep_ip: accept and drop an address (compose). */
int ports_parse_short(const char *s, bool keep_ip, json_t *out, struct sw_err *err);
int ports_check(const char *s, struct sw_err *err); /* ports_parse() for its error */
/** ports_range() - "80" or "80-90". Return: 0 or SW_E_INVALID. */
int ports_range(const char *s, int *from, int *to, struct sw_err *err);
json_t *ports_config(const char *protocol, int target, int published, const char *mode);

#endif
