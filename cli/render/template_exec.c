/* SPDX-License-Identifier: Apache-2.0
 *
 * The executor: walks the tree with a current value ("dot") and a stack of variables. Values are
 * JSON; expressions return a new reference. Output is bounded by OUTPUT_MAX. */
#include <string.h>
#include <strings.h>

#include "cli/render/template_tree.h"

#define OUTPUT_MAX (64u << 20)

struct variable {
    const char *name; /* borrowed from the tree */
    json_t *value;
};

struct exec {
    const struct tmpl *t;
    const struct tmpl_options *opt;
    struct sw_buf *out;
    struct sw_err *err;
    struct variable *vars;
    size_t n_vars;
};

static int run(struct exec *x, const struct tmpl_node *n, const json_t *dot);
static int eval_pipe(struct exec *x, const struct tmpl_node *n, const json_t *dot, json_t **out);

static int fail_at(struct exec *x, const struct tmpl_node *n, const char *what)
{
    unsigned line, column;

    tmpl_place(x->t->source, n->at, &line, &column);
    return sw_err_set(x->err, SW_E_INVALID, "template: :%u:%u: executing \"\" at <%s>: %s", line,
                      column, n->text != NULL ? n->text : "pipeline", what);
}

static void push(struct exec *x, const char *name, json_t *value)
{
    x->vars = cli_grow(x->vars, (x->n_vars + 1) * sizeof(*x->vars));
    x->vars[x->n_vars++] = (struct variable){ name, json_incref(value) };
}

static void pop_to(struct exec *x, size_t n)
{
    while (x->n_vars > n)
        json_decref(x->vars[--x->n_vars].value);
}

static struct variable *variable(struct exec *x, const char *name)
{
    for (size_t i = x->n_vars; i-- > 0;) {
        if (strcmp(x->vars[i].name, name) == 0)
            return &x->vars[i];
    }
    return NULL;
}

static json_t *member(const json_t *object, const char *name)
{
    json_t *v = json_object_get(object, name);
    json_t *o = (json_t *)(uintptr_t)object;
    const char *key;
    json_t *each;

    if (v != NULL)
        return v;
    json_object_foreach(o, key, each)
    {
        if (strcasecmp(key, name) == 0)
            return each;
    }
    return NULL;
}

static int missing(struct exec *x, const struct tmpl_node *n, const struct strv *names, size_t i,
                   bool is_object)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf chain = SW_BUF_INIT;
    unsigned line, column;

    for (size_t k = 0; k <= i; k++) {
        if (n->kind == TMPL_VARIABLE)
            sw_buf_printf(&chain, "%c%s", k == 0 ? '$' : '.', names->v[k]);
        else
            sw_buf_printf(&chain, ".%s", names->v[k]);
    }
    tmpl_place(x->t->source, n->at, &line, &column);
    if (is_object)
        return sw_err_set(
            x->err, SW_E_INVALID,
            "template: :%u:%u: executing \"\" at <%s>: map has no entry for key \"%s\"", line,
            column, sw_buf_str(&chain), names->v[i]);
    return sw_err_set(x->err, SW_E_INVALID,
                      "template: :%u:%u: executing \"\" at <%s>: can't evaluate field %s", line,
                      column, sw_buf_str(&chain), names->v[i]);
}

/* Follow names[from..] from @v (consumed). */
static int fields(struct exec *x, const struct tmpl_node *n, size_t from, json_t *v, json_t **out)
{
    for (size_t i = from; i < n->names.n; i++) {
        json_t *next = json_is_object(v) ? json_incref(member(v, n->names.v[i])) : NULL;

        if (next == NULL && json_is_object(v) && x->opt->zero != NULL)
            next = x->opt->zero(i > 0 ? n->names.v[i - 1] : "", n->names.v[i]);
        if (next == NULL && !x->opt->lax && !json_is_null(v)) {
            int r = missing(x, n, &n->names, i, json_is_object(v));

            json_decref(v);
            return r;
        }
        json_decref(v);
        v = next != NULL ? next : json_null();
    }
    *out = v;
    return 0;
}

static int eval_operand(struct exec *x, const struct tmpl_node *n, const json_t *dot, json_t **out)
{
    json_t *d = (json_t *)(uintptr_t)dot;
    struct variable *var = NULL;
    json_t *v = NULL;

    switch (n->kind) {
    case TMPL_LITERAL:
        *out = json_incref(n->literal);
        return 0;
    case TMPL_DOT:
        *out = json_incref(d);
        return 0;
    case TMPL_FIELD:
        return fields(x, n, 0, json_incref(d), out);
    case TMPL_VARIABLE:
        var = variable(x, n->names.v[0]);
        if (var == NULL)
            return fail_at(x, n, "undefined variable");
        return fields(x, n, 1, json_incref(var->value), out);
    case TMPL_CHAIN:
        if (eval_pipe(x, n->kids[0], dot, &v) < 0)
            return x->err->code;
        return fields(x, n, 0, v, out);
    case TMPL_CALL: {
        struct tmpl_call c = { x->opt, NULL, 0 };

        struct sw_err reason;

        if (tmpl_function(n->text, &c, out, &reason) < 0)
            return fail_at(x, n, reason.msg);
        return 0;
    }
    case TMPL_LIST:
    case TMPL_TEXT:
    case TMPL_ACTION:
    case TMPL_IF:
    case TMPL_RANGE:
    case TMPL_WITH:
    case TMPL_PIPE:
    case TMPL_COMMAND:
        break;
    }
    return fail_at(x, n, "not an operand");
}

/* and / or decide by their operands in turn, without looking at the rest. */
static int eval_logic(struct exec *x, const struct tmpl_node *n, const json_t *dot, json_t *piped,
                      json_t **out)
{
    bool is_and = strcmp(n->kids[0]->text, "and") == 0;
    json_t *v = NULL;

    for (size_t i = 1; i < n->n; i++) {
        json_decref(v);
        v = NULL;
        if (eval_operand(x, n->kids[i], dot, &v) < 0)
            return x->err->code;
        if (tmpl_true(v) != is_and) {
            *out = v;
            return 0;
        }
    }
    if (piped != NULL) {
        json_decref(v);
        v = json_incref(piped);
    }
    if (v == NULL)
        return fail_at(x, n->kids[0], "wrong number of args");
    *out = v;
    return 0;
}

static int eval_command(struct exec *x, const struct tmpl_node *n, const json_t *dot, json_t *piped,
                        json_t **out)
{
    const struct tmpl_node *f = n->kids[0];
    struct tmpl_call c = { x->opt, NULL, 0 };
    struct sw_err reason;
    int r = 0;

    if (f->kind != TMPL_CALL) {
        if (piped != NULL)
            return fail_at(x, f, "can't give argument to non-function");
        return eval_operand(x, f, dot, out);
    }
    if (strcmp(f->text, "and") == 0 || strcmp(f->text, "or") == 0)
        return eval_logic(x, n, dot, piped, out);
    c.argv = cli_alloc((n->n + 1) * sizeof(json_t *));
    for (size_t i = 1; i < n->n && r == 0; i++) {
        r = eval_operand(x, n->kids[i], dot, &c.argv[c.argc]);
        c.argc += r == 0;
    }
    if (r == 0 && piped != NULL)
        c.argv[c.argc++] = json_incref(piped);
    if (r == 0 && tmpl_function(f->text, &c, out, &reason) < 0)
        r = fail_at(x, f, reason.msg);
    for (size_t i = 0; i < c.argc; i++)
        json_decref(c.argv[i]);
    sw_free(c.argv);
    return r;
}

/* The value of a pipeline; declarations are left to the caller, who knows their scope. */
static int eval_pipe(struct exec *x, const struct tmpl_node *n, const json_t *dot, json_t **out)
{
    json_t *v = NULL;

    for (size_t i = 0; i < n->n; i++) {
        json_t *next = NULL;
        int r = eval_command(x, n->kids[i], dot, v, &next);

        json_decref(v);
        if (r < 0)
            return r;
        v = next;
    }
    *out = v;
    return 0;
}

static int declare(struct exec *x, const struct tmpl_node *pipe, json_t *v)
{
    for (size_t i = 0; i < pipe->names.n; i++) {
        struct variable *var = pipe->assigns ? variable(x, pipe->names.v[i]) : NULL;

        if (!pipe->assigns) {
            push(x, pipe->names.v[i], v);
        } else if (var == NULL) {
            return fail_at(x, pipe, "undefined variable");
        } else {
            json_decref(var->value);
            var->value = json_incref(v);
        }
    }
    return 0;
}

static int run_each(struct exec *x, const struct tmpl_node *n, json_t *key, json_t *v)
{
    const struct strv *names = &n->pipe->names;
    size_t mark = x->n_vars;
    int r;

    if (names->n == 2)
        push(x, names->v[0], key);
    if (names->n > 0)
        push(x, names->v[names->n - 1], v);
    r = run(x, n->then, v);
    pop_to(x, mark);
    return r;
}

static int run_range(struct exec *x, const struct tmpl_node *n, const json_t *dot)
{
    SW_CLEANUP(strv_fini) struct strv keys = { 0 };
    json_t *v = NULL;
    size_t count;
    int r = 0;

    if (eval_pipe(x, n->pipe, dot, &v) < 0)
        return x->err->code;
    if (json_is_object(v))
        js_sorted_keys(v, &keys);
    else if (!json_is_array(v) && !json_is_null(v))
        r = fail_at(x, n->pipe, "range can't iterate over this value");
    count = json_is_object(v) ? keys.n : json_array_size(v);
    for (size_t i = 0; i < count && r == 0; i++) {
        json_t *key = json_is_object(v) ? js_string(keys.v[i]) : json_integer((json_int_t)i);
        json_t *each = json_is_object(v) ? json_object_get(v, keys.v[i]) : json_array_get(v, i);

        r = run_each(x, n, key, each);
        json_decref(key);
    }
    if (r == 0 && count == 0 && n->other != NULL)
        r = run(x, n->other, dot);
    json_decref(v);
    return r;
}

static int run_if(struct exec *x, const struct tmpl_node *n, const json_t *dot)
{
    size_t mark = x->n_vars;
    json_t *v = NULL;
    int r = 0;

    if (eval_pipe(x, n->pipe, dot, &v) < 0)
        return x->err->code;
    r = declare(x, n->pipe, v);
    if (r == 0 && tmpl_true(v))
        r = run(x, n->then, n->kind == TMPL_WITH ? v : dot);
    else if (r == 0 && n->other != NULL)
        r = run(x, n->other, dot);
    pop_to(x, mark);
    json_decref(v);
    return r;
}

static int run_action(struct exec *x, const struct tmpl_node *n, const json_t *dot)
{
    json_t *v = NULL;
    int r;

    if (eval_pipe(x, n->pipe, dot, &v) < 0)
        return x->err->code;
    if (n->pipe->names.n > 0)
        r = declare(x, n->pipe, v);
    else {
        tmpl_print(x->out, v);
        r = x->out->len > OUTPUT_MAX ? fail_at(x, n, "output too large") : 0;
    }
    json_decref(v);
    return r;
}

static int run(struct exec *x, const struct tmpl_node *n, const json_t *dot)
{
    int r = 0;

    switch (n->kind) {
    case TMPL_LIST:
        for (size_t i = 0; i < n->n && r == 0; i++)
            r = run(x, n->kids[i], dot);
        return r;
    case TMPL_TEXT:
        sw_buf_add(x->out, n->text, n->text_len);
        return 0;
    case TMPL_ACTION:
        return run_action(x, n, dot);
    case TMPL_RANGE:
        return run_range(x, n, dot);
    case TMPL_IF:
    case TMPL_WITH:
        return run_if(x, n, dot);
    case TMPL_PIPE:
    case TMPL_COMMAND:
    case TMPL_DOT:
    case TMPL_FIELD:
    case TMPL_VARIABLE:
    case TMPL_CHAIN:
    case TMPL_CALL:
    case TMPL_LITERAL:
        break;
    }
    return fail_at(x, n, "not a statement");
}

int tmpl_exec(const struct tmpl *t, const json_t *dot, const struct tmpl_options *opt,
              struct sw_buf *out, struct sw_err *err)
{
    struct exec x = { .t = t, .opt = opt, .out = out, .err = err };
    int r;

    push(&x, "", (json_t *)(uintptr_t)dot); /* $ */
    r = run(&x, t->root, dot);
    pop_to(&x, 0);
    sw_free(x.vars);
    return r;
}
