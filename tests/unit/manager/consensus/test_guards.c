/* SPDX-License-Identifier: Apache-2.0
 * test_guards.c - each guard of guard.h: the fault it guards against shows when it is off, and does
 * not when it is on. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/log/log.h"
#include "sim.h"

#define OFF(n) SW_BIT(n)

static bool leads(const struct sim *s, unsigned i)
{
    return s->node[i].c != NULL && s->node[i].c->raft.state == RAFT_LEADER;
}

/* A leader that has applied something, so that every scenario begins alike. */
static void begin(struct sim *s, unsigned n, unsigned disable)
{
    int status;

    sim_init(s, n, disable);
    sim_open_all(s);
    sim_elect(s, 0);
    sim_settle(s);
    assert_true(consensus_is_ready(s->node[0].c));
    assert_int_equal(sim_propose(s, 0, "first.", &status), 0);
    sim_settle(s);
    assert_int_equal(status, 0);
    sim_pass(s, SIM_TICK); /* the others learn that it is committed */
}

/* ---- G1 ----------------------------------------------------------------------------------------
 */

static bool no_entries(struct sim *s, struct sim_msg *m, const struct cons_frame *f)
{
    (void)s;
    (void)m;
    return f->kind != CONS_FRAME_MESSAGE || f->msg.type != RAFT_IO_APPEND_ENTRIES ||
           f->msg.append_entries.n_entries == 0;
}

/* Figure 8 of the Raft paper. Returns whether an entry was applied somewhere and lost later. */
static bool figure8_loses(unsigned disable)
{
    struct sim s;
    bool applied;
    bool kept;
    int status;

    begin(&s, 3, disable);
    /* Member 0, term 2: X reaches only its own disk. */
    sim_isolate(&s, 0, true);
    assert_int_equal(sim_propose(&s, 0, "X.", &status), 0);
    sim_settle(&s);
    sim_crash(&s, 0);
    /* Member 1, term 3: something else at the same place, on its own disk only. */
    s.filter = no_entries;
    sim_elect(&s, 1);
    sim_isolate(&s, 1, true);
    (void)sim_propose(&s, 1, "Y.", NULL); /* refused with G1: its barrier is not committed */
    sim_settle(&s);
    sim_crash(&s, 1);
    s.filter = NULL;
    sim_isolate(&s, 0, false);
    sim_isolate(&s, 1, false);
    /* Member 0, term 4: X gets a second copy, at member 2. Nothing of term 4 is stored by 0. */
    sim_open(&s, 0);
    s.node[2].disk.now_ms = s.now_ms;
    sim_elect(&s, 0);
    s.node[0].disk.paused = true;
    sim_pass(&s, 5 * SIM_TICK);
    applied = sim_has_applied(&s, 0, "X.");
    sim_crash(&s, 0);
    s.node[0].disk.paused = false;
    /* Member 1 is back; whoever can leads. */
    s.cut[0][2] = s.cut[2][0] = false;
    sim_open(&s, 1);
    for (int t = 0; t < 60 && !leads(&s, 1) && !leads(&s, 2); t++)
        sim_pass(&s, SIM_TICK);
    sim_open(&s, 0);
    sim_pass(&s, 30 * SIM_TICK);
    kept = sim_has_applied(&s, 1, "X.");
    if (disable == 0) {
        for (unsigned i = 0; i < 3; i++)
            assert_false(s.node[i].fatal);
    }
    sim_fini(&s);
    return applied && !kept;
}

static void an_entry_of_an_old_term_is_not_committed_by_counting(void **state)
{
    (void)state;
    assert_true(figure8_loses(OFF(1)));
    assert_false(figure8_loses(0));
}

/* ---- G2 ----------------------------------------------------------------------------------------
 */

static bool hold_acks(struct sim *s, struct sim_msg *m, const struct cons_frame *f)
{
    (void)s;
    m->held = f->kind == CONS_FRAME_MESSAGE && f->msg.type == RAFT_IO_APPEND_ENTRIES_RESULT;
    return true;
}

/* The followers acknowledge an entry always after the leader has stored the next one. Returns how
 * many proposals were committed meanwhile. */
static uint64_t committed_under_load(unsigned disable)
{
    struct sim s;
    uint64_t before;
    uint64_t n;

    begin(&s, 3, disable);
    before = s.node[0].m.count;
    s.filter = hold_acks;
    for (int i = 0; i < 50; i++) {
        assert_int_equal(sim_propose(&s, 0, "load.", NULL), 0);
        sim_turn(&s);
        while (memdisk_step(&s.node[0].disk))
            sim_turn(&s);
        s.filter = NULL; /* now the acknowledgements of the round before */
        sim_unhold(&s);
        s.filter = hold_acks;
        sim_settle(&s);
    }
    n = s.node[0].m.count - before;
    s.filter = NULL;
    sim_unhold(&s);
    sim_settle(&s);
    sim_fini(&s);
    return n;
}

static void an_endless_load_does_not_keep_entries_from_being_committed(void **state)
{
    (void)state;
    assert_int_equal(committed_under_load(OFF(2)), 0);
    assert_true(committed_under_load(0) >= 45);
}

/* ---- G3 ----------------------------------------------------------------------------------------
 */

/* Leader 1's entries never reach 2, its commands not 4 either; 2's acknowledgements wait. */
static bool only_three_hears(struct sim *s, struct sim_msg *m, const struct cons_frame *f)
{
    const struct raft_append_entries *a = &f->msg.append_entries;

    (void)s;
    if (f->kind != CONS_FRAME_MESSAGE)
        return true;
    if (m->from == 1 && f->msg.type == RAFT_IO_APPEND_ENTRIES && a->n_entries > 0)
        return m->to == 3 || (m->to == 4 && a->entries[a->n_entries - 1].type == RAFT_BARRIER);
    m->held = m->from == 2 && m->to == 1 && f->msg.type == RAFT_IO_APPEND_ENTRIES_RESULT;
    return true;
}

/* Of five members 2 has entries of leader 0 that the new leader 1 lacks: stored, or still being
 * written when it hears of the new leader. Its acknowledgement must not count for what 1 puts in
 * the same places. Returns whether W is acknowledged with two copies of five. */
static bool false_ack_commits(unsigned disable, bool stored)
{
    struct sim s;
    bool acked;
    int status;

    begin(&s, 5, disable);
    for (unsigned k = 1; k < 5; k++) {
        if (k != 2)
            s.cut[0][k] = s.cut[k][0] = true;
    }
    s.node[2].disk.paused = true;
    for (int i = 0; i < 3; i++) /* one batch */
        assert_int_equal(sim_propose(&s, 0, "Z.", NULL), 0);
    sim_settle(&s);
    s.node[2].disk.paused = !stored;
    sim_settle(&s);
    sim_isolate(&s, 0, true);
    s.filter = only_three_hears;
    sim_elect(&s, 1);
    sim_settle(&s);
    assert_true(consensus_is_ready(s.node[1].c));
    assert_int_equal(sim_propose(&s, 1, "W.", &status), 0);
    sim_settle(&s);
    assert_int_equal(status, 1);   /* at 1 and 3 */
    s.node[2].disk.paused = false; /* the old writes complete */
    sim_settle(&s);
    sim_unhold(&s);
    sim_settle(&s);
    acked = status == 0;
    s.filter = NULL;
    sim_unhold(&s);
    sim_fini(&s);
    return acked;
}

static void a_late_write_of_an_old_term_is_not_acknowledged(void **state)
{
    (void)state;
    assert_true(false_ack_commits(OFF(3), false));
    assert_false(false_ack_commits(0, false));
}

static void leftovers_of_an_old_term_are_not_acknowledged(void **state)
{
    (void)state;
    assert_true(false_ack_commits(OFF(3), true));
    assert_false(false_ack_commits(0, true));
}

/* ---- G4 ----------------------------------------------------------------------------------------
 */

struct votes {
    unsigned from;
    uint64_t durable;
    bool boasted; /* asked for votes with entries not stored */
    bool voted;
};

static bool watch_votes(struct sim *s, struct sim_msg *m, const struct cons_frame *f)
{
    struct votes *v = s->filter_arg;

    if (f->kind != CONS_FRAME_MESSAGE || m->from != v->from)
        return true;
    if (f->msg.type == RAFT_IO_REQUEST_VOTE &&
        f->msg.request_vote.last_log_index > memdisk_last(&s->node[v->from].disk))
        v->boasted = true;
    if (f->msg.type == RAFT_IO_REQUEST_VOTE_RESULT)
        v->voted = true;
    return true;
}

static struct votes votes_with_unstored_entries(unsigned disable)
{
    struct votes v = { .from = 2 };
    struct sim s;

    begin(&s, 3, disable);
    s.node[2].disk.paused = true;
    assert_int_equal(sim_propose(&s, 0, "unstored.", NULL), 0);
    sim_settle(&s);
    sim_crash(&s, 0);
    s.filter = watch_votes;
    s.filter_arg = &v;
    sim_pass(&s, 50 * SIM_TICK);
    s.filter = NULL;
    s.node[2].disk.paused = false;
    sim_settle(&s);
    sim_pass(&s, 50 * SIM_TICK); /* and it goes on afterwards */
    assert_true(leads(&s, 1) || leads(&s, 2));
    sim_fini(&s);
    return v;
}

static void no_vote_is_asked_or_given_upon_entries_that_are_not_stored(void **state)
{
    struct votes v = votes_with_unstored_entries(OFF(4));

    (void)state;
    assert_true(v.boasted || v.voted);
    v = votes_with_unstored_entries(0);
    assert_false(v.boasted);
    assert_false(v.voted);
}

/* ---- G5 ----------------------------------------------------------------------------------------
 */

static bool stops_after_a_failed_write(unsigned disable)
{
    struct sim s;
    bool stopped;

    begin(&s, 3, disable);
    s.node[2].disk.fail = true;
    assert_int_equal(sim_propose(&s, 0, "more.", NULL), 0);
    sim_settle(&s);
    sim_pass(&s, 3 * SIM_TICK);
    stopped = s.node[2].fatal;
    if (stopped) {
        struct consensus_status st;

        consensus_status(s.node[2].c, &st);
        assert_int_equal(st.role, CONSENSUS_FAILED);
        assert_int_equal(s.node[2].fatal_err.code, -EIO);
    }
    assert_false(s.node[0].fatal);
    sim_fini(&s);
    return stopped;
}

static void a_failed_disk_write_stops_the_member(void **state)
{
    (void)state;
    assert_false(stops_after_a_failed_write(OFF(5)));
    assert_true(stops_after_a_failed_write(0));
}

/* ---- G6 ----------------------------------------------------------------------------------------
 */

/* Only member 0's: the others can still send it the log. */
static void small_snapshots(struct consensus_options *o)
{
    if (o->member != 1)
        return;
    o->snapshot_entries = 4;
    o->trailing_entries = 1;
}

static void in_log_change(void *arg, int status, uint64_t index, int result)
{
    (void)arg;
    (void)status;
    (void)index;
    (void)result;
}

/* Leader 0 is cut off with a change in its log that nobody else has; the others go on. Back, it
 * must return to the configuration before. Returns how many members it then knows. */
static unsigned members_after_rollback(unsigned disable, bool compacted, bool restarted)
{
    struct sim s;
    struct sw_err err;
    unsigned n;

    if (compacted) {
        memset(&s, 0, sizeof(s));
        sim_init(&s, 3, disable);
        s.tweak = small_snapshots;
        sim_open_all(&s);
        sim_elect(&s, 0);
        sim_settle(&s);
        for (int i = 0; i < 12; i++) {
            assert_int_equal(sim_propose(&s, 0, "fill.", NULL), 0);
            sim_settle(&s);
        }
        assert_true(s.node[0].c->snap.last_index > 1);
    } else {
        begin(&s, 3, disable);
    }
    sim_isolate(&s, 0, true);
    assert_int_equal(
        consensus_member_add(s.node[0].c, 9, "10.0.0.9:2377", in_log_change, NULL, &err), 0);
    sim_settle(&s);
    assert_int_equal(s.node[0].c->raft.configuration.n, 4);
    if (restarted) {
        sim_crash(&s, 0);
        sim_open(&s, 0);
    }
    sim_elect(&s, 1);
    sim_settle(&s);
    assert_int_equal(sim_propose(&s, 1, "other.", NULL), 0);
    sim_settle(&s);
    sim_isolate(&s, 0, false);
    sim_pass(&s, 30 * SIM_TICK);
    n = s.node[0].c->raft.configuration.n;
    if (cons_guard_on(s.node[0].c, 6))
        assert_true(sim_has_applied(&s, 0, "other."));
    sim_fini(&s);
    return n;
}

static void a_change_that_was_not_committed_is_forgotten(void **state)
{
    (void)state;
    assert_int_equal(members_after_rollback(0, false, false), 3);
    assert_int_equal(members_after_rollback(0, true, false), 3);
    assert_int_equal(members_after_rollback(0, true, true), 3);
}

static void libraft_alone_keeps_it_after_a_restart(void **state)
{
    (void)state;
    assert_int_equal(members_after_rollback(OFF(6), false, true), 4);
    assert_int_equal(members_after_rollback(0, false, true), 3);
}

static void libraft_alone_dies_when_the_configuration_before_is_compacted(void **state)
{
    int status = 0;
    pid_t pid = fork();

    (void)state;
    if (pid == 0) {
        if (freopen("/dev/null", "w", stderr) == NULL)
            _exit(0);
        signal(SIGSEGV, SIG_DFL); /* not cmocka's */
        signal(SIGABRT, SIG_DFL);
        (void)members_after_rollback(OFF(6), true, false);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
}

/* ---- G7 ----------------------------------------------------------------------------------------
 */

static void unfit_file_systems_are_refused_in_words(void **state)
{
    struct sw_err err;

    (void)state;
    assert_int_equal(cons_dir_fs_verdict(0xef53, "/x", &err), 0);     /* ext4 */
    assert_int_equal(cons_dir_fs_verdict(0x58465342, "/x", &err), 0); /* xfs */
    assert_int_equal(cons_dir_fs_verdict(0x6969, "/x", &err), SW_E_UNSUPPORTED);
    assert_int_equal(cons_dir_fs_verdict((int)0xff534d42, "/x", &err), SW_E_UNSUPPORTED);
    assert_non_null(strstr(err.msg, "/x is on a network"));
    assert_int_equal(
        cons_dir_explain(RAFT_IOERR, "io_getevents: Resource temporarily unavailable", "/x", &err),
        SW_E_UNSUPPORTED);
    assert_non_null(strstr(err.msg, "use ext4 or xfs"));
    assert_int_equal(cons_dir_explain(RAFT_IOERR, "write: No space left on device", "/x", &err),
                     SW_E_EXHAUSTED);
    assert_int_equal(cons_dir_explain(RAFT_CORRUPT, "closed segment", "/x", &err), SW_E_CORRUPT);
}

/* ---- G8 ----------------------------------------------------------------------------------------
 */

static unsigned g8_disable;

static void odd_lengths(struct consensus_options *o)
{
    o->disable_guards = g8_disable;
}

/* A real log: 40 entries of 13 bytes, the process killed, then opened again with @disable2.
 * Returns how many are applied; or the error of opening. */
static int entries_after_kill(unsigned disable, unsigned disable2)
{
    struct cluster cl;
    struct sw_err err;
    int status = 0;
    pid_t pid;
    int r;

    cluster_init(&cl);
    cl.tweak = odd_lengths;
    g8_disable = disable;
    pid = fork();
    if (pid == 0) {
        if (cluster_open(&cl, 0, true, &err) < 0 || cluster_leader(&cl, 5000) != 0)
            _exit(1);
        for (int i = 0; i < 40; i++) {
            if (cluster_propose(&cl, 0, "thirteen byte", 13, NULL) != 0)
                _exit(2);
        }
        raise(SIGKILL);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    g8_disable = disable2;
    r = cluster_open(&cl, 0, false, &err);
    if (r == 0) {
        (void)cluster_leader(&cl, 3000);
        r = (int)cl.n[0].m.count;
    }
    cluster_fini(&cl);
    return r;
}

static void entries_of_odd_length_survive_a_restart(void **state)
{
    (void)state;
    assert_true(entries_after_kill(OFF(8), OFF(8)) < 40); /* silently lost */
    assert_int_equal(entries_after_kill(0, 0), 40);
}

static void a_lost_tail_is_noticed_at_start(void **state)
{
    (void)state;
    assert_int_equal(entries_after_kill(OFF(8), 0), SW_E_CORRUPT);
}

/* ---- G9 ----------------------------------------------------------------------------------------
 */

/* Two of three are left: 1 has the longer log, 2 has seen a later term. */
static bool two_find_a_leader(unsigned disable)
{
    struct sim s;
    bool found;

    begin(&s, 3, disable);
    sim_isolate(&s, 2, true);
    assert_int_equal(sim_propose(&s, 0, "more.", NULL), 0);
    sim_settle(&s);
    sim_crash(&s, 0);
    sim_crash(&s, 2);
    s.node[2].disk.term += 5; /* campaigned in vain */
    s.node[2].disk.vote = 3;
    sim_isolate(&s, 2, false);
    sim_open(&s, 2);
    sim_pass(&s, 600 * SIM_TICK);
    found = leads(&s, 1);
    sim_fini(&s);
    return found;
}

static void the_longer_log_wins_over_the_later_term(void **state)
{
    (void)state;
    assert_false(two_find_a_leader(OFF(9)));
    assert_true(two_find_a_leader(0));
}

/* ---- G10 ---------------------------------------------------------------------------------------
 */

static void third_snapshots(struct consensus_options *o)
{
    if (o->member != 3)
        return;
    o->snapshot_entries = 4;
    o->trailing_entries = 1;
}

/* An append from the first entry on reaches member 2 after it has compacted its log. */
static void late_append(unsigned disable)
{
    struct raft_entry entries[8];
    struct raft_message m = { .type = RAFT_IO_APPEND_ENTRIES };
    uint64_t last;
    uint8_t *bytes;
    struct sw_err err;
    struct sim s;
    size_t len;

    sim_init(&s, 3, disable);
    s.tweak = third_snapshots;
    sim_open_all(&s);
    sim_elect(&s, 0);
    for (int i = 0; i < 20; i++) {
        (void)sim_propose(&s, 0, "fill.", NULL);
        sim_pass(&s, SIM_TICK);
    }
    assert_true(s.node[2].c->snap.last_index > 8);
    for (unsigned i = 0; i < 8; i++) {
        const struct mem_entry *e = &s.node[0].disk.entries[i];

        entries[i] = (struct raft_entry){ e->term, e->type, { e->data, e->len }, NULL };
    }
    m.append_entries.term = s.node[0].c->raft.current_term;
    m.append_entries.entries = entries;
    m.append_entries.n_entries = 8;
    last = s.node[2].c->log.next_index;
    assert_int_equal(cons_encode_message(&m, 0, 8, "10.0.0.1:2377", &bytes, &len), 0);
    assert_int_equal(consensus_deliver(s.node[2].c, 1, bytes, len, &err), 0);
    free(bytes);
    sim_pass(&s, 3 * SIM_TICK);
    assert_int_equal(s.node[2].c->log.next_index, last);
    assert_false(s.node[2].fatal);
    (void)sim_propose(&s, 0, "last.", NULL);
    sim_pass(&s, 2 * SIM_TICK);
    assert_true(sim_has_applied(&s, 2, "last."));
    sim_fini(&s);
}

static void a_late_append_does_not_spoil_a_compacted_log(void **state)
{
    int status = 0;
    pid_t pid = fork();

    (void)state;
    if (pid == 0) {
        if (freopen("/dev/null", "w", stderr) == NULL || freopen("/dev/null", "w", stdout) == NULL)
            _exit(0);
        signal(SIGSEGV, SIG_DFL);
        signal(SIGABRT, SIG_DFL);
        late_append(OFF(10));
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
    late_append(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_entry_of_an_old_term_is_not_committed_by_counting),
        cmocka_unit_test(an_endless_load_does_not_keep_entries_from_being_committed),
        cmocka_unit_test(a_late_write_of_an_old_term_is_not_acknowledged),
        cmocka_unit_test(leftovers_of_an_old_term_are_not_acknowledged),
        cmocka_unit_test(no_vote_is_asked_or_given_upon_entries_that_are_not_stored),
        cmocka_unit_test(a_failed_disk_write_stops_the_member),
        cmocka_unit_test(a_change_that_was_not_committed_is_forgotten),
        cmocka_unit_test(libraft_alone_keeps_it_after_a_restart),
        cmocka_unit_test(libraft_alone_dies_when_the_configuration_before_is_compacted),
        cmocka_unit_test(unfit_file_systems_are_refused_in_words),
        cmocka_unit_test(entries_of_odd_length_survive_a_restart),
        cmocka_unit_test(a_lost_tail_is_noticed_at_start),
        cmocka_unit_test(the_longer_log_wins_over_the_later_term),
        cmocka_unit_test(a_late_append_does_not_spoil_a_compacted_log),
    };

    sw_log_init("test_guards", getenv("V") != NULL ? SW_LOG_DEBUG : SW_LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
