/* SPDX-License-Identifier: Apache-2.0
 * guard.c - see guard.h. G2 is in propose.c, G5 in io.c, G6 in io.c and fsm.c, G7 in dir.c, G8 in
 * propose.c, entry.c and dir.c. */
#include "manager/consensus/guard.h"

#include <string.h>

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

/* libraft answers within recv with the sender's id, which is right in any role: a refusal that
 * names a later term must get through. Later it looks for the leader where only followers keep it.
 */
static bool is_misaddressed(const struct consensus *c, const struct raft_message *m)
{
    if (m->server_id == 0)
        return true;
    return c->raft.state != RAFT_FOLLOWER && c->guard.receiving != m->server_id;
}

static bool filter_ack(struct consensus *c, struct raft_message *m)
{
    struct raft_append_entries_result *a = &m->append_entries_result;

    if (!cons_guard_on(c, 3))
        return true;
    if (c->guard.stale_ack || is_misaddressed(c, m)) {
        cons_guard_hit(c, 3);
        return false;
    }
    if (a->rejected == 0 && a->last_log_index > c->guard.ack_cap) {
        cons_guard_hit(c, 3);
        a->last_log_index = c->guard.ack_cap;
    }
    return true;
}

static void name_term(struct consensus *c, struct raft_request_vote_result *v)
{
    if (!cons_guard_on(c, 9) || v->pre_vote != raft_tribool_true || v->vote_granted ||
        v->term >= c->raft.current_term)
        return;
    cons_guard_hit(c, 9);
    v->term = c->raft.current_term;
}

bool cons_guard_filter_send(struct consensus *c, struct raft_message *m)
{
    if (m->type == RAFT_IO_REQUEST_VOTE_RESULT)
        name_term(c, &m->request_vote_result);
    return m->type != RAFT_IO_APPEND_ENTRIES_RESULT || filter_ack(c, m);
}

void cons_guard_skip_committed(struct consensus *c, struct raft_append_entries *a)
{
    uint64_t commit = c->raft.commit_index;
    unsigned skip;

    if (!cons_guard_on(c, 10) || a->prev_log_index >= commit || a->term < c->raft.current_term)
        return;
    skip = (unsigned)SW_MIN((uint64_t)a->n_entries, commit - a->prev_log_index);
    if (skip < a->n_entries) {
        a->prev_log_index += skip;
        a->prev_log_term = a->entries[skip - 1].term;
        a->n_entries -= skip;
        memmove(a->entries, a->entries + skip, a->n_entries * sizeof(*a->entries));
    } else {
        /* Nothing new. It agrees with the beginning of the log and, the answer says, up to what is
         * committed; the terms in between may be compacted away. */
        if (a->entries != NULL)
            raft_free(a->entries[0].batch);
        raft_free(a->entries);
        a->entries = NULL;
        a->n_entries = 0;
        a->prev_log_index = 0;
        a->prev_log_term = 0;
        c->guard.ack_cap = commit;
    }
    cons_guard_hit(c, 10);
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
