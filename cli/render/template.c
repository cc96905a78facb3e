/* SPDX-License-Identifier: Apache-2.0
 *
 * The parser. It reads the source in one pass: text up to "{{", then tokens up to "}}". Nesting
 * of blocks and parentheses is bounded by DEPTH_MAX. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "cli/render/template_tree.h"

#define DEPTH_MAX 64

enum token_kind {
    TOK_END,
    TOK_CLOSE,
    TOK_WORD,
    TOK_FIELD,
    TOK_DOT,
    TOK_VAR,
    TOK_STRING,
    TOK_NUMBER,
    TOK_OTHER
};

struct token {
    enum token_kind kind;
    size_t at, len;
    bool spaced; /* white space came before it */
};

struct parser {
    const char *src;
    size_t pos, len;
    bool trim; /* the last action ended in "-}}" */
    struct token tok;
    unsigned depth;
    struct sw_err *err;
};

static struct tmpl_node *node_new(enum tmpl_kind kind, size_t at)
{
    struct tmpl_node *n = cli_alloc(sizeof(*n));

    n->kind = kind;
    n->at = at;
    return n;
}

static void add_kid(struct tmpl_node *parent, struct tmpl_node *kid)
{
    parent->kids = cli_grow(parent->kids, (parent->n + 1) * sizeof(struct tmpl_node *));
    parent->kids[parent->n++] = kid;
}

void tmpl_node_free(struct tmpl_node *n)
{
    if (n == NULL)
        return;
    for (size_t i = 0; i < n->n; i++)
        tmpl_node_free(n->kids[i]);
    sw_free(n->kids);
    tmpl_node_free(n->pipe);
    tmpl_node_free(n->then);
    tmpl_node_free(n->other);
    sw_free(n->text);
    strv_fini(&n->names);
    json_decref(n->literal);
    sw_free(n);
}
SW_DEFINE_CLEANUP(tmpl_node_free, struct tmpl_node *);

void tmpl_place(const char *source, size_t at, unsigned *line, unsigned *column)
{
    *line = 1;
    *column = 0;
    for (size_t i = 0; i < at && source[i] != '\0'; i++) {
        (*column)++;
        if (source[i] == '\n') {
            (*line)++;
            *column = 0;
        }
    }
}

static int fail(struct parser *p, size_t at, const char *what)
{
    unsigned line, column;

    tmpl_place(p->src, at, &line, &column);
    return sw_err_set(p->err, SW_E_INVALID, "template: :%u: %s", line, what);
}

static int fail_token(struct parser *p, const char *where)
{
    SW_CLEANUP(sw_free_ptr) char *text = NULL;

    if (p->tok.kind == TOK_END)
        return fail(p, p->tok.at, "unclosed action");
    if (p->tok.kind == TOK_CLOSE)
        text = cli_printf("unexpected \"}}\" in %s", where);
    else
        text = cli_printf("unexpected \"%.*s\" in %s", (int)p->tok.len, p->src + p->tok.at, where);
    return fail(p, p->tok.at, text);
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static size_t string_end(const struct parser *p, size_t at)
{
    char quote = p->src[at];

    for (size_t i = at + 1; i < p->len; i++) {
        if (quote != '`' && p->src[i] == '\\')
            i++;
        else if (p->src[i] == quote)
            return i + 1;
        else if (quote != '`' && p->src[i] == '\n')
            return 0;
    }
    return 0;
}

/* Read the next token of an action into p->tok. */
static int next(struct parser *p)
{
    size_t at = p->pos;
    size_t end;
    char c;

    while (at < p->len && isspace((unsigned char)p->src[at]))
        at++;
    p->tok = (struct token){ TOK_END, at, 0, at > p->pos };
    if (at >= p->len)
        return 0;
    if (p->src[at] == '-' && strncmp(p->src + at, "-}}", 3) == 0 && p->tok.spaced) {
        p->tok.kind = TOK_CLOSE;
        p->tok.len = 3;
        p->trim = true;
        p->pos = at + 3;
        return 0;
    }
    c = p->src[at];
    end = at + 1;
    if (strncmp(p->src + at, "}}", 2) == 0) {
        p->tok.kind = TOK_CLOSE;
        end = at + 2;
        p->trim = false;
    } else if (c == '"' || c == '`' || c == '\'') {
        p->tok.kind = TOK_STRING;
        end = string_end(p, at);
        if (end == 0)
            return fail(p, at, "unterminated quoted string");
    } else if (isdigit((unsigned char)c) ||
               ((c == '-' || c == '+') && isdigit((unsigned char)p->src[at + 1]))) {
        p->tok.kind = TOK_NUMBER;
        while (end < p->len && (is_word(p->src[end]) || p->src[end] == '.'))
            end++;
    } else if (c == '.') {
        while (end < p->len && is_word(p->src[end]))
            end++;
        p->tok.kind = end > at + 1 ? TOK_FIELD : TOK_DOT;
    } else if (c == '$' || is_word(c)) {
        while (end < p->len && is_word(p->src[end]))
            end++;
        p->tok.kind = c == '$' ? TOK_VAR : TOK_WORD;
    } else {
        p->tok.kind = TOK_OTHER;
        if (c == ':' && p->src[at + 1] == '=')
            end = at + 2;
    }
    p->tok.len = end - at;
    p->pos = end;
    return 0;
}

static bool tok_is(const struct parser *p, const char *s)
{
    return p->tok.kind != TOK_STRING && p->tok.len == strlen(s) &&
           strncmp(p->src + p->tok.at, s, p->tok.len) == 0;
}

/* The value of a quoted literal at [at, at + len). */
static json_t *unquote(const char *s, size_t len)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf b = SW_BUF_INIT;
    static const char escapes[] = "n\nt\tr\rb\bf\fv\va\a";

    for (size_t i = 1; i + 1 < len; i++) {
        if (s[0] != '`' && s[i] == '\\') {
            const char *e = strchr(escapes, s[++i]);

            sw_buf_putc(&b, e != NULL && (e - escapes) % 2 == 0 ? e[1] : s[i]);
        } else {
            sw_buf_putc(&b, s[i]);
        }
    }
    return js_string(sw_buf_str(&b));
}

static json_t *number(const char *s, size_t len)
{
    SW_CLEANUP(sw_free_ptr) char *text = cli_strndup(s, len);
    char *end = NULL;
    long long i = strtoll(text, &end, 0);

    if (*end == '\0')
        return json_integer(i);
    return json_real(strtod(text, NULL));
}

static int parse_pipe(struct parser *p, struct tmpl_node **out, bool in_parens);

/* Fields written directly behind an operand: (x).a.b or $x.a.b */
static int take_fields(struct parser *p, struct tmpl_node *n)
{
    while (p->tok.kind == TOK_FIELD && !p->tok.spaced) {
        strv_take(&n->names, cli_strndup(p->src + p->tok.at + 1, p->tok.len - 1));
        if (next(p) < 0)
            return p->err->code;
    }
    return 0;
}

static int parse_parens(struct parser *p, struct tmpl_node **out)
{
    SW_CLEANUP(tmpl_node_free_ptr) struct tmpl_node *n = node_new(TMPL_CHAIN, p->tok.at);
    struct tmpl_node *inner = NULL;

    if (++p->depth > DEPTH_MAX)
        return fail(p, p->tok.at, "too deeply nested");
    if (next(p) < 0 || parse_pipe(p, &inner, true) < 0)
        return p->err->code;
    add_kid(n, inner);
    p->depth--;
    if (next(p) < 0 || take_fields(p, n) < 0)
        return p->err->code;
    *out = sw_steal(n);
    return 0;
}

/* Return: 0 with *out == NULL when the token begins no operand. */
static int parse_operand(struct parser *p, struct tmpl_node **out)
{
    SW_CLEANUP(tmpl_node_free_ptr) struct tmpl_node *n = NULL;
    const char *s = p->src + p->tok.at;
    size_t len = p->tok.len;

    *out = NULL;
    if (tok_is(p, "("))
        return parse_parens(p, out);
    n = node_new(TMPL_LITERAL, p->tok.at);
    if (p->tok.kind == TOK_STRING) {
        n->literal = unquote(s, len);
    } else if (p->tok.kind == TOK_NUMBER) {
        n->literal = number(s, len);
    } else if (tok_is(p, "true") || tok_is(p, "false")) {
        n->literal = json_boolean(*s == 't');
    } else if (tok_is(p, "nil")) {
        n->literal = json_null();
    } else if (p->tok.kind == TOK_DOT) {
        n->kind = TMPL_DOT;
    } else if (p->tok.kind == TOK_FIELD) {
        n->kind = TMPL_FIELD;
        p->tok.spaced = false;
        if (take_fields(p, n) < 0)
            return p->err->code;
        *out = sw_steal(n);
        return 0;
    } else if (p->tok.kind == TOK_VAR) {
        n->kind = TMPL_VARIABLE;
        strv_take(&n->names, cli_strndup(s + 1, len - 1));
        if (next(p) < 0 || take_fields(p, n) < 0)
            return p->err->code;
        *out = sw_steal(n);
        return 0;
    } else if (p->tok.kind == TOK_WORD) {
        if (!tmpl_is_function(s, len)) {
            SW_CLEANUP(sw_free_ptr)
            char *what = cli_printf("function \"%.*s\" not defined", (int)len, s);

            return fail(p, p->tok.at, what);
        }
        n->kind = TMPL_CALL;
        n->text = cli_strndup(s, len);
    } else {
        return 0;
    }
    if (next(p) < 0)
        return p->err->code;
    *out = sw_steal(n);
    return 0;
}

static int parse_command(struct parser *p, struct tmpl_node **out)
{
    SW_CLEANUP(tmpl_node_free_ptr) struct tmpl_node *n = node_new(TMPL_COMMAND, p->tok.at);

    for (;;) {
        struct tmpl_node *operand = NULL;

        if (parse_operand(p, &operand) < 0)
            return p->err->code;
        if (operand == NULL)
            break;
        add_kid(n, operand);
    }
    if (n->n == 0)
        return p->tok.kind == TOK_CLOSE ? fail(p, p->tok.at, "missing value for command")
                                        : fail_token(p, "command");
    if (n->n > 1 && n->kids[0]->kind != TMPL_CALL)
        return fail(p, n->at, "can't give argument to non-function");
    *out = sw_steal(n);
    return 0;
}

/* "$x :=", "$k, $v :=" or "$x =" at the head of a pipeline; leaves everything alone otherwise. */
static int parse_declaration(struct parser *p, struct tmpl_node *pipe)
{
    struct parser saved = *p;

    while (p->tok.kind == TOK_VAR && pipe->names.n < 2) {
        strv_take(&pipe->names, cli_strndup(p->src + p->tok.at + 1, p->tok.len - 1));
        if (next(p) < 0)
            return p->err->code;
        if (tok_is(p, ":=") || tok_is(p, "=")) {
            pipe->assigns = tok_is(p, "=");
            return next(p);
        }
        if (!tok_is(p, ","))
            break;
        if (next(p) < 0)
            return p->err->code;
    }
    *p = saved;
    strv_fini(&pipe->names);
    return 0;
}

/* On return p->tok is the closing "}}" or ")". */
static int parse_pipe(struct parser *p, struct tmpl_node **out, bool in_parens)
{
    SW_CLEANUP(tmpl_node_free_ptr) struct tmpl_node *n = node_new(TMPL_PIPE, p->tok.at);

    if (parse_declaration(p, n) < 0)
        return p->err->code;
    for (;;) {
        struct tmpl_node *command = NULL;

        if (parse_command(p, &command) < 0)
            return p->err->code;
        add_kid(n, command);
        if (!tok_is(p, "|"))
            break;
        if (next(p) < 0)
            return p->err->code;
    }
    if (in_parens ? !tok_is(p, ")") : p->tok.kind != TOK_CLOSE)
        return fail_token(p, in_parens ? "parenthesized pipeline" : "operand");
    *out = sw_steal(n);
    return 0;
}

static int parse_list(struct parser *p, struct tmpl_node **out, const char **stop);

static const char *const block_words[] = { "if", "range", "with" };

/* The keyword is the current token. */
static int parse_block(struct parser *p, enum tmpl_kind kind, size_t at, struct tmpl_node **out)
{
    SW_CLEANUP(tmpl_node_free_ptr) struct tmpl_node *n = node_new(kind, at);
    const char *stop = NULL;

    if (++p->depth > DEPTH_MAX)
        return fail(p, at, "too deeply nested");
    if (next(p) < 0 || parse_pipe(p, &n->pipe, false) < 0 || parse_list(p, &n->then, &stop) < 0)
        return p->err->code;
    if (strcmp(stop, "else") == 0) {
        /* "else if x" is an if inside the else branch that shares its end. */
        if (tok_is(p, "if") || tok_is(p, "with")) {
            struct tmpl_node *nested = NULL;

            n->other = node_new(TMPL_LIST, p->tok.at);
            if (parse_block(p, tok_is(p, "if") ? TMPL_IF : TMPL_WITH, p->tok.at, &nested) < 0)
                return p->err->code;
            add_kid(n->other, nested);
            stop = "end";
        } else {
            if (p->tok.kind != TOK_CLOSE)
                return fail_token(p, "else");
            if (parse_list(p, &n->other, &stop) < 0)
                return p->err->code;
        }
    }
    if (strcmp(stop, "end") != 0)
        return fail(p, at, "expected end; found {{else}}");
    p->depth--;
    *out = sw_steal(n);
    return 0;
}

static int parse_action(struct parser *p, struct tmpl_node *list, const char **stop)
{
    struct tmpl_node *n = NULL;
    size_t at = p->tok.at;

    *stop = NULL;
    for (size_t i = 0; i < 3; i++) {
        if (tok_is(p, block_words[i])) {
            if (parse_block(p, (enum tmpl_kind)(TMPL_IF + i), at, &n) < 0)
                return p->err->code;
            add_kid(list, n);
            return 0;
        }
    }
    if (tok_is(p, "end") || tok_is(p, "else")) {
        *stop = tok_is(p, "end") ? "end" : "else";
        if (next(p) < 0)
            return p->err->code;
        if (**stop == 'e' && (*stop)[1] == 'n' && p->tok.kind != TOK_CLOSE)
            return fail_token(p, "end");
        return 0;
    }
    n = node_new(TMPL_ACTION, at);
    add_kid(list, n);
    return parse_pipe(p, &n->pipe, false);
}

static void add_text(struct tmpl_node *list, const char *s, size_t len)
{
    struct tmpl_node *n = NULL;

    if (len == 0)
        return;
    n = node_new(TMPL_TEXT, 0);
    n->text = cli_strndup(s, len);
    n->text_len = len;
    add_kid(list, n);
}

/* Statements up to {{end}}, {{else}} (*stop says which) or, when @stop is NULL, the end. */
static int parse_list(struct parser *p, struct tmpl_node **out, const char **stop)
{
    SW_CLEANUP(tmpl_node_free_ptr) struct tmpl_node *list = node_new(TMPL_LIST, p->pos);
    const char *word = NULL;

    for (;;) {
        const char *open = strstr(p->src + p->pos, "{{");
        size_t start = p->pos;
        size_t end = open != NULL ? (size_t)(open - p->src) : p->len;
        bool trims = open != NULL && open[2] == '-' && isspace((unsigned char)open[3]);

        if (p->trim) {
            while (start < end && isspace((unsigned char)p->src[start]))
                start++;
        }
        p->trim = false;
        p->pos = open != NULL ? end + 2 + trims : p->len;
        for (; trims && end > start && isspace((unsigned char)p->src[end - 1]); end--)
            ;
        add_text(list, p->src + start, end - start);
        if (open == NULL)
            break;
        while (trims && isspace((unsigned char)p->src[p->pos]))
            p->pos++;
        if (strncmp(p->src + p->pos, "/*", 2) == 0) {
            const char *close = strstr(p->src + p->pos, "*/");

            if (close == NULL)
                return fail(p, p->pos, "unclosed comment");
            p->pos = (size_t)(close - p->src) + 2;
            if (next(p) < 0)
                return p->err->code;
            if (p->tok.kind != TOK_CLOSE)
                return fail(p, p->pos, "comment ends before closing delimiter");
            continue;
        }
        if (next(p) < 0 || parse_action(p, list, &word) < 0)
            return p->err->code;
        if (word != NULL) {
            if (stop == NULL)
                return fail(p, p->tok.at,
                            *word == 'e' && word[1] == 'n' ? "unexpected {{end}}"
                                                           : "unexpected {{else}}");
            *stop = word;
            *out = sw_steal(list);
            return 0;
        }
    }
    if (stop != NULL)
        return fail(p, p->len, "unexpected EOF");
    *out = sw_steal(list);
    return 0;
}

int tmpl_parse(struct tmpl **out, const char *text, struct sw_err *err)
{
    SW_CLEANUP(tmpl_free_ptr) struct tmpl *t = cli_alloc(sizeof(*t));
    struct parser p = { .src = text, .len = strlen(text), .err = err };

    t->source = cli_strdup(text);
    if (parse_list(&p, &t->root, NULL) < 0)
        return err->code;
    *out = sw_steal(t);
    return 0;
}

void tmpl_free(struct tmpl *t)
{
    if (t == NULL)
        return;
    tmpl_node_free(t->root);
    sw_free(t->source);
    sw_free(t);
}

char *tmpl_unescape(const char *s)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf b = SW_BUF_INIT;

    for (; *s != '\0'; s++) {
        if (s[0] == '\\' && (s[1] == 't' || s[1] == 'n'))
            sw_buf_putc(&b, *++s == 't' ? '\t' : '\n');
        else
            sw_buf_putc(&b, *s);
    }
    return cli_take(&b);
}
