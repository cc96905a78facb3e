/* SPDX-License-Identifier: Apache-2.0
 * guard.c - see guard.h. G2 is in propose.c, G5 in io.c, G6 in io.c and fsm.c, G7 in dir.c, G8 in
 * propose.c, entry.c and dir.c. */
#include "manager/consensus/guard.h"

#include <errno.h>

#include "common/base/alloc.h"
#include "common/log/log.h"
#include "manager/consensus/core.h"

bool cons_guard_on(const struct consensus *c, unsigned n)
{
    return (c->guard.off & SW_BIT(n)) == 0;
}

void cons_guard_hit(struct consensus *c, unsigned n)
{
    c->guard.hits[n - 1]++;
}

void cons_guard_init(struct consensus *c)
{
    c->guard.off = c->o.disable_guards;
    c->guard.ack_cap = UINT64_MAX;
    sw_list_init(&c->guard.acks);
    sw_list_init(&c->guard.held);
}

static void drop_all(struct sw_list *list)
{
    struct sw_list *l;

    while ((l = sw_list_pop_front(list)) != NULL) {
        struct cons_held *h = sw_list_entry(l, struct cons_held, link);

        cons_message_fini(&h->msg);
        sw_free(h);
    }
}

void cons_guard_fini(struct consensus *c)
{
    drop_all(&c->guard.acks);
    drop_all(&c->guard.held);
}

static size_t list_len(const struct sw_list *list)
{
    size_t n = 0;

    sw_list_each(l, list) n++;
    return n;
}

/* Without memory or with too many waiting the message is lost, as the network may lose it. */
static void hold_in(struct sw_list *list, struct raft_message *m)
{
    struct cons_held *h = sw_calloc(1, sizeof(*h));

    if (h == NULL || list_len(list) >= CONS_HELD_MAX) {
        cons_message_fini(m);
        sw_free(h);
        return;
    }
    h->from = m->server_id;
    h->msg = *m;
    sw_list_push_back(list, &h->link);
}

static bool g1_waits(const struct consensus *c)
{
    return cons_guard_on(c, 1) && c->guard.barrier_index != 0 &&
           c->raft.last_stored < c->guard.barrier_index;
}

static bool g4_waits(const struct consensus *c)
{
    return cons_guard_on(c, 4) && (c->guard.writes > 0 || c->guard.installing);
}

bool cons_guard_hold(struct consensus *c, struct raft_message *m)
{
    switch (m->type) {
    case RAFT_IO_APPEND_ENTRIES_RESULT:
        if (m->append_entries_result.rejected != 0 || !g1_waits(c))
            return false;
        cons_guard_hit(c, 1);
        hold_in(&c->guard.acks, m);
        return true;
    case RAFT_IO_INSTALL_SNAPSHOT:
        if (!g4_waits(c) && !c->guard.taking)
            return false;
        break;
    case RAFT_IO_REQUEST_VOTE:
    case RAFT_IO_TIMEOUT_NOW:
        if (!g4_waits(c))
            return false;
        break;
    default:
        return false;
    }
    cons_guard_hit(c, 4);
    hold_in(&c->guard.held, m);
    return true;
}

bool cons_guard_has_held(const struct consensus *c)
{
    return (!sw_list_empty(&c->guard.acks) && !g1_waits(c)) ||
           (!sw_list_empty(&c->guard.held) && !g4_waits(c) && !c->guard.taking);
}

void cons_guard_release(struct consensus *c)
{
    while (cons_is_usable(c) && cons_guard_has_held(c)) {
        bool ack = !sw_list_empty(&c->guard.acks) && !g1_waits(c);
        struct sw_list *l = sw_list_pop_front(ack ? &c->guard.acks : &c->guard.held);
        struct cons_held *h;
        struct raft_message m;

        if (l == NULL)
            return;
        h = sw_list_entry(l, struct cons_held, link);
        m = h->msg;
        sw_free(h);
        cons_in_recv(c, &m);
    }
}

bool cons_guard_filter_send(struct consensus *c, struct raft_message *m)
{
    struct raft_append_entries_result *a = &m->append_entries_result;

    if (m->type != RAFT_IO_APPEND_ENTRIES_RESULT || !cons_guard_on(c, 3))
        return true;
    if (raft_state(&c->raft) != RAFT_FOLLOWER || m->server_id == 0 || c->guard.stale_ack) {
        cons_guard_hit(c, 3);
        return false;
    }
    if (a->rejected == 0 && a->last_log_index > c->guard.ack_cap) {
        cons_guard_hit(c, 3);
        a->last_log_index = c->guard.ack_cap;
    }
    return true;
}

bool cons_guard_may_tick(struct consensus *c)
{
    if (raft_state(&c->raft) == RAFT_LEADER)
        return true;
    if (c->removed)
        return false;
    if (g4_waits(c)) {
        cons_guard_hit(c, 4);
        return false;
    }
    return true;
}

bool cons_guard_refuse_vote(struct consensus *c, const struct raft_message *m)
{
    if (m->type != RAFT_IO_REQUEST_VOTE || m->request_vote.pre_vote || !cons_guard_on(c, 4))
        return false;
    if (m->request_vote.term != c->raft.current_term || c->raft.voted_for == 0 ||
        c->raft.voted_for == m->server_id || c->raft.transfer == NULL)
        return false;
    cons_guard_hit(c, 4);
    return true;
}
