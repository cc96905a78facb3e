/* SPDX-License-Identifier: Apache-2.0
 * option.h - options of one command, from a table that also makes its help.
 *
 * Forms: --name value, --name=value, -n value, -nvalue, -abc for switches, -- ends options.
 * A switch takes a value only behind '='. */
#ifndef SWARM_CLI_CMD_OPTION_H
#define SWARM_CLI_CMD_OPTION_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/spec/mem.h"
#include "common/base/err.h"

enum opt_type {
    OPT_BOOL,
    OPT_STRING, /* the last one counts */
    OPT_LIST,   /* all count */
    OPT_UINT,
    OPT_INT,
    OPT_FLOAT,
    OPT_DURATION, /* 1m30s */
    OPT_BYTES,    /* 64M */
    OPT_CPUS,     /* 0.5 */
};

struct option {
    const char *name;
    char letter; /* 0: none */
    enum opt_type type;
    const char *arg; /* how the help calls the value; NULL: by type */
    const char *help;
    const char *standard; /* shown as default, NULL: none */
    /* Further check of a value at parse time. Return: 0 or SW_E_INVALID. */
    int (*check)(const char *value, struct sw_err *err);
    bool hidden;
};

#define OPTION_END                                                                                 \
    {                                                                                              \
        NULL, 0, OPT_BOOL, NULL, NULL, NULL, NULL, false                                           \
    }

struct opt_value {
    bool set;
    struct strv list;
};

struct args {
    const struct option *options;
    size_t n_options;
    struct opt_value *values; /* one per option */
    struct strv pos;          /* what is not an option */
};

/** args_parse() - @argv without the command's own name; all is copied.
 * @interspersed: options may come after the first operand
 * Return: 0; ARGS_HELP when --help was among them; SW_E_INVALID in Docker's words. */
#define ARGS_HELP 1
int args_parse(struct args *a, const struct option *options, size_t n_options, char *const *argv,
               size_t argc, bool interspersed, struct sw_err *err);
void args_fini(struct args *a);

/* Getters. An option that the command's table lacks counts as not given. */
bool args_set(const struct args *a, const char *name);
const char *args_str(const struct args *a, const char *name); /* "" when not given */
const struct strv *args_list(const struct args *a, const char *name);
bool args_bool(const struct args *a, const char *name);
uint64_t args_uint(const struct args *a, const char *name);
int64_t args_int(const struct args *a, const char *name);
double args_float(const struct args *a, const char *name);
int64_t args_ns(const struct args *a, const char *name);
int64_t args_bytes(const struct args *a, const char *name);
int64_t args_nano(const struct args *a, const char *name);

size_t options_count(const struct option *options); /* rows before OPTION_END; 0 for NULL */

/** options_help() - the "Options:" block, wrapped at @width columns as Docker's help is. */
void options_help(struct sw_buf *out, const struct option *options, size_t n, size_t width);

#endif
