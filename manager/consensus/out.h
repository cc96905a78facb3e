/* SPDX-License-Identifier: Apache-2.0
 * out.h - what this member sends to the others.
 *
 * How it works: one queue per peer, first in first out. libraft sends whole logs as one append; it
 * is encoded piece by piece as the transport takes them (OUT_WINDOW bytes under way), with one
 * completion at the end. Snapshots go beside the queue in parts, with the receiver's own
 * acknowledgements as flow control, so that heartbeats are not held up.
 *
 * libraft's rules for send: no error is ever returned and no callback runs inside send(). */
#ifndef SWARM_MANAGER_CONSENSUS_OUT_H
#define SWARM_MANAGER_CONSENSUS_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/list.h"
#include "manager/consensus/compat.h"
#include "manager/consensus/consensus.h"
#include "manager/consensus/message.h"

#define CONS_OUT_WINDOW    (2u * 1024 * 1024)  /* bytes handed to the transport, per peer */
#define CONS_OUT_QUEUE_MAX (64u * 1024 * 1024) /* bytes waiting, per peer; then appends fail */
#define CONS_SNAP_WINDOW   (4u * CONS_CHUNK_BYTES)
#define CONS_SNAP_RESEND   2000u  /* ms without an acknowledgement: go back */
#define CONS_SNAP_GIVE_UP  30000u /* ms without an acknowledgement: fail */

struct cons_snap_out; /* out_snapshot.c */

struct cons_peer {
    struct sw_list link;
    uint64_t member;
    char address[CONSENSUS_ADDRESS_MAX];
    struct sw_list queue; /* struct cons_send */
    size_t queued;        /* bytes in queue */
    size_t window;        /* bytes with the transport */
    struct cons_snap_out *snapshot;
    uint64_t heard_ms; /* loop time of its last message; 0: never */
};

struct cons_out {
    struct sw_list peers;
    struct sw_list deferred; /* struct cons_send: to be completed from the kick */
    size_t outstanding;      /* transport completions awaited */
    bool stopped;
};

struct cons_send {
    struct sw_list link;
    struct consensus *c;
    struct raft_io_send *req; /* NULL: nobody waits */
    raft_io_send_cb cb;
    struct raft_message msg; /* of an append; its entries stay until cb */
    bool is_append;
    unsigned next;  /* entry to send next */
    uint8_t *bytes; /* otherwise: encoded */
    size_t len;
    unsigned pending; /* pieces with the transport */
    bool sent;        /* no more pieces */
    int status;
};

void cons_out_init(struct consensus *c);
/** cons_out_message() - raft_io's send; takes over @req's completion. */
void cons_out_message(struct consensus *c, struct raft_io_send *req, const struct raft_message *m,
                      raft_io_send_cb cb);
/** cons_out_drop() - as if sent: the request completes from the kick. */
void cons_out_drop(struct consensus *c, struct raft_io_send *req, raft_io_send_cb cb);
/** cons_out_bytes() - a frame of our own. @bytes: owned, sw_free() */
void cons_out_bytes(struct consensus *c, uint64_t member, const char *address, uint8_t *bytes,
                    size_t len);
/** cons_out_flush() - complete what failed without reaching the transport. */
void cons_out_flush(struct consensus *c);
void cons_out_tick(struct consensus *c);
/** cons_out_cancel() - complete all of libraft's sends now; called while it closes. */
void cons_out_cancel(struct consensus *c);
/** cons_out_fini() - when outstanding is 0. */
void cons_out_fini(struct consensus *c);

/** cons_out_peer() - the peer's state, made when absent. Return: NULL when memory is gone. */
struct cons_peer *cons_out_peer(struct consensus *c, uint64_t member, const char *address);
struct cons_peer *cons_out_find(struct consensus *c, uint64_t member);
/** cons_out_wire() - hand bytes to the transport; @done's status as the transport's.
 * @bytes: owned. @peer's window is charged until then.
 * Return: 0; SW_E_UNAVAILABLE, @done will then not be called. */
int cons_out_wire(struct consensus *c, struct cons_peer *peer, uint8_t *bytes, size_t len,
                  consensus_sent_cb *done, void *arg);
/** cons_out_complete() - libraft's callback, if any, and free. */
void cons_out_complete(struct cons_send *s, int status);

/* out_snapshot.c */
void cons_snap_out_start(struct consensus *c, struct cons_peer *peer, struct raft_io_send *req,
                         const struct raft_message *m, raft_io_send_cb cb);
void cons_snap_out_ack(struct consensus *c, struct cons_peer *peer, const struct cons_ack *a);
void cons_snap_out_tick(struct consensus *c, struct cons_peer *peer);
void cons_snap_out_cancel(struct cons_peer *peer, int status);

#endif
