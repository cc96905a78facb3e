/* SPDX-License-Identifier: Apache-2.0
 * part_codec.c - parts that several specifications share, and what a container is made from. */
#include "manager/api/part_codec.h"

#include <errno.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/http/docker.h"
#include "manager/api/spec_codec.h"
#include "proto/pb.h"
#include "swarm/v1/objects.pb-c.h"

/* ---- name and labels ----------------------------------------------------------------------------
 */

static int read_name(Swarm__V1__Annotations **a, const json_t *v, struct sw_err *err)
{
    if (!json_is_string(v))
        return codec_type_error(v, "Name", "string", err);
    if (*a == NULL)
        *a = pb_new(&swarm__v1__annotations__descriptor);
    if (*a == NULL || pb_set_string(&(*a)->name, json_string_value(v)) < 0)
        return sw_err_set(err, -ENOMEM, "out of memory");
    return 0;
}

static int read_labels(Swarm__V1__Annotations **a, const json_t *v, struct sw_err *err)
{
    static const struct codec_field field[] = { F_LIST(Swarm__V1__Annotations, labels, "Labels",
                                                       CODEC_LABELS) };
    static const struct codec codec =
        CODEC("Annotations", swarm__v1__annotations__descriptor, field);
    json_t *wrapped;
    int r;

    if (*a == NULL)
        *a = pb_new(&swarm__v1__annotations__descriptor);
    if (*a == NULL)
        return sw_err_set(err, -ENOMEM, "out of memory");
    wrapped = json_pack("{s:O}", "Labels", v);
    r = codec_read(&codec, *a, wrapped, err);
    json_decref(wrapped);
    return r;
}

static int write_labels(const Swarm__V1__Annotations *a, json_t *o, const char *name)
{
    return json_object_set_new(
        o, name,
        codec_labels(a != NULL ? a->n_labels : 0, a != NULL ? (void *const *)a->labels : NULL));
}

static int write_name(const Swarm__V1__Annotations *a, json_t *o, const char *name)
{
    if (a == NULL || a->name[0] == '\0')
        return 0;
    return json_object_set_new(o, name, json_string(a->name));
}

#define PART_DEFINE(kind, Type)                                                                    \
    int part_read_name_##kind(void *msg, const json_t *v, struct sw_err *err)                      \
    {                                                                                              \
        return read_name(&((Type *)msg)->annotations, v, err);                                     \
    }                                                                                              \
    int part_write_name_##kind(const void *msg, json_t *o, const char *name)                       \
    {                                                                                              \
        return write_name(((const Type *)msg)->annotations, o, name);                              \
    }                                                                                              \
    int part_read_labels_##kind(void *msg, const json_t *v, struct sw_err *err)                    \
    {                                                                                              \
        return read_labels(&((Type *)msg)->annotations, v, err);                                   \
    }                                                                                              \
    int part_write_labels_##kind(const void *msg, json_t *o, const char *name)                     \
    {                                                                                              \
        return write_labels(((const Type *)msg)->annotations, o, name);                            \
    }
PART_DEFINE(service, Swarm__V1__ServiceSpec)
PART_DEFINE(node, Swarm__V1__NodeSpec)
PART_DEFINE(cluster, Swarm__V1__ClusterSpec)
PART_DEFINE(secret, Swarm__V1__SecretSpec)
PART_DEFINE(config, Swarm__V1__ConfigSpec)
PART_DEFINE(network, Swarm__V1__NetworkSpec)

/* ---- resources ----------------------------------------------------------------------------------
 */

static const struct codec_field platform_fields[] = {
    F(Swarm__V1__Platform, arch, "Architecture", CODEC_STRING),
    F(Swarm__V1__Platform, os, "OS", CODEC_STRING),
};
const struct codec codec_platform =
    CODEC("Platform", swarm__v1__platform__descriptor, platform_fields);

static int read_generic(void *msg, const json_t *v, struct sw_err *err)
{
    Swarm__V1__GenericResource *g = msg;
    const char *kind = docker_json_str(v, "Kind");
    const json_t *value = docker_json_get(v, "Value");
    int r = 0;

    if (kind == NULL || value == NULL)
        return sw_err_set(err, SW_E_INVALID, "generic resource without Kind or Value");
    r = pb_set_string(&g->kind, kind);
    if (json_is_string(value)) {
        if (r == 0)
            r = pb_set_string(&g->value, json_string_value(value));
    } else {
        g->count = json_integer_value(value);
    }
    return r < 0 ? sw_err_set(err, -ENOMEM, "out of memory") : 0;
}

static int write_discrete(const void *msg, json_t *o, const char *name)
{
    const Swarm__V1__GenericResource *g = msg;

    if (g->value[0] != '\0')
        return 0;
    return json_object_set_new(
        o, name, json_pack("{s:s,s:I}", "Kind", g->kind, "Value", (json_int_t)g->count));
}

static int write_named(const void *msg, json_t *o, const char *name)
{
    const Swarm__V1__GenericResource *g = msg;

    if (g->value[0] == '\0')
        return 0;
    return json_object_set_new(o, name, json_pack("{s:s,s:s}", "Kind", g->kind, "Value", g->value));
}

static const struct codec_field generic_fields[] = {
    F_CUSTOM("DiscreteResourceSpec", read_generic, write_discrete),
    F_CUSTOM("NamedResourceSpec", read_generic, write_named),
};
const struct codec codec_generic =
    CODEC("GenericResource", swarm__v1__generic_resource__descriptor, generic_fields);

static const struct codec_field resource_fields[] = {
    F(Swarm__V1__Resources, nano_cpus, "NanoCPUs", CODEC_I64),
    F(Swarm__V1__Resources, memory_bytes, "MemoryBytes", CODEC_I64),
    F(Swarm__V1__Resources, pids, "Pids", CODEC_I64),
    F_MSGS(Swarm__V1__Resources, generic, "GenericResources", codec_generic),
};
const struct codec codec_resources =
    CODEC("Resources", swarm__v1__resources__descriptor, resource_fields);

/* ---- mounts -------------------------------------------------------------------------------------
 */

static const char *const mount_types[] = { "bind",    "volume", "tmpfs", "npipe",
                                           "cluster", "image",  NULL };

static int mount_string(char **field, const json_t *o, const char *key, struct sw_err *err)
{
    const char *s = docker_json_str(o, key);

    if (s != NULL && pb_set_string(field, s) < 0)
        return sw_err_set(err, -ENOMEM, "out of memory");
    return 0;
}

static int read_bind(void *msg, const json_t *v, struct sw_err *err)
{
    Swarm__V1__Mount *m = msg;

    m->has_bind_options = true;
    m->non_recursive = docker_json_bool(v, "NonRecursive", false);
    m->create_mountpoint = docker_json_bool(v, "CreateMountpoint", false);
    return mount_string(&m->propagation, v, "Propagation", err);
}

static int write_bind(const void *msg, json_t *o, const char *name)
{
    const Swarm__V1__Mount *m = msg;
    json_t *b;

    if (!m->has_bind_options)
        return 0;
    b = json_object();
    if (m->propagation[0] != '\0')
        (void)json_object_set_new(b, "Propagation", json_string(m->propagation));
    if (m->non_recursive)
        (void)json_object_set_new(b, "NonRecursive", json_true());
    if (m->create_mountpoint)
        (void)json_object_set_new(b, "CreateMountpoint", json_true());
    return json_object_set_new(o, name, b);
}

static const struct codec_field driver_fields[] = {
    F(Swarm__V1__Mount, volume_driver, "Name", CODEC_STRING),
    F_LIST(Swarm__V1__Mount, volume_driver_opts, "Options", CODEC_LABELS),
};
static const struct codec codec_driver =
    CODEC("Driver", swarm__v1__mount__descriptor, driver_fields);

static const struct codec_field volume_fields[] = {
    F(Swarm__V1__Mount, volume_nocopy, "NoCopy", CODEC_BOOL),
    F_LIST(Swarm__V1__Mount, volume_labels, "Labels", CODEC_LABELS),
    F(Swarm__V1__Mount, volume_subpath, "Subpath", CODEC_STRING),
};
static const struct codec codec_volume =
    CODEC("VolumeOptions", swarm__v1__mount__descriptor, volume_fields);

static int read_volume(void *msg, const json_t *v, struct sw_err *err)
{
    Swarm__V1__Mount *m = msg;
    const json_t *driver = docker_json_get(v, "DriverConfig");
    int r = codec_read(&codec_volume, m, v, err);

    m->has_volume_options = true;
    if (r == 0 && driver != NULL)
        r = codec_read(&codec_driver, m, driver, err);
    return r;
}

static int write_volume(const void *msg, json_t *o, const char *name)
{
    const Swarm__V1__Mount *m = msg;
    json_t *v;
    json_t *d;

    if (!m->has_volume_options)
        return 0;
    v = codec_write(&codec_volume, m);
    d = codec_write(&codec_driver, m);
    if (json_object_size(d) > 0)
        (void)json_object_set(v, "DriverConfig", d);
    json_decref(d);
    return json_object_set_new(o, name, v);
}

static const struct codec_field tmpfs_fields[] = {
    F(Swarm__V1__Mount, tmpfs_size, "SizeBytes", CODEC_I64),
    F(Swarm__V1__Mount, tmpfs_mode, "Mode", CODEC_U32),
};
static const struct codec codec_tmpfs =
    CODEC("TmpfsOptions", swarm__v1__mount__descriptor, tmpfs_fields);

static int read_tmpfs(void *msg, const json_t *v, struct sw_err *err)
{
    ((Swarm__V1__Mount *)msg)->has_tmpfs_options = true;
    return codec_read(&codec_tmpfs, msg, v, err);
}

static int write_tmpfs(const void *msg, json_t *o, const char *name)
{
    if (!((const Swarm__V1__Mount *)msg)->has_tmpfs_options)
        return 0;
    return json_object_set_new(o, name, codec_write(&codec_tmpfs, msg));
}

static const struct codec_field mount_fields[] = {
    F_ENUM(Swarm__V1__Mount, type, "Type", mount_types, "invalid MountType"),
    F(Swarm__V1__Mount, source, "Source", CODEC_STRING),
    F(Swarm__V1__Mount, target, "Target", CODEC_STRING),
    F(Swarm__V1__Mount, read_only, "ReadOnly", CODEC_BOOL),
    F(Swarm__V1__Mount, consistency, "Consistency", CODEC_STRING),
    F_CUSTOM("BindOptions", read_bind, write_bind),
    F_CUSTOM("VolumeOptions", read_volume, write_volume),
    F_CUSTOM("TmpfsOptions", read_tmpfs, write_tmpfs),
};
const struct codec codec_mount = CODEC("Mount", swarm__v1__mount__descriptor, mount_fields);

/* ---- health, secrets, configs -------------------------------------------------------------------
 */

typedef Swarm__V1__HealthConfig Health;
static const struct codec_field health_fields[] = {
    F_LIST(Health, test, "Test", CODEC_STRINGS),
    F(Health, interval_ns, "Interval", CODEC_I64),
    F(Health, timeout_ns, "Timeout", CODEC_I64),
    F(Health, start_period_ns, "StartPeriod", CODEC_I64),
    F(Health, start_interval_ns, "StartInterval", CODEC_I64),
    F(Health, retries, "Retries", CODEC_I32),
};
const struct codec codec_health =
    CODEC("HealthConfig", swarm__v1__health_config__descriptor, health_fields);

static const struct codec_field file_fields[] = {
    F(Swarm__V1__FileTarget, name, "Name", CODEC_STRING),
    F(Swarm__V1__FileTarget, uid, "UID", CODEC_STRING),
    F(Swarm__V1__FileTarget, gid, "GID", CODEC_STRING),
    F_ALWAYS(Swarm__V1__FileTarget, mode, "Mode", CODEC_U32),
};
static const struct codec codec_file =
    CODEC("FileTarget", swarm__v1__file_target__descriptor, file_fields);

static const struct codec_field secret_ref_fields[] = {
    F_MSG(Swarm__V1__SecretReference, file, "File", codec_file),
    F_ALWAYS(Swarm__V1__SecretReference, id, "SecretID", CODEC_STRING),
    F_ALWAYS(Swarm__V1__SecretReference, name, "SecretName", CODEC_STRING),
};
const struct codec codec_secret_ref =
    CODEC("SecretReference", swarm__v1__secret_reference__descriptor, secret_ref_fields);

static int read_runtime(void *msg, const json_t *v, struct sw_err *err)
{
    (void)v;
    (void)err;
    ((Swarm__V1__ConfigReference *)msg)->runtime = true;
    return 0;
}

static int write_runtime(const void *msg, json_t *o, const char *name)
{
    if (!((const Swarm__V1__ConfigReference *)msg)->runtime)
        return 0;
    return json_object_set_new(o, name, json_object());
}

static const struct codec_field config_ref_fields[] = {
    F_MSG(Swarm__V1__ConfigReference, file, "File", codec_file),
    F_CUSTOM("Runtime", read_runtime, write_runtime),
    F_ALWAYS(Swarm__V1__ConfigReference, id, "ConfigID", CODEC_STRING),
    F_ALWAYS(Swarm__V1__ConfigReference, name, "ConfigName", CODEC_STRING),
};
const struct codec codec_config_ref =
    CODEC("ConfigReference", swarm__v1__config_reference__descriptor, config_ref_fields);
