/* SPDX-License-Identifier: Apache-2.0
 * status.c - what can be asked at any time. */
#include <stdio.h>
#include <string.h>

#include "manager/consensus/core.h"

static enum consensus_role role_of(const struct consensus *c)
{
    if (c->failed)
        return CONSENSUS_FAILED;
    switch (c->raft.state) {
    case RAFT_LEADER:
        return CONSENSUS_LEADER;
    case RAFT_CANDIDATE:
        return CONSENSUS_CANDIDATE;
    default:
        return CONSENSUS_FOLLOWER;
    }
}

/* raft_leader() only reads, but takes no const. */
static struct raft *raft_of(const struct consensus *c)
{
    return (struct raft *)(uintptr_t)&c->raft;
}

void consensus_status(const struct consensus *c, struct consensus_status *out)
{
    const struct raft_configuration *conf = &c->raft.configuration;
    unsigned self = cons_conf_find(conf, c->o.member);
    const char *address = NULL;
    raft_id leader = 0;

    memset(out, 0, sizeof(*out));
    out->role = role_of(c);
    out->ready = c->ready;
    out->voter = self < conf->n && conf->servers[self].role == RAFT_VOTER;
    out->removed = c->removed;
    out->member = c->o.member;
    out->term = c->raft.current_term;
    if (c->raft.state != RAFT_UNAVAILABLE)
        raft_leader(raft_of(c), &leader, &address);
    out->leader = leader;
    (void)snprintf(out->leader_address, sizeof(out->leader_address), "%s",
                   address == NULL ? "" : address);
    out->last_index = c->log.next_index - 1;
    out->commit_index = c->raft.commit_index;
    out->applied_index = c->raft.last_applied;
    out->snapshot_index = c->snap.last_index;
    out->n_members = conf->n;
    out->n_voters = cons_conf_voters(conf);
    memcpy(out->guard_hits, c->guard.hits, sizeof(out->guard_hits));
}

size_t consensus_members(const struct consensus *c, struct consensus_member *out, size_t max)
{
    const struct raft_configuration *conf = &c->raft.configuration;
    uint64_t now = c->disk->time(c->disk);
    bool leads = c->raft.state == RAFT_LEADER;

    for (unsigned i = 0; i < conf->n && i < max; i++) {
        const struct raft_server *s = &conf->servers[i];
        struct consensus_member *m = &out[i];

        memset(m, 0, sizeof(*m));
        m->member = s->id;
        (void)snprintf(m->address, sizeof(m->address), "%s", s->address);
        m->voter = s->role == RAFT_VOTER;
        m->self = s->id == c->o.member;
        m->leader = s->id == c->known_leader;
        if (!leads)
            continue;
        m->reachable = m->self;
        m->match_index = m->self ? c->raft.last_stored : cons_compat_match_index(&c->raft, i);
        sw_list_each(l, &c->out.peers)
        {
            const struct cons_peer *p = sw_list_entry(l, struct cons_peer, link);

            if (p->member == s->id)
                m->reachable = p->heard_ms != 0 && now + 1 - p->heard_ms < c->o.election_ms;
        }
    }
    return conf->n;
}

bool consensus_is_removed(const struct consensus *c, uint64_t member)
{
    return cons_history_is_removed(&c->history, member);
}

bool consensus_is_ready(const struct consensus *c)
{
    return c->ready;
}
