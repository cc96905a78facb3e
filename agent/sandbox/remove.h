/* SPDX-License-Identifier: Apache-2.0
 * remove.h - removing a directory tree that a container could fill as it liked. Private. */
#ifndef SWARM_AGENT_SANDBOX_REMOVE_H
#define SWARM_AGENT_SANDBOX_REMOVE_H

#include "common/base/err.h"

/**
 * remove_tree() - @path and all below it
 *
 * Follows no link, enters no other file system, needs a bounded number of descriptors however deep
 * the tree is. Blocks: for worker threads.
 * Return: 0, also when there is nothing; -errno.
 */
int remove_tree(const char *path, struct sw_err *err);

#endif
