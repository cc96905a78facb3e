/* SPDX-License-Identifier: Apache-2.0
 * names.h - names of nodes and services by id, each asked for once. */
#ifndef SWARM_CLI_CMD_NAMES_H
#define SWARM_CLI_CMD_NAMES_H

#include "cli/cmd/command.h"

struct names {
    struct cli *cli;
    bool off;      /* --no-resolve: an id is its own name */
    json_t *known; /* "node/<id>" -> name */
};

void names_init(struct names *n, struct cli *cli, bool off);
void names_fini(struct names *n);
const char *names_node(struct names *n,
                       const char *id); /* the id itself when nobody knows; "" for "" */
const char *names_service(struct names *n, const char *id);
/** names_self() - "self" becomes this node's id, all else stays. @out: returned. */
int names_self(struct cli *cli, const char *name, char **out, struct sw_err *err);

#endif
