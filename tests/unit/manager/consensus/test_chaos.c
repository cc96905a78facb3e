/* SPDX-License-Identifier: Apache-2.0
 * test_chaos.c - random schedules from a seed: messages lost, doubled, out of order, slow disks,
 * crashes, partitions, snapshots, leadership transfers, members that come and go.
 *
 * After every apply: no two members apply different things at one index, in any life. At the end,
 * when all is healed: all members have the same state, and every acknowledged proposal is in it.
 * SWARM_SEEDS=n and SWARM_SEED=first choose others (default 60 from 1). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/alloc.h"
#include "common/base/map.h"
#include "common/log/log.h"
#include "sim.h"

#define STEPS     8000
#define INDEX_MAX 20000
#define ID_MAX    4000

struct chaos {
    struct sim s;
    uint64_t rng;
    uint64_t seed;
    uint64_t agreed[INDEX_MAX]; /* hash of what was applied there first; 0: nothing yet */
    int status[ID_MAX];         /* of proposals: 1 pending, 0 acknowledged, < 0 */
    uint32_t next_id;
    unsigned voters;
    uint64_t crashes, partitions, transfers, acked, changes;
};

static struct chaos *ch;

/* libraft 0.15 leaks 16 bytes when it is closed while it installs a snapshot. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libraft.so";
}

static uint64_t rnd(uint64_t n)
{
    ch->rng = sw_hash_u64(ch->rng + 0x9e3779b97f4a7c15ull);
    return (ch->rng >> 16) % n;
}

static int apply(void *arg, uint64_t index, const uint8_t *data, size_t len)
{
    struct machine *m = arg;
    uint64_t h = sw_hash_bytes(data, len) | 1;

    if (index >= INDEX_MAX || len < 4)
        abort();
    if (ch->agreed[index] == 0)
        ch->agreed[index] = h;
    if (ch->agreed[index] != h) {
        (void)fprintf(stderr, "seed %lu: two things applied at %lu\n", ch->seed, index);
        abort();
    }
    if (index <= m->last_index)
        abort();
    m->last_index = index;
    m->count++;
    m->hash = sw_hash_u64(m->hash ^ h);
    sw_buf_add(&m->state, data, 4); /* the ids */
    return 0;
}

static void tweak(struct consensus_options *o)
{
    o->fsm.apply = apply;
    o->snapshot_entries = 20;
    o->trailing_entries = 5;
    o->inflight_entries = 8;
}

static void on_done(void *arg, int status, uint64_t index, int result)
{
    int *to = arg;

    (void)index;
    (void)result;
    *to = status;
    ch->acked += status == 0;
}

static void propose(unsigned i)
{
    uint8_t data[64];
    struct sw_err err;
    uint32_t id = ch->next_id;

    if (id >= ID_MAX || ch->s.node[i].c == NULL)
        return;
    memset(data, (int)id, sizeof(data));
    memcpy(data, &id, 4);
    ch->status[id] = 1;
    if (consensus_propose(ch->s.node[i].c, data, 4 + rnd(60), on_done, &ch->status[id], &err) == 0)
        ch->next_id++;
}

static void ignore_done(void *arg, int status, uint64_t index, int result)
{
    (void)arg;
    (void)status;
    (void)index;
    (void)result;
}

static struct consensus *leader(void)
{
    for (unsigned i = 0; i < ch->s.n; i++) {
        if (ch->s.node[i].c != NULL && consensus_is_ready(ch->s.node[i].c))
            return ch->s.node[i].c;
    }
    return NULL;
}

static void change_members(void)
{
    const uint64_t stranger = SIM_MAX;
    struct consensus *c = leader();
    struct sw_err err;

    if (c == NULL)
        return;
    if (rnd(3) == 0) {
        ch->transfers += consensus_transfer(c, 0, ignore_done, NULL, &err) == 0;
        return;
    }
    /* A stranger that never answers: added as non-voter, removed again, then refused. */
    if (consensus_member_add(c, stranger, "10.0.0.99:2377", ignore_done, NULL, &err) == 0 ||
        consensus_member_remove(c, stranger, ignore_done, NULL, &err) == 0)
        ch->changes++;
}

static size_t wire_len(void)
{
    size_t n = 0;

    sw_list_each(l, &ch->s.wire) n++;
    return n;
}

/* Move a random message to the front, so that it is next. */
static void shuffle(void)
{
    size_t n = wire_len();
    size_t k;

    if (n == 0)
        return;
    k = rnd(n);
    sw_list_each_safe(l, &ch->s.wire)
    {
        if (k-- > 0)
            continue;
        sw_list_del(l);
        sw_list_push_front(&ch->s.wire, l);
        return;
    }
}

static void lose_or_double(void)
{
    struct sw_list *l = ch->s.wire.next;
    struct sim_msg *m;

    if (l == &ch->s.wire)
        return;
    m = sw_list_entry(l, struct sim_msg, link);
    if (rnd(2) == 0) {
        sw_list_del(l);
        free(m->data);
        free(m);
    } else {
        struct sim_msg *twin = calloc(1, sizeof(*twin));

        *twin = *m;
        twin->data = malloc(m->len);
        memcpy(twin->data, m->data, m->len);
        sw_list_push_back(&ch->s.wire, &twin->link);
    }
}

static void partition(void)
{
    memset(ch->s.cut, 0, sizeof(ch->s.cut));
    ch->partitions++;
    if (rnd(3) == 0)
        return; /* healed */
    for (unsigned i = 0; i < ch->s.n; i++) {
        for (unsigned k = 0; k < i; k++) {
            bool cut = rnd(3) == 0;

            ch->s.cut[i][k] = cut;
            ch->s.cut[k][i] = rnd(8) == 0 ? !cut : cut; /* at times one way only */
        }
    }
}

static void tick_one(unsigned i)
{
    struct memdisk *d = &ch->s.node[i].disk;

    d->extra_ms = (int)rnd(1000);
    if (ch->s.node[i].c == NULL || d->tick == NULL)
        return;
    d->now_ms = ch->s.now_ms;
    d->tick(&d->io);
}

static void step(void)
{
    unsigned i = (unsigned)rnd(ch->voters);
    unsigned what = (unsigned)rnd(1000);

    if (what < 560) {
        if (rnd(4) == 0)
            shuffle();
        (void)sim_deliver(&ch->s);
    } else if (what < 800) {
        if (ch->s.node[i].c != NULL)
            (void)memdisk_step(&ch->s.node[i].disk);
    } else if (what < 860) {
        ch->s.now_ms += SIM_TICK;
        for (unsigned k = 0; k < ch->voters; k++) {
            if (rnd(10) > 0)
                tick_one(k);
        }
    } else if (what < 960) {
        for (uint64_t k = rnd(6); k > 0; k--)
            propose(i);
    } else if (what < 972) {
        lose_or_double();
    } else if (what < 976) {
        partition();
    } else if (what < 984) {
        ch->s.node[i].disk.paused = !ch->s.node[i].disk.paused;
    } else if (what < 987) {
        ch->crashes += ch->s.node[i].c != NULL;
        sim_crash(&ch->s, i);
    } else if (what < 997) {
        ch->s.node[i].disk.paused = false;
        if (ch->s.node[i].c == NULL)
            sim_open(&ch->s, i);
    } else {
        change_members();
    }
    sim_turn(&ch->s);
}

static void check_fatal(void)
{
    for (unsigned i = 0; i < ch->s.n; i++) {
        if (ch->s.node[i].fatal)
            fail_msg("seed %lu: member %u: %s", ch->seed, i, ch->s.node[i].fatal_err.msg);
    }
}

static bool has_id(const struct sw_buf *b, uint32_t id)
{
    for (size_t at = 0; at + 4 <= b->len; at += 4) {
        if (memcmp(b->data + at, &id, 4) == 0)
            return true;
    }
    return false;
}

static void check_end(void)
{
    const struct machine *first = &ch->s.node[0].m;

    check_fatal();
    for (unsigned i = 0; i < ch->voters; i++) {
        const struct machine *m = &ch->s.node[i].m;

        if (m->hash != first->hash || m->count != first->count)
            fail_msg("seed %lu: member %u applied %lu, member 0 %lu", ch->seed, i, m->count,
                     first->count);
    }
    for (uint32_t id = 0; id < ch->next_id; id++) {
        if (ch->status[id] == 1)
            fail_msg("seed %lu: proposal %u was never answered", ch->seed, id);
        if (ch->status[id] == 0 && !has_id(&first->state, id))
            fail_msg("seed %lu: proposal %u was acknowledged and is lost", ch->seed, id);
    }
}

static void heal(void)
{
    memset(ch->s.cut, 0, sizeof(ch->s.cut));
    for (unsigned i = 0; i < ch->voters; i++) {
        ch->s.node[i].disk.paused = false;
        if (ch->s.node[i].c == NULL)
            sim_open(&ch->s, i);
    }
    for (int t = 0; t < 100; t++) {
        ch->s.now_ms += SIM_TICK;
        for (unsigned i = 0; i < ch->voters; i++) {
            tick_one(i);
            sim_turn(&ch->s);
        }
        sim_settle(&ch->s);
    }
}

static void run(uint64_t seed, unsigned disable)
{
    ch = calloc(1, sizeof(*ch));
    ch->seed = seed;
    ch->rng = seed;
    ch->voters = seed % 3 == 0 ? 5 : 3;
    if (getenv("V") != NULL)
        (void)fprintf(stderr, "seed %lu\n", seed);
    sim_init(&ch->s, ch->voters, disable);
    ch->s.tweak = tweak;
    sim_open_all(&ch->s);
    for (int k = 0; k < STEPS; k++) {
        step();
        if (k % 100 == 0)
            check_fatal();
    }
    heal();
    if (leader() == NULL)
        fail_msg("seed %lu: no leader after healing", seed);
    check_end();
    sim_fini(&ch->s);
}

static void random_schedules_lose_nothing_and_agree(void **state)
{
    uint64_t first = getenv("SWARM_SEED") != NULL ? strtoull(getenv("SWARM_SEED"), NULL, 10) : 1;
    uint64_t n = getenv("SWARM_SEEDS") != NULL ? strtoull(getenv("SWARM_SEEDS"), NULL, 10) : 60;
    unsigned off = getenv("SWARM_OFF") != NULL ? (unsigned)atoi(getenv("SWARM_OFF")) : 0;
    uint64_t acked = 0, crashes = 0, transfers = 0, changes = 0, partitions = 0;

    (void)state;
    for (uint64_t seed = first; seed < first + n; seed++) {
        run(seed, off == 0 ? 0 : SW_BIT(off));
        acked += ch->acked;
        crashes += ch->crashes;
        transfers += ch->transfers;
        changes += ch->changes;
        partitions += ch->partitions;
        free(ch);
    }
    print_message("%lu seeds: %lu acknowledged, %lu crashes, %lu partitions, %lu transfers, "
                  "%lu membership changes\n",
                  n, acked, crashes, partitions, transfers, changes);
    assert_true(acked > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_schedules_lose_nothing_and_agree),
    };

    sw_log_init("test_chaos", getenv("V") != NULL ? SW_LOG_INFO : SW_LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
