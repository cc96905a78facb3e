/* SPDX-License-Identifier: Apache-2.0
 * log_seek.h - where in the files of a log to begin. Blocking; private to agent/sandbox. */
#ifndef SWARM_AGENT_SANDBOX_LOG_SEEK_H
#define SWARM_AGENT_SANDBOX_LOG_SEEK_H

#include <stdbool.h>
#include <stdint.h>

struct container_log_options;
struct logfile_head;

/** log_wanted() - is a record of a stream and time that is asked for? (until_ns apart) */
bool log_wanted(const struct container_log_options *o, const struct logfile_head *h);
/**
 * log_seek() - the file and offset where reading starts, by @o->tail
 * @fd:   returned, the caller closes it
 * @skip: returned: so many lines of wanted records come before the first that is asked for
 *
 * Return: 0; -ENOENT when there is no log; -errno.
 */
int log_seek(int dir, const struct container_log_options *o, int *fd, uint64_t *at, uint64_t *skip);
/** log_younger() - the file after the one @fd is. Return: descriptor; -ENOENT: it is the youngest.
 */
int log_younger(int dir, int fd);

#endif
