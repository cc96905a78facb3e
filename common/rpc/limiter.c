/* SPDX-License-Identifier: Apache-2.0 */
#include "common/rpc/limiter.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "common/io/hostport.h"

static bool key_of(const char *address, uint8_t key[16])
{
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
    struct sw_hostport hp;
    struct sw_err ignored;

    if (sw_hostport_parse(address, 1, &hp, &ignored) < 0)
        return false;
    memcpy(key, mapped, sizeof(mapped));
    if (inet_pton(AF_INET, hp.host, key + 12) == 1)
        return true;
    if (inet_pton(AF_INET6, hp.host, key) != 1)
        return false;
    memset(key + 8, 0, 8);
    return true;
}

static void drain(struct limiter_entry *e, uint64_t now_ms)
{
    uint64_t steps = (now_ms - e->since_ms) / LIMITER_DRAIN_MS;

    if (e->failures == 0 || steps == 0)
        return;
    e->failures = steps >= e->failures ? 0 : e->failures - (unsigned)steps;
    e->since_ms += steps * LIMITER_DRAIN_MS;
}

/* The entry of @key, or NULL; *@room: the one to take for a new key. */
static struct limiter_entry *find(struct limiter *l, const uint8_t key[16], uint64_t now_ms,
                                  struct limiter_entry **room)
{
    struct limiter_entry *emptiest = &l->entries[0];

    for (size_t i = 0; i < LIMITER_ENTRIES; i++) {
        struct limiter_entry *e = &l->entries[i];

        drain(e, now_ms);
        if (e->failures > 0 && memcmp(e->key, key, sizeof(e->key)) == 0)
            return e;
        if (e->failures < emptiest->failures)
            emptiest = e;
    }
    *room = emptiest;
    return NULL;
}

void rpc_limiter_fail(struct limiter *l, const char *address, uint64_t now_ms)
{
    struct limiter_entry *room;
    struct limiter_entry *e;
    uint8_t key[16];

    if (!key_of(address, key))
        return;
    e = find(l, key, now_ms, &room);
    if (e == NULL) {
        e = room;
        memcpy(e->key, key, sizeof(e->key));
        e->failures = 0;
        e->since_ms = now_ms;
    }
    if (e->failures < l->max)
        e->failures++;
}

uint64_t rpc_limiter_blocked(struct limiter *l, const char *address, uint64_t now_ms)
{
    struct limiter_entry *room;
    struct limiter_entry *e;
    uint8_t key[16];

    if (!key_of(address, key))
        return 0;
    e = find(l, key, now_ms, &room);
    if (e == NULL || e->failures < l->max)
        return 0;
    return e->since_ms + LIMITER_DRAIN_MS - now_ms;
}
