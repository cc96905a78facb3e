/* SPDX-License-Identifier: Apache-2.0
 * mounts.h - "type=bind,source=/etc,target=/hostetc,readonly". Pure but for @cwd, an argument. */
#ifndef SWARM_CLI_SPEC_MOUNTS_H
#define SWARM_CLI_SPEC_MOUNTS_H

#include "cli/spec/js.h"
#include "common/base/err.h"

/** mounts_parse() - one Mount object.
 * @cwd: what a bind source that begins with "." is relative to; NULL leaves it as it is
 * @out: returned, release with json_decref() */
int mounts_parse(const char *s, const char *cwd, json_t **out, struct sw_err *err);
int mounts_check(const char *s, struct sw_err *err);
/** mounts_clean_path() - "/a/./b/../c" -> "/a/c", as Go's path.Clean. Returned. */
char *mounts_clean_path(const char *path);

#endif
