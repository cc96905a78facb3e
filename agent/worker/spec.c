/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/worker/spec.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/alloc.h"
#include "common/base/id.h"
#include "common/base/macro.h"

struct strings {
    const char **v; /* NULL-terminated */
    size_t n;
};

struct spec {
    struct container_spec c;
    struct strings owned; /* strings made here */
    struct strings argv, env, lower, groups, cap_add, cap_drop, volumes;
    struct container_mount *mounts;
    struct container_ulimit *ulimits;
    struct container_pair *sysctls;
    bool failed;
};

static void push(struct spec *s, struct strings *l, const char *text)
{
    const char **v = sw_realloc(l->v, (l->n + 2) * sizeof(*v));

    if (v == NULL || text == NULL) {
        s->failed = true;
        if (v != NULL)
            l->v = v;
        return;
    }
    l->v = v;
    l->v[l->n++] = text;
    l->v[l->n] = NULL;
}

static const char *keep(struct spec *s, char *text)
{
    if (text != NULL)
        push(s, &s->owned, text);
    else
        s->failed = true;
    return text;
}

void spec_free(struct spec *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->owned.n; i++)
        sw_free((void *)(uintptr_t)s->owned.v[i]);
    sw_free(s->owned.v);
    sw_free(s->argv.v);
    sw_free(s->env.v);
    sw_free(s->lower.v);
    sw_free(s->groups.v);
    sw_free(s->cap_add.v);
    sw_free(s->cap_drop.v);
    sw_free(s->volumes.v);
    sw_free(s->mounts);
    sw_free(s->ulimits);
    sw_free(s->sysctls);
    sw_free(s);
}

int spec_signal(const char *name)
{
    static const struct {
        const char *name;
        int number;
    } signals[] = {
        { "HUP", SIGHUP },   { "INT", SIGINT },   { "QUIT", SIGQUIT }, { "KILL", SIGKILL },
        { "USR1", SIGUSR1 }, { "USR2", SIGUSR2 }, { "TERM", SIGTERM }, { "WINCH", SIGWINCH },
        { "STOP", SIGSTOP }, { "CONT", SIGCONT }, { "ABRT", SIGABRT }, { "PWR", SIGPWR },
    };
    char *end;
    long n = strtol(name, &end, 10);

    if (name[0] != '\0' && *end == '\0')
        return n > 0 && n <= 64 ? (int)n : 0;
    if (strncasecmp(name, "SIG", 3) == 0)
        name += 3;
    for (size_t i = 0; i < SW_ARRAY_LEN(signals); i++) {
        if (strcasecmp(signals[i].name, name) == 0)
            return signals[i].number;
    }
    if (strncasecmp(name, "RTMIN+", 6) == 0)
        return 34 + atoi(name + 6);
    return 0;
}

/* SEMANTICS 23.1: Command replaces the entrypoint and the image's arguments; Args alone replace the
 * image's arguments. */
static int build_argv(struct spec *s, const struct spec_input *in, struct sw_err *err)
{
    const Swarm__V1__ContainerSpec *c = in->task->spec->container;

    if (c->n_command > 0) {
        for (size_t i = 0; i < c->n_command; i++)
            push(s, &s->argv, c->command[i]);
    } else {
        for (size_t i = 0; i < in->image->n_entrypoint; i++)
            push(s, &s->argv, in->image->entrypoint[i]);
    }
    if (c->n_args > 0) {
        for (size_t i = 0; i < c->n_args; i++)
            push(s, &s->argv, c->args[i]);
    } else if (c->n_command == 0) {
        for (size_t i = 0; i < in->image->n_cmd; i++)
            push(s, &s->argv, in->image->cmd[i]);
    }
    if (s->argv.n == 0)
        return sw_err_set(err, SW_E_INVALID, "no command specified");
    return 0;
}

static size_t name_len(const char *env)
{
    const char *eq = strchr(env, '=');

    return eq != NULL ? (size_t)(eq - env) : strlen(env);
}

static void set_env(struct spec *s, const char *text)
{
    size_t n = name_len(text);

    for (size_t i = 0; i < s->env.n; i++) {
        if (name_len(s->env.v[i]) != n || strncmp(s->env.v[i], text, n) != 0)
            continue;
        if (text[n] == '=') {
            s->env.v[i] = text;
            return;
        }
        memmove(&s->env.v[i], &s->env.v[i + 1], (s->env.n - i) * sizeof(s->env.v[0]));
        s->env.n--;
        return;
    }
    if (text[n] == '=')
        push(s, &s->env, text);
}

static int expanded(struct spec *s, const struct spec_input *in, const char *text, const char **out,
                    struct sw_err *err)
{
    char *copy;
    int r;

    if (strstr(text, "{{") == NULL) {
        *out = text;
        return 0;
    }
    r = template_expand(text, in->task, in->node, &copy, err);
    if (r == 0)
        *out = keep(s, copy);
    return r;
}

static int build_env(struct spec *s, const struct spec_input *in, struct sw_err *err)
{
    const Swarm__V1__ContainerSpec *c = in->task->spec->container;

    for (size_t i = 0; i < in->image->n_env; i++)
        set_env(s, in->image->env[i]);
    for (size_t i = 0; i < c->n_env; i++) {
        const char *text = NULL;
        int r = expanded(s, in, c->env[i], &text, err);

        if (r < 0)
            return r;
        if (text != NULL)
            set_env(s, text);
    }
    for (size_t i = 0; i < in->task->n_generic; i++) {
        const Swarm__V1__GenericResource *g = in->task->generic[i];

        set_env(
            s, keep(s, g->value[0] != '\0'
                           ? sw_asprintf("DOCKER_RESOURCE_%s=%s", g->kind, g->value)
                           : sw_asprintf("DOCKER_RESOURCE_%s=%lld", g->kind, (long long)g->count)));
    }
    return 0;
}

/* ---- mounts -----------------------------------------------------------------------------------
 */

static bool volume_name_is_good(const char *s)
{
    if (strlen(s) < 2 || strlen(s) > 200)
        return false;
    for (const char *p = s; *p != '\0'; p++) {
        bool plain =
            (*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z');

        if (!plain && (p == s || strchr("_.-", *p) == NULL))
            return false;
    }
    return true;
}

static int mount_volume(struct spec *s, const struct spec_input *in, const Swarm__V1__Mount *m,
                        struct container_mount *out, struct sw_err *err)
{
    const char *name = NULL;
    const char *dir;
    uint8_t raw[32];
    char hex[65];
    int r;

    if (m->source[0] == '\0') {
        sw_random(raw, sizeof(raw));
        sw_hex(raw, sizeof(raw), hex);
        name = keep(s, sw_strdup(hex));
    } else {
        r = expanded(s, in, m->source, &name, err);
        if (r < 0)
            return r;
    }
    if (name == NULL)
        return sw_err_set(err, -ENOMEM, "out of memory");
    if (!volume_name_is_good(name))
        return sw_err_set(err, SW_E_INVALID,
                          "\"%s\" includes invalid characters for a local volume name, only "
                          "\"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed",
                          name);
    if (m->volume_driver[0] != '\0' && strcmp(m->volume_driver, "local") != 0)
        return sw_err_set(err, SW_E_INVALID, "volume driver \"%s\" is not supported by swarmd",
                          m->volume_driver);
    dir = keep(s, sw_asprintf("%s/%s/_data", in->volumes_dir, name));
    if (dir != NULL)
        push(s, &s->volumes, dir);
    out->type = CONTAINER_MOUNT_BIND;
    out->source = dir;
    out->copy_up = !m->volume_nocopy;
    return 0;
}

static int build_mount(struct spec *s, const struct spec_input *in, const Swarm__V1__Mount *m,
                       struct container_mount *out, struct sw_err *err)
{
    int r = expanded(s, in, m->target, &out->target, err);

    if (r < 0)
        return r;
    if (out->target == NULL || out->target[0] != '/')
        return sw_err_set(err, SW_E_INVALID, "invalid mount target, must be an absolute path: %s",
                          m->target);
    out->read_only = m->read_only;
    switch (m->type) {
    case SWARM__V1__MOUNT__TYPE__BIND:
        out->type = CONTAINER_MOUNT_BIND;
        out->non_recursive = m->non_recursive;
        out->create_source = m->create_mountpoint;
        out->propagation = m->propagation[0] != '\0' ? m->propagation : NULL;
        if (m->source[0] != '/')
            return sw_err_set(err, SW_E_INVALID,
                              "invalid bind mount source, must be an absolute "
                              "path: %s",
                              m->source);
        return expanded(s, in, m->source, &out->source, err);
    case SWARM__V1__MOUNT__TYPE__TMPFS:
        out->type = CONTAINER_MOUNT_TMPFS;
        out->tmpfs_bytes = m->tmpfs_size > 0 ? (uint64_t)m->tmpfs_size : 0;
        out->tmpfs_mode = m->tmpfs_mode;
        return 0;
    case SWARM__V1__MOUNT__TYPE__VOLUME:
        return mount_volume(s, in, m, out, err);
    case SWARM__V1__MOUNT__TYPE__NPIPE:
    case SWARM__V1__MOUNT__TYPE__CLUSTER:
    case SWARM__V1__MOUNT__TYPE__IMAGE:
    case _SWARM__V1__MOUNT__TYPE_IS_INT_SIZE:
        break;
    }
    return sw_err_set(err, SW_E_INVALID, "mounts of this type are not supported by swarmd");
}

static int build_mounts(struct spec *s, const struct spec_input *in, struct sw_err *err)
{
    const Swarm__V1__ContainerSpec *c = in->task->spec->container;

    s->mounts = sw_calloc(c->n_mounts + 1, sizeof(*s->mounts));
    if (s->mounts == NULL)
        return sw_err_set(err, -ENOMEM, "out of memory");
    for (size_t i = 0; i < c->n_mounts; i++) {
        int r = build_mount(s, in, c->mounts[i], &s->mounts[i], err);

        if (r < 0)
            return r;
    }
    s->c.mounts = s->mounts;
    s->c.mounts_len = c->n_mounts;
    return 0;
}

/* ---- limits and confinement
 * ----------------------------------------------------------------------- */

static int build_limits(struct spec *s, const struct spec_input *in, struct sw_err *err)
{
    const Swarm__V1__ContainerSpec *c = in->task->spec->container;
    const Swarm__V1__ResourceRequirements *rr = in->task->spec->resources;

    if (rr != NULL && rr->limits != NULL) {
        s->c.resources.nano_cpus = rr->limits->nano_cpus;
        s->c.resources.memory_bytes = rr->limits->memory_bytes;
        s->c.resources.pids = rr->limits->pids;
    }
    if (rr != NULL && rr->reservations != NULL)
        s->c.resources.memory_low_bytes = rr->reservations->memory_bytes;
    s->ulimits = sw_calloc(c->n_ulimits + 1, sizeof(*s->ulimits));
    s->sysctls = sw_calloc(c->n_sysctls + 1, sizeof(*s->sysctls));
    if (s->ulimits == NULL || s->sysctls == NULL)
        return sw_err_set(err, -ENOMEM, "out of memory");
    for (size_t i = 0; i < c->n_ulimits; i++)
        s->ulimits[i] = (struct container_ulimit){ c->ulimits[i]->name, c->ulimits[i]->soft,
                                                   c->ulimits[i]->hard };
    for (size_t i = 0; i < c->n_sysctls; i++)
        s->sysctls[i] = (struct container_pair){ c->sysctls[i]->key, c->sysctls[i]->value };
    s->c.ulimits = s->ulimits;
    s->c.ulimits_len = c->n_ulimits;
    s->c.sysctls = s->sysctls;
    s->c.sysctls_len = c->n_sysctls;
    if (c->oom_score_adj != NULL) {
        s->c.oom_score_adj_set = true;
        s->c.oom_score_adj = (int)c->oom_score_adj->value;
    }
    return 0;
}

static void build_confinement(struct spec *s, const Swarm__V1__ContainerSpec *c)
{
    const Swarm__V1__Privileges *p = c->privileges;

    for (size_t i = 0; i < c->n_cap_add; i++)
        push(s, &s->cap_add, c->cap_add[i]);
    for (size_t i = 0; i < c->n_cap_drop; i++)
        push(s, &s->cap_drop, c->cap_drop[i]);
    s->c.cap_add = s->cap_add.v;
    s->c.cap_drop = s->cap_drop.v;
    if (p == NULL)
        return;
    s->c.no_new_privs = p->no_new_privileges;
    if (strcmp(p->seccomp_mode, "unconfined") == 0) {
        s->c.seccomp = CONTAINER_SECCOMP_UNCONFINED;
    } else if (strcmp(p->seccomp_mode, "custom") == 0) {
        s->c.seccomp = CONTAINER_SECCOMP_CUSTOM;
        s->c.seccomp_profile =
            keep(s, sw_strndup((const char *)p->seccomp_profile.data, p->seccomp_profile.len));
    }
}

static int build_log(struct spec *s, const Swarm__V1__LogDriver *d, struct sw_err *err)
{
    if (d == NULL || d->name[0] == '\0')
        return 0;
    if (strcmp(d->name, "none") == 0) {
        s->c.log_none = true;
        return 0;
    }
    if (strcmp(d->name, "json-file") != 0 && strcmp(d->name, "local") != 0)
        return sw_err_set(err, SW_E_INVALID, "logger: no log driver named '%s' is registered",
                          d->name);
    for (size_t i = 0; i < d->n_options; i++) {
        const char *v = d->options[i]->value;
        char *end;
        double n = strtod(v, &end);

        if (strcmp(d->options[i]->key, "max-file") == 0)
            s->c.log_files = (unsigned)(n > 0 ? n : 0);
        if (strcmp(d->options[i]->key, "max-size") == 0 && n > 0) {
            double unit = *end == 'k' || *end == 'K' ? 1024 : 1;

            if (*end == 'm' || *end == 'M')
                unit = 1048576;
            if (*end == 'g' || *end == 'G')
                unit = 1073741824;
            s->c.log_bytes = (uint64_t)(n * unit);
        }
    }
    return 0;
}

static int build_process(struct spec *s, const struct spec_input *in, struct sw_err *err)
{
    const Swarm__V1__ContainerSpec *c = in->task->spec->container;
    const char *stop = c->stop_signal[0] != '\0' ? c->stop_signal : in->image->stop_signal;
    int r;

    r = build_argv(s, in, err);
    if (r == 0)
        r = build_env(s, in, err);
    if (r < 0)
        return r;
    s->c.argv = s->argv.v;
    s->c.env = s->env.v;
    s->c.cwd =
        c->dir[0] != '\0' ? c->dir : (in->image->workdir[0] != '\0' ? in->image->workdir : NULL);
    s->c.user = c->user[0] != '\0' ? c->user : in->image->user;
    for (size_t i = 0; i < c->n_groups; i++)
        push(s, &s->groups, c->groups[i]);
    s->c.groups = s->groups.v;
    s->c.tty = c->tty;
    s->c.open_stdin = c->open_stdin;
    s->c.init = c->init != NULL && c->init->value;
    s->c.read_only = c->read_only;
    if (stop != NULL && stop[0] != '\0') {
        s->c.stop_signal = spec_signal(stop);
        if (s->c.stop_signal == 0)
            return sw_err_set(err, SW_E_INVALID, "invalid signal: %s", stop);
    }
    s->c.stop_grace_ms = c->stop_grace_ns != NULL ? c->stop_grace_ns->value / 1000000 : -1;
    if (c->hostname[0] != '\0')
        r = expanded(s, in, c->hostname, &s->c.hostname, err);
    return r;
}

int spec_build(struct spec **out, const struct spec_input *in, struct sw_err *err)
{
    const Swarm__V1__TaskSpec *t = in->task->spec;
    struct spec *s;
    int r;

    if (t == NULL || t->container == NULL)
        return sw_err_set(err, SW_E_INVALID, "the task has no specification");
    s = sw_calloc(1, sizeof(*s));
    if (s == NULL)
        return sw_err_set(err, -ENOMEM, "out of memory");
    container_spec_init(&s->c);
    s->c.id = in->container_id;
    s->c.bundle = in->bundle;
    for (size_t i = 0; i < in->image->n_lower; i++)
        push(s, &s->lower, in->image->lower[i]);
    s->c.lower = s->lower.v;
    s->c.upper = keep(s, sw_asprintf("%s/upper", in->bundle));
    s->c.work = keep(s, sw_asprintf("%s/work", in->bundle));
    s->c.hosts = ""; /* both are written when the addresses are known */
    s->c.resolv_conf = "";
    r = build_process(s, in, err);
    if (r == 0)
        r = build_mounts(s, in, err);
    if (r == 0)
        r = build_limits(s, in, err);
    if (r == 0)
        r = build_log(s, t->log_driver, err);
    if (r == 0)
        build_confinement(s, t->container);
    if (r == 0 && s->failed)
        r = sw_err_set(err, -ENOMEM, "out of memory");
    if (r < 0) {
        spec_free(s);
        return r;
    }
    *out = s;
    return 0;
}

const struct container_spec *spec_container(const struct spec *s)
{
    return &s->c;
}

size_t spec_volumes(const struct spec *s, const char *const **dirs)
{
    *dirs = s->volumes.v;
    return s->volumes.n;
}
