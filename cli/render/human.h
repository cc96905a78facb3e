/* SPDX-License-Identifier: Apache-2.0
 * human.h - times and sizes for people, in Docker's words. Pure: "now" is an argument. */
#ifndef SWARM_CLI_RENDER_HUMAN_H
#define SWARM_CLI_RENDER_HUMAN_H

#include <stdint.h>

#include "cli/spec/mem.h"

/** human_duration() - "Less than a second", "About a minute", "3 weeks". @ns: nanoseconds.
 * Source: docker/go-units duration.go. */
void human_duration(struct sw_buf *out, int64_t ns);
/** human_ago() - "3 minutes ago"; "N/A" when @then_ns is 0. Both in nanoseconds since 1970. */
void human_ago(struct sw_buf *out, int64_t now_ns, int64_t then_ns);
/** human_size() - decimal units, @digits significant: 1984381 with 3 -> "1.98MB". */
void human_size(struct sw_buf *out, double bytes, int digits);
/** human_bytes() - binary units, 4 significant: 67108864 -> "64MiB". */
void human_bytes(struct sw_buf *out, double bytes);
/** human_utc() - Go's default text of a UTC time: "2026-11-23 22:15:25.299040094 +0000 utc". */
void human_utc(struct sw_buf *out, int64_t ns);
/** human_utc_go() - the same with "UTC" in capitals: Go's Time.String(). */
void human_utc_go(struct sw_buf *out, int64_t ns);
/** human_state() - "running" -> "Running": first byte in upper case. */
void human_state(struct sw_buf *out, const char *s);

#endif
