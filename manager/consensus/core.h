/* SPDX-License-Identifier: Apache-2.0
 * core.h - the object behind consensus.h and what its files ask of each other.
 *
 * How it works: libraft's core (struct raft) sits between two halves of a struct raft_io. The disk
 * half is libraft's own (or a test's); the network half is ours. `io` is a copy of the disk half
 * with our functions in place of some of its (io.c), so that every write and every message passes
 * through here, where the guards (guard.h) are.
 *
 *   consensus_propose -> queue -> flush (kick) -> raft_apply -> io append -> disk
 *                                                            -> io send   -> out.c -> transport
 *   transport -> consensus_deliver -> in.c -> guards -> libraft's recv
 *   libraft's apply -> fsm.c -> state machine, then the proposal's done()
 *
 * Two rules keep it free of surprises:
 *  - Nothing the user calls enters libraft: it queues and starts the kick, an idle handle whose
 *    callback does the work on the next turn of the loop.
 *  - After each event that entered libraft (tick, message, completed write) cons_react() compares
 *    its state with what was seen last and tells the user: libraft has no events of its own. */
#ifndef SWARM_MANAGER_CONSENSUS_CORE_H
#define SWARM_MANAGER_CONSENSUS_CORE_H

#include <uv.h>

#include "common/base/buf.h"
#include "common/base/list.h"
#include "manager/consensus/compat.h"
#include "manager/consensus/conf.h"
#include "manager/consensus/consensus.h"
#include "manager/consensus/dir.h"
#include "manager/consensus/guard.h"
#include "manager/consensus/in.h"
#include "manager/consensus/log.h"
#include "manager/consensus/out.h"

struct cons_proposal {
    struct sw_list link;
    uint8_t *data; /* plaintext, owned, NULL once submitted */
    size_t len;
    uint64_t index; /* once submitted, as the next two */
    uint64_t chain;
    size_t size; /* of the entry */
    bool last_of_batch;
    consensus_done_cb *done;
    void *arg;
};

struct cons_waiter { /* for a barrier or a snapshot */
    struct sw_list link;
    consensus_done_cb *done;
    void *arg;
};

struct cons_proposals {      /* propose.c */
    struct sw_list queue;    /* not yet submitted */
    struct sw_list inflight; /* submitted, ascending index */
    size_t queue_bytes;
    size_t inflight_bytes;
    unsigned inflight_n;
    unsigned batches;
    struct sw_list barrier_queue; /* cons_waiter: for the next barrier */
    struct sw_list barrier_now;   /* cons_waiter: for the one in the log */
    struct raft_barrier barrier;
    bool barrier_busy;
};

enum cons_change_kind {
    CONS_CHANGE_NONE,
    CONS_CHANGE_ADD,     /* as spare, which receives nothing */
    CONS_CHANGE_STANDBY, /* spare to non-voter, which receives the log */
    CONS_CHANGE_PROMOTE,
    CONS_CHANGE_REMOVE,
};

struct cons_change { /* member.c: the one membership change under way */
    enum cons_change_kind kind;
    uint64_t member;
    char address[CONSENSUS_ADDRESS_MAX];
    bool submitted; /* libraft has it */
    bool finished;  /* committed, the user not yet told */
    consensus_done_cb *done;
    void *arg;
    struct raft_change req;
};

struct cons_transfer {
    bool active; /* asked for, not yet finished */
    bool submitted;
    bool finished; /* libraft called back */
    uint64_t since_ms;
    uint64_t member;
    consensus_done_cb *done;
    void *arg;
    struct raft_transfer req;
};

struct cons_snapshots {             /* fsm.c */
    struct consensus_snapshot user; /* being sealed */
    bool user_held;
    struct raft_buffer buf; /* sealed */
    uint8_t *header;
    size_t header_len;
    uint64_t index; /* of the one being taken */
    uint64_t last_index;
    size_t last_size;
    size_t applied_bytes; /* behind the last snapshot */
    struct sw_list waiters;
    bool forced;       /* the threshold is down to 1 */
    bool want_barrier; /* an entry is needed to set it off */
    uint64_t retry_ms;
    struct sw_err err; /* of the worker */
};

struct consensus {
    struct consensus_options o; /* strings owned */
    struct raft raft;
    struct raft_io io;    /* what libraft sees */
    struct raft_io *disk; /* the disk half */
    struct raft_io own_disk;
    struct raft_uv_transport null_transport;
    struct raft_fsm fsm;
    raft_io_tick_cb tick;
    raft_io_recv_cb recv;

    struct cons_dir dir;
    bool has_dir;
    struct cons_log log;
    struct cons_history history;
    struct cons_guard guard;
    struct cons_out out;
    struct cons_in in;
    struct cons_proposals prop;
    struct cons_change change;
    struct cons_transfer transfer;
    struct cons_snapshots snap;
    struct sw_buf plain; /* the entry being applied, opened */

    bool leading; /* libraft says leader, and we have reacted */
    bool ready;   /* on_leader(true) was called */
    uint64_t lead_term;
    struct raft_barrier lead_barrier;
    bool lead_barrier_ok; /* committed and applied */
    uint64_t known_leader;
    bool members_changed;
    bool disk_low;
    bool was_member; /* of the committed configuration */
    bool removed;
    bool removed_told;
    uint64_t promote_after; /* loop time in ms */

    uv_idle_t kick;
    bool kick_open;
    bool reacting;
    unsigned ticks;
    bool raft_ready; /* raft_init() done */
    bool started;
    bool failed;
    bool fatal_told;
    struct sw_err fatal;
    bool closing;
    bool raft_closing;
    bool disk_closed;
    unsigned grace_turns;
    raft_io_close_cb io_close_cb;
    void (*closed)(void *arg);
    void *closed_arg;
};

/* consensus.c */
/** cons_open() - consensus_open() upon a given disk half. @disk: borrowed until closed; NULL: uv.
 */
int cons_open(struct consensus **out, const struct consensus_options *o, struct raft_io *disk,
              struct sw_err *err);
/** cons_create() - everything but the start. @out is also set on failure, for cons_give_up(). */
int cons_create(struct consensus **out, const struct consensus_options *o, struct raft_io *disk,
                struct sw_err *err);
/** cons_give_up() - what was created is of no use; frees itself when the loop runs. NULL is legal.
 */
void cons_give_up(struct consensus *c);
/** cons_fatal() - first caller wins; the user is told from the kick. */
void cons_fatal(struct consensus *c, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void cons_kick(struct consensus *c);
void cons_tick(struct consensus *c);
int cons_error(int raft_code); /* libraft's code as ours, for done() */

/* react.c */
void cons_react(struct consensus *c);

/* io.c */
void cons_io_init(struct consensus *c);

/* fsm.c */
#define CONS_AD_ENTRY    0x31797274ull /* first word of the associated data */
#define CONS_AD_SNAPSHOT 0x3170616eull
int cons_seal(const struct consensus *c, const uint64_t ad[3], const void *in, size_t len,
              uint8_t *out, size_t *out_len, struct sw_err *err);
void cons_fsm_init(struct consensus *c);
void cons_fsm_snapshot_stored(struct consensus *c, uint64_t index);
void cons_fsm_cancel(struct consensus *c);

/* propose.c */
void cons_prop_init(struct consensus *c);
void cons_prop_flush(struct consensus *c);
/** cons_prop_applied() - the entry at @index with @chain was applied. */
void cons_prop_applied(struct consensus *c, uint64_t index, uint64_t chain, int result);
/** cons_prop_fail() - complete everything: in flight with @inflight, waiting with @queued. */
void cons_prop_fail(struct consensus *c, int inflight, int queued);

/* member.c */
void cons_member_flush(struct consensus *c);
void cons_member_tick(struct consensus *c);
void cons_member_fail(struct consensus *c, int status);
void cons_member_committed(struct consensus *c);

static inline bool cons_is_usable(const struct consensus *c)
{
    return c->started && !c->failed && !c->closing;
}

static inline uint64_t cons_now(struct consensus *c)
{
    return c->disk->time(c->disk);
}

#endif
