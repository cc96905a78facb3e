/* SPDX-License-Identifier: Apache-2.0
 * conf.h - command-line options from a table. Pure: prints nothing, exits never.
 *
 * A program has a struct with one member per option and a table whose rows say where each goes:
 *
 *   struct options { const char *state_dir; int64_t port; int64_t grace_ns; bool debug; };
 *   static const struct sw_opt rows[] = {
 *       { .name = "state-dir", .type = SW_OPT_STRING, .at = offsetof(struct options, state_dir),
 *         .arg = "DIR", .def = "/var/lib/swarm", .help = "Where state is kept" },
 *       { .name = "port", .letter = 'p', .type = SW_OPT_INT, .at = offsetof(struct options, port),
 *         .arg = "PORT", .def = "2377", .min = 1, .max = 65535, .help = "Port to listen on" },
 *   };
 *
 * Accepted: --name VALUE, --name=VALUE, -n VALUE, -nVALUE, -ab for flags, --flag=false, "--" ends
 * the options. --help, -h and --version are always there. */
#ifndef SWARM_COMMON_CONF_CONF_H
#define SWARM_COMMON_CONF_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/base/err.h"

#define SW_OPT_LIST_MAX 64

/* What an option is, and the type of the member at sw_opt.at. */
enum sw_opt_type {
    SW_OPT_FLAG,     /* bool */
    SW_OPT_STRING,   /* const char *, borrowed from argv or the table */
    SW_OPT_LIST,     /* struct sw_opt_list: may be given more than once */
    SW_OPT_INT,      /* int64_t within min..max */
    SW_OPT_DURATION, /* int64_t nanoseconds within min..max; Go's form, "1m30s" */
    SW_OPT_SIZE,     /* int64_t bytes within min..max; "64k", "1.5m", "2g" (powers of 1024) */
    SW_OPT_CHOICE,   /* int64_t: index into choices */
};

struct sw_opt_list {
    size_t n;
    const char *items[SW_OPT_LIST_MAX]; /* borrowed from argv */
};

struct sw_opt {
    const char *name; /* without the dashes */
    char letter;      /* short form, 0 = none */
    enum sw_opt_type type;
    size_t at;       /* offset of the member */
    const char *arg; /* "DIR": name of the value in help */
    const char *def; /* text as a user would write it; NULL: zero, NULL, empty */
    int64_t min;     /* both 0: no range */
    int64_t max;
    const char *unit;           /* for help: "bytes"; NULL = none */
    const char *const *choices; /* CHOICE: NULL-terminated */
    const char *help;           /* one sentence without a full stop */
    bool hidden;                /* not in help */
};

struct sw_conf {
    const char *program;
    const char *usage;   /* "[OPTIONS]" */
    const char *summary; /* a sentence or two */
    const struct sw_opt *rows;
    size_t n_rows;
    bool stop_at_first; /* options end at the first word that is none (for subcommands) */
};

#define SW_CONF_HELP    1
#define SW_CONF_VERSION 2

/**
 * sw_conf_parse() - defaults, then the command line
 * @argv: reordered so that words that are no options come last; strings are borrowed
 * @out:  the program's struct, filled; on failure its content is undefined
 * @rest: returned, index of the first word that is no option; may be NULL
 *
 * Return: 0; SW_CONF_HELP; SW_CONF_VERSION; SW_E_INVALID in words that name the option, e.g.
 * "--port: 70000 is not between 1 and 65535".
 */
int sw_conf_parse(const struct sw_conf *conf, int argc, char **argv, void *out, int *rest,
                  struct sw_err *err);
/** sw_conf_set() - one option from elsewhere (environment, file), checked alike.
 * @from: names the source in errors: "SWARM_PORT" or "--port". */
int sw_conf_set(const struct sw_opt *row, const char *value, const char *from, void *out,
                struct sw_err *err);
/** sw_conf_help() - the text of --help, appended; a failure sticks to @out. */
void sw_conf_help(const struct sw_conf *conf, struct sw_buf *out);

#endif
