/* SPDX-License-Identifier: Apache-2.0
 *
 * Volumes of a service as mounts. A named volume must be declared at the top level; what is said
 * there travels in the mount, since the node makes the volume when the task comes. */
#include <string.h>

#include "cli/compose/convert.h"
#include "cli/spec/text.h"

static int named_volume(struct convert *x, const char *service, const struct yn *v, json_t *m)
{
    const char *source = yn_text(yn_get(v, "source"));
    const struct yn *declared = yn_get(yn_get(x->c->root, "volumes"), source);
    const struct yn *opts = yn_get(v, "volume");
    SW_CLEANUP(sw_free_ptr) char *name = NULL;
    json_t *o;

    if (declared == NULL)
        return yn_fail(v, x->err, "service %s: undefined volume \"%s\"", service, source);
    name = convert_object_name(x, source, declared);
    js_set_str(m, "Source", name);
    o = js_obj(m, "VolumeOptions");
    if (convert_true(yn_get(opts, "nocopy")))
        js_set_bool(o, "NoCopy", true);
    if (!convert_is_external(declared)) {
        json_object_set_new(o, "Labels", convert_labels(x, yn_get(declared, "labels")));
        if (yn_get(declared, "driver") != NULL || yn_get(declared, "driver_opts") != NULL) {
            js_obj(o, "DriverConfig");
            if (yn_get(declared, "driver") != NULL)
                js_set_str(o, "DriverConfig.Name", yn_text(yn_get(declared, "driver")));
            if (yn_get(declared, "driver_opts") != NULL)
                js_set(o, "DriverConfig.Options", convert_map(yn_get(declared, "driver_opts")));
        }
    }
    if (yn_get(opts, "subpath") != NULL)
        js_set_str(o, "Subpath", yn_text(yn_get(opts, "subpath")));
    return 0;
}

static int check_kind(struct convert *x, const char *service, const struct yn *v, const char *type)
{
    static const char *const kinds[] = { "bind", "volume", "tmpfs" };

    for (size_t i = 0; i < 3; i++) {
        if (yn_get(v, kinds[i]) != NULL && strcmp(kinds[i], type) != 0)
            return yn_fail(v, x->err, "service %s: %s options are incompatible with type %s",
                           service, kinds[i], type);
    }
    return 0;
}

static int one_mount(struct convert *x, const char *service, const struct yn *v, json_t *m)
{
    const char *type = yn_text(yn_get(v, "type"));
    const char *source = yn_text(yn_get(v, "source"));
    bool bind = strcmp(type, "bind") == 0;
    bool tmpfs = strcmp(type, "tmpfs") == 0;

    if (!bind && !tmpfs && strcmp(type, "volume") != 0 && strcmp(type, "npipe") != 0 &&
        strcmp(type, "cluster") != 0)
        return yn_fail(v, x->err,
                       "service %s: volume type must be volume, bind, tmpfs, npipe, or cluster",
                       service);
    if (*yn_text(yn_get(v, "target")) == '\0')
        return yn_fail(v, x->err, "service %s: a mount needs a target", service);
    if (check_kind(x, service, v, type) < 0)
        return x->err->code;
    js_set_str(m, "Type", type);
    if (tmpfs && *source != '\0')
        return yn_fail(v, x->err, "service %s: invalid tmpfs source, source must be empty",
                       service);
    if (strcmp(type, "volume") == 0 && *source != '\0') {
        if (named_volume(x, service, v, m) < 0)
            return x->err->code;
    } else if (*source != '\0') {
        js_set_str(m, "Source", source);
    }
    js_set_str(m, "Target", yn_text(yn_get(v, "target")));
    if (convert_true(yn_get(v, "read_only")))
        js_set_bool(m, "ReadOnly", true);
    if (yn_get(v, "consistency") != NULL)
        js_set_str(m, "Consistency", yn_text(yn_get(v, "consistency")));
    if (bind && yn_at(v, "bind.propagation") != NULL)
        js_set_str(m, "BindOptions.Propagation", yn_text(yn_at(v, "bind.propagation")));
    if (tmpfs && yn_at(v, "tmpfs.size") != NULL)
        js_set_int(m, "TmpfsOptions.SizeBytes", yn_number(yn_at(v, "tmpfs.size")));
    if (tmpfs && yn_at(v, "tmpfs.mode") != NULL)
        js_set_int(m, "TmpfsOptions.Mode", yn_number(yn_at(v, "tmpfs.mode")));
    return 0;
}

/* The members in docker's order whatever the file's was. */
static json_t *ordered(json_t *m)
{
    static const char *const order[] = { "Type",          "Source",      "Target",
                                         "ReadOnly",      "Consistency", "BindOptions",
                                         "VolumeOptions", "TmpfsOptions" };
    json_t *o = json_object();

    for (size_t i = 0; i < sizeof(order) / sizeof(*order); i++) {
        if (json_object_get(m, order[i]) != NULL)
            json_object_set(o, order[i], json_object_get(m, order[i]));
    }
    json_decref(m);
    return o;
}

int convert_mounts(struct convert *x, const char *name, const struct yn *s, json_t *container)
{
    const struct yn *list = yn_get(s, "volumes");
    const struct yn *tmpfs = yn_get(s, "tmpfs");

    for (size_t i = 0; list != NULL && i < list->n; i++) {
        json_t *m = json_object();

        if (one_mount(x, name, list->items[i].value, m) < 0) {
            json_decref(m);
            return x->err->code;
        }
        json_array_append_new(js_arr(container, "Mounts"), ordered(m));
    }
    for (size_t i = 0; tmpfs != NULL && i < tmpfs->n; i++) { /* "/run" or "/run:size=1m" */
        SW_CLEANUP(sw_free_ptr) char *target = NULL;
        const char *opts = text_cut(yn_text(tmpfs->items[i].value), ':', &target);
        SW_CLEANUP(strv_fini) struct strv words = { 0 };
        json_t *m = json_object();

        js_set_str(m, "Type", "tmpfs");
        js_set_str(m, "Target", target);
        if (opts != NULL)
            text_split(opts, ',', &words);
        for (size_t k = 0; k < words.n; k++) {
            struct sw_err why;
            int64_t size;
            uint32_t mode;

            if (text_prefix(words.v[k], "size=") && text_bytes(words.v[k] + 5, &size, &why) == 0)
                js_set_int(m, "TmpfsOptions.SizeBytes", size);
            else if (text_prefix(words.v[k], "mode=") &&
                     text_mode(words.v[k] + 5, &mode, &why) == 0)
                js_set_int(m, "TmpfsOptions.Mode", mode);
        }
        json_array_append_new(js_arr(container, "Mounts"), m);
    }
    return 0;
}
