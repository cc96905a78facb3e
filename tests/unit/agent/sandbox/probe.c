/* SPDX-License-Identifier: Apache-2.0
 * probe.c - runs inside test containers: makes one system call and prints what came of it. */
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int say(const char *what, long r)
{
    (void)printf("%s %s\n", what, r >= 0 ? "ok" : strerrorname_np(errno));
    return 0;
}

static int eat_memory(size_t mib)
{
    for (size_t i = 0; i < mib; i++) {
        char *p = malloc(1 << 20);

        if (p == NULL)
            return 1;
        memset(p, (int)i, 1 << 20);
    }
    return 0;
}

static int fork_many(int n)
{
    int made = 0;

    for (int i = 0; i < n; i++) {
        pid_t pid = fork();

        if (pid == 0) {
            (void)pause();
            _exit(0);
        }
        made += pid > 0;
    }
    (void)printf("forked %d\n", made);
    return 0;
}

static int list_fds(void)
{
    for (int fd = 0; fd < 64; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            (void)printf("%d ", fd);
    (void)printf("\n");
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    long arg = argc > 2 ? strtol(argv[2], NULL, 0) : 0;

    if (strcmp(what, "mount") == 0)
        return say(what, mount("none", "/tmp", "tmpfs", 0, NULL));
    if (strcmp(what, "unshare") == 0)
        return say(what, unshare((int)arg));
    if (strcmp(what, "clone") == 0)
        return say(what, syscall(SYS_clone, arg | 17, 0, 0, 0, 0) == 0 ? (_exit(0), 0) : -1);
    if (strcmp(what, "clone3") == 0)
        return say(what, syscall(SYS_clone3, NULL, 0));
    if (strcmp(what, "keyctl") == 0)
        return say(what, syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, -3, 0, 0, 0));
    if (strcmp(what, "bpf") == 0)
        return say(what, syscall(SYS_bpf, 0, NULL, 0));
    if (strcmp(what, "io_uring") == 0)
        return say(what, syscall(SYS_io_uring_setup, 1, NULL));
    if (strcmp(what, "socket") == 0)
        return say(what, socket((int)arg, SOCK_DGRAM, 0));
    if (strcmp(what, "personality") == 0)
        return say(what, personality((unsigned long)arg));
    if (strcmp(what, "young") == 0) /* no such call in any kernel of today */
        return say(what, syscall(510));
    if (strcmp(what, "fchmodat2") == 0)
        return say(what, syscall(452, AT_FDCWD, "/tmp", 0777, 0));
    if (strcmp(what, "chmod-fd") == 0)
        return say(what, fchmod((int)arg, 0600));
    if (strcmp(what, "open-write") == 0)
        return say(what, open(argv[2], O_WRONLY));
    if (strcmp(what, "eat") == 0)
        return eat_memory((size_t)arg);
    if (strcmp(what, "fork") == 0)
        return fork_many((int)arg);
    if (strcmp(what, "fds") == 0)
        return list_fds();
    return 2;
}
