/* SPDX-License-Identifier: Apache-2.0
 * peer.c - see peer.h. */
#include "manager/consensus/peer.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include "swarm/v1/dispatcher.pb-c.h"

#include "common/base/alloc.h"
#include "common/base/list.h"
#include "common/base/macro.h"
#include "common/io/timer.h"
#include "common/log/log.h"

#define DIAL_MS      3000u /* until the peer has taken the connection */
#define RETRY_MIN_MS 100u
#define RETRY_MAX_MS 1000u
#define PATIENCE_MS  1000u /* the higher id dials when there was no connection for so long */

/* First message of each stream, and its answer. */
#define HELLO_MAIN 'M'
#define HELLO_BULK 'B'

enum link_state { LINK_DOWN, LINK_DIALING, LINK_GREETING, LINK_UP, LINK_STATES };

static const struct sw_state link_states[] = {
    [LINK_DOWN] = { "down", SW_BIT(LINK_DIALING) | SW_BIT(LINK_UP) },
    [LINK_DIALING] = { "dialing", SW_BIT(LINK_GREETING) | SW_BIT(LINK_DOWN) },
    [LINK_GREETING] = { "greeting", SW_BIT(LINK_UP) | SW_BIT(LINK_DOWN) },
    [LINK_UP] = { "up", SW_BIT(LINK_DOWN) },
};
static_assert(SW_ARRAY_LEN(link_states) == LINK_STATES, "one row per state");

struct sent { /* a message whose sender waits */
    struct sw_list link;
    consensus_sent_cb *done;
    void *arg;
    int status;
};

struct link { /* one other member */
    struct sw_list link;
    struct raft_peers *p;
    uint64_t member;
    char address[CONSENSUS_ADDRESS_MAX];
    enum link_state state;
    struct sw_rpc_conn *conn; /* dialed by us; NULL: accepted, or none */
    struct channel *main;
    struct channel *bulk;
    uint64_t since_ms; /* of the state */
    uint64_t retry_ms; /* not before */
    uint64_t backoff_ms;
    bool forgotten;
};

struct channel { /* one stream */
    struct sw_list link;
    struct raft_peers *p;
    struct sw_rpc_stream *stream;
    struct link *to;        /* NULL: the peer has not said hello yet */
    struct sw_list waiting; /* struct sent: until there is credit again */
};

struct raft_peers {
    struct raft_peers_options o;
    struct consensus *c;
    struct sw_list links;
    struct sw_list channels;
    struct sw_list late; /* struct sent: to be told from the timer */
    struct sw_timer timer;
    struct sw_rpc_method method;
    bool stopped;
};

static const struct sw_rpc_limits raft_limits = { .ping_ms = 1000, .idle_ms = 4000 };
static const struct sw_rpc_stream_cb channel_cb;

static void link_go(struct link *l, enum link_state next)
{
    assert(link_states[l->state].next & SW_BIT(next));
    log_debug("raft link member=%" PRIu64 ": %s -> %s", l->member, link_states[l->state].name,
              link_states[next].name);
    l->state = next;
    l->since_ms = uv_now(l->p->o.loop);
}

/* ---- completions ----------------------------------------------------------------------------- */

static void tell_late(struct raft_peers *p)
{
    struct sw_list *l;

    while ((l = sw_list_pop_front(&p->late)) != NULL) {
        struct sent *s = sw_list_entry(l, struct sent, link);

        s->done(s->arg, s->status);
        sw_free(s);
    }
}

static void on_late(void *arg)
{
    tell_late(arg);
}

static void finish_late(struct raft_peers *p, struct sent *s, int status)
{
    s->status = status;
    sw_list_push_back(&p->late, &s->link);
    sw_timer_start(&p->timer, 0);
}

static void finish_waiting(struct channel *ch, int status)
{
    struct sw_list *l;

    while ((l = sw_list_pop_front(&ch->waiting)) != NULL)
        finish_late(ch->p, sw_list_entry(l, struct sent, link), status);
}

/* ---- links and channels ------------------------------------------------------------------------
 */

static struct link *find_link(const struct raft_peers *p, uint64_t member)
{
    sw_list_each(l, &p->links)
    {
        struct link *k = sw_list_entry(l, struct link, link);

        if (k->member == member)
            return k;
    }
    return NULL;
}

static struct link *get_link(struct raft_peers *p, uint64_t member, const char *address)
{
    struct link *k = find_link(p, member);

    if (k == NULL) {
        k = sw_calloc(1, sizeof(*k));
        if (k == NULL)
            return NULL;
        k->p = p;
        k->member = member;
        k->since_ms = uv_now(p->o.loop);
        sw_list_push_back(&p->links, &k->link);
    }
    if (address != NULL && address[0] != '\0')
        (void)snprintf(k->address, sizeof(k->address), "%s", address);
    return k;
}

/* The stream is dead or about to be. */
static void drop_channel(struct channel *ch, bool cancel)
{
    struct link *k = ch->to;

    if (k != NULL && k->main == ch)
        k->main = NULL;
    if (k != NULL && k->bulk == ch)
        k->bulk = NULL;
    finish_waiting(ch, SW_E_UNAVAILABLE);
    if (cancel)
        sw_rpc_stream_cancel(ch->stream);
    sw_list_del(&ch->link);
    sw_free(ch);
}

static void link_down(struct link *k)
{
    struct sw_rpc_conn *conn = k->conn;

    if (k->state == LINK_DOWN)
        return;
    link_go(k, LINK_DOWN);
    k->backoff_ms = k->backoff_ms == 0 ? RETRY_MIN_MS : SW_MIN(2 * k->backoff_ms, RETRY_MAX_MS);
    k->retry_ms = uv_now(k->p->o.loop) + k->backoff_ms;
    k->conn = NULL;
    if (k->bulk != NULL)
        drop_channel(k->bulk, true);
    if (k->main != NULL)
        drop_channel(k->main, true);
    sw_rpc_conn_close(conn);
}

static struct channel *new_channel(struct raft_peers *p, struct link *to)
{
    struct channel *ch = sw_calloc(1, sizeof(*ch));

    if (ch == NULL)
        return NULL;
    ch->p = p;
    ch->to = to;
    sw_list_init(&ch->waiting);
    sw_list_push_back(&p->channels, &ch->link);
    return ch;
}

static struct channel *open_channel(struct link *k, struct sw_rpc_conn *conn, char hello)
{
    struct sw_rpc_open open = { .method = SWARM__V1__METHOD__METHOD_RAFT,
                                .priority = hello == HELLO_MAIN ? SW_RPC_URGENT : SW_RPC_BULK,
                                .cb = &channel_cb };
    struct channel *ch = new_channel(k->p, k);
    struct sw_err err;

    if (ch == NULL)
        return NULL;
    open.arg = ch;
    if (sw_rpc_stream_open(&ch->stream, conn, &open, &err) < 0) {
        sw_list_del(&ch->link);
        sw_free(ch);
        return NULL;
    }
    if (sw_rpc_stream_send(ch->stream, &hello, 1, &err) < 0) {
        drop_channel(ch, true);
        return NULL;
    }
    return ch;
}

/* ---- receiving ---------------------------------------------------------------------------------
 */

static void refuse(struct channel *ch, int code, const char *why)
{
    struct sw_err err;

    (void)sw_err_set(&err, code, "%s", why);
    sw_rpc_stream_fail(ch->stream, &err);
    drop_channel(ch, false);
}

/* The other side dialed. */
static void accept_main(struct channel *ch, struct link *k)
{
    char hello = HELLO_MAIN;
    struct sw_err err;

    if ((k->state == LINK_DIALING || k->state == LINK_GREETING) && k->p->o.member < k->member) {
        refuse(ch, SW_E_CONFLICT, "raft connection under way in the other direction");
        return;
    }
    link_down(k);
    ch->to = k;
    k->main = ch;
    k->backoff_ms = 0;
    k->forgotten = false;
    link_go(k, LINK_UP);
    if (sw_rpc_stream_send(ch->stream, &hello, 1, &err) < 0)
        link_down(k);
}

static void greet(struct channel *ch, const uint8_t *bytes, size_t len)
{
    const struct sw_rpc_peer *peer = sw_rpc_stream_peer(ch->stream);
    uint64_t member = ch->p->o.member_of_node(ch->p->o.arg, &peer->node_id);
    struct link *k = member == 0 ? NULL : get_link(ch->p, member, NULL);

    if (len != 1 || (bytes[0] != HELLO_MAIN && bytes[0] != HELLO_BULK)) {
        refuse(ch, SW_E_PROTOCOL, "raft stream without greeting");
    } else if (k == NULL || member == ch->p->o.member) {
        refuse(ch, SW_E_PERMISSION, "this node is no raft member here");
    } else if (bytes[0] == HELLO_MAIN) {
        accept_main(ch, k);
    } else {
        ch->to = k; /* only listened to */
    }
}

static void on_message(struct sw_rpc_stream *s, const uint8_t *bytes, size_t len, void *arg)
{
    struct channel *ch = arg;
    struct link *k = ch->to;
    struct sw_err err;
    int r;

    (void)s;
    if (k == NULL) {
        greet(ch, bytes, len);
        return;
    }
    if (k->main == ch && k->state == LINK_GREETING) {
        if (len != 1 || bytes[0] != HELLO_MAIN) {
            link_down(k);
            return;
        }
        k->backoff_ms = 0;
        link_go(k, LINK_UP);
        return;
    }
    if (ch->p->c == NULL)
        return;
    r = consensus_deliver(ch->p->c, k->member, bytes, len, &err);
    if (r == SW_E_PROTOCOL) {
        log_warn("raft connection closed member=%" PRIu64 " reason=%s", k->member, err.msg);
        link_down(k);
    }
}

static void on_writable(struct sw_rpc_stream *s, void *arg)
{
    (void)s;
    finish_waiting(arg, 0);
}

static void on_end(struct sw_rpc_stream *s, void *arg)
{
    (void)arg;
    sw_rpc_stream_end(s);
}

static void on_close(struct sw_rpc_stream *s, const struct sw_err *err, void *arg)
{
    struct channel *ch = arg;
    struct link *k = ch->to;
    bool was_main = k != NULL && k->main == ch;

    (void)s;
    if (was_main && err != NULL)
        log_debug("raft stream closed member=%" PRIu64 " reason=%s", k->member, err->msg);
    drop_channel(ch, false);
    if (was_main)
        link_down(k);
}

static const struct sw_rpc_stream_cb channel_cb = { on_message, on_end, on_writable, on_close };

void raft_peers_on_open(struct sw_rpc_stream *s, struct raft_peers *p)
{
    struct channel *ch = p->stopped ? NULL : new_channel(p, NULL);
    struct sw_err err;

    if (ch == NULL) {
        (void)sw_err_set(&err, SW_E_UNAVAILABLE, "raft is not running here");
        sw_rpc_stream_fail(s, &err);
        return;
    }
    ch->stream = s;
    sw_rpc_stream_set_cb(s, &channel_cb, ch);
}

static void method_open(struct sw_rpc_stream *s, void *arg)
{
    raft_peers_on_open(s, arg);
}

/* ---- dialing -----------------------------------------------------------------------------------
 */

static void on_up(struct sw_rpc_conn *conn, void *arg)
{
    const struct sw_rpc_peer *peer = sw_rpc_conn_peer(conn);
    struct link *k = arg;

    if (k->p->o.member_of_node(k->p->o.arg, &peer->node_id) != k->member) {
        log_warn("another raft member answers member=%" PRIu64 " address=%s", k->member,
                 k->address);
        link_down(k);
        return;
    }
    link_go(k, LINK_GREETING);
    k->main = open_channel(k, conn, HELLO_MAIN);
    if (k->main == NULL)
        link_down(k);
}

static void on_down(struct sw_rpc_conn *conn, const struct sw_err *err, void *arg)
{
    struct link *k = arg;

    (void)conn;
    log_debug("raft connection down member=%" PRIu64 " reason=%s", k->member, err->msg);
    k->conn = NULL;
    link_down(k);
}

static void dial(struct link *k)
{
    struct raft_peers *p = k->p;
    struct sw_rpc_dial d = {
        .loop = p->o.loop,
        .address = k->address,
        .purpose = SW_RPC_RAFT,
        .identity = p->o.identity(p->o.arg),
        .expect = SW_RPC_MANAGER,
        .timeout_ms = DIAL_MS,
        .methods = &p->method,
        .n_methods = 1,
        .on_up = on_up,
        .on_down = on_down,
        .arg = k,
        .limits = &raft_limits,
    };
    struct sw_err err;

    if (k->address[0] == '\0' || d.identity == NULL)
        return;
    link_go(k, LINK_DIALING);
    if (sw_rpc_dial(&k->conn, &d, &err) < 0) {
        log_warn("cannot dial raft member member=%" PRIu64 " reason=%s", k->member, err.msg);
        link_down(k);
    }
}

static void peers_prepare(void *arg, uint64_t member, const char *address)
{
    struct raft_peers *p = arg;
    struct link *k = get_link(p, member, address);
    uint64_t now = uv_now(p->o.loop);

    if (k == NULL || p->stopped)
        return;
    k->forgotten = false;
    if (k->state == LINK_GREETING && now - k->since_ms > DIAL_MS)
        link_down(k);
    if (k->state != LINK_DOWN || now < k->retry_ms)
        return;
    if (p->o.member < member || now - k->since_ms >= PATIENCE_MS)
        dial(k);
}

/* ---- sending -----------------------------------------------------------------------------------
 */

static struct channel *channel_for(struct link *k, const uint8_t *data, size_t len)
{
    if (k == NULL || k->state != LINK_UP || k->main == NULL)
        return NULL;
    if (!consensus_is_bulk(data, len))
        return k->main;
    if (k->bulk == NULL)
        k->bulk = open_channel(k, sw_rpc_stream_conn(k->main->stream), HELLO_BULK);
    return k->bulk;
}

static void peers_send(void *arg, uint64_t member, const char *address, const uint8_t *data,
                       size_t len, consensus_sent_cb *done, void *done_arg)
{
    struct raft_peers *p = arg;
    struct link *k = find_link(p, member);
    struct channel *ch = p->stopped ? NULL : channel_for(k, data, len);
    struct sent *s = sw_calloc(1, sizeof(*s));
    struct sw_err err;
    int r = SW_E_UNAVAILABLE;

    (void)address;
    if (s == NULL) { /* the sender can't be told: without memory for this nothing goes on */
        log_error("out of memory in raft transport");
        abort();
    }
    s->done = done;
    s->arg = done_arg;
    if (ch != NULL)
        r = sw_rpc_stream_send(ch->stream, data, len, &err);
    if (r == SW_RPC_FULL)
        sw_list_push_back(&ch->waiting, &s->link);
    else
        finish_late(p, s, r);
}

static void peers_forget(void *arg, uint64_t member)
{
    struct link *k = find_link(arg, member);

    if (k == NULL)
        return;
    k->forgotten = true;
    if (k->state == LINK_UP && k->main != NULL)
        sw_rpc_stream_end(k->main->stream); /* behind what was sent: that it was removed */
    else
        link_down(k);
}

static void peers_stop(void *arg)
{
    struct raft_peers *p = arg;

    p->stopped = true;
    p->c = NULL;
    sw_list_each(l, &p->links) link_down(sw_list_entry(l, struct link, link));
    tell_late(p);
}

struct consensus_transport raft_peers_transport(struct raft_peers *p)
{
    return (struct consensus_transport){ p, peers_send, peers_prepare, peers_forget, peers_stop };
}

/* ---- life --------------------------------------------------------------------------------------
 */

int raft_peers_new(struct raft_peers **out, const struct raft_peers_options *o, struct sw_err *err)
{
    struct raft_peers *p = sw_calloc(1, sizeof(*p));
    int r;

    if (p == NULL)
        return sw_err_set(err, -ENOMEM, "raft transport");
    p->o = *o;
    sw_list_init(&p->links);
    sw_list_init(&p->channels);
    sw_list_init(&p->late);
    p->method = (struct sw_rpc_method){ .method = SWARM__V1__METHOD__METHOD_RAFT,
                                        .name = "raft.messages",
                                        .allow = SW_RPC_MANAGER,
                                        .purposes = SW_BIT(SW_RPC_RAFT),
                                        .on_open = method_open,
                                        .arg = p };
    r = sw_timer_init(&p->timer, o->loop, on_late, p, err);
    if (r < 0) {
        sw_free(p);
        return r;
    }
    *out = p;
    return 0;
}

void raft_peers_free(struct raft_peers *p)
{
    struct sw_list *l;

    if (p == NULL)
        return;
    peers_stop(p);
    while (!sw_list_empty(&p->channels))
        drop_channel(sw_list_entry(p->channels.next, struct channel, link), true);
    tell_late(p);
    while ((l = sw_list_pop_front(&p->links)) != NULL)
        sw_free(sw_list_entry(l, struct link, link));
    sw_timer_fini(&p->timer);
    sw_free(p);
}

void raft_peers_attach(struct raft_peers *p, struct consensus *c)
{
    p->c = c;
}

bool raft_peers_is_up(const struct raft_peers *p, uint64_t member)
{
    const struct link *k = find_link(p, member);

    return k != NULL && k->state == LINK_UP;
}
