/* SPDX-License-Identifier: Apache-2.0
 * common.h - what most commands do: list, inspect, remove, look a name up. */
#ifndef SWARM_CLI_CMD_COMMON_H
#define SWARM_CLI_CMD_COMMON_H

#include "cli/cmd/command.h"
#include "cli/render/table.h"

#define FORMAT_HELP                                                                                \
    "Format output using a custom template:\n"                                                     \
    "'table':            Print output in table format with column headers (default)\n"             \
    "'table TEMPLATE':   Print output in table format using the given Go template\n"               \
    "'json':             Print in JSON format\n"                                                   \
    "'TEMPLATE':         Print output using the given Go template.\n"                              \
    "Refer to https://docs.docker.com/go/formatting/ for more information about formatting "       \
    "output with templates"
#define INSPECT_FORMAT_HELP                                                                        \
    "Format output using a custom template:\n"                                                     \
    "'json':             Print in JSON format\n"                                                   \
    "'TEMPLATE':         Print output using the given Go template.\n"                              \
    "Refer to https://docs.docker.com/go/formatting/ for more information about formatting "       \
    "output with templates"

#define OPTION_FILTER                                                                              \
    {                                                                                              \
        "filter", 'f', OPT_LIST, "filter", "Filter output based on conditions provided", NULL,     \
            filters_check, false                                                                   \
    }
#define OPTION_FORMAT                                                                              \
    {                                                                                              \
        "format", 0, OPT_STRING, NULL, FORMAT_HELP, NULL, NULL, false                              \
    }
#define OPTION_QUIET_IDS                                                                           \
    {                                                                                              \
        "quiet", 'q', OPT_BOOL, NULL, "Only display IDs", NULL, NULL, false                        \
    }
#define OPTION_NO_TRUNC                                                                            \
    {                                                                                              \
        "no-trunc", 0, OPT_BOOL, NULL, "Do not truncate output", NULL, NULL, false                 \
    }
#define OPTION_INSPECT_FORMAT                                                                      \
    {                                                                                              \
        "format", 'f', OPT_STRING, NULL, INSPECT_FORMAT_HELP, NULL, NULL, false                    \
    }
#define OPTION_PRETTY                                                                              \
    {                                                                                              \
        "pretty", 0, OPT_BOOL, NULL, "Print the information in a human friendly format", NULL,     \
            NULL, false                                                                            \
    }

/** cmd_filters() - the --filter options as the API's object. Returned. */
int cmd_filters(const struct args *args, json_t **out, struct sw_err *err);
/** cmd_list() - GET @path with @filters. */
int cmd_list(struct cli *cli, const char *path, const json_t *filters, json_t **out,
             struct sw_err *err);
/** cmd_table() - print @rows with the options --format and --quiet. */
int cmd_table(const struct table *t, const json_t *rows, const struct args *args,
              struct sw_err *err);
/** cmd_get() - GET <before><name>. @before: "/nodes/" */
int cmd_get(struct cli *cli, const char *before, const char *name, json_t **out,
            struct sw_err *err);
/** cmd_post() - POST @path with @body; the answer is dropped. */
int cmd_post(struct cli *cli, const char *path, const json_t *body, struct sw_err *err);

/** cmd_lost_race() - somebody else changed the object between reading and writing it: read again.
 * @tries: counted, CMD_TRIES at most. */
#define CMD_TRIES 5
bool cmd_lost_race(int r, const struct sw_err *err, unsigned *tries);

/** cmd_each() - run @one for each operand. Errors are printed as they come. Return: 0, or 1 when
 * one failed. @one prints what it did. */
int cmd_each(struct cli *cli, const struct args *args,
             int (*one)(struct cli *cli, const struct args *args, const char *name,
                        struct sw_err *err));

/* Where inspect finds an object: raw JSON text, so that numbers and order stay as they came. */
typedef int (*inspect_get)(struct cli *cli, const char *name, struct sw_buf *raw,
                           struct sw_err *err);
/* Human form of one object. */
typedef void (*inspect_pretty)(struct cli *cli, struct sw_buf *out, const json_t *object);
/** cmd_inspect() - print all operands as one JSON array, or by --format, or by @pretty. */
int cmd_inspect(struct cli *cli, const struct args *args, inspect_get get, inspect_pretty pretty,
                struct sw_err *err);
/** cmd_inspect_names() - the same with the names in @names. */
int cmd_inspect_names(struct cli *cli, const struct strv *names, const char *format,
                      inspect_get get, inspect_pretty pretty, struct sw_err *err);
/** inspect_path() - GET <before><name><after> into @raw: the body of most inspect_get functions. */
int inspect_path(struct cli *cli, const char *before, const char *name, const char *after,
                 struct sw_buf *raw, struct sw_err *err);

/** cmd_id() - 12 characters of an id, or all of it. Returned. */
char *cmd_id(const char *id, bool full);
int64_t cmd_time(const json_t *object, const char *path); /* RFC 3339 in ns since 1970, 0: never */
char *cmd_ago(int64_t then_ns);
/** cmd_labels() - "a=b,c=d". Returned. */
char *cmd_labels(const json_t *labels);
/** cmd_read() - a whole file; "-" is standard input. At most @max bytes. */
int cmd_read(const char *path, size_t max, struct sw_buf *out, struct sw_err *err);
/** cmd_confirm() - ask on the terminal; no input means no. */
bool cmd_confirm(const char *question);
const char *cmd_getenv(void *unused, const char *name); /* an env_lookup */
/** cmd_print() - a JSON string list, one a line, to standard error: warnings of an answer. */
void cmd_warnings(const json_t *answer);

#endif
