/* SPDX-License-Identifier: Apache-2.0
 * table.h - lists of things: tables, templates, JSON lines, ids.
 *
 * A row is a JSON object whose members are the columns, all of them also available to --format. */
#ifndef SWARM_CLI_RENDER_TABLE_H
#define SWARM_CLI_RENDER_TABLE_H

#include "cli/spec/js.h"
#include "common/base/err.h"

struct table_column {
    const char *field;
    const char *header; /* NULL: not for tables */
};

struct table {
    const struct table_column *columns; /* the ones a header exists for */
    size_t n_columns;
    const char *standard; /* template behind "table ": "{{.ID}}\t{{.Name}}" */
    const char *id;       /* what --quiet shows */
};

/** table_print() - @format: "", "table", "table TEMPLATE", "json" or a template; "" is
 * @t->standard.
 * @rows: array of row objects. Return: 0; SW_E_INVALID for a bad template. */
int table_print(struct sw_buf *out, const struct table *t, const json_t *rows, const char *format,
                bool quiet, struct sw_err *err);

#endif
