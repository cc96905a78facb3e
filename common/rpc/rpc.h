/* SPDX-License-Identifier: Apache-2.0
 * rpc.h - messages between the processes of a cluster, over the network and on one machine.
 *
 * How it works: a connection joins two processes and carries many streams. A stream is opened by
 * either side for one method; both sides send whole messages (bytes, usually one packed protobuf)
 * until they end their half. The four kinds of connection differ only in who the peer is known to
 * be (struct sw_rpc_peer):
 *   node   TCP, Noise XX, a certificate on both sides: role worker or manager
 *   join   TCP, Noise XX, the dialer knows only a join token and is anonymous: role none. It has
 *          checked the server against the token before on_up.
 *   unix   a Unix socket, known by its kernel credentials: counts as SW_RPC_LOCAL
 *   pair   two ends in one process, for tests, with whatever peers the test says
 *
 * Rules that hold for all:
 * - One loop thread owns connections and streams; there are no locks.
 * - No callback runs inside the call that starts something (dial, open, call, send, end): always
 *   from a later turn of the loop.
 * - A stream's pointer is good until its on_close ran, or until the owner ended it itself with
 *   sw_rpc_stream_fail() or _cancel(): then no callback follows. The same for a connection with
 *   on_down and sw_rpc_conn_close(). Callbacks may close, cancel or free anything.
 * - Flow control: each direction of a stream starts with 256 KB of credit. A sender that gets
 *   SW_RPC_FULL should wait for on_writable; what it sends all the same is queued up to 16 MB.
 * - Who may call what is one table (struct sw_rpc_method), checked before a payload is looked at.
 */
#ifndef SWARM_COMMON_RPC_RPC_H
#define SWARM_COMMON_RPC_RPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/err.h"
#include "common/base/id.h"
#include "common/base/macro.h"
#include "common/crypto/cert.h"
#include "common/crypto/identity.h"
#include "common/crypto/token.h"

struct uv_loop_s;
struct ProtobufCMessage;
struct sw_rpc_conn;   /* opaque */
struct sw_rpc_server; /* opaque */
struct sw_rpc_stream; /* opaque */

#define SW_RPC_MESSAGE_MAX (8u * 1024u * 1024u)  /* bytes of one message */
#define SW_RPC_CREDIT      (256u * 1024u)        /* initial credit of a stream, each direction */
#define SW_RPC_QUEUE_MAX   (16u * 1024u * 1024u) /* bytes queued in a stream beyond its credit */
#define SW_RPC_ADDRESS_MAX 128

/* ------------------------------------------------------------------------------------- who */

/* Why a connection exists: the same port serves all. Raft has its own connection, so that a flood
 * of other traffic cannot delay a heartbeat. */
enum sw_rpc_purpose {
    SW_RPC_NODE = 1, /* services between nodes */
    SW_RPC_RAFT = 2,
    SW_RPC_JOIN = 3, /* the dialer has a token instead of a certificate */
    SW_RPC_UNIX = 4,
};

/* Who may call: masks of struct sw_rpc_method and of dialers' expectations. */
#define SW_RPC_ANONYMOUS SW_BIT(SW_ROLE_NONE)
#define SW_RPC_WORKER    SW_BIT(SW_ROLE_WORKER)
#define SW_RPC_MANAGER   SW_BIT(SW_ROLE_MANAGER)
#define SW_RPC_LOCAL     SW_BIT(3) /* a process on this machine, over a Unix socket */
#define SW_RPC_MEMBER    (SW_RPC_WORKER | SW_RPC_MANAGER)

struct sw_rpc_peer {
    enum sw_rpc_purpose purpose;
    unsigned kind; /* one of SW_RPC_ANONYMOUS, _WORKER, _MANAGER, _LOCAL */
    enum sw_role role;
    struct sw_id node_id; /* zero when anonymous or local */
    struct sw_id cluster_id;
    uint64_t serial; /* of its certificate */
    int64_t not_after_ns;
    uint8_t public_key[SW_KEY_BYTES];    /* Ed25519 of its certificate */
    uint8_t issuer[SW_SHA256_BYTES];     /* root that issued it */
    char address[SW_RPC_ADDRESS_MAX];    /* "10.0.0.7:51234", "[fd00::1]:2377", "unix", "pair" */
    char my_address[SW_RPC_ADDRESS_MAX]; /* dialer only: how the server sees us, else "" */
    uid_t uid;                           /* local only */
    gid_t gid;
    pid_t pid;
};

/* ------------------------------------------------------------------------------------- streams */

/* The order in which a connection sends what waits. Control frames go before all. */
enum sw_rpc_priority {
    SW_RPC_NORMAL = 0,
    SW_RPC_URGENT = 1, /* Raft, heartbeats: small and rare */
    SW_RPC_BULK = 2,   /* image layers, logs, snapshots */
};

struct sw_rpc_stream_cb {
    /** on_message() - one whole message. @bytes: borrowed for the call, not aligned. */
    void (*on_message)(struct sw_rpc_stream *s, const uint8_t *bytes, size_t len, void *arg);
    /** on_end() - the peer sends no more; we still may. May be NULL. */
    void (*on_end)(struct sw_rpc_stream *s, void *arg);
    /** on_writable() - there is credit again after SW_RPC_FULL. May be NULL. */
    void (*on_writable)(struct sw_rpc_stream *s, void *arg);
    /** on_close() - the last callback, exactly once, unless we ended the stream ourselves.
     * @err: NULL when both halves ended in order and all that we sent was handed to the socket;
     * otherwise the peer's error unchanged, SW_E_DEADLINE, or why the connection went down. */
    void (*on_close)(struct sw_rpc_stream *s, const struct sw_err *err, void *arg);
};

struct sw_rpc_open {
    uint32_t method;
    enum sw_rpc_priority priority;
    uint64_t deadline_ms;              /* for the whole stream, on both sides; 0 = none */
    const struct sw_rpc_stream_cb *cb; /* borrowed for the stream's life */
    void *arg;
};

/**
 * sw_rpc_stream_open() - start a stream on a connection that is up
 * @out: borrowed, see the rules on top
 * Return: 0; SW_E_UNAVAILABLE when the connection is not up; -ENOMEM.
 */
int sw_rpc_stream_open(struct sw_rpc_stream **out, struct sw_rpc_conn *conn,
                       const struct sw_rpc_open *open, struct sw_err *err);

/** sw_rpc_stream_set_cb() - replace callbacks and argument, usually inside on_open.
 * @cb: borrowed for the stream's life; NULL: nobody listens any more, what was sent still goes out
 *      (end the stream as well) */
void sw_rpc_stream_set_cb(struct sw_rpc_stream *s, const struct sw_rpc_stream_cb *cb, void *arg);

#define SW_RPC_FULL 1
/**
 * sw_rpc_stream_send() - send one message (copied)
 * Return: 0; SW_RPC_FULL: taken, but wait for on_writable before the next; SW_E_INVALID: longer
 * than SW_RPC_MESSAGE_MAX or after our end; SW_E_EXHAUSTED: SW_RPC_QUEUE_MAX waiting; -ENOMEM.
 */
int sw_rpc_stream_send(struct sw_rpc_stream *s, const void *bytes, size_t len, struct sw_err *err);
/** sw_rpc_stream_send_msg() - the same for a protobuf message, packed in place. */
int sw_rpc_stream_send_msg(struct sw_rpc_stream *s, const struct ProtobufCMessage *msg,
                           struct sw_err *err);
/**
 * sw_rpc_stream_send_fd() - a message with a file descriptor, over Unix sockets only
 * @fd: copied (duplicated); the caller keeps its own
 * Return: as sw_rpc_stream_send(); SW_E_UNSUPPORTED elsewhere.
 */
int sw_rpc_stream_send_fd(struct sw_rpc_stream *s, const void *bytes, size_t len, int fd,
                          struct sw_err *err);
/** sw_rpc_stream_take_fd() - inside on_message: the descriptor that came along (the caller closes
 * it), or -1. One that is not taken is closed after the callback. */
int sw_rpc_stream_take_fd(struct sw_rpc_stream *s);

/** sw_rpc_stream_end() - we send no more; what was sent still goes out. Twice is harmless. */
void sw_rpc_stream_end(struct sw_rpc_stream *s);
/** sw_rpc_stream_fail() - end the stream with @error, which reaches the peer's on_close unchanged
 * behind what was already sent. No callback follows; @s is dead. */
void sw_rpc_stream_fail(struct sw_rpc_stream *s, const struct sw_err *error);
/** sw_rpc_stream_cancel() - give up now; the peer sees SW_E_CANCELED. No callback follows. */
void sw_rpc_stream_cancel(struct sw_rpc_stream *s);

/** sw_rpc_stream_pause() - deliver no more messages and let the peer run out of credit. */
void sw_rpc_stream_pause(struct sw_rpc_stream *s);
void sw_rpc_stream_resume(struct sw_rpc_stream *s);

struct sw_rpc_conn *sw_rpc_stream_conn(const struct sw_rpc_stream *s);
const struct sw_rpc_peer *sw_rpc_stream_peer(const struct sw_rpc_stream *s);
uint32_t sw_rpc_stream_method(const struct sw_rpc_stream *s);
void *sw_rpc_stream_arg(const struct sw_rpc_stream *s);
/** sw_rpc_stream_queued() - bytes accepted by send and not yet handed to the socket. */
size_t sw_rpc_stream_queued(const struct sw_rpc_stream *s);

/* ------------------------------------------------------------------------------------- calls */

struct sw_rpc_call {
    uint32_t method;
    enum sw_rpc_priority priority;
    uint64_t deadline_ms;               /* 0 = 30 s */
    const struct ProtobufCMessage *msg; /* packed inside the call; or: */
    const void *bytes;
    size_t len;
    /** done() - exactly once, from a later turn. @err NULL: the answer's bytes, borrowed for the
     * call; otherwise bytes is NULL. Not called after sw_rpc_stream_cancel(). */
    void (*done)(const uint8_t *bytes, size_t len, const struct sw_err *err, void *arg);
    void *arg;
    struct sw_rpc_stream **handle; /* optional, returned: for sw_rpc_stream_cancel() before done */
};

/** sw_rpc_call() - one request, one answer. Return: as sw_rpc_stream_open() and _send(); done is
 * then never called. */
int sw_rpc_call(struct sw_rpc_conn *conn, const struct sw_rpc_call *call, struct sw_err *err);

/** sw_rpc_reply() - answer inside or after on_call: send and end. @s is dead afterwards, except
 * for its on_close when callbacks were set. Errors are handled here (the stream is failed). */
void sw_rpc_reply(struct sw_rpc_stream *s, const void *bytes, size_t len);
void sw_rpc_reply_msg(struct sw_rpc_stream *s, const struct ProtobufCMessage *msg);

/* ------------------------------------------------------------------------------------- methods */

/* One row per method. Exactly one of on_open and on_call is set. */
struct sw_rpc_method {
    uint32_t method;
    const char *name;  /* "dispatcher.session", for logs and refusals */
    unsigned allow;    /* mask of SW_RPC_ANONYMOUS.._LOCAL */
    unsigned purposes; /* mask of SW_BIT(enum sw_rpc_purpose); 0 = all but raft and join */
    /** on_open() - the peer opened a stream; call sw_rpc_stream_set_cb() or end it. Messages follow
     * in later callbacks. */
    void (*on_open)(struct sw_rpc_stream *s, void *arg);
    /** on_call() - the peer sent its one request; answer now or later with sw_rpc_reply() or
     * sw_rpc_stream_fail(). Who answers later sets on_close to learn that the caller went away. */
    void (*on_call)(struct sw_rpc_stream *s, const uint8_t *bytes, size_t len, void *arg);
    void *arg;
};

/* ------------------------------------------------------------------------------------- tuning */

/* Zero means the default. */
struct sw_rpc_limits {
    uint64_t handshake_ms;   /* 5 000 */
    uint64_t ping_ms;        /* 10 000 without a byte from the peer: ask */
    uint64_t idle_ms;        /* 30 000 without a byte: the connection is dead */
    uint64_t rekey_ms;       /* 3 600 000 */
    uint64_t rekey_records;  /* 2^20 */
    unsigned half_open;      /* 256 unfinished handshakes a server keeps; the oldest is dropped */
    unsigned conns;          /* 20 000 connections of a server */
    unsigned streams;        /* 4 096 streams the peer may have open on one connection */
    unsigned token_failures; /* 10 wrong tokens per address, then one more every 10 s */
    uint64_t join_ms;        /* 60 000: how long an anonymous peer may stay */
    int64_t (*now_ns)(void); /* wall clock for certificates; NULL = sw_now_ns */
};

/* ------------------------------------------------------------------------------------- connect */

struct sw_rpc_dial {
    struct uv_loop_s *loop; /* borrowed */
    const char *address;    /* "host:port", "[v6]:port", "unix:/path"; copied */
    enum sw_rpc_purpose purpose;
    struct sw_identity *identity;        /* NODE, RAFT: a reference is taken */
    const struct sw_token *token;        /* JOIN: copied, wiped after use */
    const struct sw_id *expect_node;     /* optional: refuse another node there; copied */
    unsigned expect;                     /* mask of acceptable kinds of server; 0 = SW_RPC_MEMBER */
    uint64_t timeout_ms;                 /* until on_up; 0 = 10 000 */
    const struct sw_rpc_method *methods; /* what the server may call on us; borrowed */
    size_t n_methods;
    /** on_up() - authenticated by both sides. */
    void (*on_up)(struct sw_rpc_conn *conn, void *arg);
    /** on_down() - exactly once: could not connect, refused, or ended. Streams had their on_close
     * before. @conn is dead afterwards. */
    void (*on_down)(struct sw_rpc_conn *conn, const struct sw_err *err, void *arg);
    void *arg;
    const struct sw_rpc_limits *limits; /* NULL = defaults; copied */
};

/**
 * sw_rpc_dial() - connect; names are resolved off the loop, addresses tried in turn
 * @out: borrowed, see the rules on top
 * Return: 0; SW_E_INVALID for a malformed address or missing identity or token; -ENOMEM. All that
 * goes wrong later is told to on_down, e.g. "connect to 10.0.0.1:2377: connection refused".
 */
int sw_rpc_dial(struct sw_rpc_conn **out, const struct sw_rpc_dial *dial, struct sw_err *err);

/** sw_rpc_conn_close() - end it now. Open streams get on_close(SW_E_CANCELED) inside this call,
 * the connection gets no on_down; nothing calls back afterwards. NULL is legal. */
void sw_rpc_conn_close(struct sw_rpc_conn *conn);
/** sw_rpc_conn_fail() - like close, but the peer is told why. */
void sw_rpc_conn_fail(struct sw_rpc_conn *conn, const struct sw_err *error);
bool sw_rpc_conn_is_up(const struct sw_rpc_conn *conn);
const struct sw_rpc_peer *sw_rpc_conn_peer(const struct sw_rpc_conn *conn);
/** sw_rpc_conn_root() - JOIN: the root that matched the token; to be trusted from now on. */
const struct sw_root *sw_rpc_conn_root(const struct sw_rpc_conn *conn);
/** sw_rpc_conn_set_data() - a pointer of the user's, e.g. its session. Not touched here. */
void sw_rpc_conn_set_data(struct sw_rpc_conn *conn, void *data);
void *sw_rpc_conn_data(const struct sw_rpc_conn *conn);
/** sw_rpc_conn_queued() - bytes waiting for the socket, all streams. */
size_t sw_rpc_conn_queued(const struct sw_rpc_conn *conn);

/* ------------------------------------------------------------------------------------- listen */

struct sw_rpc_listen {
    struct uv_loop_s *loop; /* borrowed */
    const char *address;    /* "10.0.0.1:2377", "[::]:2377", "unix:/run/swarm/x.sock"; copied */
    unsigned unix_mode;     /* permissions of the socket file; 0 = 0600 */
    struct sw_identity *identity; /* TCP: a reference is taken */
    bool allow_join;              /* take anonymous dialers (methods with SW_RPC_ANONYMOUS) */
    const struct sw_rpc_method *methods; /* borrowed */
    size_t n_methods;
    /** verify() - last word on a peer whose certificate is good (removed node, serial too low).
     * Return: 0, or < 0 with @err, which the peer is told. NULL = all are welcome. */
    int (*verify)(const struct sw_rpc_peer *peer, void *arg, struct sw_err *err);
    void (*on_up)(struct sw_rpc_conn *conn, void *arg); /* may be NULL, as on_down */
    void (*on_down)(struct sw_rpc_conn *conn, const struct sw_err *err, void *arg);
    void *arg;
    const struct sw_rpc_limits *limits; /* NULL = defaults; copied */
};

/**
 * sw_rpc_server_new() - bind and accept
 * @out: returned, release with sw_rpc_server_free()
 * Return: 0; SW_E_INVALID malformed address; -EADDRINUSE "port 2377 on 10.0.0.1 is already in
 * use"; other -errno of bind likewise in words; -ENOMEM. A stale socket file is replaced, a live
 * one is -EADDRINUSE.
 */
int sw_rpc_server_new(struct sw_rpc_server **out, const struct sw_rpc_listen *listen,
                      struct sw_err *err);
/** sw_rpc_server_free() - stop and close all its connections as sw_rpc_conn_close() does. Memory
 * goes when the loop has run the close callbacks. NULL is legal. */
void sw_rpc_server_free(struct sw_rpc_server *server);
/** sw_rpc_server_port() - the bound TCP port (for address ":0"), 0 for Unix sockets. */
uint16_t sw_rpc_server_port(const struct sw_rpc_server *server);
/** sw_rpc_server_set_identity() - for handshakes from now on; live connections keep theirs until
 * the old certificate expires. */
void sw_rpc_server_set_identity(struct sw_rpc_server *server, struct sw_identity *identity);
/** sw_rpc_server_close_node() - a node was removed or changed its role: close its connections.
 * @error: told to it. Return: how many. */
unsigned sw_rpc_server_close_node(struct sw_rpc_server *server, const struct sw_id *node_id,
                                  const struct sw_err *error);
/** sw_rpc_server_each() - visit connections that are up; closing the visited one is allowed. */
void sw_rpc_server_each(struct sw_rpc_server *server,
                        void (*visit)(struct sw_rpc_conn *conn, void *arg), void *arg);
/** sw_rpc_token_failed() - the anonymous peer of @conn showed a wrong token: count it. Beyond the
 * limit its address is refused for a while. Call before failing the stream. */
void sw_rpc_token_failed(struct sw_rpc_conn *conn);

/* ------------------------------------------------------------------------------------- tests */

struct sw_rpc_end {                      /* one end of a pair */
    struct sw_rpc_peer sees;             /* who the other end is said to be */
    const struct sw_rpc_method *methods; /* borrowed */
    size_t n_methods;
    void (*on_up)(struct sw_rpc_conn *conn, void *arg);
    void (*on_down)(struct sw_rpc_conn *conn, const struct sw_err *err, void *arg);
    void *arg;
    const struct sw_rpc_limits *limits;
};

/** sw_rpc_pair() - two connected ends on one loop, without sockets, keys or handshake; up from the
 * next turn. Return: 0, -ENOMEM. */
int sw_rpc_pair(struct uv_loop_s *loop, const struct sw_rpc_end *a, const struct sw_rpc_end *b,
                struct sw_rpc_conn *out[2], struct sw_err *err);

#endif
