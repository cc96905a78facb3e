/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/agent/sandbox/box.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/sandbox/cgroup.h"
#include "agent/sandbox/remove.h"
#include "common/base/id.h"

#define BOX_WAIT_MS 20000
#define BOX_PARENT  "swarm-box"

static const char *const applets[] = {
    "sh",       "echo",    "cat",      "sleep",  "id",   "ls",     "env",    "mount", "true",
    "false",    "pwd",     "hostname", "kill",   "head", "mkdir",  "touch",  "rm",    "stat",
    "readlink", "grep",    "seq",      "umount", "dd",   "printf", "tail",   "wc",    "test",
    "chmod",    "unshare", "ps",       "stty",   "tty",  "mknod",  "df",     "yes",   "ln",
    "tr",       "cut",     "sort",     "chown",  "ip",   "nproc",  "ulimit", "dmesg", "chroot"
};

static void write_file(const char *dir, const char *name, const char *text)
{
    char path[PATH_MAX];
    FILE *f;

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void copy_file(const char *from, const char *to)
{
    char cmd[2 * PATH_MAX];

    (void)snprintf(cmd, sizeof(cmd), "cp %s %s", from, to);
    assert_int_equal(system(cmd), 0);
}

static void make_image(struct box *b)
{
    static const char *const dirs[] = { "bin", "etc", "tmp", "proc", "sys", "dev", "root", "home" };
    char path[PATH_MAX];

    (void)snprintf(b->image, sizeof(b->image), "%s/image", b->dir);
    assert_int_equal(mkdir(b->image, 0755), 0);
    for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", b->image, dirs[i]);
        assert_int_equal(mkdir(path, 0755), 0);
    }
    (void)snprintf(path, sizeof(path), "%s/tmp", b->image);
    assert_int_equal(chmod(path, 01777), 0);
    (void)snprintf(path, sizeof(path), "%s/bin/busybox", b->image);
    copy_file("/bin/busybox", path);
    for (size_t i = 0; i < sizeof(applets) / sizeof(applets[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s/bin/%s", b->image, applets[i]);
        assert_int_equal(symlink("busybox", path), 0);
    }
    write_file(b->image, "etc/passwd",
               "root:x:0:0:root:/root:/bin/sh\n"
               "app:x:1000:1000:app:/home/app:/bin/sh\n"
               "nobody:x:65534:65534:nobody:/home:/bin/false\n");
    write_file(b->image, "etc/group",
               "root:x:0:\napp:x:1000:\nwheel:x:10:app,root\nvideo:x:44:app\nnogroup:x:65534:\n");
}

struct box *box_new(void)
{
    return box_new_in(CGROUP_ROOT);
}

struct box *box_new_in(const char *cgroup_root)
{
    struct container_host_options opts = { .shim_path = SWARM_SHIM,
                                           .cgroup_parent = BOX_PARENT,
                                           .cgroup_root = cgroup_root };
    struct cgroup probe;
    struct sw_err err;
    struct box *b;

    if (geteuid() != 0 || cgroup_init(&probe, cgroup_root, BOX_PARENT, "", &err) != 0)
        return NULL;
    b = calloc(1, sizeof(*b));
    assert_non_null(b);
    b->cgroup_root = cgroup_root;
    (void)umask(022);
    (void)snprintf(b->dir, sizeof(b->dir), "/tmp/swarm-box-XXXXXX");
    assert_non_null(mkdtemp(b->dir));
    make_image(b);
    b->lower[0] = b->image;
    assert_int_equal(uv_loop_init(&b->loop), 0);
    if (container_host_new(&b->host, &b->loop, &opts, &b->err) != 0)
        fail_msg("container_host_new: %s", b->err.msg);
    return b;
}

static void new_id(struct box *b)
{
    uint8_t raw[CONTAINER_ID_CHARS / 2];

    sw_random(raw, sizeof(raw));
    sw_hex(raw, sizeof(raw), b->id);
    (void)snprintf(b->bundle, sizeof(b->bundle), "%s/%s", b->dir, b->id);
    assert_int_equal(mkdir(b->bundle, 0700), 0);
    (void)snprintf(b->upper, sizeof(b->upper), "%s/upper", b->bundle);
    (void)snprintf(b->work, sizeof(b->work), "%s/work", b->bundle);
}

static void on_removed(int status, const struct sw_err *err, void *data)
{
    if (status < 0)
        fail_msg("remove: %s", err->msg);
    *(bool *)data = true;
}

void box_forget(struct box *b)
{
    bool removed = false;

    if (b->id[0] == '\0')
        return;
    container_free(b->c);
    b->c = NULL;
    assert_int_equal(container_remove(b->host, b->id, b->bundle, on_removed, &removed, &b->err), 0);
    assert_true(box_until(b, &removed));
    assert_int_equal(access(b->bundle, F_OK), -1);
    b->id[0] = '\0';
    b->created = b->started = b->failed = b->exited = false;
    sw_buf_fini(&b->out);
    sw_buf_fini(&b->errout);
    sw_buf_init(&b->out);
    sw_buf_init(&b->errout);
}

static void count_cgroup(const char *id, void *data)
{
    (void)id;
    (*(int *)data)++;
}

void box_free(struct box *b)
{
    struct cgroup all;
    int left = 0;
    struct sw_err err;

    box_forget(b);
    container_host_free(b->host);
    for (int i = 0; i < 1000 && uv_loop_alive(&b->loop); i++)
        (void)uv_run(&b->loop, UV_RUN_NOWAIT);
    assert_int_equal(uv_loop_close(&b->loop), 0);
    assert_int_equal(cgroup_init(&all, b->cgroup_root, BOX_PARENT, "", &err), 0);
    cgroup_children(&all, count_cgroup, &left);
    assert_int_equal(left, 0);
    assert_int_equal(cgroup_remove(&all), 0);
    assert_int_equal(remove_tree(b->dir, &err), 0);
    free(b);
}

void box_spec(struct box *b, struct container_spec *spec, const char *const *argv)
{
    if (b->id[0] == '\0')
        new_id(b);
    container_spec_init(spec);
    spec->id = b->id;
    spec->bundle = b->bundle;
    spec->lower = b->lower;
    spec->upper = b->upper;
    spec->work = b->work;
    spec->argv = argv;
}

void box_sh(struct box *b, struct container_spec *spec, const char *argv[4], const char *script)
{
    argv[0] = "sh";
    argv[1] = "-c";
    argv[2] = script;
    argv[3] = NULL;
    box_spec(b, spec, argv);
}

static void on_created(struct container *c, pid_t pid, void *data)
{
    struct box *b = data;

    assert_ptr_equal(c, b->c);
    assert_false(b->created);
    b->created = true;
    b->pid = pid;
}

static void on_started(struct container *c, pid_t pid, int64_t ns, void *data)
{
    struct box *b = data;

    (void)c;
    assert_true(b->created);
    assert_true(ns > 0);
    b->started = true;
    b->pid = pid;
}

static void on_failed(struct container *c, int code, const struct sw_err *err, void *data)
{
    struct box *b = data;

    (void)c;
    assert_false(b->failed || b->exited);
    b->failed = b->exited = true;
    b->fail_code = code;
    b->err = *err;
}

static void on_exited(struct container *c, const struct container_exit *x, void *data)
{
    struct box *b = data;

    (void)c;
    assert_false(b->failed || b->exited);
    b->exited = true;
    b->exit = *x;
}

static const struct container_events *events_of(struct box *b)
{
    static struct container_events ev;

    ev = (struct container_events){ on_created, on_started, on_failed, on_exited, b };
    return &ev;
}

int box_create(struct box *b, const struct container_spec *spec)
{
    b->created = b->started = b->failed = b->exited = false;
    return container_create(&b->c, b->host, spec, events_of(b), &b->err);
}

static void on_deadline(uv_timer_t *t)
{
    *(bool *)t->data = true;
}

bool box_until(struct box *b, const bool *flag)
{
    bool late = false;
    uv_timer_t t;

    (void)uv_timer_init(&b->loop, &t);
    t.data = &late;
    (void)uv_timer_start(&t, on_deadline, BOX_WAIT_MS, 0);
    while (!*flag && !late)
        (void)uv_run(&b->loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&t, NULL);
    (void)uv_run(&b->loop, UV_RUN_NOWAIT);
    return *flag;
}

void box_start(struct box *b, const struct container_spec *spec)
{
    bool *either = &b->exited;

    if (box_create(b, spec) != 0)
        fail_msg("create: %s", b->err.msg);
    while (!b->created && !b->exited)
        (void)uv_run(&b->loop, UV_RUN_ONCE);
    if (*either)
        fail_msg("create: %s", b->err.msg);
    assert_int_equal(container_start(b->c, &b->err), 0);
    while (!b->started && !b->exited)
        (void)uv_run(&b->loop, UV_RUN_ONCE);
    if (b->failed)
        fail_msg("start: %s", b->err.msg);
}

int box_run(struct box *b, const struct container_spec *spec)
{
    int r = box_create(b, spec);

    if (r != 0)
        return r;
    while (!b->created && !b->exited)
        (void)uv_run(&b->loop, UV_RUN_ONCE);
    if (b->exited)
        return b->fail_code;
    assert_int_equal(container_start(b->c, &b->err), 0);
    if (!box_until(b, &b->exited))
        fail_msg("container does not end");
    box_read_log(b);
    return b->failed ? b->fail_code : b->exit.code;
}

struct reading {
    struct box *b;
    bool end;
};

static void on_batch(struct container_log *log, int status, const struct container_log_entry *e,
                     size_t n, void *data)
{
    struct reading *r = data;

    assert_int_equal(status, 0);
    for (size_t i = 0; i < n; i++)
        sw_buf_add(e[i].stream == CONTAINER_STDERR ? &r->b->errout : &r->b->out, e[i].p, e[i].len);
    if (n == 0)
        r->end = true;
    else
        container_log_next(log, on_batch, r);
}

void box_read_log(struct box *b)
{
    struct container_log_options o = { .out = true, .err = true, .tail = -1 };
    struct container_log *log = NULL;
    struct reading r = { b, false };

    sw_buf_clear(&b->out);
    sw_buf_clear(&b->errout);
    assert_int_equal(container_log_open(&log, b->host, b->bundle, &o, &b->err), 0);
    container_log_next(log, on_batch, &r);
    assert_true(box_until(b, &r.end));
    container_log_close(log);
}

int box_sh_code(struct box *b, const char *script)
{
    struct container_spec spec;
    const char *argv[4];
    int r;

    box_sh(b, &spec, argv, script);
    r = box_run(b, &spec);
    return r;
}

const char *box_out(struct box *b)
{
    while (b->out.len > 0 && b->out.data[b->out.len - 1] == '\n')
        b->out.data[--b->out.len] = '\0';
    return sw_buf_str(&b->out);
}
