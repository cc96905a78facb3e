/* SPDX-License-Identifier: Apache-2.0
 * disk.h - file system chores of the store. All block: threads of operations and start only. */
#ifndef SWARM_AGENT_IMAGE_DISK_H
#define SWARM_AGENT_IMAGE_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/image/ref.h"
#include "common/base/err.h"

/** disk_remove_tree() - a file or folder with all that is in it, never through a link; absent is
 * fine. Return: 0 or -errno. */
int disk_remove_tree(const char *path, struct sw_err *err);
/** disk_sync() - everything written below @path is on disk. syscalls: syncfs */
int disk_sync(const char *path, struct sw_err *err);
bool disk_exists(const char *path);
/** disk_blob_path() - "<dir>/blobs/sha256/<hex>" into @out. */
void disk_blob_path(const char *dir, const char *digest, char *out, size_t size);
/** disk_layer_path() - "<dir>/layer/<hex>", with "/fs" the layer's files. */
void disk_layer_path(const char *dir, const char *digest, char *out, size_t size);

/* What is known of an unpacked layer, beside its files. */
struct disk_layer_meta {
    char diff_id[IMAGE_DIGEST_LEN + 1];
    uint64_t bytes;
};
/** disk_layer_meta_read() - Return: 0; SW_E_NOT_FOUND when there is no such layer; SW_E_CORRUPT. */
int disk_layer_meta_read(const char *layer_path, struct disk_layer_meta *out, struct sw_err *err);
int disk_layer_meta_write(const char *layer_path, const struct disk_layer_meta *meta,
                          struct sw_err *err);

#define DISK_PATH_MAX 4096

#endif
