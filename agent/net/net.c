/* SPDX-License-Identifier: Apache-2.0
 * net.c - the loop half: life, identity, tables.
 *
 * Tables wait in struct net_table until the flush timer, or a container that needs one, sends
 * everything that waits as one job. A job that failed leaves the kernel half dirty; the repair
 * timer tries again, ever more rarely. */
#include "agent/net/net.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/net/net_priv.h"
#include "common/base/alloc.h"
#include "common/io/file.h"
#include "common/log/log.h"

#define NET_FLUSH_MS      20
#define NET_REPAIR_MIN_MS 500
#define NET_REPAIR_MAX_MS 30000
#define NET_GUARD_MS      60000

/* ------------------------------------------------------------------------------------ flushing */

struct flush_job {
    struct net_job job;
    struct table **tables;
    uint64_t *keys;
    uint32_t *mtus; /* returned */
    size_t n;
    bool identity;
    bool lost; /* returned: the identity failed, nothing was applied */
    uint64_t node_key;
    struct link_ip data_ip;
    uint16_t data_port;
};

static void flush_free(struct flush_job *f)
{
    sw_free(f->tables);
    sw_free(f->keys);
    sw_free(f->mtus);
    sw_free(f);
}

static void flush_run(struct net_job *j)
{
    struct flush_job *f = (struct flush_job *)j;
    struct kern *k = j->net->kern;

    if (f->identity)
        j->result = kern_identity(k, f->node_key, &f->data_ip, f->data_port, &j->err);
    f->lost = j->result < 0;
    if (f->lost)
        for (size_t i = 0; i < f->n; i++)
            table_free(f->tables[i]);
    else
        j->result = kern_apply(k, f->tables, f->n, &j->err);
    for (size_t i = 0; i < f->n; i++) {
        const struct kern_net *n = kern_net_find(k, f->keys[i]);

        f->mtus[i] = n != NULL && n->uplink != 0 ? n->mtu : 0;
    }
}

static void flush_done(struct net_job *j)
{
    struct flush_job *f = (struct flush_job *)j;
    struct net *net = j->net;

    net->flushing = false;
    if (j->result < 0)
        net_failed(net, "networks not set up", &j->err);
    else
        sw_backoff_reset(&net->repair_pause);
    if (f->lost) {
        net->identity_new = true;
        if (net_retable(net, &j->err) < 0)
            log_error("network tables lost error=%s", j->err.msg);
    }
    for (size_t i = 0; i < f->n; i++) {
        struct net_table *t = sw_map_get(&net->tables, f->keys[i]);

        if (t == NULL)
            continue;
        t->mtu = f->mtus[i];
        net_netd_table(net, t);
    }
    flush_free(f);
    net_flush_soon(net); /* what came meanwhile */
}

static size_t flush_waiting(const struct net *net)
{
    struct net_table *t;
    size_t it = 0;
    size_t n = 0;

    while ((t = sw_map_next(&net->tables, &it)) != NULL)
        n += t->next != NULL;
    return n;
}

static struct flush_job *flush_new(struct net *net, size_t n)
{
    struct flush_job *f = sw_calloc(1, sizeof(*f));
    struct net_table *t;
    size_t it = 0;

    if (f == NULL)
        return NULL;
    f->tables = sw_calloc(n + 1, sizeof(*f->tables));
    f->keys = sw_calloc(n + 1, sizeof(*f->keys));
    f->mtus = sw_calloc(n + 1, sizeof(*f->mtus));
    if (f->tables == NULL || f->keys == NULL || f->mtus == NULL) {
        flush_free(f);
        return NULL;
    }
    while ((t = sw_map_next(&net->tables, &it)) != NULL) {
        if (t->next == NULL)
            continue;
        f->keys[f->n] = t->key;
        f->tables[f->n++] = sw_steal(t->next);
    }
    f->identity = net->identity_new;
    f->node_key = net->node_key;
    f->data_ip = net->data_ip;
    f->data_port = net->data_port;
    net->identity_new = false;
    return f;
}

void net_flush_now(struct net *net)
{
    size_t n = flush_waiting(net);
    struct flush_job *f;

    if (net->closing || !net->adopted || net->data_addr == NULL || (n == 0 && !net->identity_new))
        return;
    f = flush_new(net, n);
    if (f == NULL) {
        log_error("networks not set up error=out of memory");
        net_flush_soon(net);
        return;
    }
    sw_timer_stop(&net->flush);
    net->flushing = true;
    net_job_submit(net, &f->job, flush_run, flush_done);
}

void net_flush_soon(struct net *net)
{
    if (net->closing || net->flushing || sw_timer_is_running(&net->flush))
        return;
    if (flush_waiting(net) > 0 || net->identity_new)
        sw_timer_start(&net->flush, NET_FLUSH_MS);
}

static void flush_fire(void *arg)
{
    net_flush_now(arg);
}

/* -------------------------------------------------------------------------------------- repair */

static void repair_run(struct net_job *j)
{
    j->result = kern_repair(j->net->kern, &j->err);
}

static void repair_done(struct net_job *j)
{
    if (j->result < 0) {
        net_failed(j->net, "network not repaired", &j->err);
    } else {
        log_info("network repaired");
        sw_backoff_reset(&j->net->repair_pause);
    }
    sw_free(j);
}

static void repair_fire(void *arg)
{
    struct net *net = arg;
    struct net_job *j = net->closing ? NULL : sw_calloc(1, sizeof(*j));

    if (j != NULL)
        net_job_submit(net, j, repair_run, repair_done);
}

void net_failed(struct net *net, const char *what, const struct sw_err *err)
{
    net->failures++;
    log_warn("%s error=%s", what, err->msg);
    if (!net->closing && !sw_timer_is_running(&net->repair))
        sw_timer_start(&net->repair, sw_backoff_next(&net->repair_pause, sw_random_unit()));
}

static void guard_run(struct net_job *j)
{
    if (!j->net->kern->node_hold && j->net->kern->bridge != 0)
        kern_firewall(j->net->kern, true);
}

static void guard_done(struct net_job *j)
{
    if (!j->net->closing)
        sw_timer_start(&j->net->guard, NET_GUARD_MS);
    sw_free(j);
}

static void guard_fire(void *arg)
{
    struct net *net = arg;
    struct net_job *j = sw_calloc(1, sizeof(*j));

    if (j != NULL)
        net_job_submit(net, j, guard_run, guard_done);
    else
        sw_timer_start(&net->guard, NET_GUARD_MS);
}

/* ---------------------------------------------------------------------------------------- life */

static int net_timers(struct net *net, struct sw_err *err)
{
    int r = sw_timer_init(&net->flush, net->loop, flush_fire, net, err);

    if (r == 0)
        r = sw_timer_init(&net->repair, net->loop, repair_fire, net, err);
    if (r == 0)
        r = sw_timer_init(&net->wait, net->loop, net_cont_wait_fire, net, err);
    if (r == 0)
        r = sw_timer_init(&net->save, net->loop, net_save_fire, net, err);
    if (r == 0)
        r = sw_timer_init(&net->guard, net->loop, guard_fire, net, err);
    if (r == 0)
        sw_timer_start(&net->guard, NET_GUARD_MS);
    return r;
}

static void net_destroy(struct net *net)
{
    struct net_table *t;
    struct net_cont *c;
    size_t it = 0;

    while ((t = sw_map_next(&net->tables, &it)) != NULL)
        net_table_drop(net, t);
    for (it = 0; (c = sw_map_next(&net->conts, &it)) != NULL;)
        net_cont_free(c);
    sw_map_fini(&net->tables);
    sw_map_fini(&net->conts);
    sw_timer_fini(&net->flush);
    sw_timer_fini(&net->repair);
    sw_timer_fini(&net->wait);
    sw_timer_fini(&net->save);
    sw_timer_fini(&net->guard);
    net_netd_free(net);
    kern_free(net->kern);
    sw_free(net->state_dir);
    sw_free(net->run_dir);
    sw_free(net->netd_path);
    sw_free(net->data_addr);
    sw_free(net);
}

static int net_copy_options(struct net *net, const struct net_options *o, struct sw_err *err)
{
    if (o->state_dir == NULL || o->run_dir == NULL)
        return sw_err_set(err, SW_E_INVALID, "state_dir and run_dir are needed");
    if (o->bridge_len != 0 && (o->bridge_len < 8 || o->bridge_len > 28))
        return sw_err_set(err, SW_E_INVALID, "bridge prefix length %u: 8 .. 28", o->bridge_len);
    net->state_dir = sw_strdup(o->state_dir);
    net->run_dir = sw_strdup(o->run_dir);
    net->netd_path = sw_strdup(o->netd_path);
    if (net->state_dir == NULL || net->run_dir == NULL ||
        (o->netd_path != NULL && net->netd_path == NULL))
        return sw_err_set(err, -ENOMEM, "node network");
    return 0;
}

int net_new(struct net **out, struct uv_loop_s *loop, const struct net_options *o,
            const struct net_callbacks *cb, struct sw_err *err)
{
    struct kern_options k = { .state_dir = o->state_dir,
                              .bridge_name = o->bridge_name,
                              .bridge_subnet = o->bridge_subnet,
                              .bridge_len = o->bridge_len };
    struct net *net = sw_calloc(1, sizeof(*net));
    int r;

    if (net == NULL)
        return sw_err_set(err, -ENOMEM, "node network");
    net->loop = loop;
    net->cb = *cb;
    sw_list_init(&net->jobs);
    sw_map_init(&net->tables);
    sw_map_init(&net->conts);
    sw_backoff_init(&net->repair_pause, NET_REPAIR_MIN_MS, NET_REPAIR_MAX_MS);
    r = net_copy_options(net, o, err);
    if (r == 0)
        r = net_timers(net, err);
    if (r == 0)
        r = sw_dir_make(o->state_dir, 0700, err);
    if (r == 0)
        r = kern_new(&net->kern, &k, err);
    if (r == 0) {
        kern_hold(net->kern);
        net_save_load(net);
        r = net_netd_start(net, err);
    }
    if (r < 0) {
        net_destroy(net);
        return r;
    }
    *out = net;
    return 0;
}

void net_idle(struct net *net)
{
    void (*freed)(void *arg) = net->freed;
    void *arg = net->freed_arg;

    if (!net->closing || net->running != NULL || net->closes > 0 || !sw_list_empty(&net->jobs))
        return;
    net_destroy(net);
    if (freed != NULL)
        freed(arg);
}

/* A job that does nothing, so that the end always comes from the loop. */
static void free_run(struct net_job *j)
{
    (void)j;
}

static void free_done(struct net_job *j)
{
    sw_free(j);
}

void net_free(struct net *net, void (*done)(void *arg), void *arg)
{
    struct net_job *j = sw_calloc(1, sizeof(*j));

    net->closing = true;
    net->freed = done;
    net->freed_arg = arg;
    sw_timer_stop(&net->flush);
    sw_timer_stop(&net->repair);
    sw_timer_stop(&net->wait);
    sw_timer_stop(&net->save);
    sw_timer_stop(&net->guard);
    net_cont_close_all(net);
    net_netd_close(net);
    if (j != NULL)
        net_job_submit(net, j, free_run, free_done);
    else
        net_idle(net);
}

/* ------------------------------------------------------------------------------------ identity */

int net_set_identity(struct net *net, const struct net_identity *id, struct sw_err *err)
{
    struct link_ip ip;
    char *addr;

    if (id->node_key == 0 || !link_ip_parse(id->data_addr, &ip))
        return sw_err_set(err, SW_E_INVALID, "data path address '%s'",
                          id->data_addr != NULL ? id->data_addr : "");
    addr = sw_strdup(id->data_addr);
    if (addr == NULL)
        return sw_err_set(err, -ENOMEM, "identity");
    sw_free(net->data_addr);
    net->data_addr = addr;
    net->data_ip = ip;
    net->data_port = id->data_port != 0 ? id->data_port : NET_DATA_PORT;
    net->node_key = id->node_key;
    net->node_id = id->node_id;
    net->identity_new = true;
    net_netd_wanted(net);
    return net_retable(net, err);
}

/* --------------------------------------------------------------------------------------- tables */

bool net_has_table(const struct net *net, uint64_t key)
{
    return net->data_addr != NULL && sw_map_get(&net->tables, key) != NULL;
}

void net_table_drop(struct net *net, struct net_table *t)
{
    sw_map_del(&net->tables, t->key);
    if (t->msg != NULL)
        swarm__v1__network_table__free_unpacked(t->msg, NULL);
    table_free(t->next);
    sw_free(t);
}

static Swarm__V1__NetworkTable *table_copy(const Swarm__V1__NetworkTable *t)
{
    size_t n = swarm__v1__network_table__get_packed_size(t);
    SW_CLEANUP(sw_free_ptr) uint8_t *bytes = sw_malloc(n + 1);

    if (bytes == NULL)
        return NULL;
    swarm__v1__network_table__pack(t, bytes);
    return swarm__v1__network_table__unpack(NULL, n, bytes);
}

static struct net_table *table_get(struct net *net, uint64_t key)
{
    struct net_table *t = sw_map_get(&net->tables, key);

    if (t != NULL)
        return t;
    t = sw_calloc(1, sizeof(*t));
    if (t == NULL)
        return NULL;
    t->key = key;
    if (sw_map_put(&net->tables, key, t) < 0) {
        sw_free(t);
        return NULL;
    }
    return t;
}

int net_apply_network(struct net *net, const Swarm__V1__NetworkTable *msg, struct sw_err *err)
{
    struct table *next = NULL;
    Swarm__V1__NetworkTable *copy;
    struct net_table *t = sw_map_get(&net->tables, msg->key);

    if (t != NULL && t->msg != NULL && msg->version < t->msg->version)
        return 0;
    if (table_new(&next, msg, net->node_key, err) < 0)
        return err->code;
    copy = table_copy(msg);
    t = copy != NULL ? table_get(net, msg->key) : NULL;
    if (t == NULL) {
        table_free(next);
        if (copy != NULL)
            swarm__v1__network_table__free_unpacked(copy, NULL);
        return sw_err_set(err, -ENOMEM, "network %s", msg->name);
    }
    if (t->msg != NULL)
        swarm__v1__network_table__free_unpacked(t->msg, NULL);
    table_free(t->next);
    t->msg = copy;
    t->next = next;
    t->told = false;
    t->unsaved = true;
    net_save_soon(net);
    net_flush_soon(net);
    net_cont_poll(net);
    return 0;
}

/* The node's key decides what is remote: every table anew. */
int net_retable(struct net *net, struct sw_err *err)
{
    struct net_table *t;
    size_t it = 0;

    while ((t = sw_map_next(&net->tables, &it)) != NULL) {
        struct table *next = NULL;

        if (table_new(&next, t->msg, net->node_key, err) < 0)
            return err->code;
        table_free(t->next);
        t->next = next;
    }
    net_netd_identity(net);
    net_flush_soon(net);
    net_cont_poll(net);
    return 0;
}

struct remove_job {
    struct net_job job;
    uint64_t key;
};

static void remove_run(struct net_job *j)
{
    j->result = kern_remove(j->net->kern, ((struct remove_job *)j)->key, &j->err);
}

static void remove_done(struct net_job *j)
{
    if (j->result < 0)
        net_failed(j->net, "network not removed", &j->err);
    sw_free(j);
}

void net_remove_network(struct net *net, uint64_t key)
{
    struct net_table *t = sw_map_get(&net->tables, key);
    struct remove_job *j;

    if (t == NULL)
        return;
    net_table_drop(net, t);
    net_save_remove(net, key);
    net_netd_table_gone(net, key);
    j = sw_calloc(1, sizeof(*j));
    if (j == NULL) {
        log_error("network not removed network=%llu error=out of memory", (unsigned long long)key);
        return;
    }
    j->key = key;
    net_job_submit(net, &j->job, remove_run, remove_done);
}

static bool key_in(const uint64_t *keys, size_t n, uint64_t key)
{
    for (size_t i = 0; i < n; i++)
        if (keys[i] == key)
            return true;
    return false;
}

static void sweep_run(struct net_job *j)
{
    j->result = kern_sweep(j->net->kern, true, &j->err);
}

static void sweep_done(struct net_job *j)
{
    if (j->result < 0)
        log_warn("left-over networks not removed error=%s", j->err.msg);
    sw_free(j);
}

void net_retain_networks(struct net *net, const uint64_t *keys, size_t n)
{
    struct net_table *t;
    struct net_job *j;
    size_t it = 0;

    while ((t = sw_map_next(&net->tables, &it)) != NULL)
        if (!key_in(keys, n, t->key))
            net_remove_network(net, t->key);
    if (!net->adopted || net->data_addr == NULL)
        return;
    net_flush_now(net); /* what is known must be in place before the unknown is removed */
    j = sw_calloc(1, sizeof(*j));
    if (j != NULL)
        net_job_submit(net, j, sweep_run, sweep_done);
}

/* ----------------------------------------------------------------------------------- statistics */

void net_stats(const struct net *net, struct net_stats *out)
{
    const struct kern *k = net->kern; /* only what never changes after kern_new() */

    *out = (struct net_stats){ .networks = net->tables.len,
                               .containers = net->conts.len,
                               .netd_up = net->netd.up,
                               .netd_starts = net->netd_starts,
                               .netlink_changes = net->stat_netlink,
                               .nft_transactions = net->stat_nft,
                               .failures = net->failures };
    snprintf(out->bridge_subnet, sizeof(out->bridge_subnet), TABLE_IP_FMT "/%u",
             TABLE_IP_ARGS(k->bridge_subnet), k->bridge_len);
}
