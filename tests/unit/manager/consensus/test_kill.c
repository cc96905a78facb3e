/* SPDX-License-Identifier: Apache-2.0
 * test_kill.c - three processes, writes without pause, the leader killed again and again.
 *
 * The parent is the client: it keeps WINDOW writes with ids of their own at whoever leads and notes
 * which were acknowledged. After the last round every member must have applied every acknowledged
 * id, and all must have the same state. SWARM_KILLS=100 for the long run (default 10). */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "cluster.h"
#include "common/base/alloc.h"
#include "common/base/map.h"
#include "common/base/time.h"
#include "common/log/log.h"
#include "sock.h"

#define MEMBERS   3
#define WINDOW    16
#define ID_MAX    (4u * 1024 * 1024)
#define BASE_PORT base_port()

static unsigned base_port(void)
{
    return getenv("SWARM_PORT") != NULL ? (unsigned)atoi(getenv("SWARM_PORT")) : 21510;
}

/* ---- the member process ------------------------------------------------------------------------
 */

enum { SAY_ACK = 1, SAY_FAIL, SAY_LEADS, SAY_STATE, SAY_FATAL, SAY_CONF };
enum { ASK_WRITE = 1, ASK_STATE, ASK_ADD, ASK_TRANSFER };

struct say { /* fixed size, one write(2) */
    uint32_t kind;
    uint32_t id;
    uint64_t hash;
    uint64_t count;
    uint64_t snapshots;
    uint64_t restores;
    uint64_t index;
    uint64_t voters;
};

struct ask {
    uint32_t kind;
    uint32_t id;
    uint32_t len;
};

struct ids { /* the state machine: which ids were written, and in what order */
    uint64_t hash;
    uint64_t count;
    uint8_t seen[ID_MAX / 8];
};

struct member {
    uv_loop_t loop;
    struct sock sock;
    struct consensus *c;
    struct ids *ids;
    struct ids *frozen;
    struct consensus_piece piece;
    uint64_t snapshots, restores;
    int fd;
    uv_poll_t poll;
    struct ask part;
    size_t part_len;
};

static struct member *me;

static void say(struct say s)
{
    if (write(me->fd, &s, sizeof(s)) != sizeof(s))
        _exit(0); /* the parent is gone */
}

static int ids_apply(void *arg, uint64_t index, const uint8_t *data, size_t len)
{
    uint32_t id;

    (void)arg;
    memcpy(&id, data, 4);
    me->ids->seen[id / 8] |= (uint8_t)(1u << id % 8);
    me->ids->count++;
    me->ids->hash = sw_hash_u64(me->ids->hash ^ index ^ sw_hash_bytes(data, len));
    return (int)id;
}

static void ids_release(struct consensus_snapshot *s)
{
    (void)s;
    free(me->frozen);
    me->frozen = NULL;
}

static int ids_snapshot(void *arg, struct consensus_snapshot *out, struct sw_err *err)
{
    (void)arg;
    (void)err;
    me->frozen = malloc(sizeof(*me->frozen));
    memcpy(me->frozen, me->ids, sizeof(*me->frozen));
    me->piece = (struct consensus_piece){ me->frozen, sizeof(*me->frozen) };
    out->pieces = &me->piece;
    out->n_pieces = 1;
    out->release = ids_release;
    me->snapshots++;
    return 0;
}

static int ids_restore(void *arg, uint64_t index, const uint8_t *data, size_t len,
                       struct sw_err *err)
{
    (void)arg;
    (void)index;
    if (len != sizeof(*me->ids))
        return sw_err_set(err, SW_E_CORRUPT, "size");
    memcpy(me->ids, data, len);
    me->restores++;
    return 0;
}

static void on_leader(void *arg, bool is_leader, uint64_t term)
{
    (void)arg;
    say((struct say){ .kind = SAY_LEADS, .id = is_leader, .index = term });
}

static void on_fatal(void *arg, const struct sw_err *err)
{
    (void)arg;
    (void)fprintf(stderr, "member fatal: %s\n", err->msg);
    say((struct say){ .kind = SAY_FATAL });
    _exit(3);
}

static void on_done(void *arg, int status, uint64_t index, int result)
{
    uint32_t id = (uint32_t)(uintptr_t)arg;

    if (status == 0 && (uint32_t)result != id)
        _exit(4);
    say((struct say){ .kind = status == 0 ? SAY_ACK : SAY_FAIL, .id = id, .index = index });
}

static void on_conf(void *arg, int status, uint64_t index, int result)
{
    (void)arg;
    (void)result;
    say((struct say){ .kind = SAY_CONF, .id = status == 0, .index = index });
}

static void say_state(void)
{
    struct consensus_status s;

    consensus_status(me->c, &s);
    say((struct say){ .kind = SAY_STATE,
                      .hash = me->ids->hash,
                      .count = me->ids->count,
                      .snapshots = me->snapshots,
                      .restores = me->restores,
                      .index = s.applied_index,
                      .voters = s.n_voters });
}

static void do_write(const struct ask *a)
{
    uint8_t data[4096];
    struct sw_err err;

    memset(data, (int)a->id, a->len);
    memcpy(data, &a->id, 4);
    if (consensus_propose(me->c, data, a->len, on_done, (void *)(uintptr_t)a->id, &err) < 0)
        say((struct say){ .kind = SAY_FAIL, .id = a->id });
}

static void do_ask(const struct ask *a)
{
    struct sw_err err;
    char address[64];

    switch (a->kind) {
    case ASK_WRITE:
        do_write(a);
        break;
    case ASK_STATE:
        say_state();
        break;
    case ASK_ADD:
        (void)snprintf(address, sizeof(address), "127.0.0.1:%u", BASE_PORT + a->id);
        if (consensus_member_add(me->c, a->id, address, on_conf, NULL, &err) < 0)
            say((struct say){ .kind = SAY_CONF });
        break;
    default:
        _exit(5);
    }
}

static void on_ask(uv_poll_t *h, int status, int events)
{
    (void)h;
    (void)status;
    (void)events;
    for (;;) {
        ssize_t n = read(me->fd, (char *)&me->part + me->part_len, sizeof(me->part) - me->part_len);

        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0)
            _exit(0);
        me->part_len += (size_t)n;
        if (me->part_len == sizeof(me->part)) {
            me->part_len = 0;
            do_ask(&me->part);
        }
    }
}

static void member_main(const char *dir, uint32_t id, bool bootstrap, int fd)
{
    struct consensus_options o = CONSENSUS_OPTIONS_INIT;
    char address[64];
    struct sw_err err;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    me = calloc(1, sizeof(*me));
    me->ids = calloc(1, sizeof(*me->ids));
    me->fd = fd;
    uv_loop_init(&me->loop);
    (void)snprintf(address, sizeof(address), "127.0.0.1:%u", BASE_PORT + id);
    if (sock_init(&me->sock, &me->loop, id, (uint16_t)(BASE_PORT + id), &me->c) < 0)
        _exit(6);
    if (bootstrap && consensus_bootstrap(dir, id, address, &err) < 0)
        _exit(7);
    o.loop = &me->loop;
    o.dir = dir;
    o.member = id;
    o.address = address;
    o.election_ms = 300;
    o.heartbeat_ms = 30;
    o.snapshot_entries = 1500;
    o.trailing_entries = 300;
    o.reserve_bytes = 0;
    o.fsm = (struct consensus_fsm){ NULL, ids_apply, ids_snapshot, ids_restore };
    o.transport = sock_transport(&me->sock);
    o.events.on_leader = on_leader;
    o.events.on_fatal = on_fatal;
    if (consensus_open(&me->c, &o, &err) < 0) {
        (void)fprintf(stderr, "member %u: open: %s\n", id, err.msg);
        say((struct say){ .kind = SAY_FATAL });
        _exit(8);
    }
    me->restores = 0;                     /* its own snapshot does not count */
    (void)fcntl(fd, F_SETFL, O_NONBLOCK); /* reads only: write() of 64 bytes into a free socket */
    uv_poll_init(&me->loop, &me->poll, fd);
    uv_poll_start(&me->poll, UV_READABLE, on_ask);
    uv_run(&me->loop, UV_RUN_DEFAULT);
    _exit(9);
}

/* ---- the client ---------------------------------------------------------------------------------
 */

struct fixture {
    char dir[96];
    pid_t pid[MEMBERS];
    int fd[MEMBERS];
    bool leads[MEMBERS];
    bool fatal;
    struct say state[MEMBERS];
    bool has_state[MEMBERS];
    int conf; /* last answer to ASK_ADD: -1 none yet */
    uint32_t next_id;
    uint32_t open[MEMBERS]; /* writes not answered */
    uint8_t acked[ID_MAX / 8];
    uint64_t n_acked;
    uint64_t n_failed;
    int64_t worst_ms;
    bool quiet; /* no new writes */
};

static void start(struct fixture *f, int i, bool bootstrap)
{
    char dir[128];
    int fds[2];
    int size = 1 << 20;

    (void)snprintf(dir, sizeof(dir), "%s/%d", f->dir, i);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    f->pid[i] = fork();
    assert_true(f->pid[i] >= 0);
    if (f->pid[i] == 0) {
        close(fds[0]);
        for (int k = 0; k < MEMBERS; k++) {
            if (f->fd[k] >= 0)
                close(f->fd[k]);
        }
        member_main(dir, (uint32_t)i + 1, bootstrap, fds[1]);
    }
    close(fds[1]);
    f->fd[i] = fds[0];
    f->leads[i] = false;
}

static void ask(struct fixture *f, int i, struct ask a)
{
    if (f->fd[i] >= 0)
        (void)!write(f->fd[i], &a, sizeof(a));
}

static void hear(struct fixture *f, int i, const struct say *s)
{
    switch (s->kind) {
    case SAY_ACK:
        f->acked[s->id / 8] |= (uint8_t)(1u << s->id % 8);
        f->n_acked++;
        f->open[i]--;
        break;
    case SAY_FAIL:
        f->n_failed++;
        f->open[i]--;
        break;
    case SAY_LEADS:
        f->leads[i] = s->id != 0;
        break;
    case SAY_STATE:
        f->state[i] = *s;
        f->has_state[i] = true;
        break;
    case SAY_CONF:
        f->conf = (int)s->id;
        break;
    default:
        f->fatal = true;
    }
}

static int leader(const struct fixture *f)
{
    for (int i = 0; i < MEMBERS; i++) {
        if (f->leads[i] && f->fd[i] >= 0)
            return i;
    }
    return -1;
}

static void refill(struct fixture *f)
{
    int i = leader(f);

    while (!f->quiet && i >= 0 && f->open[i] < WINDOW && f->next_id < ID_MAX) {
        uint32_t id = f->next_id++;

        ask(f, i, (struct ask){ ASK_WRITE, id, 4 + id * 7 % 500 });
        f->open[i]++;
    }
}

/* One turn of the client: answers in, writes out. */
static void turn(struct fixture *f, int ms)
{
    struct pollfd p[MEMBERS];

    refill(f);
    for (int i = 0; i < MEMBERS; i++)
        p[i] = (struct pollfd){ f->fd[i], POLLIN, 0 };
    (void)poll(p, MEMBERS, ms);
    for (int i = 0; i < MEMBERS; i++) {
        struct say s[64];
        ssize_t n;

        if (f->fd[i] < 0 || p[i].revents == 0)
            continue;
        n = recv(f->fd[i], s, sizeof(s), MSG_DONTWAIT);
        if (n > 0 && (size_t)n % sizeof(s[0]) != 0)
            n +=
                recv(f->fd[i], (char *)s + n, sizeof(s[0]) - (size_t)n % sizeof(s[0]), MSG_WAITALL);
        for (ssize_t k = 0; k < n / (ssize_t)sizeof(s[0]); k++)
            hear(f, i, &s[k]);
        if (n == 0) {
            (void)fprintf(stderr, "member %d ended by itself\n", i + 1);
            f->fatal = true;
        }
    }
    assert_false(f->fatal);
}

static int64_t now_ms(void)
{
    return sw_mono_ns() / SW_NS_PER_MS;
}

static void run_for(struct fixture *f, int ms)
{
    int64_t end = now_ms() + ms;

    while (now_ms() < end)
        turn(f, 5);
}

static int wait_leader(struct fixture *f, int ms)
{
    int64_t begin = now_ms();

    while (leader(f) < 0 && now_ms() - begin < ms)
        turn(f, 5);
    if (now_ms() - begin > f->worst_ms)
        f->worst_ms = now_ms() - begin;
    return leader(f);
}

static void kill_member(struct fixture *f, int i)
{
    kill(f->pid[i], SIGKILL);
    waitpid(f->pid[i], NULL, 0);
    /* What it said before it died counts. */
    f->quiet = true;
    for (;;) {
        struct say s;

        if (recv(f->fd[i], &s, sizeof(s), MSG_WAITALL) != sizeof(s))
            break;
        hear(f, i, &s);
    }
    f->quiet = false;
    close(f->fd[i]);
    f->fd[i] = -1;
    f->leads[i] = false;
    f->open[i] = 0; /* the unanswered ones: unknown */
}

static void get_states(struct fixture *f)
{
    for (int i = 0; i < MEMBERS; i++) {
        f->has_state[i] = false;
        ask(f, i, (struct ask){ .kind = ASK_STATE });
    }
    for (int i = 0; i < MEMBERS; i++) {
        while (f->fd[i] >= 0 && !f->has_state[i])
            turn(f, 50);
    }
}

static void wait_equal(struct fixture *f, int ms)
{
    int64_t end = now_ms() + ms;

    f->quiet = true;
    for (;;) {
        bool equal = true;

        get_states(f);
        for (int i = 1; i < MEMBERS; i++)
            equal = equal && f->state[i].hash == f->state[0].hash &&
                    f->state[i].count == f->state[0].count;
        if (equal && f->open[0] + f->open[1] + f->open[2] == 0)
            break;
        if (now_ms() >= end) {
            for (int i = 0; i < MEMBERS; i++)
                print_error("member %d: applied %lu count %lu open %u leads %d\n", i + 1,
                            f->state[i].index, f->state[i].count, f->open[i], f->leads[i]);
            fail_msg("members differ or writes are unanswered");
        }
        turn(f, 20);
    }
    f->quiet = false;
}

static void grow(struct fixture *f)
{
    int64_t end = now_ms() + 15000;

    start(f, 0, true);
    assert_int_equal(wait_leader(f, 5000), 0);
    for (int i = 1; i < MEMBERS; i++) {
        start(f, i, false);
        do {
            f->conf = -1;
            ask(f, 0, (struct ask){ ASK_ADD, (uint32_t)i + 1, 0 });
            while (f->conf < 0)
                turn(f, 20);
            assert_true(now_ms() < end);
        } while (f->conf == 0);
    }
    do {
        get_states(f);
        assert_true(now_ms() < end);
        turn(f, 20);
    } while (f->state[0].voters != MEMBERS);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    (void)snprintf(f->dir, sizeof(f->dir), "/tmp/swarm-kill-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    for (int i = 0; i < MEMBERS; i++)
        f->fd[i] = -1;
    f->conf = -1;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < MEMBERS; i++) {
        if (f->fd[i] >= 0)
            kill_member(f, i);
    }
    if (getenv("SWARM_KEEP") == NULL)
        remove_tree(f->dir);
    free(f);
    return 0;
}

/* Read the applied ids where they are: from a member opened here, alone. */
static void check_acked(struct fixture *f, int i)
{
    struct consensus_options o = CONSENSUS_OPTIONS_INIT;
    char dir[128];
    struct sw_err err;
    int64_t end = now_ms() + 10000;
    uv_loop_t loop;

    (void)snprintf(dir, sizeof(dir), "%s/%d", f->dir, i);
    assert_int_equal(consensus_recover(dir, (uint64_t)i + 1, "127.0.0.1:21509", &err), 0);
    me = calloc(1, sizeof(*me));
    me->ids = calloc(1, sizeof(*me->ids));
    uv_loop_init(&loop);
    o.loop = &loop;
    o.dir = dir;
    o.member = (uint64_t)i + 1;
    o.address = "127.0.0.1:21509";
    o.reserve_bytes = 0;
    o.fsm = (struct consensus_fsm){ NULL, ids_apply, ids_snapshot, ids_restore };
    assert_int_equal(consensus_open(&me->c, &o, &err), 0);
    while (!consensus_is_ready(me->c) && now_ms() < end)
        uv_run(&loop, UV_RUN_ONCE);
    assert_true(consensus_is_ready(me->c));
    for (uint32_t id = 0; id < f->next_id; id++) {
        if ((f->acked[id / 8] >> id % 8 & 1) != 0 && (me->ids->seen[id / 8] >> id % 8 & 1) == 0)
            fail_msg("write %u was acknowledged and is lost", id);
    }
    consensus_close(me->c, NULL, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    free(me->ids);
    free(me);
}

static void no_acknowledged_write_is_lost_when_leaders_are_killed(void **state)
{
    struct fixture *f = *state;
    int kills = getenv("SWARM_KILLS") != NULL ? atoi(getenv("SWARM_KILLS")) : 10;

    grow(f);
    for (int k = 0; k < kills; k++) {
        int i;

        run_for(f, 150 + k * 37 % 400);
        i = wait_leader(f, 10000);
        assert_true(i >= 0);
        kill_member(f, i);
        assert_true(wait_leader(f, 10000) >= 0);
        run_for(f, k % 3 * 200);
        start(f, i, false);
    }
    run_for(f, 500);
    wait_equal(f, 20000);
    print_message("kills %d, writes acknowledged %lu, failed %lu, worst wait for a leader %ld ms, "
                  "snapshots %lu, restores %lu\n",
                  kills, f->n_acked, f->n_failed, (long)f->worst_ms, f->state[0].snapshots,
                  f->state[0].restores);
    for (int i = 0; i < MEMBERS; i++)
        kill_member(f, i);
    for (int i = 0; i < MEMBERS; i++)
        check_acked(f, i);
}

static void a_member_that_was_down_catches_up(void **state)
{
    struct fixture *f = *state;

    grow(f);
    run_for(f, 200);
    kill_member(f, 2); /* a short absence: from the log */
    for (uint64_t until = f->n_acked + 100; f->n_acked < until;)
        turn(f, 5);
    f->quiet = true;
    start(f, 2, false);
    wait_equal(f, 10000);
    assert_int_equal(f->state[2].restores, 0);
    /* A long one: the log was compacted, a snapshot is needed. */
    kill_member(f, 2);
    for (uint64_t until = f->n_acked + 6000; f->n_acked < until;)
        turn(f, 5);
    start(f, 2, false);
    wait_equal(f, 20000);
    assert_true(f->state[2].restores >= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_member_that_was_down_catches_up, setup, teardown),
        cmocka_unit_test_setup_teardown(no_acknowledged_write_is_lost_when_leaders_are_killed,
                                        setup, teardown),
    };

    signal(SIGPIPE, SIG_IGN);
    sw_log_init("test_kill", getenv("V") != NULL ? SW_LOG_DEBUG : SW_LOG_ERROR);
    cmocka_set_test_filter(getenv("SWARM_TEST"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
