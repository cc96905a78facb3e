/* SPDX-License-Identifier: Apache-2.0
 * network.h - subnets, gateways and ranges of "network create". */
#ifndef SWARM_CLI_CMD_NETWORK_H
#define SWARM_CLI_CMD_NETWORK_H

#include "cli/cmd/command.h"

/** network_ipam() - the options subnet, gateway, ip-range and aux-address as IPAM.Config entries.
 * Each gateway and range goes to the subnet that holds it. */
int network_ipam(const struct args *args, json_t *config, struct sw_err *err);
/** network_holds() - is @ip (or the first address of CIDR @ip) inside CIDR @subnet? */
bool network_holds(const char *subnet, const char *ip);

#endif
