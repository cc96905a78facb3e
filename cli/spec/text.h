/* SPDX-License-Identifier: Apache-2.0
 * text.h - the small text formats of command lines: lists, words, numbers, sizes. Pure.
 *
 * Errors carry Docker's (mostly Go's) wording: scripts and people know it. */
#ifndef SWARM_CLI_SPEC_TEXT_H
#define SWARM_CLI_SPEC_TEXT_H

#include <stdint.h>

#include "cli/spec/mem.h"
#include "common/base/err.h"

/** text_csv() - one CSV record: a,"b,c",d. Return: 0; SW_E_INVALID on a stray quote. */
int text_csv(const char *s, struct strv *out, struct sw_err *err);
/** text_words() - split like a shell: quotes and backslashes, no expansion.
 * Return: 0; SW_E_INVALID on an unterminated quote. */
int text_words(const char *s, struct strv *out, struct sw_err *err);
void text_split(const char *s, char sep, struct strv *out); /* "" gives one empty piece */
/** text_cut() - "key<sep>value". @key: returned. Return: the value, NULL when there is no @sep. */
const char *text_cut(const char *s, char sep, char **key);
bool text_prefix(const char *s, const char *prefix);
bool text_suffix(const char *s, const char *suffix);
char *text_lower(const char *s);

int text_uint(const char *s, uint64_t *out, struct sw_err *err);
int text_int(const char *s, int64_t *out, struct sw_err *err);
int text_float(const char *s, double *out, struct sw_err *err);
int text_bool(const char *s, bool *out,
              struct sw_err *err); /* 1 t T TRUE true True and opposites */
int text_duration(const char *s, int64_t *ns, struct sw_err *err);
/** text_bytes() - "64M", "1.5GiB", "512 kb" in bytes, units of 1024.
 * Source: docker/go-units size.go RAMInBytes. */
int text_bytes(const char *s, int64_t *bytes, struct sw_err *err);
/** text_cpus() - "0.5" in billionths; more than nine decimals are an error. */
int text_cpus(const char *s, int64_t *nano, struct sw_err *err);
/** text_octal() - "0440", "440" or "0o440" as a file mode. */
int text_mode(const char *s, uint32_t *mode, struct sw_err *err);

bool text_is_ipv4(const char *s);
bool text_is_ip(const char *s); /* either family, no zone, no brackets */

/** text_utf8() - length in bytes of the letter at @s, 0 when it is not UTF-8. */
size_t text_utf8(const char *s);

#endif
