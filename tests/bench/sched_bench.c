/* SPDX-License-Identifier: Apache-2.0
 * sched_bench.c - how fast the control loops take services from specification to RUNNING.
 *
 *   sched_bench [NODES [TASKS [SERVICES]]]
 *
 * One process, no store, no agents: the view applies what the loops decide, and every assigned task
 * reports RUNNING at once. What remains is the price of the decisions themselves; "placements" is
 * the scheduler alone.
 *
 * uses: sim_model */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "common/base/time.h"
#include "proto/pb.h"
#include "tests/sim/model.h"

static void print(const char *metric, double value, const char *unit)
{
    printf("{\"bench\":\"sched\",\"metric\":\"%s\",\"value\":%.1f,\"unit\":\"%s\"}\n", metric,
           value, unit);
}

static double seconds_since(int64_t start_ns)
{
    return (double)(sw_mono_ns() - start_ns) / 1e9;
}

static void add_nodes(struct model *m, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        char name[32];

        (void)snprintf(name, sizeof(name), "node%lu", (unsigned long)i);
        (void)model_node(m, name, 64000000000ll, 256ll << 30);
    }
}

static void add_services(struct model *m, uint64_t n, uint64_t tasks)
{
    for (uint64_t i = 0; i < n; i++) {
        Swarm__V1__Service *s;
        char name[32];

        (void)snprintf(name, sizeof(name), "svc%lu", (unsigned long)i);
        s = build_service(name, tasks / n);
        build_reserve(s, 100000, 1 << 20);
        build_constraint(s, "node.role == worker");
        (void)model_create(m, VIEW_SERVICE, s);
    }
}

static uint64_t in_state(struct model *m, Swarm__V1__TaskState state)
{
    uint64_t n = 0;

    sw_list_each(l, view_list(m->view, VIEW_TASK)) n +=
        status_state(sw_list_entry(l, struct view_object, link)->msg) == state;
    return n;
}

/* Rounds in which only the scheduler decides, over tasks that are all PENDING. */
static double place_all(struct model *m)
{
    int64_t busy = 0;

    for (;;) {
        struct txn *x = model_begin(m);
        int64_t start = sw_mono_ns();

        (void)scheduler_step(m->sched, m->view, m->now_ns, x);
        busy += sw_mono_ns() - start;
        if (txn_len(x) == 0) {
            txn_free(x);
            return (double)busy / 1e9;
        }
        model_commit(m, x);
    }
}

static double until_pending(struct model *m)
{
    int64_t start = sw_mono_ns();

    for (;;) {
        struct txn *x = model_begin(m);
        int64_t wake = orchestrator_step(m->orch, m->view, m->now_ns, x);

        (void)allocator_step(m->alloc, m->view, m->now_ns, x);
        if (txn_len(x) == 0 && (wake == 0 || wake > m->now_ns)) {
            txn_free(x);
            return seconds_since(start);
        }
        model_commit(m, x);
    }
}

/* Single failures in a full cluster: the time from the report to the replacement's assignment. */
static double restart_some(struct model *m)
{
    struct sw_list *l = view_list(m->view, VIEW_TASK)->next;
    int64_t busy = 0;

    for (unsigned i = 0; i < 100; i++, l = l->next) {
        uint64_t key = sw_list_entry(l, struct view_object, link)->key;
        int64_t start = sw_mono_ns();

        model_report(m, key, TASK_STATE(FAILED));
        model_settle(m);
        busy += sw_mono_ns() - start;
    }
    return (double)busy / 1e3 / 100;
}

int main(int argc, char **argv)
{
    uint64_t nodes = argc > 1 ? strtoull(argv[1], NULL, 10) : 5000;
    uint64_t tasks = argc > 2 ? strtoull(argv[2], NULL, 10) : 100000;
    uint64_t services = argc > 3 ? strtoull(argv[3], NULL, 10) : 100;
    static struct model m;
    struct rusage usage;
    double created;
    double placed;
    int64_t start;

    model_init(&m, 1);
    add_nodes(&m, nodes);
    model_settle(&m);
    add_services(&m, services, tasks);
    created = until_pending(&m);
    print("create_and_allocate", (double)tasks / created, "tasks/s");
    placed = place_all(&m);
    print("placements", (double)tasks / placed, "tasks/s");
    start = sw_mono_ns();
    model_run(&m);
    print("running_reports", (double)tasks / seconds_since(start), "tasks/s");
    if (in_state(&m, TASK_STATE(RUNNING)) != tasks / services * services)
        return 1;

    start = sw_mono_ns();
    model_new_leader(&m);
    model_settle(&m);
    print("new_leader_takes_over", seconds_since(start) * 1e3, "ms");

    print("one_restart", restart_some(&m), "us");
    (void)getrusage(RUSAGE_SELF, &usage);
    print("memory_per_task", (double)usage.ru_maxrss * 1024 / (double)tasks, "bytes");
    model_fini(&m);
    return 0;
}
