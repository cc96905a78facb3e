/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "manager/control/names.h"
#include "manager/control/submit.h"
#include "proto/pb.h"

#define INVALID "rpc error: code = InvalidArgument desc = "

/* "10.1.0.0/24". Return: false when it is no IPv4 prefix with room for hosts. */
static bool parse_subnet(const char *s, uint32_t *addr, unsigned *len)
{
    char host[INET_ADDRSTRLEN];
    const char *slash = strchr(s, '/');
    struct in_addr in;
    char *end;
    unsigned long n;

    if (slash == NULL || (size_t)(slash - s) >= sizeof(host))
        return false;
    memcpy(host, s, (size_t)(slash - s));
    host[slash - s] = '\0';
    n = strtoul(slash + 1, &end, 10);
    if (inet_pton(AF_INET, host, &in) != 1 || end == slash + 1 || *end != '\0' || n < 8 || n > 29)
        return false;
    *addr = ntohl(in.s_addr);
    *len = (unsigned)n;
    return true;
}

static uint32_t mask(unsigned len)
{
    return 0xffffffffu << (32 - len);
}

static int check_ipam(struct control *c, Swarm__V1__NetworkSpec *spec, struct sw_err *err)
{
    for (size_t i = 0; spec->ipam != NULL && i < spec->ipam->n_configs; i++) {
        const Swarm__V1__IpamConfig *cfg = spec->ipam->configs[i];
        struct in_addr gw;
        unsigned len;
        uint32_t addr;

        if (cfg->subnet[0] == '\0')
            continue;
        if (!parse_subnet(cfg->subnet, &addr, &len))
            return sw_err_set(err, SW_E_INVALID,
                              INVALID "invalid subnet \"%s\": an IPv4 prefix of 8 to 29 bits is "
                                      "wanted",
                              cfg->subnet);
        if ((addr & ~mask(len)) != 0)
            return sw_err_set(err, SW_E_INVALID,
                              INVALID "invalid subnet \"%s\": it has host bits set", cfg->subnet);
        if (cfg->gateway[0] != '\0' &&
            (inet_pton(AF_INET, cfg->gateway, &gw) != 1 || (ntohl(gw.s_addr) & mask(len)) != addr ||
             (ntohl(gw.s_addr) & ~mask(len)) == 0))
            return sw_err_set(err, SW_E_INVALID,
                              INVALID "gateway \"%s\" is not an address of subnet %s", cfg->gateway,
                              cfg->subnet);
        sw_list_each(l, view_list(c->view, VIEW_NETWORK))
        {
            const Swarm__V1__Network *n = sw_list_entry(l, struct view_object, link)->msg;
            unsigned common = SW_MIN(len, n->subnet_len);

            if (n->subnet_len != 0 && (n->subnet & mask(common)) == (addr & mask(common)))
                return sw_err_set(err, SW_E_INVALID, INVALID "subnet %s overlaps with network %s",
                                  cfg->subnet, n->spec->annotations->name);
        }
    }
    return 0;
}

static const char *option(const Swarm__V1__NetworkSpec *spec, const char *key)
{
    for (size_t i = 0; i < spec->n_driver_opts; i++) {
        if (strcmp(spec->driver_opts[i]->key, key) == 0)
            return spec->driver_opts[i]->value;
    }
    return NULL;
}

static int check_options(Swarm__V1__NetworkSpec *spec, struct sw_err *err)
{
    const char *enc = option(spec, "encrypted");
    const char *mtu = option(spec, "com.docker.network.driver.mtu");

    if (mtu == NULL)
        mtu = option(spec, "mtu");
    spec->encrypted = enc == NULL || (strcmp(enc, "false") != 0 && strcmp(enc, "0") != 0 &&
                                      strcmp(enc, "no") != 0);
    if (mtu != NULL) {
        char *end;
        unsigned long n = strtoul(mtu, &end, 10);

        if (end == mtu || *end != '\0' || n < 576 || n > 65000)
            return sw_err_set(err, SW_E_INVALID,
                              INVALID "invalid MTU \"%s\": 576 to 65000 is wanted", mtu);
        spec->mtu = (uint32_t)n;
    }
    return 0;
}

int control_network_create(struct control *c, Swarm__V1__NetworkSpec *spec, control_done *done,
                           void *arg, struct sw_err *err)
{
    SW_CLEANUP(pb_free_ptr) Swarm__V1__Network *n = pb_new(&swarm__v1__network__descriptor);
    int r;

    if (n == NULL) {
        pb_free(spec);
        return sw_err_set(err, -ENOMEM, "out of memory");
    }
    n->spec = spec;
    if (spec->annotations == NULL || spec->annotations->name[0] == '\0')
        return sw_err_set(err, SW_E_INVALID, INVALID "meta: name must be provided");
    if (!name_is_data(spec->annotations->name))
        return sw_err_set(err, SW_E_INVALID,
                          INVALID "network name \"%s\" must be letters, digits, '-', '_' or '.'",
                          spec->annotations->name);
    if (strcmp(spec->driver, "overlay") != 0)
        return sw_err_set(err, SW_E_INVALID, "plugin \"%s\" not found", spec->driver);
    if (spec->ipv6)
        return sw_err_set(err, SW_E_UNSUPPORTED,
                          "IPv6 on overlay networks is not supported by swarmd");
    if (view_by_name(c->view, VIEW_NETWORK, spec->annotations->name) != NULL)
        return sw_err_set(err, SW_E_CONFLICT, "network with name %s already exists",
                          spec->annotations->name);
    if (spec->ingress)
        return sw_err_set(err, SW_E_CONFLICT,
                          "rpc error: code = AlreadyExists desc = ingress network (ingress) is "
                          "already present");
    r = check_ipam(c, spec, err);
    if (r == 0)
        r = check_options(spec, err);
    if (r < 0)
        return r;
    return control_create(c, VIEW_NETWORK, sw_steal(n), done, arg, err);
}

static int check_unused(struct control *c, const struct view_object *o, struct sw_err *err)
{
    const Swarm__V1__Network *n = o->msg;

    if (n->spec->ingress)
        return sw_err_set(err, SW_E_FORBIDDEN,
                          "ingress network %s cannot be removed: it carries published ports",
                          n->spec->annotations->name);
    sw_list_each(l, view_list(c->view, VIEW_SERVICE))
    {
        const struct view_object *so = sw_list_entry(l, struct view_object, link);
        const Swarm__V1__TaskSpec *t = ((const Swarm__V1__Service *)so->msg)->spec->task;

        for (size_t i = 0; t != NULL && i < t->n_networks; i++) {
            if (t->networks[i]->network == o->key)
                return sw_err_set(
                    err, SW_E_PRECONDITION,
                    "rpc error: code = FailedPrecondition desc = network %s is in use "
                    "by service %s",
                    o->id, so->id);
        }
    }
    sw_list_each(l, view_list(c->view, VIEW_TASK))
    {
        const struct view_task *t = view_as_task(sw_list_entry(l, struct view_object, link));

        if (t->t->status != NULL && t->t->status->state > SWARM__V1__TASK_STATE__TASK_RUNNING)
            continue;
        for (size_t i = 0; i < t->t->n_networks; i++) {
            if (t->t->networks[i]->network == o->key)
                return sw_err_set(
                    err, SW_E_PRECONDITION,
                    "rpc error: code = FailedPrecondition desc = network %s is in use "
                    "by task %s",
                    o->id, t->o->id);
        }
    }
    return 0;
}

int control_network_remove(struct control *c, const char *what, control_done *done, void *arg,
                           struct sw_err *err)
{
    struct view_object *o;
    struct txn *x;
    int r = view_find(c->view, VIEW_NETWORK, what, &o, err);

    if (r == 0)
        r = check_unused(c, o, err);
    if (r < 0)
        return r;
    x = control_txn(c);
    if (x == NULL)
        return sw_err_set(err, -ENOMEM, "out of memory");
    txn_delete(x, VIEW_NETWORK, o->msg);
    return control_submit(c, x, o->id, done, arg, err);
}
