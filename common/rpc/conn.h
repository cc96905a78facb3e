/* SPDX-License-Identifier: Apache-2.0
 * conn.h - private to rpc: a connection and its streams from the inside.
 *
 *   RESOLVE --> CONNECT --> HANDSHAKE --> WELCOME --> UP --> DEAD
 *       \__________\____________\____________\_________^
 *
 * A dialer goes through all of them, an accepting side starts in HANDSHAKE (Unix sockets and pairs
 * in WELCOME, having nothing to negotiate) and is UP when it has sent its welcome.
 *
 * Lifetime: rpc_conn_die() is the only way out. Whoever calls back into the user holds the
 * connection (rpc_conn_hold, rpc_conn_release) and looks at its state afterwards; the last release
 * of a dead one frees it. The same with streams: rpc_stream_hold, rpc_stream_release, and ->gone.
 */
#ifndef SWARM_COMMON_RPC_CONN_H
#define SWARM_COMMON_RPC_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/list.h"
#include "common/base/map.h"
#include "common/io/timer.h"
#include "common/io/turn.h"
#include "common/rpc/channel.h"
#include "common/rpc/frame.h"
#include "common/rpc/handshake.h"
#include "common/rpc/rpc.h"
#include "common/rpc/transport.h"

#define CONN_FDS_MAX      16
#define CONN_SEND_HIGH    (128u * 1024u) /* bytes handed to the transport at a time */
#define STREAM_DRAIN_MS   30000          /* how long a finished stream may wait for credit */
#define ANONYMOUS_STREAMS 4u             /* of a peer without a certificate */
#define ANONYMOUS_MESSAGE (64u * 1024u)

enum conn_state {
    CONN_RESOLVE,
    CONN_CONNECT,
    CONN_HANDSHAKE,
    CONN_WELCOME,
    CONN_UP,
    CONN_DEAD,
    CONN_STATES
};

enum { PRIORITY_URGENT, PRIORITY_NORMAL, PRIORITY_BULK, PRIORITIES }; /* order of sending */

struct dial;

struct sw_rpc_conn {
    enum conn_state state;
    unsigned hold;
    bool dialer;
    bool fds_allowed;
    struct uv_loop_s *loop;
    struct transport *transport; /* NULL before CONNECT and after death */
    struct sw_rpc_limits limits;
    struct sw_rpc_peer peer;
    const struct sw_rpc_method *methods;
    size_t n_methods;
    void (*on_up)(struct sw_rpc_conn *conn, void *arg);
    void (*on_down)(struct sw_rpc_conn *conn, const struct sw_err *err, void *arg);
    void *arg;
    void *data;

    struct handshake *hs; /* until done */
    int64_t own_not_after_ns;
    struct sw_root *root; /* joiner: what matched the token */
    struct channel channel;
    struct sw_buf rx;      /* an incomplete record */
    int fds[CONN_FDS_MAX]; /* arrived, not yet claimed by a frame */
    size_t n_fds;

    struct sw_buf control;            /* frames of stream 0 and of no credit, ready to go */
    struct sw_list ready[PRIORITIES]; /* streams that can send something now */
    unsigned picks;
    struct sw_list finished; /* streams whose on_close(NULL) is due */
    struct sw_list writable; /* streams with room again, or with messages kept while paused */

    struct sw_map streams; /* id -> stream */
    struct sw_list all;
    uint32_t next_id;
    uint32_t last_peer_id;
    unsigned peer_streams;

    struct sw_turn kick;  /* send and call back in a later turn */
    struct sw_timer tick; /* deadlines, keep-alive, expiry */
    uint64_t tick_due_ms;
    uint64_t started_ms;
    uint64_t timeout_ms; /* until UP */
    uint64_t heard_ms;   /* last byte from the peer */
    uint64_t pinged_ms;  /* last ping, 0 = none since heard */
    bool last_look;      /* the answer to the ping is overdue: one more turn */
    uint64_t up_ms;

    struct dial *dial;            /* dialer, until connected */
    struct sw_rpc_server *server; /* accepted; NULL once dead */
    struct sw_list server_link;
    bool half_open; /* counted by the server as such */
    bool overdue;   /* others wait for its place */
};

enum item_kind { ITEM_OPEN, ITEM_MESSAGE, ITEM_END, ITEM_STATUS };

struct item { /* waiting to be sent on a stream */
    struct sw_list link;
    enum item_kind kind;
    int fd; /* ITEM_MESSAGE, owned; -1 */
    size_t len;
    size_t at;
    uint8_t bytes[]; /* message; or the whole frame for OPEN and STATUS */
};

struct rx_message { /* arrived while paused */
    struct sw_list link;
    int fd;
    size_t len;
    uint8_t bytes[];
};

struct sw_rpc_stream {
    struct sw_rpc_conn *conn; /* NULL once gone */
    uint32_t id;
    uint32_t method;
    const struct sw_rpc_method *row; /* accepting side */
    unsigned hold;
    bool gone;     /* no longer in the connection: free with the last hold */
    bool detached; /* the owner ended it: no callbacks */
    bool by_peer;
    const struct sw_rpc_stream_cb *cb;
    void *arg;
    struct sw_list link; /* conn->all */

    unsigned priority; /* PRIORITY_* */
    struct sw_list items;
    struct sw_list ready_link;
    struct sw_list finished_link;
    struct sw_list writable_link;
    size_t queued;   /* bytes in items */
    uint32_t credit; /* we may send */
    bool was_full;
    bool open_sent; /* OPEN has left, or the peer opened it */
    bool tx_end;    /* END was queued: nothing more may be */
    bool tx_done;   /* END was handed to the transport */

    struct sw_buf partial; /* message still being put together */
    struct sw_list inbox;  /* struct rx_message, while paused */
    int inbox_fd;          /* during on_message */
    uint32_t rx_left;      /* credit the peer has */
    uint32_t rx_held;      /* charged, not to be given back yet */
    uint32_t rx_owed;      /* to be given back */
    bool paused;
    bool rx_end; /* the peer's END arrived */
    bool rx_end_told;
    bool rx_status; /* the peer's STATUS arrived and waits behind the inbox */
    struct sw_err *status;

    uint64_t deadline_ms; /* monotonic, 0 = none */
    void *call;           /* call.c, the caller's; freed with the stream */
    bool asked;           /* call.c, the one called: its request has come */
};

/* conn.c: life */
struct sw_rpc_conn *rpc_conn_new(struct uv_loop_s *loop, const struct sw_rpc_limits *limits,
                                 struct sw_err *err);
void rpc_conn_hold(struct sw_rpc_conn *c);
void rpc_conn_release(struct sw_rpc_conn *c);
/** rpc_conn_go() - the one function that moves between states. */
void rpc_conn_go(struct sw_rpc_conn *c, enum conn_state next);
/** rpc_conn_die() - end it. @why: told to streams and on_down. @tell_peer: send GOAWAY first.
 * @notify: call on_down. Twice is harmless. */
void rpc_conn_die(struct sw_rpc_conn *c, const struct sw_err *why, bool tell_peer, bool notify);
/** rpc_conn_attach() - take over an open transport and listen to it. */
void rpc_conn_attach(struct sw_rpc_conn *c, struct transport *t);
void rpc_conn_up(struct sw_rpc_conn *c);
/** rpc_conn_welcome() - accepting side: the peer is fine; send the welcome and be up. */
void rpc_conn_welcome(struct sw_rpc_conn *c);
void rpc_conn_kick(struct sw_rpc_conn *c);
/** rpc_conn_due() - see to it that the tick runs at @ms (monotonic) or before. */
void rpc_conn_due(struct sw_rpc_conn *c, uint64_t ms);
uint64_t rpc_conn_now_ms(const struct sw_rpc_conn *c);
extern const struct transport_cb rpc_conn_transport_cb;

/* connrx.c: what arrives. Both: 0, or < 0 and the connection must die. */
int rpc_conn_bytes(struct sw_rpc_conn *c, uint8_t *bytes, size_t n, struct sw_err *err);
int rpc_conn_frames(struct sw_rpc_conn *c, const uint8_t *plain, size_t n, struct sw_err *err);

/* sendq.c: what leaves */
void rpc_conn_send(struct sw_rpc_conn *c);
/** rpc_conn_flush_goaway() - bypass everything that waits and write one GOAWAY. */
void rpc_conn_flush_goaway(struct sw_rpc_conn *c, enum conn_state was, const struct sw_err *why);
void rpc_stream_ready(struct sw_rpc_stream *s);
/** rpc_stream_writable() - tell on_writable when there is room again. */
void rpc_stream_writable(struct sw_rpc_stream *s);

/* stream.c */
struct sw_rpc_stream *rpc_stream_new(struct sw_rpc_conn *c, uint32_t id, struct sw_err *err);
void rpc_stream_hold(struct sw_rpc_stream *s);
void rpc_stream_release(struct sw_rpc_stream *s);
/** rpc_stream_remove() - out of the connection; frees when nobody holds it. */
void rpc_stream_remove(struct sw_rpc_stream *s);
/** rpc_stream_finish() - remove and tell on_close, unless detached. */
void rpc_stream_finish(struct sw_rpc_stream *s, const struct sw_err *why);
/** rpc_stream_maybe_done() - both halves over: on_close(NULL) is due in a later turn. */
void rpc_stream_maybe_done(struct sw_rpc_stream *s);
void rpc_stream_reset(struct sw_rpc_stream *s, const struct sw_err *why);
/** rpc_stream_due() - have rpc_stream_deliver() and rpc_stream_writable() run in a later turn. */
void rpc_stream_due(struct sw_rpc_stream *s);
/** rpc_stream_credit() - the peer gave @n bytes. Return: 0, SW_E_PROTOCOL. */
int rpc_stream_credit(struct sw_rpc_stream *s, uint32_t n, struct sw_err *err);

/* streamrx.c */
int rpc_stream_data(struct sw_rpc_stream *s, const struct frame *f, int fd, struct sw_err *err);
void rpc_stream_peer_end(struct sw_rpc_stream *s);
void rpc_stream_peer_status(struct sw_rpc_stream *s, const struct sw_err *status);
void rpc_stream_deliver(struct sw_rpc_stream *s);
void rpc_stream_drop_inbox(struct sw_rpc_stream *s);

/* call.c: accepting side of unary methods */
extern const struct sw_rpc_stream_cb rpc_call_server_cb;

/* server.c */
void rpc_server_conn_up(struct sw_rpc_conn *c); /* no longer half open */
/* Dead; @was: before. */
void rpc_server_conn_gone(struct sw_rpc_conn *c, enum conn_state was, const struct sw_err *why);
int rpc_server_verify(struct sw_rpc_conn *c, struct sw_err *err);

/* dial.c */
void rpc_dial_free(struct sw_rpc_conn *c);
void rpc_dial_opened(struct sw_rpc_conn *c, int status);

#endif
