/* SPDX-License-Identifier: Apache-2.0
 * container_bench.c - create, start, wait, remove; and what a waiting shim costs.
 *
 * usage: container_bench [runs]   (root) prints lines {"bench","metric","value","unit"}
 * uses: agent_sandbox */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "agent/sandbox/container.h"
#include "common/base/id.h"
#include "common/base/time.h"

#define RUNS_DEFAULT 50
#define SHIMS        10
#define MANY         30

struct bench {
    uv_loop_t loop;
    struct container_host *host;
    char dir[64], image[96], bundle[192], upper[224], work[224];
    char id[CONTAINER_ID_CHARS + 1];
    const char *lower[2];
    bool created, started, ended, removed;
    int64_t created_at, started_at, ended_at;
    int count; /* running */
    struct sw_err err;
};

_Noreturn static void die(const struct bench *b, const char *what)
{
    (void)fprintf(stderr, "%s: %s\n", what, b->err.msg);
    exit(1);
}

static void on_created(struct container *c, pid_t pid, void *data)
{
    struct bench *b = data;

    (void)pid;
    b->created = true;
    b->created_at = sw_mono_ns();
    if (container_start(c, &b->err) < 0)
        die(b, "start");
}

static void on_started(struct container *c, pid_t pid, int64_t ns, void *data)
{
    struct bench *b = data;

    (void)c, (void)pid, (void)ns;
    b->started = true;
    b->started_at = sw_mono_ns();
}

static void on_failed(struct container *c, int code, const struct sw_err *err, void *data)
{
    struct bench *b = data;

    (void)c, (void)code;
    b->err = *err;
    die(b, "failed");
}

static void on_exited(struct container *c, const struct container_exit *x, void *data)
{
    struct bench *b = data;

    (void)x;
    b->ended_at = sw_mono_ns();
    b->ended = true;
    container_free(c);
}

static void on_removed(int status, const struct sw_err *err, void *data)
{
    struct bench *b = data;

    if (status < 0) {
        b->err = *err;
        die(b, "remove");
    }
    b->removed = true;
}

static void set_up(struct bench *b, const char *shim)
{
    struct container_host_options opts = { .shim_path = shim, .cgroup_parent = "swarm-bench" };
    char cmd[1024];

    (void)snprintf(b->dir, sizeof(b->dir), "/tmp/swarm-bench-XXXXXX");
    if (mkdtemp(b->dir) == NULL)
        die(b, "mkdtemp");
    (void)snprintf(b->image, sizeof(b->image), "%s/image", b->dir);
    (void)snprintf(cmd, sizeof(cmd),
                   "mkdir -p %s/bin %s/etc && cp /bin/busybox %s/bin/ && ln -s busybox %s/bin/true "
                   "&& ln -s busybox %s/bin/sleep",
                   b->image, b->image, b->image, b->image, b->image);
    if (system(cmd) != 0)
        die(b, "image");
    b->lower[0] = b->image;
    (void)uv_loop_init(&b->loop);
    if (container_host_new(&b->host, &b->loop, &opts, &b->err) < 0)
        die(b, "host");
}

static void new_bundle(struct bench *b)
{
    uint8_t raw[CONTAINER_ID_CHARS / 2];

    sw_random(raw, sizeof(raw));
    sw_hex(raw, sizeof(raw), b->id);
    (void)snprintf(b->bundle, sizeof(b->bundle), "%s/%s", b->dir, b->id);
    (void)mkdir(b->bundle, 0700);
    (void)snprintf(b->upper, sizeof(b->upper), "%s/upper", b->bundle);
    (void)snprintf(b->work, sizeof(b->work), "%s/work", b->bundle);
    b->created = b->started = b->ended = b->removed = false;
}

static struct container *create_with(struct bench *b, const char *const *argv,
                                     const struct container_events *ev)
{
    struct container_spec spec;
    struct container *c;

    container_spec_init(&spec);
    spec.id = b->id;
    spec.bundle = b->bundle;
    spec.lower = b->lower;
    spec.upper = b->upper;
    spec.work = b->work;
    spec.argv = argv;
    spec.hosts = "127.0.0.1 localhost\n";
    spec.resolv_conf = "nameserver 127.0.0.11\n";
    if (container_create(&c, b->host, &spec, ev, &b->err) < 0)
        die(b, "create");
    return c;
}

static struct container *create(struct bench *b, const char *const *argv)
{
    const struct container_events ev = { on_created, on_started, on_failed, on_exited, b };

    return create_with(b, argv, &ev);
}

static void until(struct bench *b, const bool *flag)
{
    while (!*flag)
        (void)uv_run(&b->loop, UV_RUN_ONCE);
}

static void count_started(struct container *c, pid_t pid, int64_t ns, void *data)
{
    (void)c, (void)pid, (void)ns;
    ((struct bench *)data)->count++;
}

static void count_exited(struct container *c, const struct container_exit *x, void *data)
{
    (void)x;
    ((struct bench *)data)->count--;
    container_free(c);
}

static void print(const char *metric, double value, const char *unit)
{
    (void)printf("{\"bench\":\"container\",\"metric\":\"%s\",\"value\":%.3f,\"unit\":\"%s\"}\n",
                 metric, value, unit);
}

static int cmp(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static void bench_run(struct bench *b, int runs)
{
    static const char *const argv[] = { "/bin/true", NULL };
    double *all = calloc((size_t)runs * 4, sizeof(*all));
    const char *const names[] = { "create_ms", "start_ms", "wait_ms",
                                  "create_start_wait_remove_ms" };

    if (all == NULL)
        return;
    for (int i = 0; i < runs; i++) {
        int64_t t = sw_mono_ns();

        new_bundle(b);
        (void)create(b, argv);
        until(b, &b->ended);
        if (container_remove(b->host, b->id, b->bundle, on_removed, b, &b->err) < 0)
            die(b, "remove");
        until(b, &b->removed);
        all[i] = (double)(b->created_at - t) / 1e6;
        all[runs + i] = (double)(b->started_at - b->created_at) / 1e6;
        all[2 * runs + i] = (double)(b->ended_at - b->started_at) / 1e6;
        all[3 * runs + i] = (double)(sw_mono_ns() - t) / 1e6;
    }
    for (int k = 0; k < 4; k++) {
        qsort(all + k * runs, (size_t)runs, sizeof(*all), cmp);
        print(names[k], all[k * runs + runs / 2], "ms");
    }
    print("create_start_wait_remove_p95_ms", all[3 * runs + runs * 95 / 100], "ms");
    free(all);
}

/* Kilobytes of one field of smaps_rollup, summed over all shims. */
static double shim_kb(const pid_t *pids, int n, const char *field)
{
    double sum = 0;

    for (int i = 0; i < n; i++) {
        char path[64];
        char line[256];
        FILE *f;

        (void)snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pids[i]);
        f = fopen(path, "r");
        while (f != NULL && fgets(line, sizeof(line), f) != NULL)
            if (strncmp(line, field, strlen(field)) == 0)
                sum += strtod(line + strlen(field), NULL);
        if (f != NULL)
            (void)fclose(f);
    }
    return sum / n;
}

static pid_t parent_of(pid_t pid)
{
    char path[64];
    int parent = 0;
    FILE *f;

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    f = fopen(path, "r");
    if (f == NULL || fscanf(f, "%*d %*s %*c %d", &parent) != 1)
        parent = 0;
    if (f != NULL)
        (void)fclose(f);
    return parent;
}

static void bench_memory(struct bench *b)
{
    static const char *const argv[] = { "/bin/sleep", "1000", NULL };
    struct container *c[SHIMS];
    char ids[SHIMS][CONTAINER_ID_CHARS + 1];
    char bundles[SHIMS][192];
    pid_t pids[SHIMS];

    for (int i = 0; i < SHIMS; i++) {
        new_bundle(b);
        c[i] = create(b, argv);
        until(b, &b->started);
        (void)snprintf(ids[i], sizeof(ids[i]), "%s", b->id);
        (void)snprintf(bundles[i], sizeof(bundles[i]), "%s", b->bundle);
        pids[i] = parent_of(container_pid(c[i]));
    }
    print("shim_pss", shim_kb(pids, SHIMS, "Pss:"), "KB");
    print("shim_private_dirty", shim_kb(pids, SHIMS, "Private_Dirty:"), "KB");
    print("shim_private_clean", shim_kb(pids, SHIMS, "Private_Clean:"), "KB");
    print("shim_rss", shim_kb(pids, SHIMS, "Rss:"), "KB");
    for (int i = 0; i < SHIMS; i++) {
        b->ended = b->removed = false;
        (void)container_stop(c[i], 0, 0, &b->err);
        until(b, &b->ended);
        (void)container_remove(b->host, ids[i], bundles[i], on_removed, b, &b->err);
        until(b, &b->removed);
    }
}

/* All at once, as a service that is scaled. */
static void bench_many(struct bench *b)
{
    static const char *const argv[] = { "/bin/sleep", "1000", NULL };
    const struct container_events ev = { on_created, count_started, on_failed, count_exited, b };
    static char ids[MANY][CONTAINER_ID_CHARS + 1];
    static char bundles[MANY][192];
    struct container *c[MANY];
    int64_t t = sw_mono_ns();

    b->count = 0;
    for (int i = 0; i < MANY; i++) {
        new_bundle(b);
        c[i] = create_with(b, argv, &ev);
        memcpy(ids[i], b->id, sizeof(ids[i]));
        memcpy(bundles[i], b->bundle, sizeof(bundles[i]));
    }
    while (b->count < MANY)
        (void)uv_run(&b->loop, UV_RUN_ONCE);
    print("start_30_together_ms", (double)(sw_mono_ns() - t) / 1e6, "ms");
    t = sw_mono_ns();
    for (int i = 0; i < MANY; i++)
        (void)container_stop(c[i], 0, 0, &b->err);
    while (b->count > 0)
        (void)uv_run(&b->loop, UV_RUN_ONCE);
    for (int i = 0; i < MANY; i++) {
        b->removed = false;
        (void)container_remove(b->host, ids[i], bundles[i], on_removed, b, &b->err);
        until(b, &b->removed);
    }
    print("end_30_together_ms", (double)(sw_mono_ns() - t) / 1e6, "ms");
}

int main(int argc, char **argv)
{
    static struct bench b;
    int runs = argc > 1 ? atoi(argv[1]) : RUNS_DEFAULT;
    char cmd[256];

    if (geteuid() != 0 || runs < 1) {
        (void)fprintf(stderr, "usage: container_bench [RUNS]   as root\n");
        return 2;
    }
    set_up(&b, SWARM_SHIM);
    bench_run(&b, runs);
    bench_many(&b);
    bench_memory(&b);
    container_host_free(b.host);
    while (uv_loop_alive(&b.loop))
        (void)uv_run(&b.loop, UV_RUN_ONCE);
    (void)snprintf(cmd, sizeof(cmd),
                   "rm -rf %s; rmdir /sys/fs/cgroup/swarm-bench "
                   "/sys/fs/cgroup/*/swarm-bench 2>/dev/null",
                   b.dir);
    return system(cmd) == -1;
}
