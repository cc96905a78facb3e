/* SPDX-License-Identifier: Apache-2.0
 * child.h - the processes that read strangers' archives.
 *
 * How it works: fork, then before the first byte is read the child gives up everything it does not
 * need: all descriptors but its input and its report pipe; the file system but one folder (a mount
 * namespace of its own, pivot_root into a nosuid, nodev, noexec bind mount); capabilities but those
 * that creating files of any owner takes; system calls but a list; and it is bounded by rlimits.
 * It dies with the thread that started it.
 *
 *   SPLIT    files of a tar, reported as frames; an empty read-only folder, no capabilities
 *   INFLATE  the same stream decompressed, as one file "layer"; ditto
 *   UNPACK   a layer's tar into the folder
 *
 * syscalls: clone, unshare, mount, pivot_root, umount2, prctl, capset, prlimit, seccomp, wait4 */
#ifndef SWARM_AGENT_IMAGE_CHILD_H
#define SWARM_AGENT_IMAGE_CHILD_H

#include <sys/types.h>

#include "agent/image/image.h"

enum child_job { CHILD_SPLIT, CHILD_INFLATE, CHILD_UNPACK };

struct child_options {
    enum child_job job;
    int in;          /* read from here; the caller keeps it */
    const char *dir; /* all it sees; exists */
    struct image_limits limits;
    bool plain; /* UNPACK: a tar without compression whose digest is known: do not hash it again */
};

struct child {
    pid_t pid;
    int out; /* frames (frame.h); the caller closes it */
};

/** child_start() - Return: 0 or -errno. */
int child_start(struct child *c, const struct child_options *opt, struct sw_err *err);
/** child_wait() - blocks. Return: 0; SW_E_PROTOCOL when it died of anything but a normal end. */
int child_wait(struct child *c, struct sw_err *err);
/** child_kill() - then wait, and close. NULL-safe on a zeroed struct. */
void child_kill(struct child *c);

/* The jobs, in the child: read descriptor 0, report on 1. Return: exit status. */
struct archive;
int child_split(const struct image_limits *limits);
int child_inflate(const struct image_limits *limits);
int child_unpack(const struct image_limits *limits, bool plain);
/** child_fail() - report the last frame of a failure. Return: 1. */
int child_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/** child_reader() - libarchive on descriptor 0 with the filters we take. NULL: reported. */
struct archive *child_reader(bool raw);

#endif
