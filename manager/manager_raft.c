/* SPDX-License-Identifier: Apache-2.0
 * manager_raft.c - consensus with this manager's store, keys and network; what happens when
 * leadership comes and goes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/log/log.h"
#include "manager/manager_priv.h"
#include "proto/pb.h"

/* ---- sealing: the entry's place in the log is bound to it by its digest in front ------------- */

#define PLACE_BYTES 8

static void place_digest(const uint8_t *ad, size_t len, uint8_t out[PLACE_BYTES])
{
    uint8_t full[SW_SHA256_BYTES];

    sw_sha256(ad, len, full);
    memcpy(out, full, PLACE_BYTES);
}

static int seal(void *arg, const uint8_t *ad, size_t ad_len, const uint8_t *in, size_t len,
                uint8_t *out, size_t *out_len, struct sw_err *err)
{
    const struct manager *m = arg;
    uint8_t *plain = sw_malloc(len + PLACE_BYTES);

    if (plain == NULL)
        return sw_err_set(err, -ENOMEM, "seal %zu bytes", len);
    place_digest(ad, ad_len, plain);
    memcpy(plain + PLACE_BYTES, in, len);
    sw_seal(&m->ring, plain, len + PLACE_BYTES, out);
    *out_len = sw_seal_size(len + PLACE_BYTES);
    sw_wipe(plain, len + PLACE_BYTES);
    sw_free(plain);
    return 0;
}

static int unseal(void *arg, const uint8_t *ad, size_t ad_len, const uint8_t *in, size_t len,
                  uint8_t *out, size_t *out_len, struct sw_err *err)
{
    const struct manager *m = arg;
    uint8_t place[PLACE_BYTES];
    uint8_t *plain = sw_malloc(len);
    size_t n;
    int r;

    if (plain == NULL)
        return sw_err_set(err, -ENOMEM, "open %zu sealed bytes", len);
    r = sw_unseal(&m->ring, in, len, plain, &n, err);
    if (r == 0) {
        place_digest(ad, ad_len, place);
        if (n < PLACE_BYTES || !sw_secret_equal(place, plain, PLACE_BYTES)) {
            r = sw_err_set(err, SW_E_CRYPTO, "sealed bytes belong elsewhere in the log");
        } else {
            memcpy(out, plain + PLACE_BYTES, n - PLACE_BYTES);
            *out_len = n - PLACE_BYTES;
        }
    }
    sw_wipe(plain, len);
    sw_free(plain);
    return r < 0 ? sw_err_set(err, SW_E_CRYPTO, "%.200s", err->msg) : 0;
}

/* ---- leadership -------------------------------------------------------------------------------
 */

static void on_leader(void *arg, bool is_leader, uint64_t term)
{
    struct manager *m = arg;

    log_info("raft leadership %s term=%llu", is_leader ? "gained" : "lost",
             (unsigned long long)term);
    m->leading = is_leader;
    if (is_leader) {
        dispatcher_start(m->dispatcher);
        driver_start(m->driver);
        roles_start(m->roles, m->consensus);
    } else {
        roles_stop(m->roles);
        driver_stop(m->driver);
        dispatcher_stop(m->dispatcher);
    }
    manager_setup_progress(m);
}

static void on_leader_changed(void *arg, uint64_t member, const char *address)
{
    struct manager *m = arg;
    bool self = member == m->file->raft_id;

    m->leader_id = member;
    (void)snprintf(m->leader_addr, sizeof(m->leader_addr), "%s", address);
    leader_link_set(m->link, self ? "" : address);
    visualizer_set_leader(m->visualizer, member);
    dispatcher_managers_changed(m->dispatcher);
    manager_setup_progress(m);
}

static void on_members(void *arg)
{
    struct manager *m = arg;

    dispatcher_managers_changed(m->dispatcher);
}

static void on_removed(void *arg)
{
    struct manager *m = arg;

    log_info("this manager was removed from the cluster");
    manager_stop(m);
}

static void on_fatal(void *arg, const struct sw_err *err)
{
    (void)arg;
    log_error("raft can't go on, ending: %s", err->msg);
    _Exit(70); /* nothing more may be written: a restart is safe, going on is not */
}

/* ---- who the managers are ----------------------------------------------------------------------
 */

static int add_peer(size_t *n, Swarm__V1__ManagerPeer ***out, const uint8_t *node_id,
                    const char *addr, uint64_t raft_id, bool leader)
{
    Swarm__V1__ManagerPeer *p = pb_new(&swarm__v1__manager_peer__descriptor);

    if (p == NULL)
        return -ENOMEM;
    p->raft_id = raft_id;
    p->leader = leader;
    if (pb_set_bytes(&p->node_id, node_id, SW_ID_BYTES) < 0 || pb_set_string(&p->addr, addr) < 0 ||
        pb_add(n, out, p) < 0) {
        pb_free(p);
        return -ENOMEM;
    }
    return 0;
}

int manager_list_managers(const struct manager *m, size_t *n, Swarm__V1__ManagerPeer ***out)
{
    sw_list_each(l, view_list(m->view, VIEW_NODE))
    {
        const struct view_node *node = view_as_node(sw_list_entry(l, struct view_object, link));
        const Swarm__V1__ManagerStatus *s = node->n->manager;

        if (s != NULL && add_peer(n, out, node->n->meta->id.data, s->addr, s->raft_id,
                                  s->raft_id == m->leader_id) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* Who is who must be known before the log tells it again: after a restart nothing is applied until
 * the leader has been heard, and the leader is only heard when its node is known as a member. */
void manager_keep_members(struct manager *m)
{
    Swarm__V1__ManagerPeer **list = NULL;
    struct sw_err err;
    size_t n = 0;
    bool same;

    if (m->file == NULL || manager_list_managers(m, &n, &list) < 0)
        return;
    same = n == m->file->n_members;
    for (size_t i = 0; i < n; i++) {
        list[i]->leader = false; /* changes too often to be kept */
        same = same && pb_equal(list[i], m->file->members[i]);
    }
    for (size_t i = 0; !same && i < m->file->n_members; i++)
        pb_free(m->file->members[i]);
    for (size_t i = 0; same && i < n; i++)
        pb_free(list[i]);
    if (same) {
        sw_free(list);
        return;
    }
    sw_free(m->file->members);
    m->file->members = list;
    m->file->n_members = n;
    if (manager_file_save(m->state_dir, m->file, &err) < 0)
        log_error("%s", err.msg);
}

/* A Raft connection's peer: the member id that belongs to an authenticated node. 0: none. */
static uint64_t member_of_node(void *arg, const struct sw_id *node_id)
{
    const struct manager *m = arg;
    const struct view_node *n = view_node_by_id(m->view, node_id->b);

    if (n != NULL && n->n->manager != NULL)
        return n->n->manager->raft_id;
    for (size_t i = 0; i < m->file->n_members; i++) {
        const Swarm__V1__ManagerPeer *p = m->file->members[i];

        if (p->node_id.len == SW_ID_BYTES && memcmp(p->node_id.data, node_id->b, SW_ID_BYTES) == 0)
            return p->raft_id;
    }
    return 0;
}

static struct sw_identity *identity(void *arg)
{
    return ((struct manager *)arg)->identity;
}

int manager_raft_open(struct manager *m, struct sw_err *err)
{
    struct consensus_options o = CONSENSUS_OPTIONS_INIT;
    struct raft_peers_options po = {
        .loop = m->loop,
        .member = m->file->raft_id,
        .identity = identity,
        .member_of_node = member_of_node,
        .arg = m,
    };
    struct sw_seal_key key = { .id = m->file->data_key_id };
    char dir[512];
    int r;

    if (m->file->data_key.len != sizeof(key.key))
        return sw_err_set(err, SW_E_CORRUPT, "the manager's data key is missing");
    memcpy(key.key, m->file->data_key.data, sizeof(key.key));
    sw_seal_ring_init(&m->ring, &m->identity->cert.cluster_id);
    sw_seal_ring_add(&m->ring, &key);
    sw_wipe(&key, sizeof(key));
    r = raft_peers_new(&m->peers, &po, err);
    if (r < 0)
        return r;
    (void)snprintf(dir, sizeof(dir), "%s/raft", m->state_dir);
    o.loop = m->loop;
    o.dir = dir;
    o.member = m->file->raft_id;
    o.address = m->file->advertise_addr;
    o.fsm = proposer_fsm(m->proposer);
    o.seal = (struct consensus_seal){ m, SW_SEAL_OVERHEAD + PLACE_BYTES + 8, seal, unseal };
    o.transport = raft_peers_transport(m->peers);
    o.events = (struct consensus_events){ m,          on_leader,  on_leader_changed,
                                          on_members, on_removed, on_fatal };
    r = consensus_open(&m->consensus, &o, err);
    if (r < 0)
        return r;
    raft_peers_attach(m->peers, m->consensus);
    proposer_attach(m->proposer, m->consensus);
    return 0;
}
