/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/compose/yaml.h"

#include <libfyaml.h>
#include <limits.h>
#include <string.h>

#include "cli/spec/text.h"
#include "common/base/macro.h"

struct load {
    const char *file;
    size_t nodes;
    struct sw_err *err;
};

static int build(struct load *l, struct fy_node *f, unsigned depth, struct yn **out);

static void place(struct load *l, struct fy_node *f, struct yn *n)
{
    struct fy_token *t = NULL;
    const struct fy_mark *mark;

    if (fy_node_get_type(f) == FYNT_SCALAR) {
        t = fy_node_get_scalar_token(f);
    } else if (fy_node_get_type(f) == FYNT_MAPPING) {
        struct fy_node_pair *pair = fy_node_mapping_get_by_index(f, 0);
        struct fy_node *key = pair != NULL ? fy_node_pair_key(pair) : NULL;

        if (key != NULL && fy_node_get_type(key) == FYNT_SCALAR)
            t = fy_node_get_scalar_token(key);
    } else if (fy_node_sequence_item_count(f) > 0) {
        struct fy_node *item = fy_node_sequence_get_by_index(f, 0);

        if (fy_node_get_type(item) == FYNT_SCALAR)
            t = fy_node_get_scalar_token(item);
    }
    n->file = l->file;
    mark = t != NULL ? fy_token_start_mark(t) : NULL;
    if (mark != NULL && mark->line >= 0)
        n->line = (unsigned)mark->line + 1;
}

static int fail(struct load *l, const struct yn *at, const char *what)
{
    if (at != NULL && at->line > 0)
        return yn_fail(at, l->err, "yaml: %s", what);
    return sw_err_set(l->err, SW_E_INVALID, "%s: yaml: %s", l->file, what);
}

static int build_scalar(struct load *l, struct fy_node *f, struct yn *n)
{
    size_t len = 0;
    size_t tag_len = 0;
    const char *s = fy_node_get_scalar(f, &len);
    const char *tag = fy_node_get_tag(f, &tag_len);
    enum fy_node_style style = fy_node_get_style(f);

    n->text = cli_strndup(s != NULL ? s : "", len);
    if (strlen(n->text) != len)
        return fail(l, n, "control characters are not allowed");
    n->kind = YN_STRING;
    if (tag != NULL && tag_len > 4 && memcmp(tag + tag_len - 4, ":str", 4) == 0)
        return 0;
    if (style == FYNS_PLAIN || s == NULL)
        yn_type_scalar(n);
    return 0;
}

/* "<<: *base" or "<<: [*a, *b]": what the mapping itself says wins, then the earlier one. */
static int merge_in(struct load *l, struct yn *into, const struct yn *from)
{
    if (from->kind == YN_SEQ) {
        for (size_t i = 0; i < from->n; i++) {
            if (merge_in(l, into, from->items[i].value) < 0)
                return l->err->code;
        }
        return 0;
    }
    if (from->kind != YN_MAP)
        return fail(l, from, "map merge requires map or sequence of maps as the value");
    for (size_t i = 0; i < from->n; i++) {
        if (yn_get(into, from->items[i].key) != NULL)
            continue;
        l->nodes++;
        yn_set(into, from->items[i].key, yn_copy(from->items[i].value));
    }
    return l->nodes > YAML_NODES_MAX ? fail(l, from, "document is too large") : 0;
}

static int build_map(struct load *l, struct fy_node *f, unsigned depth, struct yn *n)
{
    SW_CLEANUP(yn_free_ptr) struct yn *merges = yn_new(YN_SEQ, n);
    struct fy_node_pair *pair;
    void *it = NULL;

    n->kind = YN_MAP;
    while ((pair = fy_node_mapping_iterate(f, &it)) != NULL) {
        SW_CLEANUP(yn_free_ptr) struct yn *key = NULL;
        struct yn *value = NULL;

        if (build(l, fy_node_pair_key(pair), depth + 1, &key) < 0)
            return l->err->code;
        if (key->kind == YN_MAP || key->kind == YN_SEQ)
            return fail(l, n, "a key must be a scalar");
        if (build(l, fy_node_pair_value(pair), depth + 1, &value) < 0)
            return l->err->code;
        if (value->line == 0 || value->kind == YN_MAP || value->kind == YN_SEQ)
            value->line = key->line; /* people look for the key */
        if (strcmp(key->text, "<<") == 0) {
            yn_append(merges, value);
            continue;
        }
        if (yn_get(n, key->text) != NULL) {
            yn_free(value);
            return yn_fail(key, l->err, "yaml: mapping key \"%s\" already defined", key->text);
        }
        yn_set(n, key->text, value);
    }
    for (size_t i = 0; i < merges->n; i++) {
        if (merge_in(l, n, merges->items[i].value) < 0)
            return l->err->code;
    }
    return 0;
}

static int build_seq(struct load *l, struct fy_node *f, unsigned depth, struct yn *n)
{
    struct fy_node *item;
    void *it = NULL;

    n->kind = YN_SEQ;
    while ((item = fy_node_sequence_iterate(f, &it)) != NULL) {
        struct yn *value = NULL;

        if (build(l, item, depth + 1, &value) < 0)
            return l->err->code;
        yn_append(n, value);
    }
    return 0;
}

static int build(struct load *l, struct fy_node *f, unsigned depth, struct yn **out)
{
    SW_CLEANUP(yn_free_ptr) struct yn *n = yn_new(YN_NULL, NULL);
    int r = 0;

    if (f == NULL) { /* "key:" with nothing behind it */
        n->text = cli_strdup("");
        n->file = l->file;
        *out = sw_steal(n);
        return 0;
    }
    place(l, f, n);
    if (depth > YAML_DEPTH_MAX)
        return fail(l, n, "nested too deeply, or an anchor contains itself");
    if (++l->nodes > YAML_NODES_MAX)
        return fail(l, n, "document is too large");
    if (fy_node_is_alias(f)) {
        struct fy_node *target = fy_node_resolve_alias(f);

        if (target == NULL)
            return fail(l, n, "unknown anchor");
        return build(l, target, depth + 1, out);
    }
    switch (fy_node_get_type(f)) {
    case FYNT_SCALAR:
        r = build_scalar(l, f, n);
        break;
    case FYNT_MAPPING:
        r = build_map(l, f, depth, n);
        break;
    case FYNT_SEQUENCE:
        r = build_seq(l, f, depth, n);
        break;
    default:
        r = fail(l, n, "unknown kind of node");
        break;
    }
    if (r == 0)
        *out = sw_steal(n);
    return r;
}

static void silent(struct fy_diag *diag, void *user, const char *buf, size_t len)
{
    (void)diag;
    (void)user;
    (void)buf;
    (void)len;
}

/* Return: 0 when there was nothing to complain about. */
static int report(const char *file, struct fy_diag *diag, struct sw_err *err)
{
    void *it = NULL;
    const struct fy_diag_error *e = fy_diag_errors_iterate(diag, &it);

    if (e == NULL)
        return 0; /* nothing but white space and comments */
    if (e->line > 0)
        return sw_err_set(err, SW_E_INVALID, "%s:%d: yaml: %.300s", file, e->line, e->msg);
    return sw_err_set(err, SW_E_INVALID, "%s: yaml: %.300s", file, e->msg);
}

/* What the parser is not given: it does not return from a directive that it does not know and that
 * ends in the middle of a letter. A compose file has no directives but "%YAML". */
static int check_text(const char *file, const char *text, size_t n, struct sw_err *err)
{
    unsigned line = 1;

    if (memchr(text, '\0', n) != NULL)
        return sw_err_set(err, SW_E_INVALID, "%s: yaml: control characters are not allowed", file);
    for (const char *p = text; *p != '\0';) {
        size_t len = strcspn(p, "\n");

        if (*p == '%' && strncmp(p, "%YAML ", 6) != 0)
            return sw_err_set(err, SW_E_INVALID, "%s:%u: yaml: unknown directive", file, line);
        for (size_t i = 0; i < len;) {
            size_t letter = text_utf8(p + i);

            if (letter == 0)
                return sw_err_set(err, SW_E_INVALID, "%s:%u: yaml: invalid UTF-8", file, line);
            i += letter;
        }
        p += len + (p[len] == '\n');
        line++;
    }
    return 0;
}

int yaml_parse(const char *file, const char *text, size_t n, struct yn **out, struct sw_err *err)
{
    SW_CLEANUP(sw_free_ptr)
    char *whole = cli_printf("%.*s\n", (int)SW_MIN(n, (size_t)INT_MAX), text);
    struct fy_diag_cfg diag_cfg;
    struct fy_diag *diag = NULL;
    struct fy_parse_cfg cfg = { .flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG };
    struct fy_document *doc = NULL;
    struct load l = { file, 0, err };
    int r;

    if (check_text(file, whole, n, err) < 0)
        return err->code;
    fy_diag_cfg_default(&diag_cfg);
    diag_cfg.fp = NULL;
    diag_cfg.output_fn = silent;
    diag_cfg.colorize = false;
    diag = fy_diag_create(&diag_cfg);
    if (diag == NULL)
        return sw_err_set(err, -12, "%s: out of memory", file);
    fy_diag_set_collect_errors(diag, true);
    cfg.diag = diag;
    doc = fy_document_build_from_string(&cfg, whole, strlen(whole)); /* a last newline is sure */
    if (doc == NULL) {
        r = report(file, diag, err);
        if (r == 0)
            r = build(&l, NULL, 0, out);
    } else {
        r = build(&l, fy_document_root(doc), 0, out);
    }
    fy_document_destroy(doc);
    fy_diag_destroy(diag);
    return r;
}
