/* SPDX-License-Identifier: Apache-2.0
 * map.h - open-addressing hash tables: uint64 -> pointer, and string -> pointer.
 *
 * The table owns its slots, never the values. String keys are borrowed: they must live as long as
 * their entry (usually they are a member of the value). Iteration order is by slot, hence not
 * stable across inserts: decisions that must be deterministic iterate over a list instead. */
#ifndef SWARM_COMMON_BASE_MAP_H
#define SWARM_COMMON_BASE_MAP_H

#include <stddef.h>
#include <stdint.h>

struct sw_map_slot {
    uint64_t hash; /* 0: free, 1: deleted */
    union {
        uint64_t num;
        const char *str;
    } key;
    void *value;
};

struct sw_map {
    struct sw_map_slot *slots;
    size_t cap;  /* power of two or 0 */
    size_t used; /* live + deleted */
    size_t len;  /* live */
};

void sw_map_init(struct sw_map *m);
void sw_map_fini(struct sw_map *m);
void *sw_map_get(const struct sw_map *m, uint64_t key); /* NULL when absent */
/** sw_map_put() - insert or replace. Return: 0 or -ENOMEM, the map is then unchanged. */
int sw_map_put(struct sw_map *m, uint64_t key, void *value);
void *sw_map_del(struct sw_map *m, uint64_t key); /* returns the old value or NULL */

void *sw_strmap_get(const struct sw_map *m, const char *key);
int sw_strmap_put(struct sw_map *m, const char *key, void *value);
void *sw_strmap_del(struct sw_map *m, const char *key);

/** sw_map_next() - iterate: size_t it = 0; while ((v = sw_map_next(m, &it)) != NULL) ...
 * The entry just returned may be deleted while iterating, nothing may be inserted. */
void *sw_map_next(const struct sw_map *m, size_t *it);

uint64_t sw_hash_u64(uint64_t x);
uint64_t sw_hash_bytes(const void *p, size_t n);

#endif
