/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "common/base/alloc.h"
#include "common/base/time.h"
#include "manager/control/submit.h"
#include "proto/pb.h"

#define INVALID "rpc error: code = InvalidArgument desc = "

/* ---- against the cluster ----------------------------------------------------------------------
 */

static int resolve_networks(struct control *c, Swarm__V1__TaskSpec *t, struct sw_err *err)
{
    for (size_t i = 0; i < t->n_networks; i++) {
        const Swarm__V1__Network *net;
        struct view_object *o;

        if (view_find(c->view, VIEW_NETWORK, t->networks[i]->target, &o, err) < 0)
            return sw_err_set(err, SW_E_NOT_FOUND, "network %s not found", t->networks[i]->target);
        net = o->msg;
        if (net->spec->ingress)
            return sw_err_set(err, SW_E_INVALID,
                              INVALID
                              "Service cannot be explicitly attached to the ingress network "
                              "\"%s\"",
                              net->spec->annotations->name);
        t->networks[i]->network = o->key;
        if (pb_set_string(&t->networks[i]->target, o->id) < 0)
            return sw_err_set(err, -ENOMEM, "out of memory");
    }
    return 0;
}

static int resolve_secrets(struct control *c, Swarm__V1__ContainerSpec *s, struct sw_err *err)
{
    for (size_t i = 0; i < s->n_secrets; i++) {
        struct view_object *o = view_by_id(c->view, VIEW_SECRET, s->secrets[i]->id);

        if (o == NULL || strcasecmp(o->name, s->secrets[i]->name) != 0)
            return sw_err_set(err, SW_E_INVALID, INVALID "secret not found: %s",
                              s->secrets[i]->name);
        s->secrets[i]->key = o->key;
    }
    for (size_t i = 0; i < s->n_configs; i++) {
        struct view_object *o = view_by_id(c->view, VIEW_CONFIG, s->configs[i]->id);

        if (o == NULL || strcasecmp(o->name, s->configs[i]->name) != 0)
            return sw_err_set(err, SW_E_INVALID, INVALID "config not found: %s",
                              s->configs[i]->name);
        s->configs[i]->key = o->key;
    }
    return 0;
}

static const char *ingress_clash(const Swarm__V1__PortConfig *want,
                                 const Swarm__V1__PortConfig *have)
{
    if (want->published == 0 || want->published != have->published ||
        want->protocol != have->protocol)
        return NULL;
    if (have->mode == SWARM__V1__PORT_CONFIG__MODE__INGRESS)
        return "an ingress";
    return want->mode == SWARM__V1__PORT_CONFIG__MODE__INGRESS ? "a host-published" : NULL;
}

static int check_ports_of(const Swarm__V1__EndpointSpec *want, const struct view_object *other,
                          struct sw_err *err)
{
    const Swarm__V1__Service *s = other->msg;
    bool allocated = s->endpoint != NULL && s->endpoint->n_ports > 0;
    const Swarm__V1__EndpointSpec *spec = s->spec->endpoint;
    size_t n = allocated ? s->endpoint->n_ports : (spec != NULL ? spec->n_ports : 0);

    for (size_t i = 0; i < want->n_ports; i++) {
        for (size_t k = 0; k < n; k++) {
            const char *how =
                ingress_clash(want->ports[i], allocated ? s->endpoint->ports[k] : spec->ports[k]);

            if (how != NULL)
                return sw_err_set(err, SW_E_INVALID,
                                  INVALID "port '%u' is already in use by service '%s' (%s) as %s "
                                          "port",
                                  want->ports[i]->published, s->spec->annotations->name, other->id,
                                  how);
        }
    }
    return 0;
}

static int check_ports(struct control *c, const Swarm__V1__EndpointSpec *want, uint64_t self,
                       struct sw_err *err)
{
    if (want == NULL || want->n_ports == 0)
        return 0;
    sw_list_each(l, view_list(c->view, VIEW_SERVICE))
    {
        const struct view_object *o = sw_list_entry(l, struct view_object, link);
        int r = o->key != self ? check_ports_of(want, o, err) : 0;

        if (r < 0)
            return r;
    }
    return 0;
}

static int check(struct control *c, Swarm__V1__ServiceSpec *spec, uint64_t self, struct sw_err *err)
{
    int r = control_validate_service(spec, err);

    if (r == 0)
        r = resolve_networks(c, spec->task, err);
    if (r == 0)
        r = check_ports(c, spec->endpoint, self, err);
    if (r == 0)
        r = resolve_secrets(c, spec->task->container, err);
    return r;
}

/* ---- create -----------------------------------------------------------------------------------
 */

static bool is_job(const Swarm__V1__ServiceSpec *s)
{
    return s->mode_case == SWARM__V1__SERVICE_SPEC__MODE_REPLICATED_JOB ||
           s->mode_case == SWARM__V1__SERVICE_SPEC__MODE_GLOBAL_JOB;
}

int control_service_create(struct control *c, Swarm__V1__ServiceSpec *spec, control_done *done,
                           void *arg, struct sw_err *err)
{
    SW_CLEANUP(pb_free_ptr) Swarm__V1__Service *s = pb_new(&swarm__v1__service__descriptor);
    int r;

    if (s == NULL) {
        pb_free(spec);
        return sw_err_set(err, -ENOMEM, "out of memory");
    }
    s->spec = spec;
    s->spec_version = 1;
    s->spec_base = 1; /* below every version a client can have read of it */
    r = check(c, spec, 0, err);
    if (r < 0)
        return r;
    if (view_by_name(c->view, VIEW_SERVICE, spec->annotations->name) != NULL)
        return sw_err_set(err, SW_E_CONFLICT,
                          "rpc error: code = AlreadyExists desc = name conflicts with an existing "
                          "object: service %s already exists",
                          spec->annotations->name);
    if (is_job(spec)) {
        s->job_status = pb_new(&swarm__v1__job_status__descriptor);
        if (s->job_status == NULL)
            return sw_err_set(err, -ENOMEM, "out of memory");
        s->job_status->last_execution_ns = (uint64_t)sw_now_ns();
    }
    return control_create(c, VIEW_SERVICE, sw_steal(s), done, arg, err);
}

/* ---- update -----------------------------------------------------------------------------------
 */

/* Keep what running tasks were made from. The reaper drops it when no task refers to it. */
static int remember(Swarm__V1__Service *s)
{
    Swarm__V1__ServiceSpecVersion *v = pb_new(&swarm__v1__service_spec_version__descriptor);

    if (v == NULL)
        return -ENOMEM;
    v->spec_version = s->spec_version;
    v->task = pb_clone(s->spec->task);
    if (s->spec->endpoint != NULL)
        v->endpoint = pb_clone(s->spec->endpoint);
    if (v->task == NULL || (s->spec->endpoint != NULL && v->endpoint == NULL) ||
        pb_add(&s->n_history, &s->history, v) < 0) {
        pb_free(v);
        return -ENOMEM;
    }
    return 0;
}

/* What was is previous; @next becomes the specification. */
static int replace_spec(Swarm__V1__Service *s, Swarm__V1__ServiceSpec *next)
{
    uint64_t version = s->spec_version;

    if (remember(s) < 0)
        return -ENOMEM;
    pb_free(s->previous_spec);
    s->previous_spec = s->spec;
    s->previous_spec_version = version;
    s->spec = next;
    s->spec_version = version + 1;
    pb_free(s->update_status);
    s->update_status = NULL;
    if (s->job_status != NULL && is_job(next)) {
        s->job_status->iteration++;
        s->job_status->last_execution_ns = (uint64_t)sw_now_ns();
    }
    return 0;
}

static int start_rollback(Swarm__V1__Service *s)
{
    Swarm__V1__UpdateStatus *u = pb_new(&swarm__v1__update_status__descriptor);

    if (u == NULL)
        return -ENOMEM;
    u->state = SWARM__V1__UPDATE_STATUS__STATE__ROLLBACK_STARTED;
    u->started_ns = (uint64_t)sw_now_ns();
    if (pb_set_string(&u->message, "manually requested rollback") < 0) {
        pb_free(u);
        return -ENOMEM;
    }
    s->update_status = u;
    return 0;
}

static int check_update(const Swarm__V1__Service *s, const Swarm__V1__ServiceSpec *next,
                        struct sw_err *err)
{
    if (strcmp(s->spec->annotations->name, next->annotations->name) != 0)
        return sw_err_set(err, SW_E_UNSUPPORTED,
                          "rpc error: code = Unimplemented desc = renaming services is not "
                          "supported");
    if (s->spec->mode_case != next->mode_case)
        return sw_err_set(err, SW_E_UNSUPPORTED,
                          "rpc error: code = Unimplemented desc = service mode change is not "
                          "allowed");
    return 0;
}

int control_service_update(struct control *c, const struct control_service_update *u,
                           control_done *done, void *arg, struct sw_err *err)
{
    SW_CLEANUP(pb_free_ptr) Swarm__V1__ServiceSpec *next = u->spec;
    Swarm__V1__Service *copy;
    struct view_service *vs;
    struct view_object *o;
    struct txn *x;
    int r = view_find(c->view, VIEW_SERVICE, u->what, &o, err);

    if (r == 0)
        r = control_spec_version(o, u->version, ((const Swarm__V1__Service *)o->msg)->spec_base,
                                 err);
    if (r < 0)
        return r;
    vs = view_as_service(o);
    if (u->rollback) {
        if (vs->s->previous_spec == NULL)
            return sw_err_set(
                err, SW_E_PRECONDITION,
                "rpc error: code = FailedPrecondition desc = service %s does not have "
                "a previous spec",
                o->id);
        pb_free(next);
        next = pb_clone(vs->s->previous_spec);
        if (next == NULL)
            return sw_err_set(err, -ENOMEM, "out of memory");
    }
    r = check(c, next, o->key, err);
    if (r == 0)
        r = check_update(vs->s, next, err);
    if (r < 0)
        return r;
    x = control_txn(c);
    copy = x != NULL ? txn_edit_service(x, vs) : NULL;
    if (copy == NULL || replace_spec(copy, next) < 0) {
        txn_free(x);
        return sw_err_set(err, -ENOMEM, "out of memory");
    }
    next = NULL; /* the copy owns it */
    copy->spec_base = vs->s->meta->version;
    if (u->rollback && start_rollback(copy) < 0) {
        txn_free(x);
        return sw_err_set(err, -ENOMEM, "out of memory");
    }
    return control_submit(c, x, o->id, done, arg, err);
}

int control_service_remove(struct control *c, const char *what, control_done *done, void *arg,
                           struct sw_err *err)
{
    struct view_object *o;
    struct txn *x;
    int r = view_find(c->view, VIEW_SERVICE, what, &o, err);

    if (r < 0)
        return r;
    x = control_txn(c);
    if (x == NULL)
        return sw_err_set(err, -ENOMEM, "out of memory");
    txn_delete(x, VIEW_SERVICE, o->msg);
    return control_submit(c, x, o->id, done, arg, err);
}
