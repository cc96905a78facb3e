/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/sandbox/inroot.h"

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

#include "agent/sandbox/remove.h"
#include "agent/sandbox/user.h"

struct tree {
    char dir[64];
    int root; /* <dir>/root */
    struct sw_err err;
};

static int setup(void **state)
{
    struct tree *t = calloc(1, sizeof(*t));
    char path[128];

    assert_non_null(t);
    (void)snprintf(t->dir, sizeof(t->dir), "/tmp/swarm-box-inroot-XXXXXX");
    assert_non_null(mkdtemp(t->dir));
    (void)snprintf(path, sizeof(path), "%s/root", t->dir);
    assert_int_equal(mkdir(path, 0755), 0);
    t->root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_true(t->root >= 0);
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    struct tree *t = *state;

    (void)close(t->root);
    assert_int_equal(remove_tree(t->dir, &t->err), 0);
    free(t);
    return 0;
}

static bool inside(const struct tree *t, const char *path)
{
    struct stat st;

    return fstatat(t->root, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool outside(const struct tree *t, const char *name)
{
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/%s", t->dir, name);
    return access(path, F_OK) == 0;
}

static void link_in(const struct tree *t, const char *target, const char *name)
{
    assert_int_equal(symlinkat(target, t->root, name), 0);
}

static int done(int fd)
{
    if (fd < 0)
        return fd;
    (void)close(fd);
    return 0;
}

static void missing_directories_are_made(void **state)
{
    struct tree *t = *state;

    assert_int_equal(done(inroot_mkdirs(t->root, "/a/b/c")), 0);
    assert_true(inside(t, "a/b/c"));
    assert_int_equal(done(inroot_mkdirs(t->root, "/a/b/c/")), 0);
    assert_int_equal(done(inroot_mkdirs(t->root, "/")), 0);
}

static void links_stay_inside(void **state)
{
    struct tree *t = *state;

    link_in(t, "/", "abs");
    link_in(t, "../../../..", "rel");
    link_in(t, "/dangling/deep", "to");
    link_in(t, "../above", "up");
    assert_int_equal(done(inroot_mkdirs(t->root, "/abs/x")), 0);
    assert_true(inside(t, "x"));
    assert_int_equal(done(inroot_mkdirs(t->root, "/rel/y")), 0);
    assert_true(inside(t, "y"));
    assert_int_equal(done(inroot_mkdirs(t->root, "/to/z")), 0);
    assert_true(inside(t, "dangling/deep/z"));
    assert_int_equal(done(inroot_mkdirs(t->root, "/up")), 0);
    assert_true(inside(t, "above"));
    assert_false(outside(t, "above"));
    assert_false(outside(t, "x"));
    assert_false(outside(t, "y"));
}

static void dots_do_not_climb(void **state)
{
    struct tree *t = *state;

    assert_int_equal(done(inroot_mkdirs(t->root, "/../../d")), 0);
    assert_true(inside(t, "d"));
    assert_false(outside(t, "d"));
}

static void endless_links_end(void **state)
{
    struct tree *t = *state;

    link_in(t, "/l2", "l1");
    link_in(t, "/l1", "l2");
    assert_int_equal(done(inroot_mkdirs(t->root, "/l1/x")), -ELOOP);
    assert_int_equal(done(inroot_mkfile(t->root, "/l1")), -ELOOP);
}

static void a_file_in_the_way_is_told(void **state)
{
    struct tree *t = *state;

    assert_int_equal(done(inroot_mkfile(t->root, "/a/file")), 0);
    assert_true(inside(t, "a/file"));
    assert_int_equal(done(inroot_mkdirs(t->root, "/a/file")), -ENOTDIR);
    assert_int_equal(done(inroot_mkdirs(t->root, "/a/file/x")), -ENOTDIR);
    assert_int_equal(done(inroot_mkfile(t->root, "/a/file")), 0);
}

static void files_are_made_behind_dangling_links(void **state)
{
    struct tree *t = *state;

    link_in(t, "/run/real", "resolv");
    assert_int_equal(done(inroot_mkfile(t->root, "/resolv")), 0);
    assert_true(inside(t, "run/real"));
}

static void plain_means_no_link_at_all(void **state)
{
    struct tree *t = *state;

    link_in(t, "/real", "proc");
    assert_int_equal(done(inroot_mkdirs(t->root, "/real")), 0);
    assert_int_equal(done(inroot_open_plain(t->root, "/proc", O_PATH, false)), -ELOOP);
    assert_int_equal(done(inroot_open_plain(t->root, "/real", O_PATH, false)), 0);
    assert_int_equal(done(inroot_open_plain(t->root, "/../x", O_PATH, false)), -EXDEV);
}

static void magic_links_are_refused(void **state)
{
    int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

    (void)state;
    assert_int_equal(done(inroot_open(root, "/proc/self/cwd", O_PATH, 0)), -ELOOP);
    assert_int_equal(done(inroot_mkdirs(root, "/proc/self/cwd/x")), -ELOOP);
    (void)close(root);
}

/* ---- a deep tree and users, which need the same scaffold ---- */

static void a_very_deep_tree_is_removed(void **state)
{
    struct tree *t = *state;
    int dir = openat(t->root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char path[128];

    for (int i = 0; i < 3000; i++) {
        int sub;

        assert_int_equal(mkdirat(dir, "d", 0), 0);
        sub = openat(dir, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(sub >= 0);
        (void)close(openat(sub, "f", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
        assert_int_equal(symlinkat("/etc", sub, "l"), 0);
        (void)close(dir);
        dir = sub;
    }
    (void)close(dir);
    (void)snprintf(path, sizeof(path), "%s/root/d", t->dir);
    assert_int_equal(remove_tree(path, &t->err), 0);
    assert_false(inside(t, "d"));
    assert_int_equal(access("/etc/passwd", F_OK), 0);
    assert_int_equal(remove_tree(path, &t->err), 0); /* twice */
}

static void strange_passwd_files_do_no_harm(void **state)
{
    struct tree *t = *state;
    struct user u;
    int fd;

    /* none at all */
    assert_int_equal(user_resolve(t->root, "", NULL, 0, &u, &t->err), 0);
    assert_int_equal(u.uid, 0);
    assert_string_equal(u.home, "/");
    /* a fifo would block, a link leads outside */
    assert_int_equal(done(inroot_mkdirs(t->root, "/etc")), 0);
    assert_int_equal(mkfifoat(t->root, "etc/passwd", 0644), 0);
    link_in(t, "../../../../../../etc/group", "etc/group");
    assert_int_equal(user_resolve(t->root, "root:daemon", NULL, 0, &u, &t->err), SW_E_INVALID);
    assert_int_equal(unlinkat(t->root, "etc/passwd", 0), 0);
    fd = openat(t->root, "etc/passwd", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    assert_true(write(fd, ":::::\n\nx\nbad:x:-1:4:::\nme:x:7:8:::/bin/sh\nbig:x:4294967296:1::/:\n",
                      64) > 0);
    (void)close(fd);
    assert_int_equal(user_resolve(t->root, "me", NULL, 0, &u, &t->err), 0);
    assert_int_equal(u.uid, 7);
    assert_int_equal(u.gid, 8);
    assert_string_equal(u.home, "/");
    assert_int_equal(user_resolve(t->root, "bad", NULL, 0, &u, &t->err), SW_E_INVALID);
    assert_int_equal(user_resolve(t->root, "big", NULL, 0, &u, &t->err), SW_E_INVALID);
    assert_int_equal(user_resolve(t->root, "-5", NULL, 0, &u, &t->err), SW_E_INVALID);
    assert_int_equal(user_resolve(t->root, "4294967295", NULL, 0, &u, &t->err), SW_E_INVALID);
}

#define TREE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TREE_TEST(missing_directories_are_made),
        TREE_TEST(links_stay_inside),
        TREE_TEST(dots_do_not_climb),
        TREE_TEST(endless_links_end),
        TREE_TEST(a_file_in_the_way_is_told),
        TREE_TEST(files_are_made_behind_dangling_links),
        TREE_TEST(plain_means_no_link_at_all),
        cmocka_unit_test(magic_links_are_refused),
        TREE_TEST(a_very_deep_tree_is_removed),
        TREE_TEST(strange_passwd_files_do_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
