/* SPDX-License-Identifier: Apache-2.0
 * yaml.h - text to tree: anchors, aliases and merge keys resolved, bounded in depth and size. */
#ifndef SWARM_CLI_COMPOSE_YAML_H
#define SWARM_CLI_COMPOSE_YAML_H

#include "cli/compose/tree.h"

#define YAML_DEPTH_MAX 64
#define YAML_NODES_MAX 200000 /* after aliases: a file of a few lines cannot become gigabytes */

/** yaml_parse() - @out: returned, release with yn_free(); a YN_NULL for an empty document.
 * @file: borrowed, must outlive the tree. Duplicate keys are an error.
 * Return: 0; SW_E_INVALID "file:line: ...". */
int yaml_parse(const char *file, const char *text, size_t n, struct yn **out, struct sw_err *err);

#endif
