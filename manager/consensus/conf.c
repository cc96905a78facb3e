/* SPDX-License-Identifier: Apache-2.0
 * conf.c - see conf.h. */
#include "manager/consensus/conf.h"

#include <errno.h>
#include <string.h>

#include "common/base/alloc.h"
#include "manager/consensus/entry.h"

void cons_history_init(struct cons_history *h)
{
    memset(h, 0, sizeof(*h));
}

static void drop_from(struct cons_history *h, size_t first)
{
    for (size_t i = first; i < h->n; i++)
        raft_configuration_close(&h->items[i].c);
    h->n = first;
}

void cons_history_fini(struct cons_history *h)
{
    drop_from(h, 0);
    sw_free(h->items);
    sw_free(h->removed);
    cons_history_init(h);
}

static int append(struct cons_history *h, uint64_t index, struct raft_configuration *owned)
{
    struct cons_conf *items = sw_realloc(h->items, (h->n + 1) * sizeof(*items));

    if (items == NULL)
        return -ENOMEM;
    h->items = items;
    h->items[h->n].index = index;
    h->items[h->n].c = *owned;
    h->n++;
    return 0;
}

int cons_history_reset(struct cons_history *h, uint64_t index, const struct raft_configuration *c)
{
    struct raft_configuration copy;
    int r = cons_conf_copy(c, &copy);

    if (r < 0)
        return r;
    drop_from(h, 0);
    r = append(h, index, &copy);
    if (r < 0)
        raft_configuration_close(&copy);
    return r;
}

int cons_history_replace(struct cons_history *h, uint64_t index, const struct raft_configuration *c)
{
    const struct raft_configuration *old = h->n == 0 ? NULL : &h->items[0].c;

    for (unsigned i = 0; old != NULL && i < old->n; i++) {
        if (cons_conf_find(c, old->servers[i].id) == c->n)
            (void)cons_history_add_removed(h, old->servers[i].id);
    }
    return cons_history_reset(h, index, c);
}

int cons_history_push(struct cons_history *h, uint64_t index, const void *data, size_t len,
                      struct sw_err *err)
{
    struct raft_configuration c;
    int r = cons_conf_decode(data, len, &c, err);

    if (r < 0)
        return r;
    r = append(h, index, &c);
    if (r < 0) {
        raft_configuration_close(&c);
        return sw_err_set(err, r, "remember configuration");
    }
    return 0;
}

bool cons_history_truncate(struct cons_history *h, uint64_t index)
{
    size_t n = h->n;

    while (n > 0 && h->items[n - 1].index >= index)
        n--;
    if (n == h->n)
        return false;
    drop_from(h, n);
    return true;
}

/* Members of items[0] that items[1] lacks were removed; memory failing here only means that the
 * removed one is refused for another reason: it is in no configuration. */
static void learn_removed(struct cons_history *h)
{
    const struct raft_configuration *old = &h->items[0].c;

    for (unsigned i = 0; i < old->n; i++) {
        if (cons_conf_find(&h->items[1].c, old->servers[i].id) == h->items[1].c.n)
            (void)cons_history_add_removed(h, old->servers[i].id);
    }
}

bool cons_history_commit(struct cons_history *h, uint64_t index)
{
    bool changed = false;

    while (h->n > 1 && h->items[1].index <= index) {
        learn_removed(h);
        raft_configuration_close(&h->items[0].c);
        memmove(h->items, h->items + 1, (h->n - 1) * sizeof(*h->items));
        h->n--;
        changed = true;
    }
    return changed;
}

const struct cons_conf *cons_history_last(const struct cons_history *h)
{
    return h->n == 0 ? NULL : &h->items[h->n - 1];
}

bool cons_history_is_removed(const struct cons_history *h, uint64_t member)
{
    for (size_t i = 0; i < h->n_removed; i++) {
        if (h->removed[i] == member)
            return true;
    }
    return false;
}

int cons_history_add_removed(struct cons_history *h, uint64_t member)
{
    uint64_t *ids;

    if (cons_history_is_removed(h, member))
        return 0;
    if (h->n_removed == CONS_REMOVED_MAX) {
        memmove(h->removed, h->removed + 1, (h->n_removed - 1) * sizeof(*h->removed));
        h->removed[h->n_removed - 1] = member;
        return 0;
    }
    ids = sw_realloc(h->removed, (h->n_removed + 1) * sizeof(*ids));
    if (ids == NULL)
        return -ENOMEM;
    h->removed = ids;
    h->removed[h->n_removed++] = member;
    return 0;
}

/* u8 format 1, u64 n, then n times: u64 id, address with its zero byte, u8 role. */
int cons_conf_decode(const void *data, size_t len, struct raft_configuration *out,
                     struct sw_err *err)
{
    const uint8_t *p = data;
    const uint8_t *end = p + len;
    struct raft_configuration c;
    uint64_t n;

    if (len < 9 || *p != 1)
        return sw_err_set(err, SW_E_CORRUPT, "configuration of unknown format");
    n = cons_get_u64(p + 1);
    p += 9;
    if (n == 0 || n > CONSENSUS_MEMBERS_MAX)
        return sw_err_set(err, SW_E_CORRUPT, "configuration of %llu members",
                          (unsigned long long)n);
    raft_configuration_init(&c);
    for (uint64_t i = 0; i < n; i++) {
        const char *address;
        const uint8_t *zero;
        uint64_t id;
        int r;

        if (end - p < 10)
            goto malformed;
        id = cons_get_u64(p);
        address = (const char *)p + 8;
        zero = memchr(p + 8, 0, (size_t)(end - p) - 8);
        if (id == 0 || zero == NULL || zero + 1 == end || strlen(address) >= CONSENSUS_ADDRESS_MAX)
            goto malformed;
        r = raft_configuration_add(&c, id, address, zero[1]);
        if (r == RAFT_NOMEM) {
            raft_configuration_close(&c);
            return sw_err_set(err, -ENOMEM, "decode configuration");
        }
        if (r != 0)
            goto malformed;
        p = zero + 2;
    }
    *out = c;
    return 0;

malformed:
    raft_configuration_close(&c);
    return sw_err_set(err, SW_E_CORRUPT, "malformed configuration");
}

int cons_conf_copy(const struct raft_configuration *c, struct raft_configuration *out)
{
    raft_configuration_init(out);
    for (unsigned i = 0; i < c->n; i++) {
        const struct raft_server *s = &c->servers[i];

        if (raft_configuration_add(out, s->id, s->address, s->role) != 0) {
            raft_configuration_close(out);
            raft_configuration_init(out);
            return -ENOMEM;
        }
    }
    return 0;
}

unsigned cons_conf_find(const struct raft_configuration *c, uint64_t member)
{
    unsigned i;

    for (i = 0; i < c->n; i++) {
        if (c->servers[i].id == member)
            break;
    }
    return i;
}

unsigned cons_conf_voters(const struct raft_configuration *c)
{
    unsigned n = 0;

    for (unsigned i = 0; i < c->n; i++)
        n += c->servers[i].role == RAFT_VOTER;
    return n;
}
