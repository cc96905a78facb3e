/* SPDX-License-Identifier: Apache-2.0
 * since.h - "42m", "2026-11-24T10:00:00", "1700000000.5" as the API wants a point in time. Pure. */
#ifndef SWARM_CLI_CMD_SINCE_H
#define SWARM_CLI_CMD_SINCE_H

#include <stdint.h>

#include "common/base/err.h"

/** since_format() - Unix seconds with nine decimals; @out: returned, release with sw_free().
 * @now_ns: what a duration is relative to. A date without zone is in local time. */
int since_format(const char *s, int64_t now_ns, char **out, struct sw_err *err);

#endif
