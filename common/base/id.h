/* SPDX-License-Identifier: Apache-2.0
 * id.h - 16-byte object ids and their text form at the API's edge.
 *
 * Text: 25 characters of base 36 [0-9a-z], most significant first, zero-padded; 36^25 > 2^128.
 * Inside the cluster objects refer to each other by uint64 keys; ids are for people. */
#ifndef SWARM_COMMON_BASE_ID_H
#define SWARM_COMMON_BASE_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SW_ID_BYTES 16
#define SW_ID_CHARS 25

struct sw_id {
    uint8_t b[SW_ID_BYTES];
};

void sw_id_format(const struct sw_id *id, char out[SW_ID_CHARS + 1]);
/** sw_id_parse() - exactly 25 characters. Return: false when @s is not the text of an id. */
bool sw_id_parse(const char *s, struct sw_id *out);
bool sw_id_equal(const struct sw_id *a, const struct sw_id *b);
bool sw_id_is_zero(const struct sw_id *id);
/** sw_id_random() - from the kernel's generator; blocks only before it is seeded at boot. */
void sw_id_random(struct sw_id *out);
/** sw_random() - @n bytes from the kernel's generator. */
void sw_random(void *out, size_t n);

/** sw_base36() - big-endian number of @n bytes as exactly @chars digits plus a zero byte. */
void sw_base36(const uint8_t *num, size_t n, char *out, size_t chars);
/** sw_base36_parse() - the inverse. Return: false on a bad digit or a number too large for @n. */
bool sw_base36_parse(const char *s, size_t chars, uint8_t *num, size_t n);

/** sw_hex() - @n bytes as 2n lower-case digits plus a zero byte. */
void sw_hex(const uint8_t *p, size_t n, char *out);
bool sw_hex_parse(const char *s, uint8_t *out, size_t n); /* exactly 2n digits, then anything */

#endif
