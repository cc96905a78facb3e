/* SPDX-License-Identifier: Apache-2.0
 * message.c - see message.h. */
#include "manager/consensus/message.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "swarm/v1/raft.pb-c.h"

#include "common/base/alloc.h"
#include "common/base/macro.h"
#include "manager/consensus/conf.h"

/* ---- encoding ---------------------------------------------------------------------------- */

static int pack(const Swarm__V1__RaftFrame *f, uint8_t **out, size_t *len)
{
    size_t n = swarm__v1__raft_frame__get_packed_size(f);
    uint8_t *b = sw_malloc(n == 0 ? 1 : n);

    if (b == NULL)
        return -ENOMEM;
    *len = swarm__v1__raft_frame__pack(f, b);
    *out = b;
    return 0;
}

unsigned cons_piece_entries(const struct raft_append_entries *a, unsigned first, size_t bytes)
{
    size_t sum = 0;
    unsigned i;

    for (i = first; i < a->n_entries; i++) {
        sum += a->entries[i].buf.len + 24;
        if (i > first && sum > bytes)
            break;
    }
    return i - first;
}

/* libraft always sends everything up to its log's end, hence never a commit index beyond what the
 * message holds. Pieces must keep that: a follower may have older leftovers behind a piece. */
static void fill_append(Swarm__V1__RaftAppend *pb, const struct raft_append_entries *a,
                        unsigned first, unsigned n)
{
    uint64_t last = a->prev_log_index + first + n;

    pb->term = a->term;
    pb->prev_index = a->prev_log_index + first;
    pb->prev_term = first == 0 ? a->prev_log_term : a->entries[first - 1].term;
    pb->commit = SW_MIN((uint64_t)a->leader_commit, last);
}

static int encode_append(const struct raft_append_entries *a, unsigned first, unsigned n,
                         const char *address, uint8_t **out, size_t *len)
{
    Swarm__V1__RaftFrame f = SWARM__V1__RAFT_FRAME__INIT;
    Swarm__V1__RaftAppend pb = SWARM__V1__RAFT_APPEND__INIT;
    Swarm__V1__RaftEntry **list = NULL;
    Swarm__V1__RaftEntry *items;
    char addr[CONSENSUS_ADDRESS_MAX];
    int r;

    if (n > 0) {
        list = sw_malloc(n * (sizeof(*list) + sizeof(*items)));
        if (list == NULL)
            return -ENOMEM;
        items = (Swarm__V1__RaftEntry *)(void *)(list + n);
        for (unsigned i = 0; i < n; i++) {
            const struct raft_entry *e = &a->entries[first + i];

            swarm__v1__raft_entry__init(&items[i]);
            items[i].term = e->term;
            items[i].type = e->type;
            items[i].data.data = e->buf.base;
            items[i].data.len = e->buf.len;
            list[i] = &items[i];
        }
    }
    fill_append(&pb, a, first, n);
    pb.n_entries = n;
    pb.entries = list;
    f.body_case = SWARM__V1__RAFT_FRAME__BODY_APPEND;
    f.append = &pb;
    (void)snprintf(addr, sizeof(addr), "%s", address);
    f.address = addr;
    r = pack(&f, out, len);
    sw_free(list);
    return r;
}

static int encode_vote(const struct raft_message *m, uint8_t **out, size_t *len)
{
    Swarm__V1__RaftFrame f = SWARM__V1__RAFT_FRAME__INIT;
    Swarm__V1__RaftVote v = SWARM__V1__RAFT_VOTE__INIT;

    v.term = m->request_vote.term;
    v.last_index = m->request_vote.last_log_index;
    v.last_term = m->request_vote.last_log_term;
    v.disrupt_leader = m->request_vote.disrupt_leader;
    v.pre_vote = m->request_vote.pre_vote;
    f.body_case = SWARM__V1__RAFT_FRAME__BODY_VOTE;
    f.vote = &v;
    return pack(&f, out, len);
}

static int encode_small(const struct raft_message *m, uint8_t **out, size_t *len)
{
    Swarm__V1__RaftFrame f = SWARM__V1__RAFT_FRAME__INIT;
    Swarm__V1__RaftAppendResult ar = SWARM__V1__RAFT_APPEND_RESULT__INIT;
    Swarm__V1__RaftVoteResult vr = SWARM__V1__RAFT_VOTE_RESULT__INIT;
    Swarm__V1__RaftTimeoutNow tn = SWARM__V1__RAFT_TIMEOUT_NOW__INIT;

    switch (m->type) {
    case RAFT_IO_APPEND_ENTRIES_RESULT:
        ar.term = m->append_entries_result.term;
        ar.rejected = m->append_entries_result.rejected;
        ar.last_index = m->append_entries_result.last_log_index;
        f.body_case = SWARM__V1__RAFT_FRAME__BODY_APPEND_RESULT;
        f.append_result = &ar;
        break;
    case RAFT_IO_REQUEST_VOTE_RESULT:
        vr.term = m->request_vote_result.term;
        vr.granted = m->request_vote_result.vote_granted;
        vr.pre_vote = m->request_vote_result.pre_vote == raft_tribool_true;
        f.body_case = SWARM__V1__RAFT_FRAME__BODY_VOTE_RESULT;
        f.vote_result = &vr;
        break;
    default:
        tn.term = m->timeout_now.term;
        tn.last_index = m->timeout_now.last_log_index;
        tn.last_term = m->timeout_now.last_log_term;
        f.body_case = SWARM__V1__RAFT_FRAME__BODY_TIMEOUT_NOW;
        f.timeout_now = &tn;
        break;
    }
    return pack(&f, out, len);
}

int cons_encode_message(const struct raft_message *m, unsigned first, unsigned n,
                        const char *address, uint8_t **out, size_t *len)
{
    if (m->type == RAFT_IO_APPEND_ENTRIES)
        return encode_append(&m->append_entries, first, n, address, out, len);
    if (m->type == RAFT_IO_REQUEST_VOTE)
        return encode_vote(m, out, len);
    return encode_small(m, out, len);
}

/* protobuf-c's bytes are not const, but packing only reads them. */
static ProtobufCBinaryData bytes_of(const uint8_t *p, size_t n)
{
    ProtobufCBinaryData b = { n, (uint8_t *)(uintptr_t)p };

    return b;
}

int cons_encode_chunk(const struct cons_chunk *c, const char *address, uint8_t **out, size_t *len)
{
    Swarm__V1__RaftFrame f = SWARM__V1__RAFT_FRAME__INIT;
    Swarm__V1__RaftSnapshotChunk k = SWARM__V1__RAFT_SNAPSHOT_CHUNK__INIT;
    char addr[CONSENSUS_ADDRESS_MAX];

    k.term = c->term;
    k.last_index = c->last_index;
    k.last_term = c->last_term;
    k.configuration_index = c->conf_index;
    k.configuration = bytes_of(c->conf, c->conf_len);
    k.total = c->total;
    k.offset = c->offset;
    k.data = bytes_of(c->data, c->len);
    f.body_case = SWARM__V1__RAFT_FRAME__BODY_CHUNK;
    f.chunk = &k;
    (void)snprintf(addr, sizeof(addr), "%s", address);
    f.address = addr;
    return pack(&f, out, len);
}

int cons_encode_ack(const struct cons_ack *a, uint8_t **out, size_t *len)
{
    Swarm__V1__RaftFrame f = SWARM__V1__RAFT_FRAME__INIT;
    Swarm__V1__RaftSnapshotAck k = SWARM__V1__RAFT_SNAPSHOT_ACK__INIT;

    k.term = a->term;
    k.last_index = a->last_index;
    k.offset = a->offset;
    k.installed = a->installed;
    f.body_case = SWARM__V1__RAFT_FRAME__BODY_ACK;
    f.ack = &k;
    return pack(&f, out, len);
}

int cons_encode_removed(uint64_t member, uint8_t **out, size_t *len)
{
    Swarm__V1__RaftFrame f = SWARM__V1__RAFT_FRAME__INIT;
    Swarm__V1__RaftRemoved k = SWARM__V1__RAFT_REMOVED__INIT;

    k.member = member;
    f.body_case = SWARM__V1__RAFT_FRAME__BODY_REMOVED;
    f.removed = &k;
    return pack(&f, out, len);
}

/* The body comes first on the wire: tag of field 5, length-delimited. */
bool consensus_is_bulk(const uint8_t *data, size_t len)
{
    return len > 0 && data[0] == (5 << 3 | 2);
}

/* ---- decoding ---------------------------------------------------------------------------- */

static int check_entry(const Swarm__V1__RaftEntry *e, struct sw_err *err)
{
    struct raft_configuration c;
    int r;

    if (e->data.len == 0 || e->data.len % 8 != 0 || e->term == 0)
        return sw_err_set(err, SW_E_PROTOCOL, "raft entry of %zu bytes", e->data.len);
    switch (e->type) {
    case RAFT_COMMAND:
    case RAFT_BARRIER:
        return 0;
    case RAFT_CHANGE:
        r = cons_conf_decode(e->data.data, e->data.len, &c, err);
        if (r < 0)
            return r == -ENOMEM ? r : sw_err_set(err, SW_E_PROTOCOL, "raft configuration");
        raft_configuration_close(&c);
        return 0;
    default:
        return sw_err_set(err, SW_E_PROTOCOL, "raft entry of type %u", e->type);
    }
}

/* All entries share one block, as libraft wants it: it frees `batch` of the first. */
static int decode_entries(const Swarm__V1__RaftAppend *pb, struct raft_append_entries *a,
                          struct sw_err *err)
{
    size_t total = 0;
    size_t at = 0;
    uint8_t *block;
    int r;

    for (size_t i = 0; i < pb->n_entries; i++) {
        r = check_entry(pb->entries[i], err);
        if (r < 0)
            return r;
        total += pb->entries[i]->data.len;
    }
    a->entries = raft_calloc(pb->n_entries, sizeof(*a->entries));
    block = raft_malloc(total);
    if (a->entries == NULL || block == NULL) {
        raft_free(a->entries);
        raft_free(block);
        a->entries = NULL;
        return sw_err_set(err, -ENOMEM, "receive raft entries");
    }
    for (size_t i = 0; i < pb->n_entries; i++) {
        const Swarm__V1__RaftEntry *e = pb->entries[i];
        struct raft_entry *to = &a->entries[i];

        to->term = e->term;
        to->type = (unsigned short)e->type;
        to->buf.base = block + at;
        to->buf.len = e->data.len;
        to->batch = block;
        memcpy(block + at, e->data.data, e->data.len);
        at += e->data.len;
    }
    a->n_entries = (unsigned)pb->n_entries;
    return 0;
}

static int decode_append(const Swarm__V1__RaftAppend *pb, struct raft_message *m,
                         struct sw_err *err)
{
    struct raft_append_entries *a = &m->append_entries;
    uint64_t last = pb->prev_index + pb->n_entries;

    if (last < pb->prev_index || last == UINT64_MAX || pb->commit > last || pb->term == 0 ||
        (pb->prev_index == 0) != (pb->prev_term == 0))
        return sw_err_set(err, SW_E_PROTOCOL, "raft append out of range");
    m->type = RAFT_IO_APPEND_ENTRIES;
    a->term = pb->term;
    a->prev_log_index = pb->prev_index;
    a->prev_log_term = pb->prev_term;
    a->leader_commit = pb->commit;
    return pb->n_entries == 0 ? 0 : decode_entries(pb, a, err);
}

static int decode_chunk(const Swarm__V1__RaftSnapshotChunk *k, struct cons_frame *f,
                        struct sw_err *err)
{
    if (k->term == 0 || k->last_index == 0 || k->last_term == 0 || k->total == 0 ||
        k->offset > k->total || k->data.len > k->total - k->offset ||
        (k->data.len == 0) != (k->offset == k->total))
        return sw_err_set(err, SW_E_PROTOCOL, "raft snapshot part out of range");
    f->kind = CONS_FRAME_CHUNK;
    f->chunk = (struct cons_chunk){
        .term = k->term,
        .last_index = k->last_index,
        .last_term = k->last_term,
        .conf_index = k->configuration_index,
        .conf = k->configuration.data,
        .conf_len = k->configuration.len,
        .total = k->total,
        .offset = k->offset,
        .data = k->data.data,
        .len = k->data.len,
    };
    return 0;
}

static void decode_vote(const Swarm__V1__RaftVote *v, struct raft_message *m)
{
    m->type = RAFT_IO_REQUEST_VOTE;
    m->request_vote.term = v->term;
    m->request_vote.last_log_index = v->last_index;
    m->request_vote.last_log_term = v->last_term;
    m->request_vote.disrupt_leader = v->disrupt_leader;
    m->request_vote.pre_vote = v->pre_vote;
}

static int decode_body(const Swarm__V1__RaftFrame *pb, struct cons_frame *f, struct sw_err *err)
{
    struct raft_message *m = &f->msg;

    f->kind = CONS_FRAME_MESSAGE;
    switch (pb->body_case) {
    case SWARM__V1__RAFT_FRAME__BODY_APPEND:
        return decode_append(pb->append, m, err);
    case SWARM__V1__RAFT_FRAME__BODY_APPEND_RESULT:
        m->type = RAFT_IO_APPEND_ENTRIES_RESULT;
        m->append_entries_result.term = pb->append_result->term;
        m->append_entries_result.rejected = pb->append_result->rejected;
        m->append_entries_result.last_log_index = pb->append_result->last_index;
        return 0;
    case SWARM__V1__RAFT_FRAME__BODY_VOTE:
        decode_vote(pb->vote, m);
        return 0;
    case SWARM__V1__RAFT_FRAME__BODY_VOTE_RESULT:
        m->type = RAFT_IO_REQUEST_VOTE_RESULT;
        m->request_vote_result.term = pb->vote_result->term;
        m->request_vote_result.vote_granted = pb->vote_result->granted;
        m->request_vote_result.pre_vote =
            pb->vote_result->pre_vote ? raft_tribool_true : raft_tribool_false;
        return 0;
    case SWARM__V1__RAFT_FRAME__BODY_TIMEOUT_NOW:
        m->type = RAFT_IO_TIMEOUT_NOW;
        m->timeout_now.term = pb->timeout_now->term;
        m->timeout_now.last_log_index = pb->timeout_now->last_index;
        m->timeout_now.last_log_term = pb->timeout_now->last_term;
        return 0;
    case SWARM__V1__RAFT_FRAME__BODY_CHUNK:
        return decode_chunk(pb->chunk, f, err);
    case SWARM__V1__RAFT_FRAME__BODY_ACK:
        f->kind = CONS_FRAME_ACK;
        f->ack.term = pb->ack->term;
        f->ack.last_index = pb->ack->last_index;
        f->ack.offset = pb->ack->offset;
        f->ack.installed = pb->ack->installed;
        return 0;
    case SWARM__V1__RAFT_FRAME__BODY_REMOVED:
        f->kind = CONS_FRAME_REMOVED;
        f->removed = pb->removed->member;
        return 0;
    case SWARM__V1__RAFT_FRAME__BODY__NOT_SET:
    case _SWARM__V1__RAFT_FRAME__BODY__CASE_IS_INT_SIZE:
    default:
        return sw_err_set(err, SW_E_PROTOCOL, "raft message of unknown kind");
    }
}

int cons_frame_decode(const uint8_t *data, size_t len, struct cons_frame *out, struct sw_err *err)
{
    Swarm__V1__RaftFrame *pb;
    int r;

    memset(out, 0, sizeof(*out));
    if (len > CONS_FRAME_MAX)
        return sw_err_set(err, SW_E_PROTOCOL, "raft message of %zu bytes", len);
    pb = swarm__v1__raft_frame__unpack(NULL, len, data);
    if (pb == NULL)
        return sw_err_set(err, SW_E_PROTOCOL, "malformed raft message");
    out->unpacked = pb;
    if (strlen(pb->address) < sizeof(out->address))
        (void)snprintf(out->address, sizeof(out->address), "%s", pb->address);
    r = decode_body(pb, out, err);
    if (r < 0)
        cons_frame_fini(out);
    return r;
}

void cons_message_fini(struct raft_message *m)
{
    if (m->type == RAFT_IO_APPEND_ENTRIES && m->append_entries.entries != NULL) {
        raft_free(m->append_entries.entries[0].batch);
        raft_free(m->append_entries.entries);
        m->append_entries.entries = NULL;
        m->append_entries.n_entries = 0;
    }
    if (m->type == RAFT_IO_INSTALL_SNAPSHOT) {
        raft_configuration_close(&m->install_snapshot.conf);
        raft_free(m->install_snapshot.data.base);
        m->install_snapshot.data.base = NULL;
        raft_configuration_init(&m->install_snapshot.conf);
    }
}

void cons_frame_fini(struct cons_frame *f)
{
    if (f->kind == CONS_FRAME_MESSAGE)
        cons_message_fini(&f->msg);
    if (f->unpacked != NULL)
        swarm__v1__raft_frame__free_unpacked(f->unpacked, NULL);
    f->unpacked = NULL;
}
