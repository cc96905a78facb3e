/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/image/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/io/file.h"

static int remove_at(int dir, const char *name, unsigned depth)
{
    struct dirent *d;
    DIR *list;
    int fd;

    if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return -errno;
    fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    list = depth == 0 ? NULL : fdopendir(fd);
    if (list == NULL) {
        close(fd);
        return -ELOOP;
    }
    while ((d = readdir(list)) != NULL) {
        int r;

        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
            continue;
        r = remove_at(fd, d->d_name, depth - 1);
        if (r < 0) {
            closedir(list);
            return r;
        }
    }
    closedir(list);
    return unlinkat(dir, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

int disk_remove_tree(const char *path, struct sw_err *err)
{
    int r = remove_at(AT_FDCWD, path, 900);

    return r < 0 ? sw_err_errno(err, -r, "remove '%s'", path) : 0;
}

int disk_sync(const char *path, struct sw_err *err)
{
    SW_CLEANUP(sw_close_ptr) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || syncfs(fd) < 0)
        return sw_err_errno(err, errno, "sync '%s'", path);
    return 0;
}

bool disk_exists(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0;
}

void disk_blob_path(const char *dir, const char *digest, char *out, size_t size)
{
    snprintf(out, size, "%s/blobs/sha256/%s", dir, digest + 7);
}

void disk_layer_path(const char *dir, const char *digest, char *out, size_t size)
{
    snprintf(out, size, "%s/layer/%s", dir, digest + 7);
}

int disk_layer_meta_read(const char *layer_path, struct disk_layer_meta *out, struct sw_err *err)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf text = SW_BUF_INIT;
    char path[DISK_PATH_MAX + 8];
    struct disk_layer_meta m = { "", 0 };
    unsigned long long bytes;
    int r;

    snprintf(path, sizeof(path), "%s/meta", layer_path);
    r = sw_file_read(path, 256, &text, err);
    if (r < 0)
        return r;
    if (r == SW_FILE_ABSENT)
        return sw_err_set(err, SW_E_NOT_FOUND, "no layer '%s'", layer_path);
    if (sscanf(sw_buf_str(&text), "%71s %llu", m.diff_id, &bytes) != 2 ||
        !image_digest_is_valid(m.diff_id))
        return sw_err_set(err, SW_E_CORRUPT, "'%s' is damaged", path);
    m.bytes = bytes;
    *out = m;
    return 0;
}

int disk_layer_meta_write(const char *layer_path, const struct disk_layer_meta *meta,
                          struct sw_err *err)
{
    char path[DISK_PATH_MAX + 8];
    char text[128];
    int n =
        snprintf(text, sizeof(text), "%s %llu\n", meta->diff_id, (unsigned long long)meta->bytes);

    snprintf(path, sizeof(path), "%s/meta", layer_path);
    return sw_file_write(path, text, (size_t)n, 0600, err);
}
