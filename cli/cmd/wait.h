/* SPDX-License-Identifier: Apache-2.0
 * wait.h - wait until a service has converged, and show how it goes. */
#ifndef SWARM_CLI_CMD_WAIT_H
#define SWARM_CLI_CMD_WAIT_H

#include "cli/cmd/command.h"

/** wait_service() - polls until the service is as asked and stayed so for its monitor time.
 * An interrupt ends the waiting, not the service: a hint is printed and 0 returned.
 * Return: 0; SW_E_INTERNAL "service update paused: ...", "service rolled back: ..."; errors of the
 * requests. */
int wait_service(struct cli *cli, const char *service, bool quiet, struct sw_err *err);

#endif
