/* SPDX-License-Identifier: Apache-2.0
 * command.h - the tree of commands and what a command is given.
 *
 * A group (service) has subs, a leaf (service ls) has run. To add a command: write its row in the
 * group's table; help, option parsing and argument counts come from the row. */
#ifndef SWARM_CLI_CMD_COMMAND_H
#define SWARM_CLI_CMD_COMMAND_H

#include "cli/client/client.h"
#include "cli/client/url.h"
#include "cli/cmd/option.h"
#include "cli/spec/js.h"

#define CMD_ANY  (-1) /* no upper bound */
#define CMD_HELP 256  /* returned by run: show the command's help, exit with 0 */

struct cli {
    const char *program; /* "swarm" or "docker", as called */
    struct client *client;
    char *host;
    size_t width; /* columns of the terminal, 80 when there is none */
};

struct command {
    const char *name;
    const char *aliases; /* separated by blanks, NULL: none */
    const char *usage;   /* behind the command's path: "[OPTIONS] SERVICE [SERVICE...]" */
    const char *summary;
    const struct option *options; /* ends with OPTION_END, NULL: none */
    int min, max;                 /* operands */
    bool options_first;
    /* Return: 0; > 0 an exit status, everything was said already; < 0 with @err filled. */
    int (*run)(struct cli *cli, const struct args *args, struct sw_err *err);
    const struct command *subs; /* ends with a row without name */
    bool hidden;
};

/** command_main() - find the command, parse, run, report. Return: the exit status. */
int command_main(int argc, char **argv);
/** command_path() - "docker service" or, for the swarm program, "swarm service". For the group
 * "swarm" itself the swarm program says "swarm" once. Returned, release with sw_free(). */
char *command_say(const struct cli *cli, const char *words);

/** cli_client() - the connection, made at the first call. */
int cli_client(struct cli *cli, struct client **out, struct sw_err *err);
/** cli_report() - print an error the way docker does, in full. */
void cli_report(const struct cli *cli, const struct sw_err *err);
/** cli_get() - client_call("GET", path). */
int cli_get(struct cli *cli, const char *path, json_t **out, struct sw_err *err);

/* The groups, one per file. */
extern const struct command cmd_swarm[];
extern const struct command cmd_node[];
extern const struct command cmd_service[];
extern const struct command cmd_network[];
extern const struct command cmd_secret[];
extern const struct command cmd_config[];
extern const struct command cmd_stack[];
extern const struct command cmd_image[];
extern const struct command cmd_volume[];
extern const struct command cmd_system[];
extern const struct command cmd_container[];

#endif
