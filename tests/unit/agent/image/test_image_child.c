/* SPDX-License-Identifier: Apache-2.0
 * What a process that reads a stranger's archive has left. Needs root. */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/image/child.h"
#include "agent/image/frame.h"
#include "common/base/macro.h"

struct fixture {
    char dir[64];
    int in[2]; /* the child waits for the archive here */
    struct child child;
    struct sw_err err;
};

static int setup(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));

    *state = f;
    strcpy(f->dir, "/tmp/swarm-test-child-XXXXXX");
    return mkdtemp(f->dir) == NULL || pipe2(f->in, O_CLOEXEC) < 0 ? -1 : 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    child_kill(&f->child);
    close(f->in[0]);
    close(f->in[1]);
    rmdir(f->dir);
    test_free(f);
    return 0;
}

static void status_of(struct fixture *f, const char *name, char *out, size_t size)
{
    char path[64];
    char line[256];
    FILE *file;

    out[0] = '\0';
    snprintf(path, sizeof(path), "/proc/%d/status", f->child.pid);
    file = fopen(path, "r");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':')
            snprintf(out, size, "%s", line + strlen(name) + 2);
    if (file != NULL)
        fclose(file);
    out[strcspn(out, "\n")] = '\0';
}

/* Start it and wait until it sits in read(2) on its input, all set up. */
static void start(struct fixture *f, enum child_job job)
{
    struct child_options opt = { .job = job, .in = f->in[0], .dir = f->dir };
    char text[128] = "";

    opt.limits = (struct image_limits){ .archive_bytes = 1 << 20, .entries = 10, .layers = 10 };
    assert_int_equal(child_start(&f->child, &opt, &f->err), 0);
    for (int i = 0; i < 2000; i++) {
        char path[64];
        FILE *file;

        snprintf(path, sizeof(path), "/proc/%d/syscall", f->child.pid);
        file = fopen(path, "r");
        if (file != NULL) {
            if (fgets(text, sizeof(text), file) == NULL)
                text[0] = '\0';
            fclose(file);
        }
        if (strncmp(text, "0 0x0 ", 6) == 0) /* read, of descriptor 0 */
            return;
        usleep(1000);
    }
    fail_msg("the child does not read: %s", text);
}

static unsigned open_descriptors(struct fixture *f)
{
    char path[64];
    unsigned n = 0;
    DIR *d;

    snprintf(path, sizeof(path), "/proc/%d/fd", f->child.pid);
    d = opendir(path);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static void check_confined(struct fixture *f)
{
    char text[128];
    char root[64];
    struct stat inside;
    struct stat outside;

    status_of(f, "NoNewPrivs", text, sizeof(text));
    assert_string_equal(text, "1");
#ifndef __SANITIZE_ADDRESS__
    status_of(f, "Seccomp", text, sizeof(text));
    assert_string_equal(text, "2");
#endif
    assert_int_equal(open_descriptors(f), 3);
    snprintf(root, sizeof(root), "/proc/%d/root", f->child.pid);
    assert_int_equal(stat(root, &inside), 0);
    assert_int_equal(stat(f->dir, &outside), 0);
    assert_int_equal(inside.st_ino, outside.st_ino);
    assert_int_equal(inside.st_dev, outside.st_dev);
}

static unsigned long mount_flags(struct fixture *f)
{
    char root[64];
    struct statvfs v;

    snprintf(root, sizeof(root), "/proc/%d/root/", f->child.pid);
    assert_int_equal(statvfs(root, &v), 0);
    return v.f_flag;
}

static void a_reader_of_archives_has_nothing(void **state)
{
    struct fixture *f = *state;
    char text[128];

    start(f, CHILD_SPLIT);
    check_confined(f);
    status_of(f, "CapEff", text, sizeof(text));
    assert_string_equal(text, "0000000000000000");
    status_of(f, "CapPrm", text, sizeof(text));
    assert_string_equal(text, "0000000000000000");
    status_of(f, "Uid", text, sizeof(text));
    assert_string_equal(text, "65534\t65534\t65534\t65534");
    assert_int_equal(mount_flags(f) & (ST_RDONLY | ST_NOSUID | ST_NODEV | ST_NOEXEC),
                     ST_RDONLY | ST_NOSUID | ST_NODEV | ST_NOEXEC);
}

static void an_unpacker_may_only_make_files(void **state)
{
    struct fixture *f = *state;
    char text[128];

    start(f, CHILD_UNPACK);
    check_confined(f);
    status_of(f, "CapEff", text, sizeof(text));
    /* chown 0, dac_override 1, fowner 3, fsetid 4, mknod 27, setfcap 31 */
    assert_string_equal(text, "000000008800001b");
    assert_int_equal(mount_flags(f) & (ST_RDONLY | ST_NOSUID | ST_NODEV | ST_NOEXEC),
                     ST_NOSUID | ST_NODEV | ST_NOEXEC);
}

static void a_child_that_dies_is_told(void **state)
{
    struct fixture *f = *state;
    static struct frame frame;

    start(f, CHILD_SPLIT);
    kill(f->child.pid, SIGKILL);
    assert_int_equal(frame_read(f->child.out, -1, &frame, &f->err), SW_E_PROTOCOL);
    assert_int_equal(child_wait(&f->child, &f->err), SW_E_PROTOCOL);
    assert_string_equal(f->err.msg, "archive reader was killed by signal 9");
}

static void a_wait_for_frames_can_be_ended(void **state)
{
    struct fixture *f = *state;
    static struct frame frame;
    int cancel[2];

    start(f, CHILD_INFLATE);
    assert_int_equal(pipe2(cancel, O_CLOEXEC), 0);
    assert_int_equal(write(cancel[1], "x", 1), 1);
    assert_int_equal(frame_read(f->child.out, cancel[0], &frame, &f->err), SW_E_CANCELED);
    close(cancel[0]);
    close(cancel[1]);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_reader_of_archives_has_nothing),
        T(an_unpacker_may_only_make_files),
        T(a_child_that_dies_is_told),
        T(a_wait_for_frames_can_be_ended),
    };

    if (geteuid() != 0) {
        puts("skipped: needs root to confine the archive readers");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
