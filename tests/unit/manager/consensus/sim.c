/* SPDX-License-Identifier: Apache-2.0
 * sim.c - see sim.h. */
#include "sim.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"

struct ack {
    struct sw_list link;
    consensus_sent_cb *done;
    void *arg;
    unsigned from;
};

static void sim_send(void *arg, uint64_t member, const char *address, const uint8_t *data,
                     size_t len, consensus_sent_cb *done, void *done_arg)
{
    struct sim_node *n = arg;
    struct sim *s = n->s;
    struct sim_msg *m = calloc(1, sizeof(*m));
    struct ack *a = calloc(1, sizeof(*a));
    struct cons_frame f;
    struct sw_err err;
    bool keep = true;

    (void)address;
    assert(member >= 1 && member <= SIM_MAX);
    a->done = done;
    a->arg = done_arg;
    a->from = (unsigned)(n - s->node);
    sw_list_push_back(&s->acks, &a->link);
    m->from = a->from;
    m->to = (unsigned)member - 1;
    m->data = malloc(len);
    memcpy(m->data, data, len);
    m->len = len;
    assert(cons_frame_decode(data, len, &f, &err) == 0);
    if (s->filter != NULL)
        keep = s->filter(s, m, &f);
    if (s->only_candidate >= 0 && f.kind == CONS_FRAME_MESSAGE &&
        f.msg.type == RAFT_IO_REQUEST_VOTE && m->from != (unsigned)s->only_candidate)
        keep = false;
    cons_frame_fini(&f);
    if (keep && !s->cut[m->from][m->to]) {
        sw_list_push_back(&s->wire, &m->link);
    } else {
        free(m->data);
        free(m);
    }
}

static bool run_acks(struct sim *s)
{
    struct sw_list *l;
    bool any = false;

    while ((l = sw_list_pop_front(&s->acks)) != NULL) {
        struct ack *a = sw_list_entry(l, struct ack, link);

        a->done(a->arg, 0);
        free(a);
        any = true;
    }
    return any;
}

static void sim_stop(void *arg)
{
    struct sim_node *n = arg;

    (void)run_acks(n->s);
}

static void on_fatal(void *arg, const struct sw_err *err)
{
    struct sim_node *n = arg;

    n->fatal = true;
    n->fatal_err = *err;
}

static void on_removed(void *arg)
{
    struct sim_node *n = arg;

    n->removed = true;
}

static void init_node(struct sim *s, unsigned i, const struct raft_configuration *conf)
{
    struct sim_node *n = &s->node[i];

    n->s = s;
    n->id = i + 1;
    (void)snprintf(n->address, sizeof(n->address), "10.0.0.%u:2377", i + 1);
    memdisk_init(&n->disk, conf);
    n->disk.extra_ms = (int)i * 150;
    machine_init(&n->m);
}

void sim_init(struct sim *s, unsigned n, unsigned disable)
{
    struct raft_configuration conf;
    char address[32];

    memset(s, 0, sizeof(*s));
    assert(uv_loop_init(&s->loop) == 0);
    sw_list_init(&s->wire);
    sw_list_init(&s->acks);
    s->n = n;
    s->only_candidate = -1;
    raft_configuration_init(&conf);
    for (unsigned i = 0; i < n; i++) {
        (void)snprintf(address, sizeof(address), "10.0.0.%u:2377", i + 1);
        assert(raft_configuration_add(&conf, i + 1, address, RAFT_VOTER) == 0);
    }
    for (unsigned i = 0; i < n; i++) {
        init_node(s, i, &conf);
        s->node[i].disable = disable;
    }
    raft_configuration_close(&conf);
}

unsigned sim_add(struct sim *s)
{
    assert(s->n < SIM_MAX);
    init_node(s, s->n, NULL);
    return s->n++;
}

void sim_open(struct sim *s, unsigned i)
{
    struct consensus_options o = CONSENSUS_OPTIONS_INIT;
    struct sim_node *n = &s->node[i];
    struct sw_err err;

    machine_fini(&n->m);
    machine_init(&n->m);
    n->m.keep = true;
    n->fatal = false;
    n->disk.now_ms = s->now_ms;
    o.loop = &s->loop;
    o.member = n->id;
    o.address = n->address;
    o.election_ms = 1000;
    o.heartbeat_ms = SIM_TICK;
    o.fsm = machine_fsm(&n->m);
    o.transport = (struct consensus_transport){ n, sim_send, NULL, NULL, sim_stop };
    o.events.arg = n;
    o.events.on_fatal = on_fatal;
    o.events.on_removed = on_removed;
    o.disable_guards = n->disable;
    if (s->tweak != NULL)
        s->tweak(&o);
    if (cons_open(&n->c, &o, &n->disk.io, &err) != 0) {
        (void)fprintf(stderr, "open %u: %s\n", i, err.msg);
        abort();
    }
    sim_turn(s);
}

void sim_open_all(struct sim *s)
{
    for (unsigned i = 0; i < s->n; i++) {
        if (s->node[i].c == NULL)
            sim_open(s, i);
    }
}

static void on_closed(void *arg)
{
    *(bool *)arg = true;
}

void sim_crash(struct sim *s, unsigned i)
{
    bool closed = false;

    if (s->node[i].c == NULL)
        return;
    consensus_close(s->node[i].c, on_closed, &closed);
    s->node[i].c = NULL;
    while (!closed) {
        (void)run_acks(s);
        uv_run(&s->loop, UV_RUN_NOWAIT);
    }
    sw_list_each_safe(l, &s->wire)
    {
        struct sim_msg *m = sw_list_entry(l, struct sim_msg, link);

        if (m->from != i && m->to != i)
            continue;
        sw_list_del(&m->link);
        free(m->data);
        free(m);
    }
}

void sim_fini(struct sim *s)
{
    for (unsigned i = 0; i < s->n; i++)
        sim_crash(s, i);
    for (unsigned i = 0; i < s->n; i++) {
        memdisk_fini(&s->node[i].disk);
        machine_fini(&s->node[i].m);
    }
    assert(sw_list_empty(&s->wire));
    assert(uv_loop_close(&s->loop) == 0);
}

void sim_turn(struct sim *s)
{
    for (int i = 0; i < 8; i++) {
        (void)run_acks(s);
        uv_run(&s->loop, UV_RUN_NOWAIT);
    }
}

static void deliver(struct sim *s, struct sim_msg *m)
{
    struct consensus *to = s->node[m->to].c;
    struct sw_err err;

    sw_list_del(&m->link);
    if (to != NULL && !s->cut[m->from][m->to]) {
        int r = consensus_deliver(to, s->node[m->from].id, m->data, m->len, &err);

        assert(r == 0 || r == SW_E_PERMISSION);
    }
    free(m->data);
    free(m);
}

bool sim_deliver(struct sim *s)
{
    sw_list_each(l, &s->wire)
    {
        struct sim_msg *m = sw_list_entry(l, struct sim_msg, link);

        if (m->held)
            continue;
        deliver(s, m);
        sim_turn(s);
        return true;
    }
    return false;
}

void sim_settle(struct sim *s)
{
    for (unsigned guard = 0; guard < 100000; guard++) {
        bool any = false;

        sim_turn(s);
        for (unsigned i = 0; i < s->n; i++)
            any = (s->node[i].c != NULL && memdisk_step(&s->node[i].disk)) || any;
        any = sim_deliver(s) || any;
        if (!any)
            return;
    }
    abort();
}

void sim_pass(struct sim *s, unsigned ms)
{
    for (unsigned t = 0; t < ms; t += SIM_TICK) {
        s->now_ms += SIM_TICK;
        for (unsigned i = 0; i < s->n; i++) {
            struct memdisk *d = &s->node[i].disk;

            d->now_ms = s->now_ms;
            if (s->node[i].c != NULL && d->tick != NULL)
                d->tick(&d->io);
            sim_turn(s);
        }
        sim_settle(s);
    }
}

void sim_elect(struct sim *s, unsigned i)
{
    s->only_candidate = (int)i;
    for (unsigned t = 0; t < 100; t++) {
        sim_pass(s, SIM_TICK);
        if (raft_state(&s->node[i].c->raft) == RAFT_LEADER) {
            s->only_candidate = -1;
            return;
        }
    }
    (void)fprintf(stderr, "member %u was not elected\n", i);
    abort();
}

void sim_unhold(struct sim *s)
{
    sw_list_each(l, &s->wire) sw_list_entry(l, struct sim_msg, link)->held = false;
}

void sim_isolate(struct sim *s, unsigned i, bool isolated)
{
    for (unsigned k = 0; k < SIM_MAX; k++)
        s->cut[i][k] = s->cut[k][i] = isolated;
}

static void on_done(void *arg, int status, uint64_t index, int result)
{
    int *to = arg;

    (void)index;
    (void)result;
    if (to != NULL)
        *to = status;
}

int sim_propose(struct sim *s, unsigned i, const char *text, int *status)
{
    struct sw_err err;

    if (status != NULL)
        *status = 1;
    return consensus_propose(s->node[i].c, text, strlen(text), on_done, status, &err);
}

bool sim_has_applied(const struct sim *s, unsigned i, const char *text)
{
    const struct sw_buf *b = &s->node[i].m.state;

    return b->len > 0 && memmem(b->data, b->len, text, strlen(text)) != NULL;
}
