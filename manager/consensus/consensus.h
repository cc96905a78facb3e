/* SPDX-License-Identifier: Apache-2.0
 * consensus.h - one replicated log among the managers.
 *
 * What a user gets: bytes proposed on the leader are, once `done` says 0, on the disks of a
 * majority and have been applied by this member's state machine; every member applies the same
 * bytes in the same order. The state machine (manager/store) is given as callbacks; the network as
 * a transport; encryption at rest as a pair of seal hooks.
 *
 * Rules:
 *  - One loop thread. Every function is called on it and every callback runs on it, except
 *    consensus_seal's functions, which also run on a worker thread while a snapshot is sealed.
 *  - Callbacks given to a function fire exactly once, later, never from within that function,
 *    also when consensus is closed (with SW_E_CANCELED) or fails.
 *  - A member id is a random 64-bit number, never 0, never used again after its removal. It is not
 *    the node id. The sender of a message is the one the transport authenticated.
 *  - Disk errors are final: on_fatal is called once and the process must exit; restarting is safe.
 *
 * Behind this header is libraft; nothing of it shows here. RAFT: Ongaro's dissertation, chapters
 * 3, 4 and 6 for membership, leadership transfer and client interaction. */
#ifndef SWARM_MANAGER_CONSENSUS_CONSENSUS_H
#define SWARM_MANAGER_CONSENSUS_CONSENSUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

struct uv_loop_s;
struct consensus; /* opaque */

/* Largest proposal in bytes: SEMANTICS "1.5 MiB per entry" plus what the store's framing needs. */
#define CONSENSUS_ENTRY_MAX    (2u * 1024 * 1024)
#define CONSENSUS_MESSAGE_MAX  (CONSENSUS_ENTRY_MAX + 512u * 1024)
#define CONSENSUS_MEMBERS_MAX  64
#define CONSENSUS_ADDRESS_MAX  256
#define CONSENSUS_SNAPSHOT_MAX (1024ull * 1024 * 1024) /* a larger state is not snapshotted */

enum consensus_role {
    CONSENSUS_FOLLOWER, /* also: has no configuration yet */
    CONSENSUS_CANDIDATE,
    CONSENSUS_LEADER,
    CONSENSUS_FAILED, /* after on_fatal */
};

/* ---- the state machine ------------------------------------------------------------------- */

/* One part of a snapshot. */
struct consensus_piece {
    const void *base;
    size_t len;
};

/* What fsm.snapshot fills. The bytes must not change until release() is called. */
struct consensus_snapshot {
    const struct consensus_piece *pieces; /* borrowed until release() */
    size_t n_pieces;
    void (*release)(struct consensus_snapshot *s); /* on the loop, exactly once; may be NULL */
    void *arg;                                     /* for release() */
};

struct consensus_fsm {
    void *arg;
    /**
     * apply() - the entry at @index is committed; change the state.
     *
     * Called in index order without repetition; after a start from the last snapshot (or from
     * nothing) again for every entry behind it. Indexes have gaps (membership changes, barriers).
     * Also from within consensus_open() and consensus_deliver(). Must be deterministic and cannot
     * fail. The returned number is handed to the proposer's
     * done() as @result when the proposer is this member; that call comes right behind, before
     * the next apply(), so more about the outcome may be left in the state machine. May propose.
     * @data: borrowed for the call, plaintext exactly as proposed
     */
    int (*apply)(void *arg, uint64_t index, const uint8_t *data, size_t len);
    /**
     * snapshot() - capture the state as of the last applied entry.
     *
     * Return: 0; < 0 with @err filled: no snapshot now, it is tried again later.
     */
    int (*snapshot)(void *arg, struct consensus_snapshot *out, struct sw_err *err);
    /**
     * restore() - replace the whole state by a snapshot's content.
     * @data: borrowed for the call; the pieces of snapshot() joined
     *
     * Return: 0; < 0 with @err filled: fatal.
     */
    int (*restore)(void *arg, uint64_t index, const uint8_t *data, size_t len, struct sw_err *err);
};

/* ---- encryption at rest ------------------------------------------------------------------ */

/* Seals every entry before it reaches the log, its memory and the wire, and every snapshot in
 * parts. Absent (all NULL): entries and snapshots are stored in clear.
 * @ad: associated data that binds the bytes to their place (log index, part number) */
struct consensus_seal {
    void *arg;
    size_t overhead; /* the most bytes seal() adds */
    /** seal() - @out has room for @len + overhead. Return: 0 or < 0 with @err filled.
     * Threads: also on a worker thread, concurrently with itself and open(). */
    int (*seal)(void *arg, const uint8_t *ad, size_t ad_len, const uint8_t *in, size_t len,
                uint8_t *out, size_t *out_len, struct sw_err *err);
    /** open() - @out has room for @len. Return: 0; SW_E_CRYPTO when altered or of unknown key.
     * Threads: as seal(). */
    int (*open)(void *arg, const uint8_t *ad, size_t ad_len, const uint8_t *in, size_t len,
                uint8_t *out, size_t *out_len, struct sw_err *err);
};

/* ---- the network ------------------------------------------------------------------------- */

typedef void consensus_sent_cb(void *done_arg, int status);

/* manager/consensus/peer.h is the one used between managers; tests have others. */
struct consensus_transport {
    void *arg;
    /**
     * send() - pass one message to a member, in order among its messages, at most once.
     * @data: borrowed until done(); at most CONSENSUS_MESSAGE_MAX bytes
     * @done: exactly once, never from within send(); 0 when handed to the network, < 0 when it
     *        certainly or possibly was not
     */
    void (*send)(void *arg, uint64_t member, const char *address, const uint8_t *data, size_t len,
                 consensus_sent_cb *done, void *done_arg);
    /** prepare() - called at every heartbeat for each other member: keep a connection to it. */
    void (*prepare)(void *arg, uint64_t member, const char *address);
    /** forget() - the member was removed; drop its connection when idle. May be NULL. */
    void (*forget)(void *arg, uint64_t member);
    /** stop() - no send() follows; complete all pending ones soon (done() may run inside). */
    void (*stop)(void *arg);
};

/**
 * consensus_deliver() - a message arrived.
 * @from: the member id the transport authenticated, never one taken from the message
 * @data: borrowed for the call
 *
 * Return: 0; SW_E_PROTOCOL malformed, close the connection; SW_E_PERMISSION @from is a removed
 * member (it is told so), close the connection.
 */
int consensus_deliver(struct consensus *c, uint64_t from, const uint8_t *data, size_t len,
                      struct sw_err *err);

/** consensus_is_bulk() - part of a snapshot: a message of send() that may give way to others and
 * need not keep its order with them. */
bool consensus_is_bulk(const uint8_t *data, size_t len);

/* ---- events ------------------------------------------------------------------------------ */

struct consensus_events {
    void *arg;
    /**
     * on_leader() - this member began or ceased to lead; strictly alternating, true first.
     *
     * true comes only after an entry of the new term was committed and applied: the state machine
     * then holds every acknowledged write. Proposals are accepted from then on.
     */
    void (*on_leader)(void *arg, bool is_leader, uint64_t term);
    /** on_leader_changed() - who leads, as known here; member 0 and "" when unknown. May be NULL.
     */
    void (*on_leader_changed)(void *arg, uint64_t member, const char *address);
    /** on_members() - the committed configuration changed: see consensus_members(). May be NULL. */
    void (*on_members)(void *arg);
    /** on_removed() - this member was removed from the cluster; it will not campaign again. Close
     * and delete the directory. May be NULL. */
    void (*on_removed)(void *arg);
    /** on_fatal() - storage failed or safety can no longer be guaranteed: log and exit. The object
     * is dead: functions fail, only consensus_close() remains useful. Called once. */
    void (*on_fatal)(void *arg, const struct sw_err *err);
};

/* ---- life -------------------------------------------------------------------------------- */

/* Start from CONSENSUS_OPTIONS_INIT and fill in what has no default. */
struct consensus_options {
    struct uv_loop_s *loop; /* borrowed, outlives consensus */
    const char *dir;        /* copied; made with mode 0700 when absent; one process at a time */
    uint64_t member;        /* own member id */
    const char *address;    /* own address as other members dial it, host:port; copied */

    unsigned election_ms;  /* without word from a leader; randomised 1x..2x; >= 10 x loop stall */
    unsigned heartbeat_ms; /* also the tick */
    unsigned snapshot_entries; /* entries behind the last snapshot that trigger one */
    size_t snapshot_bytes;     /* bytes behind the last snapshot that trigger one, too */
    unsigned trailing_entries; /* kept behind a snapshot for slow followers */
    unsigned inflight_entries; /* of a batch: one is in the log and not yet committed at a time */
    size_t inflight_bytes;
    size_t queue_bytes;   /* proposals waiting for a place; beyond: SW_E_UNAVAILABLE */
    size_t reserve_bytes; /* disk space held back so that a full disk can still be repaired */
    bool no_auto_promote; /* leader leaves caught-up non-voters as they are */

    struct consensus_fsm fsm;
    struct consensus_seal seal;
    struct consensus_transport transport; /* may be all NULL for a cluster of one */
    struct consensus_events events;

    unsigned disable_guards; /* tests only: SW_BIT(n) switches guard Gn off; see guard.h */
};

#define CONSENSUS_OPTIONS_INIT                                                                     \
    {                                                                                              \
        .election_ms = 1000, .heartbeat_ms = 100, .snapshot_entries = 8192,                        \
        .snapshot_bytes = 64u << 20, .trailing_entries = 1024, .inflight_entries = 64,             \
        .inflight_bytes = 4u << 20, .queue_bytes = 64u << 20, .reserve_bytes = 32u << 20           \
    }

/**
 * consensus_bootstrap() - make the directory of a new cluster's first member. Blocking.
 *
 * Return: 0; SW_E_CONFLICT when @dir already holds a member; SW_E_UNAVAILABLE when another process
 * has it open; negative errno.
 */
int consensus_bootstrap(const char *dir, uint64_t member, const char *address, struct sw_err *err);

/**
 * consensus_recover() - after the loss of the majority: make @member, whose directory this is, the
 * only member, keeping its state (`--force-new-cluster`). Nobody else may run. Blocking.
 *
 * Return: 0; SW_E_NOT_FOUND when @dir holds no member; SW_E_UNAVAILABLE when another process has it
 * open; SW_E_CORRUPT; negative errno.
 */
int consensus_recover(const char *dir, uint64_t member, const char *address, struct sw_err *err);

/** consensus_exists() - does @dir hold a member (bootstrapped, or opened before)? */
bool consensus_exists(const char *dir);

/**
 * consensus_open() - start this member. Blocking: loads snapshot and log; fsm.restore() is called
 * inside, apply() from the loop later. An empty directory is a joining member: it waits until a
 * leader that was told to consensus_member_add() it sends the log.
 * @out: returned; release with consensus_close()
 * @o:   copied. After a failure nothing in it is used any more, but handles close when the loop
 *       runs next
 *
 * Return: 0; SW_E_INVALID; SW_E_UNAVAILABLE when another process has the directory open;
 * SW_E_CORRUPT when the log on disk is damaged or lost entries it had acknowledged: the member must
 * be removed and join anew; SW_E_UNSUPPORTED when the file system lacks what the log needs;
 * SW_E_EXHAUSTED when the disk is full; negative errno.
 */
int consensus_open(struct consensus **out, const struct consensus_options *o, struct sw_err *err);

/**
 * consensus_close() - stop, complete everything pending with SW_E_CANCELED, free.
 * @closed: called from the loop when all is freed; the loop may then be closed
 */
void consensus_close(struct consensus *c, void (*closed)(void *arg), void *arg);

/* ---- writing ----------------------------------------------------------------------------- */

/**
 * done() - how a proposal ended.
 * @status: 0 committed and applied here, @index and @result valid;
 *          SW_E_NO_LEADER  this member does not lead: certainly not applied, ask the leader;
 *          SW_E_UNAVAILABLE  leadership was lost: unknown, it may still be applied by the next
 *                          leader; carry expected versions so that a retry is harmless;
 *          SW_E_CANCELED   closed or failed meanwhile: unknown as well;
 *          SW_E_CRYPTO, -ENOMEM  certainly not applied.
 * @result: what fsm.apply() returned
 */
typedef void consensus_done_cb(void *arg, int status, uint64_t index, int result);

/**
 * consensus_propose() - append @data to the replicated log. There is no timeout.
 * @data: copied
 *
 * Return: 0, @done will be called; SW_E_NO_LEADER not the leader, or not yet ready; SW_E_INVALID
 * empty or longer than CONSENSUS_ENTRY_MAX; SW_E_UNAVAILABLE too much queued; SW_E_EXHAUSTED the
 * disk is nearly full; -ENOMEM.
 */
int consensus_propose(struct consensus *c, const void *data, size_t len, consensus_done_cb *done,
                      void *arg, struct sw_err *err);

/**
 * consensus_barrier() - done(0) when this member still leads and has applied everything that was
 * committed anywhere before this call: reads from the state machine are then linearizable.
 * Barriers requested together share one log entry.
 *
 * Return: 0, @done will be called (@result is 0); SW_E_NO_LEADER; -ENOMEM.
 */
int consensus_barrier(struct consensus *c, consensus_done_cb *done, void *arg, struct sw_err *err);

/**
 * consensus_snapshot_now() - snapshot at or behind the last applied entry, e.g. after a new data
 * key; done(0, @index of the snapshot). Any role; it is taken behind the next committed entry, for
 * which the leader provides one.
 *
 * Return: 0, @done will be called; SW_E_CONFLICT one was already asked for; SW_E_PRECONDITION
 * nothing was ever applied; -ENOMEM.
 */
int consensus_snapshot_now(struct consensus *c, consensus_done_cb *done, void *arg,
                           struct sw_err *err);

/* ---- membership (leader only; one change at a time) --------------------------------------- */

/**
 * consensus_member_add() - add @member as non-voter; done(0) when committed.
 *
 * It receives the log from then on. The leader, whoever that is then, makes every non-voter that
 * has caught up a voter, unless no_auto_promote.
 *
 * Return: 0, @done will be called (@result is 0); SW_E_NO_LEADER; SW_E_CONFLICT another change is
 * under way, or id or address in use; SW_E_FORBIDDEN the id was removed before; SW_E_INVALID.
 */
int consensus_member_add(struct consensus *c, uint64_t member, const char *address,
                         consensus_done_cb *done, void *arg, struct sw_err *err);

/**
 * consensus_member_promote() - make a non-voter a voter once it has caught up.
 *
 * Return: 0, @done will be called, SW_E_DEADLINE there: did not catch up in time; SW_E_NO_LEADER;
 * SW_E_CONFLICT another change is under way; SW_E_NOT_FOUND; SW_E_NOT_MODIFIED is a voter.
 */
int consensus_member_promote(struct consensus *c, uint64_t member, consensus_done_cb *done,
                             void *arg, struct sw_err *err);

/**
 * consensus_member_remove() - remove @member; done(0) when committed. It is told by on_removed and
 * its id is refused for ever.
 *
 * Return: 0, @done will be called; SW_E_NO_LEADER; SW_E_CONFLICT another change is under way;
 * SW_E_NOT_FOUND; SW_E_PRECONDITION: @member is this leader itself (transfer first and let the
 * next leader remove it), is the last voter, or the remaining voters that are reachable would not
 * be a majority of the remaining voters.
 */
int consensus_member_remove(struct consensus *c, uint64_t member, consensus_done_cb *done,
                            void *arg, struct sw_err *err);

/**
 * consensus_transfer() - make @member (0: any suitable voter) the leader.
 *
 * Proposals are refused with SW_E_NO_LEADER meanwhile. done(0): another member leads now;
 * done(SW_E_DEADLINE): this one still does.
 *
 * Return: 0, @done will be called; SW_E_NO_LEADER; SW_E_CONFLICT already transferring;
 * SW_E_NOT_FOUND no such voter; SW_E_PRECONDITION no other voter.
 */
int consensus_transfer(struct consensus *c, uint64_t member, consensus_done_cb *done, void *arg,
                       struct sw_err *err);

/* ---- status ------------------------------------------------------------------------------ */

struct consensus_status {
    enum consensus_role role;
    bool ready; /* leader whose on_leader(true) was called */
    bool voter; /* this member is in the configuration and votes */
    bool removed;
    uint64_t member;
    uint64_t term;
    uint64_t leader;                            /* 0: unknown */
    char leader_address[CONSENSUS_ADDRESS_MAX]; /* "": unknown */
    uint64_t last_index;                        /* last entry in the log */
    uint64_t commit_index;
    uint64_t applied_index;
    uint64_t snapshot_index; /* of the last snapshot taken or installed since the start */
    unsigned n_members;
    unsigned n_voters;
    uint64_t guard_hits[10]; /* [n - 1]: how often guard Gn stepped in */
};

void consensus_status(const struct consensus *c, struct consensus_status *out);

struct consensus_member {
    uint64_t member;
    char address[CONSENSUS_ADDRESS_MAX];
    bool voter;
    bool self;
    bool leader;
    bool reachable;       /* known on the leader only: heard of within an election timeout */
    uint64_t match_index; /* known on the leader only: known to be stored there */
};

/**
 * consensus_members() - the latest configuration, committed or not.
 *
 * Return: how many there are; the first @max were written to @out.
 */
size_t consensus_members(const struct consensus *c, struct consensus_member *out, size_t max);

/** consensus_is_removed() - was this member id ever removed (so must not join again)? */
bool consensus_is_removed(const struct consensus *c, uint64_t member);

/** consensus_is_ready() - leads and accepts proposals; cheap. */
bool consensus_is_ready(const struct consensus *c);

#endif
