/* SPDX-License-Identifier: Apache-2.0 */
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "cluster.h"
#include "common/log/log.h"

struct fixture {
    struct cluster cl;
    struct sw_err err;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    cluster_init(&f->cl);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    cluster_fini(&f->cl);
    free(f);
    return 0;
}

static void a_single_member_applies_what_was_proposed(void **state)
{
    struct fixture *f = *state;
    uint64_t index = 0;

    assert_int_equal(cluster_open(&f->cl, 0, true, &f->err), 0);
    assert_int_equal(cluster_leader(&f->cl, 5000), 0);
    assert_int_equal(cluster_propose(&f->cl, 0, "hello", 5, &index), 0);
    assert_int_equal(f->cl.n[0].m.count, 1);
    assert_int_equal(f->cl.n[0].m.last_index, index);
    assert_int_equal(f->cl.n[0].leader_seen, 1);
}

/* The child proposes entries of awkward lengths until it is killed; acknowledged ones must be
 * there afterwards. */
static void run_until_killed(struct cluster *cl, int fd)
{
    struct sw_err err;
    uint8_t data[64];

    if (cluster_open(cl, 0, true, &err) < 0 || cluster_leader(cl, 5000) != 0)
        _exit(1);
    for (uint32_t i = 1;; i++) {
        memset(data, (int)i, sizeof(data));
        if (cluster_propose(cl, 0, data, 1 + i % 61, NULL) != 0)
            _exit(2);
        if (write(fd, &i, sizeof(i)) != sizeof(i))
            _exit(3);
    }
}

static void a_single_member_keeps_acknowledged_entries_over_kill_9(void **state)
{
    struct fixture *f = *state;
    uint32_t acked = 0;
    int fds[2];
    pid_t pid;

    assert_int_equal(pipe(fds), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        run_until_killed(&f->cl, fds[1]);
    close(fds[1]);
    while (acked < 300 && read(fds[0], &acked, sizeof(acked)) == sizeof(acked))
        ;
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    while (read(fds[0], &acked, sizeof(acked)) == sizeof(acked))
        ;
    close(fds[0]);
    assert_true(acked >= 300);
    assert_int_equal(cluster_open(&f->cl, 0, false, &f->err), 0);
    assert_int_equal(cluster_leader(&f->cl, 5000), 0);
    assert_true(f->cl.n[0].m.count >= acked);
    assert_true(f->cl.n[0].m.count <= acked + 1);
}

static void three_members_apply_the_same(void **state)
{
    struct fixture *f = *state;
    char text[32];

    cluster_grow(&f->cl, 3);
    for (int i = 0; i < 100; i++) {
        int n = snprintf(text, sizeof(text), "entry %d", i);

        assert_int_equal(cluster_propose(&f->cl, 0, text, (size_t)n, NULL), 0);
    }
    assert_true(cluster_converged(&f->cl, 5000));
    assert_int_equal(f->cl.n[2].m.count, 100);
}

static void another_leads_when_the_leader_is_gone(void **state)
{
    struct fixture *f = *state;
    int leader;

    cluster_grow(&f->cl, 3);
    assert_int_equal(cluster_propose(&f->cl, 0, "one", 3, NULL), 0);
    cluster_close(&f->cl, 0);
    leader = cluster_leader(&f->cl, 10000);
    assert_true(leader == 1 || leader == 2);
    assert_int_equal(cluster_propose(&f->cl, (unsigned)leader, "two", 3, NULL), 0);
    assert_int_equal(cluster_open(&f->cl, 0, false, &f->err), 0);
    assert_true(cluster_converged(&f->cl, 5000));
    assert_int_equal(f->cl.n[0].m.count, 2);
}

static void a_directory_is_open_in_one_process_at_a_time(void **state)
{
    struct fixture *f = *state;
    struct consensus_options o;
    struct consensus *other = NULL;

    assert_int_equal(cluster_open(&f->cl, 0, true, &f->err), 0);
    o = f->cl.n[0].o;
    o.dir = f->cl.n[0].dir;
    o.address = f->cl.n[0].address;
    assert_int_equal(consensus_open(&other, &o, &f->err), SW_E_UNAVAILABLE);
    assert_non_null(strstr(f->err.msg, "in use by another process"));
    assert_null(other);
    cluster_close(&f->cl, 0);
    assert_int_equal(consensus_recover(f->cl.n[0].dir, 1, f->cl.n[0].address, &f->err), 0);
}

static void a_directory_belongs_to_one_member(void **state)
{
    struct fixture *f = *state;
    const char *dir = f->cl.n[0].dir;

    assert_false(consensus_exists(dir));
    assert_int_equal(consensus_recover(dir, 1, "a:1", &f->err), SW_E_NOT_FOUND);
    assert_int_equal(consensus_bootstrap(dir, 1, "a:1", &f->err), 0);
    assert_true(consensus_exists(dir));
    assert_int_equal(consensus_bootstrap(dir, 1, "a:1", &f->err), SW_E_CONFLICT);
    assert_int_equal(consensus_recover(dir, 2, "a:1", &f->err), SW_E_CONFLICT);
    assert_non_null(strstr(f->err.msg, "belongs to raft member 1"));
}

static void options_out_of_range_are_refused(void **state)
{
    struct fixture *f = *state;
    struct consensus_options o = CONSENSUS_OPTIONS_INIT;
    struct consensus *c = NULL;

    assert_int_equal(consensus_open(&c, &o, &f->err), SW_E_INVALID);
    assert_int_equal(cluster_open(&f->cl, 0, true, &f->err), 0);
    o = f->cl.n[0].o;
    o.dir = f->cl.n[1].dir;
    o.address = "b:1";
    o.election_ms = o.heartbeat_ms;
    assert_int_equal(consensus_open(&c, &o, &f->err), SW_E_INVALID);
    assert_null(c);
}

static void a_follower_refuses_proposals(void **state)
{
    struct fixture *f = *state;

    cluster_grow(&f->cl, 3);
    assert_int_equal(cluster_propose(&f->cl, 1, "x", 1, NULL), SW_E_NO_LEADER);
    assert_int_equal(cluster_transfer(&f->cl, 1, 0), SW_E_NO_LEADER);
    assert_int_equal(cluster_remove(&f->cl, 1, 3), SW_E_NO_LEADER);
    assert_int_equal(f->cl.n[1].leader_seen, 1);
}

static void proposals_have_a_size(void **state)
{
    struct fixture *f = *state;
    uint8_t *big = calloc(1, CONSENSUS_ENTRY_MAX + 1);

    cluster_grow(&f->cl, 2);
    assert_int_equal(cluster_propose(&f->cl, 0, big, 0, NULL), SW_E_INVALID);
    assert_int_equal(cluster_propose(&f->cl, 0, big, CONSENSUS_ENTRY_MAX + 1, NULL), SW_E_INVALID);
    assert_int_equal(cluster_propose(&f->cl, 0, big, CONSENSUS_ENTRY_MAX, NULL), 0);
    assert_true(cluster_converged(&f->cl, 5000));
    assert_int_equal(f->cl.n[1].m.count, 1);
    free(big);
}

struct tally {
    unsigned done, ok, unknown, refused, canceled;
    int last_result;
};

static void on_tally(void *arg, int status, uint64_t index, int result)
{
    struct tally *t = arg;

    (void)index;
    t->done++;
    t->ok += status == 0;
    t->unknown += status == SW_E_UNAVAILABLE;
    t->refused += status == SW_E_NO_LEADER;
    t->canceled += status == SW_E_CANCELED;
    t->last_result = result;
}

static bool tally_done(struct cluster *cl, void *arg)
{
    (void)cl;
    return ((struct tally *)arg)->done >= 1000;
}

static int length_of(const uint8_t *data, size_t len)
{
    (void)data;
    return (int)len;
}

static void the_verdict_of_apply_reaches_the_proposer(void **state)
{
    struct fixture *f = *state;
    struct tally t = { 0 };

    assert_int_equal(cluster_open(&f->cl, 0, true, &f->err), 0);
    assert_int_equal(cluster_leader(&f->cl, 5000), 0);
    f->cl.n[0].m.verdict = length_of;
    for (int i = 0; i < 1000; i++)
        assert_int_equal(consensus_propose(f->cl.n[0].c, "12345678", 8, on_tally, &t, &f->err), 0);
    assert_int_equal(t.done, 0); /* never from within */
    assert_true(cluster_until(&f->cl, tally_done, &t, 10000));
    assert_int_equal(t.ok, 1000);
    assert_int_equal(t.last_result, 8);
}

static void small_queue(struct consensus_options *o)
{
    o->queue_bytes = 1000;
}

static void a_full_queue_pushes_back(void **state)
{
    struct fixture *f = *state;
    static struct tally t; /* answered in teardown */
    int r = 0;
    int n;

    f->cl.tweak = small_queue;
    assert_int_equal(cluster_open(&f->cl, 0, true, &f->err), 0);
    assert_int_equal(cluster_leader(&f->cl, 5000), 0);
    for (n = 0; r == 0; n++)
        r = consensus_propose(f->cl.n[0].c, "0123456789", 10, on_tally, &t, &f->err);
    assert_int_equal(r, SW_E_UNAVAILABLE);
    assert_int_equal(n, 101);
}

static void closing_under_load_answers_everything_once(void **state)
{
    struct fixture *f = *state;
    struct tally t = { 0 };

    cluster_grow(&f->cl, 3);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(consensus_propose(f->cl.n[0].c, "load", 4, on_tally, &t, &f->err), 0);
    for (int i = 0; i < 3; i++)
        uv_run(&f->cl.loop, UV_RUN_NOWAIT);
    for (int i = 0; i < 10; i++)
        assert_int_equal(consensus_barrier(f->cl.n[0].c, on_tally, &t, &f->err), 0);
    cluster_close(&f->cl, 0);
    assert_int_equal(t.done, 1010);
    assert_int_equal(t.ok + t.canceled, 1010);
    assert_true(t.canceled > 0);
}

static void a_deposed_leader_says_what_it_does_not_know(void **state)
{
    struct fixture *f = *state;
    struct tally t = { 0 };
    int leader;

    cluster_grow(&f->cl, 3);
    cluster_isolate(&f->cl, 0, true);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(consensus_propose(f->cl.n[0].c, "lost?", 5, on_tally, &t, &f->err), 0);
    assert_true(cluster_until(&f->cl, tally_done, &t, 10000));
    assert_int_equal(t.ok, 0);
    assert_true(t.unknown > 0); /* the batch that was in the log */
    assert_int_equal(t.unknown + t.refused, 1000);
    assert_false(consensus_is_ready(f->cl.n[0].c));
    assert_int_equal(f->cl.n[0].lost_events, 1);
    leader = cluster_leader(&f->cl, 10000);
    assert_true(leader > 0);
    cluster_isolate(&f->cl, 0, false);
    assert_int_equal(cluster_propose(&f->cl, (unsigned)leader, "after", 5, NULL), 0);
    assert_true(cluster_converged(&f->cl, 10000));
    assert_int_equal(f->cl.n[0].m.count, 1);
}

static bool barrier_done(struct cluster *cl, void *arg)
{
    (void)cl;
    return ((struct tally *)arg)->done == 5;
}

static void a_barrier_comes_after_everything_proposed_before(void **state)
{
    struct fixture *f = *state;
    struct consensus_status before, after;
    struct tally t = { 0 };

    cluster_grow(&f->cl, 3);
    consensus_status(f->cl.n[0].c, &before);
    for (int i = 0; i < 5; i++)
        assert_int_equal(consensus_barrier(f->cl.n[0].c, on_tally, &t, &f->err), 0);
    assert_true(cluster_until(&f->cl, barrier_done, &t, 5000));
    assert_int_equal(t.ok, 5);
    consensus_status(f->cl.n[0].c, &after);
    assert_int_equal(after.last_index, before.last_index + 1); /* one entry for all */
    assert_int_equal(consensus_barrier(f->cl.n[1].c, on_tally, &t, &f->err), SW_E_NO_LEADER);
}

static void leadership_is_transferred(void **state)
{
    struct fixture *f = *state;

    cluster_grow(&f->cl, 3);
    assert_int_equal(cluster_transfer(&f->cl, 0, 77), SW_E_NOT_FOUND);
    assert_int_equal(cluster_transfer(&f->cl, 0, 1), SW_E_NOT_FOUND); /* itself */
    assert_int_equal(cluster_transfer(&f->cl, 0, 2), 0);
    assert_int_equal(f->cl.n[0].leader_seen, 2);
    assert_int_equal(cluster_leader(&f->cl, 5000), 1);
    assert_int_equal(cluster_propose(&f->cl, 1, "x", 1, NULL), 0);
    assert_int_equal(f->cl.n[0].lost_events, 1);
}

static void a_transfer_to_nobody_ends(void **state)
{
    struct fixture *f = *state;

    cluster_grow(&f->cl, 3);
    cluster_isolate(&f->cl, 1, true);
    assert_int_equal(cluster_transfer(&f->cl, 0, 2), SW_E_DEADLINE);
    assert_int_equal(cluster_propose(&f->cl, 0, "x", 1, NULL), 0); /* and it leads on */
}

static bool third_removed(struct cluster *cl, void *arg)
{
    (void)arg;
    return cl->n[2].removed;
}

static bool ten_heartbeats(struct cluster *cl, void *arg)
{
    int64_t *until = arg;

    (void)cl;
    return uv_now(&cl->loop) > (uint64_t)*until;
}

static void a_removed_member_is_told_and_does_not_campaign(void **state)
{
    struct fixture *f = *state;
    struct consensus_status s;
    int64_t until;

    cluster_grow(&f->cl, 3);
    assert_int_equal(cluster_remove(&f->cl, 0, 1), SW_E_PRECONDITION); /* the leader itself */
    assert_int_equal(cluster_remove(&f->cl, 0, 9), SW_E_NOT_FOUND);
    assert_int_equal(cluster_remove(&f->cl, 0, 3), 0);
    assert_true(cluster_until(&f->cl, third_removed, NULL, 5000));
    assert_true(consensus_is_removed(f->cl.n[0].c, 3));
    assert_int_equal(consensus_member_add(f->cl.n[0].c, 3, "10.0.0.3:1", on_tally, NULL, &f->err),
                     SW_E_FORBIDDEN);
    until = (int64_t)uv_now(&f->cl.loop) + 2000;
    assert_true(cluster_until(&f->cl, ten_heartbeats, &until, 5000));
    consensus_status(f->cl.n[2].c, &s);
    assert_int_equal(s.role, CONSENSUS_FOLLOWER);
    assert_true(s.removed);
    consensus_status(f->cl.n[0].c, &s);
    assert_int_equal(s.n_members, 2);
    assert_int_equal(f->cl.n[0].lost_events, 0); /* nobody was disturbed */
}

static void a_member_removed_while_it_was_down_is_told_later(void **state)
{
    struct fixture *f = *state;

    cluster_grow(&f->cl, 3);
    cluster_close(&f->cl, 2);
    assert_int_equal(cluster_remove(&f->cl, 0, 3), 0);
    assert_int_equal(cluster_open(&f->cl, 2, false, &f->err), 0);
    assert_true(cluster_until(&f->cl, third_removed, NULL, 10000)); /* it asked for votes */
    assert_int_equal(f->cl.n[0].lost_events, 0);
    cluster_close(&f->cl, 0); /* the ids survive a restart */
    assert_int_equal(cluster_open(&f->cl, 0, false, &f->err), 0);
    assert_true(cluster_leader(&f->cl, 10000) >= 0);
    assert_true(cluster_converged(&f->cl, 5000));
    assert_true(consensus_is_removed(f->cl.n[1].c, 3));
}

static void a_removal_that_would_lose_the_quorum_is_refused(void **state)
{
    struct fixture *f = *state;
    int64_t until;

    cluster_grow(&f->cl, 3);
    cluster_close(&f->cl, 2);
    until = (int64_t)uv_now(&f->cl.loop) + 700; /* not heard of for an election timeout */
    assert_true(cluster_until(&f->cl, ten_heartbeats, &until, 5000));
    assert_int_equal(cluster_remove(&f->cl, 0, 2), SW_E_PRECONDITION); /* would leave 1 of 2 */
    assert_int_equal(cluster_remove(&f->cl, 0, 3), 0);
}

static void one_survivor_becomes_a_cluster_of_its_own(void **state)
{
    struct fixture *f = *state;
    struct consensus_status s;

    cluster_grow(&f->cl, 3);
    for (int i = 0; i < 20; i++)
        assert_int_equal(cluster_propose(&f->cl, 0, "state", 5, NULL), 0);
    assert_true(cluster_converged(&f->cl, 5000));
    for (unsigned i = 0; i < 3; i++)
        cluster_close(&f->cl, i);
    assert_int_equal(consensus_recover(f->cl.n[1].dir, 2, f->cl.n[1].address, &f->err), 0);
    assert_int_equal(cluster_open(&f->cl, 1, false, &f->err), 0);
    assert_int_equal(cluster_leader(&f->cl, 5000), 1);
    assert_int_equal(f->cl.n[1].m.count, 20);
    consensus_status(f->cl.n[1].c, &s);
    assert_int_equal(s.n_members, 1);
    assert_int_equal(cluster_propose(&f->cl, 1, "more", 4, NULL), 0);
    assert_true(consensus_is_removed(f->cl.n[1].c, 1)); /* the others are out for good */
}

static bool tally_one(struct cluster *cl, void *arg)
{
    (void)cl;
    return ((struct tally *)arg)->done == 1;
}

static void a_snapshot_is_taken_when_asked_for(void **state)
{
    struct fixture *f = *state;
    struct tally t = { 0 };
    struct consensus_status s;

    cluster_grow(&f->cl, 3);
    for (int i = 0; i < 20; i++)
        assert_int_equal(cluster_propose(&f->cl, 0, "state", 5, NULL), 0);
    assert_int_equal(consensus_snapshot_now(f->cl.n[0].c, on_tally, &t, &f->err), 0);
    assert_int_equal(consensus_snapshot_now(f->cl.n[0].c, on_tally, &t, &f->err), SW_E_CONFLICT);
    assert_true(cluster_until(&f->cl, tally_one, &t, 5000));
    assert_int_equal(t.ok, 1);
    consensus_status(f->cl.n[0].c, &s);
    assert_true(s.snapshot_index > 20);
    cluster_close(&f->cl, 0);
    assert_int_equal(cluster_open(&f->cl, 0, false, &f->err), 0);
    assert_int_equal(f->cl.n[0].m.restores, 1);
    assert_true(cluster_converged(&f->cl, 5000));
    assert_int_equal(f->cl.n[0].m.count, 20);
}

static void by_bytes(struct consensus_options *o)
{
    o->snapshot_bytes = 1 << 20;
}

static void many_bytes_trigger_a_snapshot(void **state)
{
    struct fixture *f = *state;
    uint8_t *data = calloc(1, 100000);

    f->cl.tweak = by_bytes;
    assert_int_equal(cluster_open(&f->cl, 0, true, &f->err), 0);
    assert_int_equal(cluster_leader(&f->cl, 5000), 0);
    for (int i = 0; i < 25; i++)
        assert_int_equal(cluster_propose(&f->cl, 0, data, 100000, NULL), 0);
    assert_in_range(f->cl.n[0].m.snapshots, 1, 3);
    free(data);
}

static void members_are_listed(void **state)
{
    struct fixture *f = *state;
    struct consensus_member m[4];

    cluster_grow(&f->cl, 3);
    assert_int_equal(cluster_propose(&f->cl, 0, "x", 1, NULL), 0);
    assert_true(cluster_converged(&f->cl, 5000));
    assert_int_equal(consensus_members(f->cl.n[0].c, m, 4), 3);
    assert_int_equal(m[0].member, 1);
    assert_true(m[0].self && m[0].leader && m[0].voter && m[0].reachable);
    assert_true(!m[2].self && !m[2].leader && m[2].voter && m[2].reachable);
    assert_string_equal(m[2].address, "10.0.0.3:2377");
    assert_true(m[2].match_index > 0);
    assert_int_equal(consensus_members(f->cl.n[1].c, m, 1), 3);
    assert_true(m[0].leader);
    assert_false(m[0].reachable); /* only the leader knows */
}

/* A log of 6 MB to a member that was down: no message is large, and all arrives. */
static void a_long_log_is_sent_in_pieces(void **state)
{
    struct fixture *f = *state;
    uint8_t *data = calloc(1, 60000);

    cluster_grow(&f->cl, 3);
    cluster_close(&f->cl, 2);
    for (int i = 0; i < 100; i++)
        assert_int_equal(cluster_propose(&f->cl, 0, data, 60000, NULL), 0);
    f->cl.largest = 0;
    assert_int_equal(cluster_open(&f->cl, 2, false, &f->err), 0);
    assert_true(cluster_converged(&f->cl, 10000));
    assert_int_equal(f->cl.n[2].m.count, 100);
    assert_in_range(f->cl.largest, 100000, 400000);
    free(data);
}

static void few_entries(struct consensus_options *o)
{
    o->snapshot_entries = 30;
    o->trailing_entries = 5;
}

static void a_large_snapshot_is_sent_in_parts(void **state)
{
    struct fixture *f = *state;
    uint8_t *data = calloc(1, 100000);

    f->cl.tweak = few_entries;
    for (int i = 0; i < 3; i++)
        f->cl.n[i].m.keep = true;
    cluster_grow(&f->cl, 3);
    cluster_close(&f->cl, 2);
    for (int i = 0; i < 100; i++)
        assert_int_equal(cluster_propose(&f->cl, 0, data, 100000, NULL), 0);
    f->cl.largest = 0;
    assert_int_equal(cluster_open(&f->cl, 2, false, &f->err), 0);
    assert_true(cluster_converged(&f->cl, 20000));
    assert_int_equal(f->cl.n[2].m.state.len, 100 * 100000);
    assert_true(f->cl.n[2].m.restores >= 1);
    assert_in_range(f->cl.largest, 200000, 400000);
    assert_int_equal(f->cl.n[0].lost_events, 0);
    free(data);
}

static void no_automatic(struct consensus_options *o)
{
    o->no_auto_promote = true;
}

static void a_non_voter_follows_and_is_promoted(void **state)
{
    struct fixture *f = *state;
    struct consensus_status s;
    struct tally t = { 0 };

    f->cl.tweak = no_automatic;
    assert_int_equal(cluster_open(&f->cl, 0, true, &f->err), 0);
    assert_int_equal(cluster_leader(&f->cl, 5000), 0);
    assert_int_equal(cluster_open(&f->cl, 1, false, &f->err), 0);
    assert_int_equal(consensus_member_promote(f->cl.n[0].c, 2, on_tally, &t, &f->err),
                     SW_E_NOT_FOUND);
    assert_int_equal(
        consensus_member_add(f->cl.n[0].c, 2, f->cl.n[1].address, on_tally, &t, &f->err), 0);
    assert_int_equal(consensus_member_add(f->cl.n[0].c, 3, "10.0.0.3:1", on_tally, &t, &f->err),
                     SW_E_CONFLICT); /* one at a time */
    assert_true(cluster_until(&f->cl, tally_one, &t, 5000));
    assert_int_equal(
        consensus_member_add(f->cl.n[0].c, 3, f->cl.n[1].address, on_tally, &t, &f->err),
        SW_E_CONFLICT); /* address in use */
    assert_int_equal(cluster_propose(&f->cl, 0, "x", 1, NULL), 0);
    assert_true(cluster_converged(&f->cl, 5000));
    assert_int_equal(f->cl.n[1].m.count, 1);
    consensus_status(f->cl.n[1].c, &s);
    assert_false(s.voter);
    memset(&t, 0, sizeof(t));
    assert_int_equal(consensus_member_promote(f->cl.n[0].c, 2, on_tally, &t, &f->err), 0);
    assert_true(cluster_until(&f->cl, tally_one, &t, 5000));
    assert_int_equal(t.ok, 1);
    consensus_status(f->cl.n[0].c, &s);
    assert_int_equal(s.n_voters, 2);
    assert_int_equal(consensus_member_promote(f->cl.n[0].c, 2, on_tally, &t, &f->err),
                     SW_E_NOT_MODIFIED);
}

static void malformed_messages_are_refused(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(cluster_open(&f->cl, 0, true, &f->err), 0);
    assert_int_equal(consensus_deliver(f->cl.n[0].c, 2, (const uint8_t *)"\xff\xff", 2, &f->err),
                     SW_E_PROTOCOL);
    assert_int_equal(consensus_deliver(f->cl.n[0].c, 2, NULL, 0, &f->err), SW_E_PROTOCOL);
    assert_int_equal(consensus_deliver(f->cl.n[0].c, 1, NULL, 0, &f->err), SW_E_PROTOCOL);
    assert_int_equal(consensus_deliver(f->cl.n[0].c, 0, NULL, 0, &f->err), SW_E_PROTOCOL);
}

static void with_reserve(struct consensus_options *o)
{
    o->reserve_bytes = 6 << 20;
}

/* In a mount namespace of its own: a file system of 48 MB is filled. Exit status: 0 good, 77 not
 * possible here, else the step that failed. */
static void fill_disk(struct cluster *cl)
{
    static uint8_t data[100000];
    struct sw_err err;
    uint64_t acked = 0;
    int r = 0;

    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("tmpfs", cl->dir, "tmpfs", 0, "size=48m") < 0)
        _exit(77);
    cl->tweak = with_reserve;
    if (cluster_open(cl, 0, true, &err) < 0 || cluster_leader(cl, 5000) != 0)
        _exit(1);
    while (r == 0 && !cl->n[0].fatal && acked < 1000) {
        r = cluster_propose(cl, 0, data, sizeof(data), NULL);
        acked += r == 0;
    }
    if (acked >= 1000 || acked < 50)
        _exit(2);
    if (r != SW_E_EXHAUSTED && !cl->n[0].fatal)
        _exit(3);
    cluster_close(cl, 0);
    if (cluster_open(cl, 0, false, &err) < 0 || cluster_leader(cl, 5000) != 0)
        _exit(4);
    _exit(cl->n[0].m.count < acked ? 5 : 0);
}

static void a_full_disk_refuses_proposals_and_loses_nothing(void **state)
{
    struct fixture *f = *state;
    int status = 0;
    pid_t pid = fork();

    if (pid == 0)
        fill_disk(&f->cl);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip(); /* no mount namespaces here */
    assert_int_equal(WEXITSTATUS(status), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_single_member_applies_what_was_proposed),
        T(a_single_member_keeps_acknowledged_entries_over_kill_9),
        T(three_members_apply_the_same),
        T(another_leads_when_the_leader_is_gone),
        T(a_directory_is_open_in_one_process_at_a_time),
        T(a_directory_belongs_to_one_member),
        T(options_out_of_range_are_refused),
        T(a_follower_refuses_proposals),
        T(proposals_have_a_size),
        T(the_verdict_of_apply_reaches_the_proposer),
        T(a_full_queue_pushes_back),
        T(closing_under_load_answers_everything_once),
        T(a_deposed_leader_says_what_it_does_not_know),
        T(a_barrier_comes_after_everything_proposed_before),
        T(leadership_is_transferred),
        T(a_transfer_to_nobody_ends),
        T(a_removed_member_is_told_and_does_not_campaign),
        T(a_member_removed_while_it_was_down_is_told_later),
        T(a_removal_that_would_lose_the_quorum_is_refused),
        T(one_survivor_becomes_a_cluster_of_its_own),
        T(a_snapshot_is_taken_when_asked_for),
        T(many_bytes_trigger_a_snapshot),
        T(members_are_listed),
        T(a_long_log_is_sent_in_pieces),
        T(a_large_snapshot_is_sent_in_parts),
        T(a_non_voter_follows_and_is_promoted),
        T(malformed_messages_are_refused),
        T(a_full_disk_refuses_proposals_and_loses_nothing),
    };

    sw_log_init("test_consensus", getenv("V") != NULL ? SW_LOG_DEBUG : SW_LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
