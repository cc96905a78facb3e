/* SPDX-License-Identifier: Apache-2.0
 * ns.h - network namespaces: making, pinning, visiting.
 *
 * A visit moves the calling thread only. It must come back: a thread of libuv's pool left in a
 * container's namespace would do the next job there, so ns_leave() aborts when it cannot. */
#ifndef SWARM_AGENT_NET_NS_H
#define SWARM_AGENT_NET_NS_H

#include <stdbool.h>

#include "common/base/err.h"

/** ns_open_self() - the calling thread's namespace. Return: descriptor or -errno. */
int ns_open_self(struct sw_err *err);

/** ns_open_pid() - namespace of a process. Return: descriptor or -errno. */
int ns_open_pid(int pid, struct sw_err *err);

/**
 * ns_open_pinned() - the namespace bound at @path, made when there is none
 * @home: the caller's namespace
 * @made: set: true when it is new
 *
 * Return: descriptor or -errno. syscalls: unshare, mount, setns.
 */
int ns_open_pinned(const char *path, int home, bool *made, struct sw_err *err);

/** ns_unpin() - take the binding at @path away; nothing there is fine. syscalls: umount2. */
void ns_unpin(const char *path);

/** ns_enter() - the calling thread goes to @fd. Return: 0 or -errno. */
int ns_enter(int fd, struct sw_err *err);
/** ns_leave() - and back to @home. */
void ns_leave(int home);

/** ns_sysctl() - write /proc/sys/@path of the namespace the thread is in.
 * Return: 0; -errno, -ENOENT when this kernel has no such knob. */
int ns_sysctl(const char *path, const char *value, struct sw_err *err);
/** ns_sysctl_get() - read a number. Return: 0 or -errno. */
int ns_sysctl_get(const char *path, long *out);

#endif
