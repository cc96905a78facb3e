/* SPDX-License-Identifier: Apache-2.0
 * unpack.c - in the child: a layer's tar into the folder that is our root.
 *
 * How it works: two libarchive readers in a row; the outer one only decompresses, so that the
 * uncompressed bytes pass through here and can be hashed (the diff id), the inner one reads tar. A
 * plain tar, whose digest the parent knows, needs the inner one only.
 * The root is the layer's folder, hence no link can lead out of it; paths that try are refused all
 * the same, as docker does. Whiteouts become what overlayfs understands; the opaque mark is an
 * attribute we have no right to set and is reported to the parent instead.
 *
 * Source: OCI image specification, layer.md; kernel Documentation/filesystems/overlayfs.rst. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/types.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>

#include "agent/image/child.h"
#include "agent/image/frame.h"
#include "agent/image/tarpath.h"
#include "common/base/alloc.h"
#include "common/crypto/secret.h"

#define PATH_LEN 4096

struct folder { /* its times are set when nothing is created in it any more */
    char *path;
    struct timespec times[2];
};

struct unpack {
    const struct image_limits *limits;
    struct archive *outer; /* NULL: a plain tar, not hashed */
    struct archive *tar;
    struct sw_sha256 hash;
    uint8_t block[65536];
    struct folder *folders;
    size_t n_folders, cap_folders;
    struct frame_totals totals;
};

static int fail_entry(const char *path, const char *what)
{
    return child_fail("%.300s: %s: %s", path, what, strerror(errno));
}

/* ---- what is in the way ------------------------------------------------------------------------
 */

static int remove_tree(int dir, const char *name, unsigned depth)
{
    struct dirent *d;
    DIR *list;
    int fd;

    if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return -1;
    fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    list = fd < 0 || depth == 0 ? NULL : fdopendir(fd);
    if (list == NULL) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    while ((d = readdir(list)) != NULL) {
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
            continue;
        if (remove_tree(fd, d->d_name, depth - 1) < 0) {
            closedir(list);
            return -1;
        }
    }
    closedir(list);
    return unlinkat(dir, name, AT_REMOVEDIR);
}

/* Make room for @path: a folder may stay when a folder comes, all else goes. */
static int clear_way(const char *path, bool folder)
{
    struct stat st;

    if (fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : -1;
    if (folder && S_ISDIR(st.st_mode))
        return 0;
    return remove_tree(AT_FDCWD, path, 40); /* descriptors are limited to 64 */
}

static int make_parents(const char *path)
{
    char dir[PATH_LEN];

    for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        struct stat st;

        memcpy(dir, path, (size_t)(slash - path));
        dir[slash - path] = '\0';
        if (mkdirat(AT_FDCWD, dir, 0755) == 0)
            continue;
        if (errno != EEXIST)
            return -1;
        /* A link to a folder of this layer will do; a file in the way is replaced. */
        if (fstatat(AT_FDCWD, dir, &st, 0) == 0 && S_ISDIR(st.st_mode))
            continue;
        if (unlinkat(AT_FDCWD, dir, 0) < 0 || mkdirat(AT_FDCWD, dir, 0755) < 0)
            return -1;
    }
    return 0;
}

/* ---- one entry ---------------------------------------------------------------------------------
 */

static int write_data(struct unpack *u, int fd, const char *path)
{
    const void *block;
    size_t n;
    la_int64_t offset;
    uint64_t size = 0;

    for (;;) {
        int r = archive_read_data_block(u->tar, &block, &n, &offset);

        if (r == ARCHIVE_EOF)
            break;
        if (r == ARCHIVE_RETRY)
            continue;
        if (r < ARCHIVE_WARN)
            return child_fail("%.300s: %s", path, archive_error_string(u->tar));
        u->totals.bytes += n;
        if (u->totals.bytes > u->limits->archive_bytes ||
            (uint64_t)offset > u->limits->archive_bytes)
            return child_fail("the layer is larger than %llu bytes",
                              (unsigned long long)u->limits->archive_bytes);
        size = (uint64_t)offset + n;
        if (lseek(fd, offset, SEEK_SET) < 0)
            return fail_entry(path, "seek");
        for (const char *p = block; n > 0;) {
            ssize_t w = write(fd, p, n);

            if (w < 0)
                return fail_entry(path, "write");
            p += w;
            n -= (size_t)w;
        }
    }
    return ftruncate(fd, (off_t)size) < 0 ? fail_entry(path, "set size") : 0;
}

static int make_file(struct unpack *u, struct archive_entry *e, const char *path)
{
    int fd = openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    int r;

    if (fd < 0)
        return fail_entry(path, "create file");
    r = archive_entry_size(e) == 0 ? 0 : write_data(u, fd, path);
    if (close(fd) < 0 && r == 0)
        return fail_entry(path, "close");
    return r;
}

static int make_hardlink(const char *path, const char *target)
{
    char to[PATH_LEN];

    if (!tarpath_clean(target, to, sizeof(to)) || to[0] == '\0')
        return child_fail("%.300s: the hard link's target '%.200s' is outside of the layer", path,
                          target);
    if (strcmp(to, path) == 0)
        return 0;
    if (clear_way(path, false) < 0)
        return fail_entry(path, "replace");
    return linkat(AT_FDCWD, to, AT_FDCWD, path, 0) < 0 ? fail_entry(path, "create hard link") : 0;
}

static bool xattr_is_kept(const char *name)
{
    return strncmp(name, "user.", 5) == 0 || strcmp(name, "security.capability") == 0 ||
           strcmp(name, "system.posix_acl_access") == 0 ||
           strcmp(name, "system.posix_acl_default") == 0;
}

static int set_xattrs(struct archive_entry *e, const char *path)
{
    const char *name;
    const void *value;
    size_t size;

    archive_entry_xattr_reset(e);
    while (archive_entry_xattr_next(e, &name, &value, &size) == ARCHIVE_OK) {
        if (!xattr_is_kept(name) || lsetxattr(path, name, value, size, 0) == 0)
            continue;
        /* Links and devices take no user attributes, some file systems none at all. */
        if (errno != EPERM && errno != ENOTSUP && errno != EOPNOTSUPP)
            return fail_entry(path, "set extended attribute");
    }
    return 0;
}

static int remember_folder(struct unpack *u, const char *path, const struct timespec times[2])
{
    if (u->n_folders == u->cap_folders) {
        size_t cap = u->cap_folders == 0 ? 64 : 2 * u->cap_folders;
        struct folder *f = sw_realloc(u->folders, cap * sizeof(*f));

        if (f == NULL)
            return child_fail("out of memory");
        u->folders = f;
        u->cap_folders = cap;
    }
    u->folders[u->n_folders].path = sw_strdup(path);
    if (u->folders[u->n_folders].path == NULL)
        return child_fail("out of memory");
    memcpy(u->folders[u->n_folders++].times, times, 2 * sizeof(*times));
    return 0;
}

static int set_meta(struct unpack *u, struct archive_entry *e, const char *path)
{
    unsigned type = archive_entry_filetype(e);
    struct timespec times[2] = { { archive_entry_mtime(e), archive_entry_mtime_nsec(e) },
                                 { archive_entry_mtime(e), archive_entry_mtime_nsec(e) } };

    if (fchownat(AT_FDCWD, path, (uid_t)archive_entry_uid(e), (gid_t)archive_entry_gid(e),
                 AT_SYMLINK_NOFOLLOW) < 0)
        return fail_entry(path, "set owner");
    if (set_xattrs(e, path) != 0)
        return 1;
    if (type != AE_IFLNK && fchmodat(AT_FDCWD, path, archive_entry_perm(e) & 07777, 0) < 0)
        return fail_entry(path, "set mode");
    if (type == AE_IFDIR)
        return remember_folder(u, path, times);
    if (utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW) < 0)
        return fail_entry(path, "set time");
    return 0;
}

static int make_entry(struct unpack *u, struct archive_entry *e, const char *path)
{
    unsigned type = archive_entry_filetype(e);
    dev_t dev = makedev((unsigned)archive_entry_rdevmajor(e), (unsigned)archive_entry_rdevminor(e));
    int r = 0;

    if (archive_entry_hardlink(e) != NULL)
        return make_hardlink(path, archive_entry_hardlink(e));
    if (path[0] == '\0') /* the layer's root */
        return type == AE_IFDIR ? set_meta(u, e, ".") : 0;
    if (clear_way(path, type == AE_IFDIR) < 0)
        return fail_entry(path, "replace");
    switch (type) {
    case AE_IFDIR:
        if (mkdirat(AT_FDCWD, path, 0755) < 0 && errno != EEXIST)
            r = fail_entry(path, "create folder");
        break;
    case AE_IFREG:
        r = make_file(u, e, path);
        break;
    case AE_IFLNK:
        if (symlinkat(archive_entry_symlink(e), AT_FDCWD, path) < 0)
            r = fail_entry(path, "create symbolic link");
        break;
    case AE_IFCHR:
    case AE_IFBLK:
    case AE_IFIFO:
        if (mknodat(AT_FDCWD, path, type, type == AE_IFIFO ? 0 : dev) < 0)
            r = fail_entry(path, "create device");
        break;
    default: /* sockets */
        return 0;
    }
    return r != 0 ? r : set_meta(u, e, path);
}

static int unpack_entry(struct unpack *u, struct archive_entry *e)
{
    char path[PATH_LEN];
    char target[PATH_LEN];
    const char *name = archive_entry_pathname(e);
    enum tarpath_kind kind;

    if (name == NULL)
        return child_fail("an entry has no valid name");
    if (!tarpath_clean(name, path, sizeof(path)))
        return child_fail("%.300s: the path is outside of the layer", name);
    if (make_parents(path) < 0)
        return fail_entry(path, "create its folder");
    kind = tarpath_kind(path, target, sizeof(target));
    if (kind == TARPATH_PLAIN)
        return make_entry(u, e, path);
    if (kind == TARPATH_OPAQUE)
        return frame_write(1, FRAME_OPAQUE, target, strlen(target)) < 0;
    if (kind == TARPATH_WHITEOUT) {
        if (clear_way(target, false) < 0 ||
            mknodat(AT_FDCWD, target, S_IFCHR | 0600, makedev(0, 0)) < 0)
            return fail_entry(path, "create whiteout");
    }
    return 0;
}

/* ---- the layer ----------------------------------------------------------------------------------
 */

static la_ssize_t read_outer(struct archive *tar, void *arg, const void **block)
{
    struct unpack *u = arg;
    la_ssize_t n = archive_read_data(u->outer, u->block, sizeof(u->block));

    if (n < 0) {
        archive_set_error(tar, EIO, "%s", archive_error_string(u->outer));
        return -1;
    }
    sw_sha256_add(&u->hash, u->block, (size_t)n);
    *block = u->block;
    return n;
}

static int unpack_entries(struct unpack *u)
{
    struct archive_entry *e;
    int status = 0;
    int r;

    while (status == 0 && (r = archive_read_next_header(u->tar, &e)) != ARCHIVE_EOF) {
        if (r == ARCHIVE_RETRY)
            continue;
        if (r < ARCHIVE_WARN)
            return child_fail("%s", archive_error_string(u->tar));
        if (++u->totals.entries > u->limits->entries)
            return child_fail("the layer has more than %llu files",
                              (unsigned long long)u->limits->entries);
        status = unpack_entry(u, e);
    }
    return status;
}

static int finish(struct unpack *u)
{
    const void *rest;
    uint8_t packed[48];

    while (u->outer != NULL && read_outer(u->tar, u, &rest) > 0)
        ; /* padding behind the tar belongs to the digest */
    for (size_t i = u->n_folders; i-- > 0;) {
        utimensat(AT_FDCWD, u->folders[i].path, u->folders[i].times, AT_SYMLINK_NOFOLLOW);
        sw_free(u->folders[i].path);
    }
    sw_free(u->folders);
    sw_sha256_final(&u->hash, u->totals.sha256);
    frame_pack_totals(&u->totals, packed);
    return frame_write(1, FRAME_DONE, packed, sizeof(packed)) < 0;
}

static int open_layer(struct unpack *u, bool plain)
{
    struct archive_entry *e;

    u->tar = archive_read_new();
    if (u->tar == NULL)
        return child_fail("out of memory");
    archive_read_support_format_tar(u->tar);
    archive_read_support_format_empty(u->tar);
    if (plain)
        return archive_read_open_fd(u->tar, 0, 65536) == ARCHIVE_OK
                   ? 0
                   : child_fail("%s", archive_error_string(u->tar));
    u->outer = child_reader(true);
    if (u->outer == NULL)
        return 1;
    if (archive_read_next_header(u->outer, &e) != ARCHIVE_OK)
        return child_fail("the layer is empty");
    if (archive_read_open(u->tar, u, NULL, read_outer, NULL) != ARCHIVE_OK)
        return child_fail("%s", archive_error_string(u->tar));
    return 0;
}

int child_unpack(const struct image_limits *limits, bool plain)
{
    struct unpack *u = sw_calloc(1, sizeof(*u));
    int status;

    if (u == NULL)
        return child_fail("out of memory");
    u->limits = limits;
    sw_sha256_init(&u->hash);
    status = open_layer(u, plain);
    if (status == 0)
        status = unpack_entries(u);
    if (status == 0)
        status = finish(u);
    archive_read_free(u->tar);
    archive_read_free(u->outer);
    sw_free(u);
    return status;
}
