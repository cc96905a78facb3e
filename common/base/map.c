/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/map.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "common/base/alloc.h"

enum { SLOT_FREE = 0, SLOT_DELETED = 1 };

uint64_t sw_hash_u64(uint64_t x) /* finaliser of splitmix64 */
{
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9u;
    x ^= x >> 27;
    x *= 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

uint64_t sw_hash_bytes(const void *p, size_t n) /* FNV-1a, mixed */
{
    const uint8_t *b = p;
    uint64_t h = 0xcbf29ce484222325u;

    for (size_t i = 0; i < n; i++)
        h = (h ^ b[i]) * 0x100000001b3u;
    return sw_hash_u64(h);
}

void sw_map_init(struct sw_map *m)
{
    memset(m, 0, sizeof(*m));
}

void sw_map_fini(struct sw_map *m)
{
    sw_free(m->slots);
    sw_map_init(m);
}

static uint64_t usable(uint64_t h)
{
    return h <= SLOT_DELETED ? h + 2 : h;
}

static bool same(const struct sw_map_slot *s, uint64_t hash, const char *str, uint64_t num)
{
    if (s->hash != hash)
        return false;
    return str != NULL ? strcmp(s->key.str, str) == 0 : s->key.num == num;
}

/* Index of the slot that holds the key, or m->cap. */
static size_t find(const struct sw_map *m, uint64_t hash, const char *str, uint64_t num)
{
    size_t mask = m->cap - 1;

    if (m->cap == 0)
        return m->cap;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        if (m->slots[i].hash == SLOT_FREE)
            return m->cap;
        if (same(&m->slots[i], hash, str, num))
            return i;
    }
}

static int grow(struct sw_map *m)
{
    size_t cap = m->cap == 0 ? 16 : (m->len * 2 >= m->cap ? m->cap * 2 : m->cap);
    struct sw_map_slot *slots = sw_calloc(cap, sizeof(*slots));

    if (slots == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < m->cap; i++) {
        size_t j;

        if (m->slots[i].hash <= SLOT_DELETED)
            continue;
        for (j = m->slots[i].hash & (cap - 1); slots[j].hash != SLOT_FREE;)
            j = (j + 1) & (cap - 1);
        slots[j] = m->slots[i];
    }
    sw_free(m->slots);
    m->slots = slots;
    m->cap = cap;
    m->used = m->len;
    return 0;
}

static int put(struct sw_map *m, uint64_t hash, const char *str, uint64_t num, void *value)
{
    size_t i = find(m, hash, str, num);

    if (i < m->cap) {
        m->slots[i].value = value;
        if (str != NULL)
            m->slots[i].key.str = str;
        return 0;
    }
    if ((m->used + 1) * 4 > m->cap * 3 && grow(m) < 0)
        return -ENOMEM;
    for (i = hash & (m->cap - 1); m->slots[i].hash > SLOT_DELETED;)
        i = (i + 1) & (m->cap - 1);
    if (m->slots[i].hash == SLOT_FREE)
        m->used++;
    m->len++;
    m->slots[i].hash = hash;
    m->slots[i].value = value;
    if (str != NULL)
        m->slots[i].key.str = str;
    else
        m->slots[i].key.num = num;
    return 0;
}

static void *del(struct sw_map *m, size_t i)
{
    void *v;

    if (i >= m->cap)
        return NULL;
    v = m->slots[i].value;
    m->slots[i].hash = SLOT_DELETED;
    m->slots[i].value = NULL;
    m->len--;
    return v;
}

void *sw_map_get(const struct sw_map *m, uint64_t key)
{
    size_t i = find(m, usable(sw_hash_u64(key)), NULL, key);

    return i < m->cap ? m->slots[i].value : NULL;
}

int sw_map_put(struct sw_map *m, uint64_t key, void *value)
{
    return put(m, usable(sw_hash_u64(key)), NULL, key, value);
}

void *sw_map_del(struct sw_map *m, uint64_t key)
{
    return del(m, find(m, usable(sw_hash_u64(key)), NULL, key));
}

static uint64_t hash_str(const char *key)
{
    return usable(sw_hash_bytes(key, strlen(key)));
}

void *sw_strmap_get(const struct sw_map *m, const char *key)
{
    size_t i = find(m, hash_str(key), key, 0);

    return i < m->cap ? m->slots[i].value : NULL;
}

int sw_strmap_put(struct sw_map *m, const char *key, void *value)
{
    return put(m, hash_str(key), key, 0, value);
}

void *sw_strmap_del(struct sw_map *m, const char *key)
{
    return del(m, find(m, hash_str(key), key, 0));
}

void *sw_map_next(const struct sw_map *m, size_t *it)
{
    while (*it < m->cap) {
        const struct sw_map_slot *s = &m->slots[(*it)++];

        if (s->hash > SLOT_DELETED)
            return s->value;
    }
    return NULL;
}
