/* SPDX-License-Identifier: Apache-2.0
 * agent_files.c - identity.pb and node.pb: that both exist is what makes this node a member.
 * identity.pb is written last and removed first. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/agent_priv.h"
#include "common/base/alloc.h"
#include "common/io/file.h"
#include "common/log/log.h"
#include "proto/pb.h"

#define NODE_FILE_MAX (1u << 20)

static void path_of(const struct agent *a, const char *name, char out[512])
{
    (void)snprintf(out, 512, "%s/%s", a->o.state_dir, name);
}

int agent_files_load(struct agent *a, struct sw_err *err)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf b = SW_BUF_INIT;
    char path[512];
    int r;

    path_of(a, "identity.pb", path);
    r = sw_identity_load(&a->identity, path, err);
    if (r == SW_IDENTITY_ABSENT)
        return 1;
    if (r < 0)
        return r;
    path_of(a, "node.pb", path);
    r = sw_file_read(path, NODE_FILE_MAX, &b, err);
    if (r == SW_FILE_ABSENT)
        r = sw_err_set(err, SW_E_CORRUPT, "%s is missing: leave the swarm and join again", path);
    if (r == 0)
        r = pb_unpack(&swarm__v1__node_file__descriptor, b.data, b.len, &a->node, err);
    return r;
}

int agent_files_save(struct agent *a, struct sw_err *err)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf b = SW_BUF_INIT;
    char path[512];
    int r;

    if (pb_pack(a->node, &b) < 0)
        return sw_err_set(err, -ENOMEM, "save node.pb");
    path_of(a, "node.pb", path);
    r = sw_file_write(path, b.data, b.len, 0600, err);
    if (r < 0)
        return r;
    path_of(a, "identity.pb", path);
    return sw_identity_save(a->identity, path, err);
}

void agent_files_remove(struct agent *a)
{
    struct sw_err err;
    char path[512];

    path_of(a, "identity.pb", path);
    if (sw_file_remove(path, &err) < 0)
        log_error("%s", err.msg);
    path_of(a, "node.pb", path);
    if (sw_file_remove(path, &err) < 0)
        log_error("%s", err.msg);
}

static int remove_at(int dirfd, const char *name, unsigned depth)
{
    int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    const struct dirent *e;
    DIR *d;

    if (fd < 0)
        return unlinkat(dirfd, name, 0) == 0 || errno == ENOENT ? 0 : -errno;
    d = fdopendir(fd);
    if (d == NULL || depth == 0) {
        if (d != NULL)
            (void)closedir(d);
        else
            (void)close(fd);
        return -ELOOP;
    }
    while ((e = readdir(d)) != NULL) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            (void)remove_at(fd, e->d_name, depth - 1);
    }
    (void)closedir(d);
    return unlinkat(dirfd, name, AT_REMOVEDIR) == 0 ? 0 : -errno;
}

int agent_remove_tree(const char *path)
{
    return remove_at(AT_FDCWD, path, 16);
}
