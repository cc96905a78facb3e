/* SPDX-License-Identifier: Apache-2.0
 *
 * "src:dst:opts" of a service's volumes. A source that looks like a path is a bind mount. */
#include <string.h>

#include "cli/compose/normalize.h"
#include "cli/spec/text.h"
#include "common/base/macro.h"

static bool is_path(const char *s)
{
    return *s == '.' || *s == '/' || *s == '~';
}

static char *source_path(const char *s, const char *dir, const struct compose_world *w)
{
    const char *home = w->getenv(w->arg, "HOME");

    if (*s == '~' && home != NULL && (s[1] == '\0' || s[1] == '/')) {
        SW_CLEANUP(sw_free_ptr) char *joined = cli_printf("%s%s", home, s + 1);

        return normalize_path(joined, dir);
    }
    return normalize_path(s, dir);
}

static struct yn *part(struct yn *m, const char *key, const struct yn *at)
{
    if (yn_get(m, key) == NULL)
        yn_set(m, key, yn_new(YN_MAP, at));
    return yn_get(m, key);
}

static int apply_options(struct yn *m, const char *options, const struct yn *at, struct sw_err *err)
{
    static const char *const propagation[] = { "rprivate", "private", "rshared",
                                               "shared",   "rslave",  "slave" };
    static const char *const consistency[] = { "consistent", "cached", "delegated" };
    SW_CLEANUP(strv_fini) struct strv list = { 0 };

    (void)err;
    text_split(options, ',', &list);
    for (size_t i = 0; i < list.n; i++) {
        const char *o = list.v[i];

        if (strcmp(o, "ro") == 0)
            yn_set(m, "read_only", yn_bool(true, at));
        else if (strcmp(o, "nocopy") == 0)
            yn_set(part(m, "volume", at), "nocopy", yn_bool(true, at));
        for (size_t k = 0; k < SW_ARRAY_LEN(propagation); k++) {
            if (strcmp(o, propagation[k]) == 0)
                yn_set(part(m, "bind", at), "propagation", yn_string(o, at));
        }
        for (size_t k = 0; k < SW_ARRAY_LEN(consistency); k++) {
            if (strcmp(o, consistency[k]) == 0)
                yn_set(m, "consistency", yn_string(o, at));
        } /* an option nobody knows is left out, as docker does */
    }
    return 0;
}

static int from_text(const struct yn *v, const char *dir, const struct compose_world *w,
                     struct yn **out, struct sw_err *err)
{
    SW_CLEANUP(strv_fini) struct strv parts = { 0 };
    SW_CLEANUP(yn_free_ptr) struct yn *m = yn_new(YN_MAP, v);
    bool bind;

    if (*v->text == '\0')
        return yn_fail(v, err, "invalid empty volume spec");
    text_split(v->text, ':', &parts);
    if (parts.n > 3)
        return yn_fail(v, err, "invalid spec: %s: too many colons", v->text);
    for (size_t i = 0; i < parts.n; i++) {
        if (*parts.v[i] == '\0')
            return yn_fail(v, err, "invalid spec: %s: empty section between colons", v->text);
    }
    bind = parts.n > 1 && is_path(parts.v[0]);
    yn_set(m, "type", yn_string(bind ? "bind" : "volume", v));
    if (bind) {
        SW_CLEANUP(sw_free_ptr) char *path = source_path(parts.v[0], dir, w);

        yn_set(m, "source", yn_string(path, v));
    } else if (parts.n > 1) {
        yn_set(m, "source", yn_string(parts.v[0], v));
    }
    yn_set(m, "target", yn_string(parts.n > 1 ? parts.v[1] : parts.v[0], v));
    if (parts.n > 2 && apply_options(m, parts.v[2], v, err) < 0)
        return err->code;
    *out = sw_steal(m);
    return 0;
}

int normalize_mount(const struct yn *v, const char *dir, const struct compose_world *w,
                    struct yn **out, struct sw_err *err)
{
    struct yn *m;
    struct yn *size;

    if (v->kind != YN_MAP)
        return from_text(v, dir, w, out, err);
    m = yn_copy(v);
    if (strcmp(yn_text(yn_get(m, "type")), "bind") == 0) {
        const char *source = yn_text(yn_get(m, "source"));
        SW_CLEANUP(sw_free_ptr) char *path = NULL;

        if (*source == '\0') {
            yn_free(m);
            return yn_fail(
                v, err, "invalid mount config for type \"bind\": field Source must not be empty");
        }
        path = source_path(source, dir, w);
        yn_set(m, "source", yn_string(path, v));
    }
    size = yn_at(m, "tmpfs.size");
    if (size != NULL) {
        struct sw_err why;
        int64_t bytes;

        if (text_bytes(yn_text(size), &bytes, &why) < 0) {
            int r = yn_fail(size, err, "tmpfs.size: %s", why.msg);

            yn_free(m);
            return r;
        }
        yn_set(yn_get(m, "tmpfs"), "size", yn_int(bytes, v));
    }
    *out = m;
    return 0;
}
