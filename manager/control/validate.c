/* SPDX-License-Identifier: Apache-2.0
 * validate.c - a service specification on its own, without looking at the cluster.
 *
 * Order and texts: SEMANTICS 25.3; SwarmKit manager/controlapi/service.go; clients match them. */
#include <stdio.h>
#include <string.h>

#include "common/base/macro.h"
#include "manager/control/control.h"
#include "manager/control/names.h"

#define INVALID "rpc error: code = InvalidArgument desc = "

static int check_resources(const Swarm__V1__Resources *r, bool limits, struct sw_err *err)
{
    if (r == NULL)
        return 0;
    if (r->nano_cpus != 0 && r->nano_cpus < 1000000)
        return sw_err_set(err, SW_E_INVALID, INVALID "invalid cpu value %g: Must be at least 0.001",
                          (double)r->nano_cpus / 1e9);
    if (r->memory_bytes != 0 && r->memory_bytes < 4 * 1024 * 1024)
        return sw_err_set(err, SW_E_INVALID,
                          INVALID "invalid memory value %lld: Must be at least 4MiB",
                          (long long)r->memory_bytes);
    if (limits && r->pids < 0)
        return sw_err_set(err, SW_E_INVALID, INVALID "invalid pids value %lld: Must be positive",
                          (long long)r->pids);
    return 0;
}

static int check_restart(const Swarm__V1__RestartPolicy *p, struct sw_err *err)
{
    if (p == NULL)
        return 0;
    if (p->delay_ns != NULL && p->delay_ns->value < 0)
        return sw_err_set(err, SW_E_INVALID, INVALID "TaskSpec: restart-delay cannot be negative");
    if (p->window_ns < 0)
        return sw_err_set(err, SW_E_INVALID, INVALID "TaskSpec: restart-window cannot be negative");
    return 0;
}

/* SEMANTICS 13.6: "key op value", one operator of == and !=. */
static int check_constraint(const char *s, struct sw_err *err)
{
    const char *op = strstr(s, "==");
    const char *ne = strstr(s, "!=");
    const char *value;
    size_t key = 0;

    if (op == NULL || (ne != NULL && ne < op))
        op = ne;
    if (op == NULL)
        return sw_err_set(err, SW_E_INTERNAL,
                          "rpc error: code = Unknown desc = constraint expected one operator from "
                          "==, !=");
    for (const char *p = s; p < op; p++)
        key += *p != ' ' && *p != '\t';
    for (value = op + 2; *value == ' '; value++)
        ;
    if (key == 0)
        return sw_err_set(err, SW_E_INTERNAL,
                          "rpc error: code = Unknown desc = key '%.*s' is invalid", (int)(op - s),
                          s);
    if (*value == '\0')
        return sw_err_set(err, SW_E_INTERNAL,
                          "rpc error: code = Unknown desc = value '%s' is invalid", value);
    return 0;
}

static int check_placement(const Swarm__V1__Placement *p, struct sw_err *err)
{
    for (size_t i = 0; p != NULL && i < p->n_constraints; i++) {
        int r = check_constraint(p->constraints[i], err);

        if (r < 0)
            return r;
    }
    return 0;
}

static int check_mounts(const Swarm__V1__ContainerSpec *c, struct sw_err *err)
{
    for (size_t i = 0; i < c->n_mounts; i++) {
        const Swarm__V1__Mount *m = c->mounts[i];

        if (m->target[0] == '\0')
            return sw_err_set(err, SW_E_INVALID,
                              INVALID "ContainerSpec: mount target must not be empty");
        for (size_t k = 0; k < i; k++) {
            if (strcmp(c->mounts[k]->target, m->target) == 0)
                return sw_err_set(err, SW_E_INVALID,
                                  INVALID "ContainerSpec: duplicate mount point: %s", m->target);
        }
    }
    return 0;
}

static int check_health(const Swarm__V1__HealthConfig *h, struct sw_err *err)
{
    const struct {
        const char *name;
        int64_t ns;
    } times[] = {
        { "Interval", h->interval_ns },
        { "Timeout", h->timeout_ns },
        { "StartPeriod", h->start_period_ns },
        { "StartInterval", h->start_interval_ns },
    };

    for (size_t i = 0; i < SW_ARRAY_LEN(times); i++) {
        if (times[i].ns != 0 && times[i].ns < 1000000)
            return sw_err_set(err, SW_E_INVALID,
                              INVALID "ContainerSpec: %s in HealthConfig cannot be less than 1ms",
                              times[i].name);
    }
    if (h->retries < 0)
        return sw_err_set(err, SW_E_INVALID,
                          INVALID "ContainerSpec: Retries in HealthConfig cannot be negative");
    return 0;
}

static int check_targets(size_t n, Swarm__V1__SecretReference *const *refs, struct sw_err *err)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < i; k++) {
            if (refs[i]->file != NULL && refs[k]->file != NULL &&
                strcmp(refs[i]->file->name, refs[k]->file->name) == 0)
                return sw_err_set(err, SW_E_INVALID,
                                  INVALID "secret references '%s' and '%s' have a conflicting "
                                          "target: '%s'",
                                  refs[k]->name, refs[i]->name, refs[i]->file->name);
        }
    }
    return 0;
}

static int check_container(const Swarm__V1__ContainerSpec *c, struct sw_err *err)
{
    int r;

    if (c->image[0] == '\0')
        return sw_err_set(err, SW_E_INVALID,
                          INVALID "ContainerSpec: image reference must be provided");
    if (!name_is_image(c->image))
        return sw_err_set(err, SW_E_INVALID,
                          INVALID "ContainerSpec: \"%s\" is not a valid repository/tag", c->image);
    r = check_mounts(c, err);
    if (r == 0 && c->health != NULL)
        r = check_health(c->health, err);
    if (r == 0)
        r = check_targets(c->n_secrets, c->secrets, err);
    return r;
}

static int check_task(const Swarm__V1__TaskSpec *t, struct sw_err *err)
{
    int r = 0;

    if (t == NULL || t->container == NULL)
        return sw_err_set(err, SW_E_INVALID, INVALID "TaskSpec: missing runtime");
    if (t->resources != NULL) {
        r = check_resources(t->resources->limits, true, err);
        if (r == 0)
            r = check_resources(t->resources->reservations, false, err);
    }
    if (r == 0)
        r = check_restart(t->restart, err);
    if (r == 0)
        r = check_placement(t->placement, err);
    return r == 0 ? check_container(t->container, err) : r;
}

static int check_update(const Swarm__V1__UpdateConfig *u, bool rollback, struct sw_err *err)
{
    if (u == NULL)
        return 0;
    if (u->delay_ns < 0)
        return sw_err_set(err, SW_E_INVALID, INVALID "TaskSpec: update-delay cannot be negative");
    if (u->monitor_ns != NULL && u->monitor_ns->value < 0)
        return sw_err_set(err, SW_E_INVALID, INVALID "TaskSpec: update-monitor cannot be negative");
    if (u->max_failure_ratio < 0 || u->max_failure_ratio > 1)
        return sw_err_set(err, SW_E_INVALID,
                          INVALID "TaskSpec: update-maxfailureratio cannot be less than 0 or "
                                  "bigger than 1");
    if (rollback && u->failure_action == SWARM__V1__UPDATE_CONFIG__FAILURE_ACTION__ROLLBACK)
        return sw_err_set(err, SW_E_INVALID,
                          INVALID "rollback failure action can only be pause or continue");
    return 0;
}

static bool same_port(const Swarm__V1__PortConfig *a, const Swarm__V1__PortConfig *b)
{
    return a->published != 0 && a->published == b->published && a->protocol == b->protocol;
}

static int check_endpoint(const Swarm__V1__EndpointSpec *e, struct sw_err *err)
{
    for (size_t i = 0; e != NULL && i < e->n_ports; i++) {
        const Swarm__V1__PortConfig *p = e->ports[i];

        if (p->target == 0 || p->target > 65535 || p->published > 65535)
            return sw_err_set(err, SW_E_INVALID,
                              INVALID "EndpointSpec: port %u:%u is not between 1 and 65535",
                              p->published, p->target);
        if (e->mode == SWARM__V1__ENDPOINT_SPEC__MODE__DNSRR &&
            p->mode == SWARM__V1__PORT_CONFIG__MODE__INGRESS)
            return sw_err_set(err, SW_E_INVALID,
                              INVALID "EndpointSpec: port published with ingress mode can't be "
                                      "used with dnsrr mode");
        for (size_t k = 0; k < i; k++) {
            if (same_port(e->ports[k], p))
                return sw_err_set(err, SW_E_INVALID,
                                  INVALID "EndpointSpec: duplicate published ports provided");
        }
    }
    return 0;
}

static int check_mode(const Swarm__V1__ServiceSpec *s, struct sw_err *err)
{
    bool job = s->mode_case == SWARM__V1__SERVICE_SPEC__MODE_REPLICATED_JOB ||
               s->mode_case == SWARM__V1__SERVICE_SPEC__MODE_GLOBAL_JOB;

    if (job && s->update != NULL)
        return sw_err_set(err, SW_E_INVALID, INVALID "Jobs may not have an update config");
    return 0;
}

int control_validate_service(const Swarm__V1__ServiceSpec *spec, struct sw_err *err)
{
    int r;

    if (spec->annotations == NULL || spec->annotations->name[0] == '\0')
        return sw_err_set(err, SW_E_INVALID, INVALID "meta: name must be provided");
    if (strlen(spec->annotations->name) > 63)
        return sw_err_set(err, SW_E_INVALID, INVALID "name must be 63 characters or fewer");
    if (!name_is_dns(spec->annotations->name))
        return sw_err_set(err, SW_E_INVALID, INVALID "name must be valid as a DNS name component");
    r = check_endpoint(spec->endpoint, err);
    if (r == 0)
        r = check_mode(spec, err);
    if (r == 0)
        r = check_task(spec->task, err);
    if (r == 0)
        r = check_update(spec->update, false, err);
    if (r == 0)
        r = check_update(spec->rollback, true, err);
    return r;
}
