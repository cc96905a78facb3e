/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/spec/mounts.h"

#include <string.h>

#include "cli/spec/text.h"

/* What one field of a mount did. */
struct mount {
    char type[16];
    char *source, *target, *consistency;
    bool has_source, has_readonly, readonly;
    json_t *volume, *bind, *tmpfs, *image; /* NULL: no option of that kind was given */
    const char *cwd;
};

static void mount_fini(struct mount *m)
{
    sw_free(m->source);
    sw_free(m->target);
    sw_free(m->consistency);
    json_decref(m->volume);
    json_decref(m->bind);
    json_decref(m->tmpfs);
    json_decref(m->image);
}

char *mounts_clean_path(const char *path)
{
    SW_CLEANUP(strv_fini) struct strv parts = { 0 };
    SW_CLEANUP(strv_fini) struct strv kept = { 0 };
    SW_CLEANUP(sw_buf_fini) struct sw_buf b = SW_BUF_INIT;
    bool rooted = *path == '/';

    text_split(path, '/', &parts);
    for (size_t i = 0; i < parts.n; i++) {
        const char *p = parts.v[i];

        if (*p == '\0' || strcmp(p, ".") == 0)
            continue;
        if (strcmp(p, "..") != 0) {
            strv_add(&kept, p);
        } else if (kept.n > 0 && strcmp(kept.v[kept.n - 1], "..") != 0) {
            strv_remove(&kept, kept.n - 1);
        } else if (!rooted) {
            strv_add(&kept, p);
        }
    }
    if (rooted)
        sw_buf_putc(&b, '/');
    for (size_t i = 0; i < kept.n; i++)
        sw_buf_printf(&b, i > 0 ? "/%s" : "%s", kept.v[i]);
    if (b.len == 0)
        sw_buf_putc(&b, '.');
    return cli_take(&b);
}

static json_t *part(json_t **p)
{
    if (*p == NULL)
        *p = json_object();
    return *p;
}

static json_t *volume_part(struct mount *m)
{
    if (m->volume == NULL) {
        m->volume = json_object();
        js_obj(m->volume, "Labels");
        js_obj(m->volume, "DriverConfig");
    }
    return m->volume;
}

static int bool_field(const char *key, const char *value, bool *out, struct sw_err *err)
{
    struct sw_err why;

    if (value == NULL)
        *out = true;
    else if (text_bool(value, out, &why) < 0)
        return sw_err_set(err, SW_E_INVALID, "invalid value for %s: %s", key, value);
    return 0;
}

static int volume_field(struct mount *m, const char *key, const char *value, struct sw_err *err)
{
    json_t *v = volume_part(m);
    bool b = false;

    if (strcmp(key, "volume-nocopy") == 0) {
        if (bool_field(key, value, &b, err) < 0)
            return err->code;
        js_set_bool(v, "NoCopy", b);
    } else if (strcmp(key, "volume-subpath") == 0) {
        js_set_str(v, "Subpath", value);
    } else if (strcmp(key, "volume-label") == 0) {
        js_map_set(js_obj(v, "Labels"), value);
    } else if (strcmp(key, "volume-driver") == 0) {
        js_set_str(v, "DriverConfig.Name", value);
    } else {
        js_map_set(js_obj(v, "DriverConfig.Options"), value);
    }
    return 0;
}

static int bind_recursive(struct mount *m, const char *value, struct sw_err *err)
{
    if (strcmp(value, "enabled") == 0)
        part(&m->bind);
    else if (strcmp(value, "disabled") == 0)
        js_set_bool(part(&m->bind), "NonRecursive", true);
    else if (strcmp(value, "writable") == 0)
        js_set_bool(part(&m->bind), "ReadOnlyNonRecursive", true);
    else if (strcmp(value, "readonly") == 0)
        js_set_bool(part(&m->bind), "ReadOnlyForceRecursive", true);
    else
        return sw_err_set(
            err, SW_E_INVALID,
            "invalid value for bind-recursive: %s (must be \"enabled\", \"disabled\", "
            "\"writable\", or \"readonly\")",
            value);
    return 0;
}

static int tmpfs_field(struct mount *m, const char *key, const char *value, struct sw_err *err)
{
    struct sw_err why;
    int64_t size;
    uint32_t mode;

    if (strcmp(key, "tmpfs-size") == 0) {
        if (text_bytes(value, &size, &why) < 0)
            return sw_err_set(err, SW_E_INVALID, "invalid value for %s: %s", key, value);
        js_set_int(part(&m->tmpfs), "SizeBytes", size);
    } else {
        if (text_mode(value, &mode, &why) < 0)
            return sw_err_set(err, SW_E_INVALID, "invalid value for %s: %s", key, value);
        js_set_int(part(&m->tmpfs), "Mode", mode);
    }
    return 0;
}

static void set_source(struct mount *m, const char *value)
{
    sw_free(m->source);
    m->has_source = true;
    if (m->cwd != NULL && strcmp(m->type, "bind") == 0 &&
        (strcmp(value, ".") == 0 || text_prefix(value, "./") || text_prefix(value, "../") ||
         strcmp(value, "..") == 0)) {
        SW_CLEANUP(sw_free_ptr) char *joined = cli_printf("%s/%s", m->cwd, value);

        m->source = mounts_clean_path(joined);
    } else {
        m->source = cli_strdup(value);
    }
}

static bool is_key(const char *key, const char *a, const char *b, const char *c)
{
    return strcmp(key, a) == 0 || (b != NULL && strcmp(key, b) == 0) ||
           (c != NULL && strcmp(key, c) == 0);
}

/* @value is NULL for a bare word: "readonly". */
static int field(struct mount *m, const char *key, const char *value, const char *text,
                 struct sw_err *err)
{
    static const char *const bare[] = { "readonly", "ro", "volume-nocopy", "bind-nonrecursive" };
    bool may_be_bare = false;
    bool b = false;

    for (size_t i = 0; i < 4; i++)
        may_be_bare |= strcmp(key, bare[i]) == 0;
    if (value == NULL && !may_be_bare)
        return sw_err_set(err, SW_E_INVALID, "invalid field '%s' must be a key=value pair", text);
    if (is_key(key, "type", NULL, NULL)) {
        SW_CLEANUP(sw_free_ptr) char *lower = text_lower(value);

        if (strlen(lower) >= sizeof(m->type))
            return sw_err_set(err, SW_E_INVALID, "invalid mount type '%s'", value);
        strcpy(m->type, lower);
    } else if (is_key(key, "source", "src", NULL)) {
        set_source(m, value);
    } else if (is_key(key, "target", "dst", "destination")) {
        sw_free(m->target);
        m->target = cli_strdup(value);
    } else if (is_key(key, "readonly", "ro", NULL)) {
        m->has_readonly = true;
        return bool_field(key, value, &m->readonly, err);
    } else if (is_key(key, "consistency", NULL, NULL)) {
        sw_free(m->consistency);
        m->consistency = text_lower(value);
    } else if (is_key(key, "bind-propagation", NULL, NULL)) {
        SW_CLEANUP(sw_free_ptr) char *lower = text_lower(value);

        js_set_str(part(&m->bind), "Propagation", lower);
    } else if (is_key(key, "bind-nonrecursive", NULL, NULL)) {
        if (bool_field(key, value, &b, err) < 0)
            return err->code;
        js_set_bool(part(&m->bind), "NonRecursive", b);
    } else if (is_key(key, "bind-recursive", NULL, NULL)) {
        return bind_recursive(m, value, err);
    } else if (is_key(key, "image-subpath", NULL, NULL)) {
        js_set_str(part(&m->image), "Subpath", value);
    } else if (is_key(key, "tmpfs-size", "tmpfs-mode", NULL)) {
        return tmpfs_field(m, key, value, err);
    } else if (is_key(key, "volume-nocopy", "volume-subpath", "volume-label") ||
               is_key(key, "volume-driver", "volume-opt", NULL)) {
        return volume_field(m, key, value, err);
    } else {
        return sw_err_set(err, SW_E_INVALID, "unexpected key '%s' in '%s'", key, text);
    }
    return 0;
}

static json_t *build(const struct mount *m)
{
    json_t *o = json_object();

    js_set_str(o, "Type", m->type);
    if (m->has_source && *m->source != '\0')
        js_set_str(o, "Source", m->source);
    js_set_str(o, "Target", m->target);
    if (m->readonly)
        js_set_bool(o, "ReadOnly", true);
    if (m->consistency != NULL && *m->consistency != '\0')
        js_set_str(o, "Consistency", m->consistency);
    if (m->bind != NULL)
        json_object_set(o, "BindOptions", m->bind);
    if (m->volume != NULL) {
        if (js_len(m->volume, "Labels") == 0)
            js_del(m->volume, "Labels");
        json_object_set(o, "VolumeOptions", m->volume);
    }
    if (m->image != NULL)
        json_object_set(o, "ImageOptions", m->image);
    if (m->tmpfs != NULL)
        json_object_set(o, "TmpfsOptions", m->tmpfs);
    return o;
}

int mounts_parse(const char *s, const char *cwd, json_t **out, struct sw_err *err)
{
    SW_CLEANUP(strv_fini) struct strv fields = { 0 };
    SW_CLEANUP(mount_fini) struct mount m = { .type = "volume", .cwd = cwd };

    if (text_csv(s, &fields, err) < 0)
        return err->code;
    for (size_t i = 0; i < fields.n; i++) {
        SW_CLEANUP(sw_free_ptr) char *cut = NULL;
        const char *value = text_cut(fields.v[i], '=', &cut);
        SW_CLEANUP(sw_free_ptr) char *key = text_lower(cut);

        if (field(&m, key, value, fields.v[i], err) < 0)
            return err->code;
    }
    if (*m.type == '\0')
        return sw_err_set(err, SW_E_INVALID, "type is required");
    if (m.target == NULL || *m.target == '\0')
        return sw_err_set(err, SW_E_INVALID, "target is required");
    if (m.volume != NULL && strcmp(m.type, "volume") != 0)
        return sw_err_set(err, SW_E_INVALID, "cannot mix 'volume-*' options with mount type '%s'",
                          m.type);
    if (m.bind != NULL && strcmp(m.type, "bind") != 0)
        return sw_err_set(err, SW_E_INVALID, "cannot mix 'bind-*' options with mount type '%s'",
                          m.type);
    if (m.tmpfs != NULL && strcmp(m.type, "tmpfs") != 0)
        return sw_err_set(err, SW_E_INVALID, "cannot mix 'tmpfs-*' options with mount type '%s'",
                          m.type);
    if (m.image != NULL && strcmp(m.type, "image") != 0)
        return sw_err_set(err, SW_E_INVALID, "cannot mix 'image-*' options with mount type '%s'",
                          m.type);
    if (js_bool(m.bind, "ReadOnlyForceRecursive") && !m.readonly)
        return sw_err_set(err, SW_E_INVALID,
                          "option 'bind-recursive=readonly' requires 'readonly' to be "
                          "specified in conjunction");
    *out = build(&m);
    return 0;
}

int mounts_check(const char *s, struct sw_err *err)
{
    json_auto_t *scratch = NULL;

    return mounts_parse(s, NULL, &scratch, err);
}
