/* SPDX-License-Identifier: Apache-2.0
 * file.h - small whole files. All calls block; what is large or slow goes to uv_queue_work. */
#ifndef SWARM_COMMON_IO_FILE_H
#define SWARM_COMMON_IO_FILE_H

#include <stddef.h>
#include <sys/types.h>

#include "common/base/buf.h"
#include "common/base/err.h"

#define SW_FILE_ABSENT 1

/**
 * sw_file_write() - replace @path so that a crash at any time leaves the old or the new content
 *
 * Writes "<path>.tmp", fsync, rename, fsync of the folder. One writer per path.
 * syscalls: open, write, fsync, rename, unlink
 * Return: 0 or -errno; the old file is then intact and the temporary one gone.
 */
int sw_file_write(const char *path, const void *bytes, size_t n, mode_t mode, struct sw_err *err);
/**
 * sw_file_read() - append the whole file to @out
 * @max: bytes, below SIZE_MAX; longer files are refused
 *
 * Return: 0; SW_FILE_ABSENT; -EFBIG; other -errno; -ENOMEM. @out is unchanged unless 0.
 */
int sw_file_read(const char *path, size_t max, struct sw_buf *out, struct sw_err *err);
/** sw_dir_make() - create @path and its missing parents with @mode; an existing folder is fine.
 * Return: 0 or -errno (-ENOTDIR when a file is in the way). */
int sw_dir_make(const char *path, mode_t mode, struct sw_err *err);
/** sw_dir_make_for() - the folder that @path lies in. */
int sw_dir_make_for(const char *path, mode_t mode, struct sw_err *err);
/** sw_file_remove() - unlink and fsync the folder. Return: 0, SW_FILE_ABSENT, -errno. */
int sw_file_remove(const char *path, struct sw_err *err);

#endif
