/* SPDX-License-Identifier: Apache-2.0
 * unit_prepare.c - image, container, network: everything before the start. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/worker/spec.h"
#include "agent/worker/unit.h"
#include "common/base/alloc.h"
#include "common/base/id.h"
#include "common/base/time.h"
#include "common/io/file.h"
#include "common/log/log.h"
#include "proto/pb.h"

static void give_up_or_fail(struct unit *u, const struct sw_err *err)
{
    struct sw_err canceled;

    if (u->stage == UNIT_CREATING || u->stage == UNIT_ATTACHING)
        u->stage = u->container != NULL ? UNIT_BROKEN : UNIT_NOTHING;
    if (u->stopping) {
        (void)sw_err_set(&canceled, SW_E_CANCELED, "stopped before it was prepared");
        unit_answer(u, ANSWER_PREPARED, SW_E_CANCELED, &canceled);
    } else {
        unit_answer(u, ANSWER_PREPARED, err->code, err);
    }
}

/* ---- network ------------------------------------------------------------------------------------
 */

int unit_attach_spec(const struct unit *u, const Swarm__V1__AssignedTask *t,
                     struct unit_attach *out)
{
    const Swarm__V1__ContainerSpec *c = t->spec != NULL ? t->spec->container : NULL;

    memset(out, 0, sizeof(*out));
    out->nets = sw_calloc(t->n_networks + 1, sizeof(*out->nets));
    out->ports = sw_calloc(t->n_ports + 1, sizeof(*out->ports));
    if (out->nets == NULL || out->ports == NULL) {
        unit_attach_fini(out);
        return -ENOMEM;
    }
    out->a.container_id = u->container_id;
    out->a.container_name = t->name;
    out->a.netns_fd = -1;
    out->a.pid = u->pid;
    out->a.task = t->key;
    for (size_t i = 0; i < t->n_networks; i++)
        out->nets[i] = (struct net_attachment){ t->networks[i]->network, t->networks[i]->addr,
                                                (const char *const *)t->networks[i]->aliases,
                                                t->networks[i]->n_aliases };
    out->a.attachments = out->nets;
    out->a.n_attachments = t->n_networks;
    for (size_t i = 0; i < t->n_ports; i++) {
        const Swarm__V1__PortConfig *p = t->ports[i];
        struct net_port *np = &out->ports[out->a.n_ports];

        if (p->mode != SWARM__V1__PORT_CONFIG__MODE__HOST)
            continue;
        np->proto =
            p->protocol == SWARM__V1__PORT_CONFIG__PROTOCOL__UDP
                ? NET_UDP
                : (p->protocol == SWARM__V1__PORT_CONFIG__PROTOCOL__SCTP ? NET_SCTP : NET_TCP);
        np->target = (uint16_t)p->target;
        np->published = (uint16_t)p->published;
        out->a.n_ports++;
    }
    out->a.ports = out->ports;
    if (c != NULL && c->hostname[0] != '\0' && strstr(c->hostname, "{{") == NULL)
        out->a.hostname = c->hostname;
    if (c != NULL && c->dns != NULL) {
        out->a.dns =
            (struct net_dns){ (const char *const *)c->dns->nameservers, c->dns->n_nameservers,
                              (const char *const *)c->dns->search,      c->dns->n_search,
                              (const char *const *)c->dns->options,     c->dns->n_options };
    }
    if (c != NULL) {
        out->a.hosts = (const char *const *)c->hosts;
        out->a.n_hosts = c->n_hosts;
    }
    return 0;
}

void unit_attach_fini(struct unit_attach *a)
{
    sw_free(a->nets);
    sw_free(a->ports);
    memset(a, 0, sizeof(*a));
}

void unit_keep_ports(struct unit *u, const struct net_result *r)
{
    Swarm__V1__PortConfig *ports[64];
    Swarm__V1__PortConfig made[64];
    size_t n = SW_MIN(r->n_ports, SW_ARRAY_LEN(made));

    for (size_t i = 0; i < n; i++) {
        swarm__v1__port_config__init(&made[i]);
        made[i].protocol =
            r->ports[i].proto == NET_UDP
                ? SWARM__V1__PORT_CONFIG__PROTOCOL__UDP
                : (r->ports[i].proto == NET_SCTP ? SWARM__V1__PORT_CONFIG__PROTOCOL__SCTP
                                                 : SWARM__V1__PORT_CONFIG__PROTOCOL__TCP);
        made[i].target = r->ports[i].target;
        made[i].published = r->ports[i].published;
        made[i].mode = SWARM__V1__PORT_CONFIG__MODE__HOST;
        ports[i] = &made[i];
    }
    (void)task_set_container(u->task, u->container_id, ports, n);
}

static void on_attached(void *arg, const struct net_result *r, const struct sw_err *err)
{
    struct unit *u = arg;
    struct sw_err local = *err;

    u->attach_open = false;
    if (u->freed) {
        unit_free(u);
        return;
    }
    if (u->stage != UNIT_ATTACHING)
        return; /* the container ended meanwhile: that was answered */
    if (err->code == 0)
        unit_keep_ports(u, r);
    if (err->code != 0 || u->stopping || container_set_hosts(u->container, r->hosts, &local) < 0 ||
        container_set_resolv_conf(u->container, r->resolv_conf, &local) < 0) {
        give_up_or_fail(u, &local);
        return;
    }
    u->stage = UNIT_PREPARED;
    unit_answer(u, ANSWER_PREPARED, 0, NULL);
}

static void attach(struct unit *u)
{
    struct unit_attach a;
    struct sw_err err;

    (void)sw_err_set(&err, -ENOMEM, "attach networks");
    if (unit_attach_spec(u, task_assigned(u->task), &a) < 0) {
        give_up_or_fail(u, &err);
        return;
    }
    u->stage = UNIT_ATTACHING;
    u->detached = false;
    if (net_attach(u->w->o.net, &a.a, on_attached, u, &err) < 0)
        give_up_or_fail(u, &err);
    else
        u->attach_open = true;
    unit_attach_fini(&a);
}

/* ---- container ----------------------------------------------------------------------------------
 */

static void on_created(struct container *c, pid_t pid, void *data)
{
    struct unit *u = data;
    struct sw_err err;

    (void)c;
    u->pid = pid;
    if (u->task == NULL)
        return; /* adoption: looked at when it has settled */
    if (u->stage != UNIT_CREATING)
        return;
    (void)sw_err_set(&err, SW_E_CANCELED, "stopped before it was prepared");
    if (u->stopping)
        give_up_or_fail(u, &err);
    else
        attach(u);
}

static void on_started(struct container *c, pid_t pid, int64_t started_ns, void *data)
{
    struct unit *u = data;

    (void)c;
    u->pid = pid;
    u->started_ns = started_ns;
    if (u->task == NULL || u->stage != UNIT_STARTING)
        return;
    u->stage = UNIT_RUNNING;
    (void)unit_health_start(u);
    unit_answer(u, ANSWER_STARTED, 0, NULL);
}

static void on_failed(struct container *c, int exit_code, const struct sw_err *err, void *data)
{
    struct unit *u = data;
    enum unit_stage was = u->stage;
    struct sw_err local = *err;

    (void)c;
    u->stage = UNIT_DEAD; /* nothing of it runs; its files are still there */
    u->exit.code = exit_code;
    if (u->task == NULL) {
        adopt_settled(u);
        return;
    }
    if (was == UNIT_CREATING)
        give_up_or_fail(u, &local);
    else if (was == UNIT_STARTING)
        unit_answer(u, ANSWER_STARTED, local.code, &local);
    else
        unit_container_ended(u, &u->exit);
}

static void on_exited(struct container *c, const struct container_exit *exit, void *data)
{
    struct unit *u = data;

    (void)c;
    if (u->task == NULL) {
        u->stage = UNIT_DEAD;
        u->exit = *exit;
        adopt_settled(u);
        return;
    }
    unit_container_ended(u, exit);
}

const struct container_events unit_container_events = { on_created, on_started, on_failed,
                                                        on_exited, NULL };

static int make_volumes(const struct spec *s, struct sw_err *err)
{
    const char *const *dirs;
    size_t n = spec_volumes(s, &dirs);
    int r = 0;

    for (size_t i = 0; r == 0 && i < n; i++)
        r = sw_dir_make(dirs[i], 0755, err);
    return r;
}

static int create(struct unit *u, const struct image_config *image, struct sw_err *err)
{
    SW_CLEANUP(sw_free_ptr) char *bundle = NULL;
    SW_CLEANUP(sw_free_ptr) char *volumes = sw_asprintf("%s/volumes", u->w->data_dir);
    struct template_node node = { u->w->hostname, "linux", "x86_64" };
    struct spec_input in = { .task = task_assigned(u->task), .image = image, .node = &node };
    struct container_events events = unit_container_events;
    struct spec *spec = NULL;
    uint8_t id[CONTAINER_ID_CHARS / 2];
    int r;

    sw_random(id, sizeof(id));
    sw_hex(id, sizeof(id), u->container_id);
    bundle = unit_bundle(u);
    if (bundle == NULL || volumes == NULL)
        return sw_err_set(err, -ENOMEM, "create a container");
    in.container_id = u->container_id;
    in.bundle = bundle;
    in.volumes_dir = volumes;
    r = spec_build(&spec, &in, err);
    if (r == 0)
        r = make_volumes(spec, err);
    if (r == 0)
        r = sw_dir_make(bundle, 0700, err);
    if (r == 0 && db_container(&u->w->db, u->key, u->container_id, image->id) < 0)
        r = sw_err_set(err, SW_E_INTERNAL, "the worker's database can't be written");
    if (r == 0) {
        events.data = u;
        (void)snprintf(u->image_id, sizeof(u->image_id), "%s", image->id);
        u->created_ns = sw_now_ns();
        u->stage = UNIT_CREATING;
        r = container_create(&u->container, u->w->o.host, spec_container(spec), &events, err);
        if (r < 0)
            u->stage = UNIT_DEAD;
    }
    spec_free(spec);
    return r;
}

/* ---- image --------------------------------------------------------------------------------------
 */

static void with_image(struct unit *u);

struct fetch {
    struct worker *w;
    uint64_t key;
};

static void on_fetched(void *arg, const struct sw_err *err)
{
    struct fetch *f = arg;
    struct unit *u = sw_map_get(&f->w->by_key, f->key);
    struct sw_err local = *err;

    sw_free(f);
    if (u == NULL || u->freed || u->stage != UNIT_IMAGE)
        return;
    u->stage = UNIT_NOTHING;
    if (err->code != 0 || u->stopping)
        give_up_or_fail(u, &local);
    else
        with_image(u);
}

static void fetch(struct unit *u, const char *image, const struct sw_err *why)
{
    struct fetch *f = sw_calloc(1, sizeof(*f));
    struct sw_err local = *why;

    if (f == NULL || u->fetched) {
        sw_free(f);
        give_up_or_fail(u, &local);
        return;
    }
    f->w = u->w;
    f->key = u->key;
    u->fetched = true;
    u->stage = UNIT_IMAGE;
    u->w->o.fetch_image(u->w->o.arg, image, on_fetched, f);
}

static void with_image(struct unit *u)
{
    const Swarm__V1__AssignedTask *t = task_assigned(u->task);
    const char *image =
        t->spec != NULL && t->spec->container != NULL ? t->spec->container->image : "";
    struct image_config *config = NULL;
    struct sw_err err;
    int r = image_resolve(u->w->o.images, image, &config, &err);

    if (r == SW_E_NOT_FOUND) {
        fetch(u, image, &err);
        return;
    }
    if (r == 0)
        r = create(u, config, &err);
    image_config_free(config);
    if (r < 0)
        give_up_or_fail(u, &err);
}

void unit_prepare(struct unit *u)
{
    struct sw_err err;

    if (u->stage == UNIT_PREPARED) { /* idempotent */
        unit_answer(u, ANSWER_PREPARED, 0, NULL);
        return;
    }
    if (u->stage == UNIT_BROKEN || u->stage == UNIT_DEAD) {
        err = u->err; /* a half-made container is not tried again: its task is replaced */
        if (err.code == 0)
            (void)sw_err_set(&err, SW_E_INTERNAL, "the container could not be prepared");
        err.code = SW_E_INTERNAL;
        unit_answer(u, ANSWER_PREPARED, err.code, &err);
        return;
    }
    u->fetched = false;
    with_image(u);
}
