/* SPDX-License-Identifier: Apache-2.0
 * natural.h - the order of names in lists: "web.2" before "web.10". Pure. */
#ifndef SWARM_CLI_CMD_NATURAL_H
#define SWARM_CLI_CMD_NATURAL_H

#include "cli/spec/js.h"

/** natural_compare() - runs of digits compare as numbers. Return: < 0, 0, > 0. */
int natural_compare(const char *a, const char *b);
/** natural_sort() - order the objects of @array by the string at @path, stable. */
void natural_sort(json_t *array, const char *path);

#endif
