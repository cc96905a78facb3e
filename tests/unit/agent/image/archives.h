/* SPDX-License-Identifier: Apache-2.0
 * archives.h - image archives made in memory, for tests. */
#ifndef SWARM_TESTS_UNIT_AGENT_IMAGE_ARCHIVES_H
#define SWARM_TESTS_UNIT_AGENT_IMAGE_ARCHIVES_H

#include <stddef.h>

#include "agent/image/ref.h"

struct bytes {
    char *p; /* free() */
    size_t n;
};

struct entry {
    char type; /* 'f' file, 'd' folder, 'l' symbolic link, 'h' hard link, 'c' device 1:3 */
    const char *path;
    const char *data; /* content or link target */
    size_t len;       /* 0: strlen(data) */
    unsigned mode;    /* 0: 0644, folders 0755 */
};

enum packing { PLAIN, GZIP, ZSTD, XZ };

struct bytes make_tar(const struct entry *entries, size_t n, enum packing packing);
void digest_of(const void *p, size_t n, char out[IMAGE_DIGEST_LEN + 1]);
/** image_json() - a config for layers of these diff ids. */
struct bytes image_json(const struct bytes *plain_layers, size_t n, const char *config);
/** docker_archive() - as docker save before 25. @tags: JSON, e.g. ["web:1"]. */
struct bytes docker_archive(const struct bytes *layers, size_t n, const char *config_json,
                            const char *tags, enum packing packing);
/** oci_archive() - an OCI layout; @packed are the blobs of @plain. @name may be NULL. */
struct bytes oci_archive(const struct bytes *plain, const struct bytes *packed, size_t n,
                         const char *name);

#endif
