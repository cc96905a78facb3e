/* SPDX-License-Identifier: Apache-2.0
 * time.h - clocks and the text forms of times and durations.
 *
 * Pure folders never call the two clock functions: they are given "now". */
#ifndef SWARM_COMMON_BASE_TIME_H
#define SWARM_COMMON_BASE_TIME_H

#include <stdbool.h>
#include <stdint.h>

#define SW_NS_PER_US 1000ll
#define SW_NS_PER_MS 1000000ll
#define SW_NS_PER_S  1000000000ll

int64_t sw_now_ns(void);  /* CLOCK_REALTIME, nanoseconds since 1970 */
int64_t sw_mono_ns(void); /* CLOCK_MONOTONIC, nanoseconds */

#define SW_RFC3339_MAX 40
/** sw_rfc3339() - "2026-11-24T17:04:44.123456789Z", trailing zeros of the fraction dropped.
 * @ns == 0 is "never": "0001-01-01T00:00:00Z", as the Engine API has it. */
void sw_rfc3339(int64_t ns, char out[SW_RFC3339_MAX]);
/** sw_rfc3339_parse() - any zone offset. Return: false when @s is no RFC 3339 time. */
bool sw_rfc3339_parse(const char *s, int64_t *ns);

/** sw_duration_parse() - Go's form: "1h2m3.5s", "100ms", "0". Return: false when malformed. */
bool sw_duration_parse(const char *s, int64_t *ns);
#define SW_DURATION_MAX 48
/** sw_duration_format() - Go's form: 1500000000 -> "1.5s", 0 -> "0s". */
void sw_duration_format(int64_t ns, char out[SW_DURATION_MAX]);

#endif
