/* SPDX-License-Identifier: Apache-2.0
 * template_tree.h - what the template parser hands to the executor. */
#ifndef SWARM_CLI_RENDER_TEMPLATE_TREE_H
#define SWARM_CLI_RENDER_TEMPLATE_TREE_H

#include "cli/render/template.h"

enum tmpl_kind {
    /* statements */
    TMPL_LIST,   /* kids in order */
    TMPL_TEXT,   /* text */
    TMPL_ACTION, /* pipe */
    TMPL_IF,     /* pipe, then, other */
    TMPL_RANGE,  /* pipe, then, other */
    TMPL_WITH,   /* pipe, then, other */
    /* expressions */
    TMPL_PIPE,     /* kids are commands; names are the variables it declares */
    TMPL_COMMAND,  /* kids are the function and its arguments, or one operand */
    TMPL_DOT,      /* . */
    TMPL_FIELD,    /* names: .a.b.c */
    TMPL_VARIABLE, /* names: $x.a.b, first without the dollar */
    TMPL_CHAIN,    /* kids[0] is a pipe in parentheses, names are the fields behind it */
    TMPL_CALL,     /* text: name of a function */
    TMPL_LITERAL,  /* literal */
};

struct tmpl_node {
    enum tmpl_kind kind;
    size_t at; /* byte in the source */
    char *text;
    size_t text_len;
    struct strv names;
    bool assigns; /* of a pipe: "=" instead of ":=" */
    json_t *literal;
    struct tmpl_node **kids;
    size_t n;
    struct tmpl_node *pipe, *then, *other;
};

struct tmpl {
    char *source;
    struct tmpl_node *root;
};

void tmpl_node_free(struct tmpl_node *n);
/** tmpl_place() - line and column (both from 1; column in bytes from 0 as Go counts) of @at. */
void tmpl_place(const char *source, size_t at, unsigned *line, unsigned *column);
bool tmpl_is_function(const char *name, size_t len);

struct tmpl_call {
    const struct tmpl_options *opt;
    json_t **argv; /* borrowed; the last one is the pipeline's value */
    size_t argc;
};
/** tmpl_function() - @out: a new reference. Return: 0 or SW_E_INVALID with the bare reason. */
int tmpl_function(const char *name, const struct tmpl_call *c, json_t **out, struct sw_err *err);
/** tmpl_print() - "%v" of a value. */
void tmpl_print(struct sw_buf *out, const json_t *v);
bool tmpl_true(const json_t *v);

#endif
