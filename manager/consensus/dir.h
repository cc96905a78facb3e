/* SPDX-License-Identifier: Apache-2.0
 * dir.h - the directory of one member.
 *
 *   lock     flock()ed while open: libraft itself takes none, and two processes destroy the log
 *   member   "<member id>\n", so that a directory is not opened as somebody else
 *   mark     the last entry known to be stored; compared at start with what was loaded
 *   reserve  disk space given back when the disk is full
 *   log/     libraft's segments, snapshots, term and vote
 *
 * syscalls: mkdir, flock, posix_fallocate, pwrite, fdatasync, statvfs, statfs */
#ifndef SWARM_MANAGER_CONSENSUS_DIR_H
#define SWARM_MANAGER_CONSENSUS_DIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

#define CONS_PATH_MAX 960

struct cons_dir {
    char path[CONS_PATH_MAX];
    char log[CONS_PATH_MAX + 8];
    int lock_fd;
    int mark_fd;
    uint64_t mark_index;
    uint64_t mark_term;
    size_t reserve_bytes;
};

/**
 * cons_dir_open() - make what is missing, lock, check the owner and the file system
 * @member: 0 when any will do
 *
 * Return: 0; SW_E_UNAVAILABLE locked by another process; SW_E_CONFLICT belongs to another member;
 * SW_E_UNSUPPORTED file system; negative errno. cons_dir_close() is legal in any case.
 */
int cons_dir_open(struct cons_dir *d, const char *path, uint64_t member, struct sw_err *err);
void cons_dir_init(struct cons_dir *d);
void cons_dir_close(struct cons_dir *d);
/** cons_dir_is_used() - does libraft's part hold anything? */
bool cons_dir_is_used(const char *path);

/** cons_dir_reserve() - have @bytes set aside. Return: 0; SW_E_EXHAUSTED; negative errno. */
int cons_dir_reserve(struct cons_dir *d, size_t bytes, struct sw_err *err);
/** cons_dir_release_reserve() - the disk is full: give it back. */
void cons_dir_release_reserve(struct cons_dir *d);
/** cons_dir_is_low() - is less space left than would be set aside? */
bool cons_dir_is_low(const struct cons_dir *d);

/** cons_dir_mark() - entries up to @index are stored. Survives the process, not the machine:
 * a mark lost with the power only weakens the check. */
void cons_dir_mark(struct cons_dir *d, uint64_t index, uint64_t term);
/** cons_dir_mark_lower() - the log is about to be cut to @index; durable before it returns.
 * Return: 0, negative errno. */
int cons_dir_mark_lower(struct cons_dir *d, uint64_t index, struct sw_err *err);

/** cons_dir_fs_verdict() - G7: may a log live on a file system of this statfs(2) f_type?
 * Return: 0; SW_E_UNSUPPORTED. */
int cons_dir_fs_verdict(long f_type, const char *path, struct sw_err *err);
/** cons_dir_explain() - G7: what libraft's message at start means. Return: err->code. */
int cons_dir_explain(int raft_code, const char *errmsg, const char *path, struct sw_err *err);

#endif
