/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/sandbox/spec_tmpfs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#include "agent/sandbox/container.h"
#include "common/base/alloc.h"
#include "common/base/macro.h"

static const struct {
    const char *name;
    uint64_t set, clear;
} flags[] = {
    { "ro", MOUNT_ATTR_RDONLY, 0 },
    { "rw", 0, MOUNT_ATTR_RDONLY },
    { "exec", 0, MOUNT_ATTR_NOEXEC },
    { "noexec", MOUNT_ATTR_NOEXEC, 0 },
    { "suid", 0, MOUNT_ATTR_NOSUID },
    { "nosuid", MOUNT_ATTR_NOSUID, 0 },
    { "dev", 0, MOUNT_ATTR_NODEV },
    { "nodev", MOUNT_ATTR_NODEV, 0 },
    { "atime", 0, MOUNT_ATTR_NOATIME },
    { "noatime", MOUNT_ATTR_NOATIME, 0 },
    { "nodiratime", MOUNT_ATTR_NODIRATIME, 0 },
};

static const char *const keys[] = { "size=", "mode=", "uid=", "gid=", "nr_inodes=", "nr_blocks=" };

static int parse_one(const char *word, struct spec_tmpfs *t, size_t *len, struct sw_err *err)
{
    for (size_t i = 0; i < SW_ARRAY_LEN(flags); i++)
        if (strcmp(word, flags[i].name) == 0) {
            t->attrs = (t->attrs | flags[i].set) & ~flags[i].clear;
            return 0;
        }
    for (size_t i = 0; i < SW_ARRAY_LEN(keys); i++)
        if (strncmp(word, keys[i], strlen(keys[i])) == 0) {
            int n = snprintf(t->options + *len, sizeof(t->options) - *len, ",%s", word);

            if (n < 0 || (size_t)n >= sizeof(t->options) - *len)
                return sw_err_set(err, SW_E_INVALID, "tmpfs options too long");
            *len += (size_t)n;
            return 0;
        }
    return sw_err_set(err, SW_E_INVALID, "invalid tmpfs option [\"%s\"]", word);
}

int spec_tmpfs_parse(const struct container_mount *m, struct spec_tmpfs *out, struct sw_err *err)
{
    SW_CLEANUP(sw_free_ptr)
    char *copy = sw_strdup(m->tmpfs_options != NULL ? m->tmpfs_options : "");
    struct spec_tmpfs t = { .attrs = MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV };
    char *rest = copy;
    size_t len;
    char *word;

    if (copy == NULL)
        return sw_err_set(err, -ENOMEM, "prepare tmpfs");
    /* a later value of a key replaces an earlier one */
    len = (size_t)snprintf(t.options, sizeof(t.options), "mode=%o",
                           m->tmpfs_mode != 0 ? m->tmpfs_mode & 07777u : 01777u);
    if (m->tmpfs_bytes != 0)
        len += (size_t)snprintf(t.options + len, sizeof(t.options) - len, ",size=%" PRIu64,
                                m->tmpfs_bytes);
    while ((word = strsep(&rest, ",")) != NULL) {
        int r = word[0] != '\0' ? parse_one(word, &t, &len, err) : 0;

        if (r < 0)
            return r;
    }
    if (m->read_only)
        t.attrs |= MOUNT_ATTR_RDONLY;
    *out = t;
    return 0;
}
