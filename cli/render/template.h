/* SPDX-License-Identifier: Apache-2.0
 * template.h - the part of Go's text/template that --format users write.
 *
 * Actions: fields and chains, variables, pipelines, parentheses, literals, if/else if/else, range,
 * with, comments, {{- trim -}}. Functions: json join split upper lower title pad truncate print
 * printf println len index slice eq ne lt le gt ge and or not. A field is looked up by its exact
 * name, then without regard to case ("ID" finds "Id"). Pure. */
#ifndef SWARM_CLI_RENDER_TEMPLATE_H
#define SWARM_CLI_RENDER_TEMPLATE_H

#include <stdbool.h>

#include "cli/spec/js.h"
#include "common/base/err.h"

struct tmpl;

struct tmpl_options {
    bool header;     /* a table's header: upper, json and the like leave their text alone */
    bool json_order; /* {{json}} keeps the order of keys (inspect) instead of sorting them */
    bool lax;        /* an unknown field prints nothing instead of being an error */
    /* What a field that is absent stands for: the API leaves empty ones out. @parent: the field
     * before it, "" at the top. Return: a new reference, NULL when there is no such field. */
    json_t *(*zero)(const char *parent, const char *field);
};

/** tmpl_parse() - @out: returned, release with tmpl_free(). @text: copied.
 * Return: 0; SW_E_INVALID with Go's wording of the place. */
int tmpl_parse(struct tmpl **out, const char *text, struct sw_err *err);
void tmpl_free(struct tmpl *t);
SW_DEFINE_CLEANUP(tmpl_free, struct tmpl *);

/** tmpl_exec() - append the result for @dot. Return: 0; SW_E_INVALID, @out then holds a part. */
int tmpl_exec(const struct tmpl *t, const json_t *dot, const struct tmpl_options *opt,
              struct sw_buf *out, struct sw_err *err);

/** tmpl_unescape() - "\t" and "\n" written as two characters become the control characters. */
char *tmpl_unescape(const char *s);

#endif
