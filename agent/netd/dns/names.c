/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/netd/dns/names.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/map.h"

struct name {
    bool vip;
    size_t n, cap;
    uint32_t *addrs;
    char text[];
};

struct dns_names {
    uint32_t subnet, mask;
    struct sw_map by_name; /* struct name, owned */
    struct sw_map by_addr; /* struct name, borrowed */
    char network[];
};

static void lower(char *s)
{
    for (; *s != 0; s++) {
        if (*s >= 'A' && *s <= 'Z')
            *s = (char)(*s - 'A' + 'a');
    }
}

/* Return: the entry of "<prefix><text>", made if need be; NULL when memory is gone or the name is
 * none (*skip is set then). */
static struct name *name_get(struct dns_names *d, const char *prefix, const char *text, bool *skip)
{
    size_t a = strlen(prefix), b = strlen(text);
    struct name *n, *old;

    *skip = b == 0 || a + b > DNS_NAME_MAX;
    if (*skip)
        return NULL;
    n = sw_calloc(1, sizeof(*n) + a + b + 1);
    if (n == NULL)
        return NULL;
    memcpy(n->text, prefix, a);
    memcpy(n->text + a, text, b + 1);
    lower(n->text);
    old = sw_strmap_get(&d->by_name, n->text);
    if (old == NULL && sw_strmap_put(&d->by_name, n->text, n) == 0)
        return n;
    sw_free(n);
    return old;
}

static int name_add(struct name *n, uint32_t addr)
{
    for (size_t i = 0; i < n->n && i < 64;
         i++) { /* doubles come from names that are also aliases */
        if (n->addrs[i] == addr)
            return 0;
    }
    if (n->n == n->cap) {
        size_t cap = n->cap == 0 ? 1 : 2 * n->cap;
        uint32_t *p = sw_realloc(n->addrs, cap * sizeof(*p));

        if (p == NULL)
            return -ENOMEM;
        n->addrs = p;
        n->cap = cap;
    }
    n->addrs[n->n++] = addr;
    return 0;
}

/* Make a name known, with an address unless @addr is 0. A name that has virtual addresses takes no
 * others: it would be half balanced. */
static int put(struct dns_names *d, const char *prefix, const char *text, uint32_t addr, bool vip)
{
    bool skip;
    struct name *n = name_get(d, prefix, text, &skip);

    if (n == NULL)
        return skip ? 0 : -ENOMEM;
    if (vip && !n->vip) {
        n->vip = true;
        n->n = 0;
    }
    if (addr == 0 || vip != n->vip)
        return 0;
    return name_add(n, addr);
}

static int put_reverse(struct dns_names *d, const char *text, uint32_t addr)
{
    bool skip;
    struct name *n = name_get(d, "", text, &skip);

    if (n == NULL)
        return skip ? 0 : -ENOMEM;
    return addr != 0 ? sw_map_put(&d->by_addr, addr, n) : 0;
}

static int put_service(struct dns_names *d, const Swarm__V1__NetworkService *s)
{
    int r = put(d, "", s->name, s->vip, s->vip != 0);

    if (r == 0)
        r = put(d, "tasks.", s->name, 0, false);
    if (r == 0)
        r = put_reverse(d, s->name, s->vip);
    for (size_t i = 0; r == 0 && i < s->n_aliases; i++) {
        r = put(d, "", s->aliases[i], s->vip, s->vip != 0);
        if (r == 0)
            r = put(d, "tasks.", s->aliases[i], 0, false);
    }
    return r;
}

static int put_task(struct dns_names *d, const Swarm__V1__NetworkService *s, uint32_t addr)
{
    int r = put(d, "", s->name, addr, false); /* changes nothing where there is a virtual address */

    if (r == 0)
        r = put(d, "tasks.", s->name, addr, false);
    for (size_t i = 0; r == 0 && i < s->n_aliases; i++) {
        r = put(d, "", s->aliases[i], addr, false);
        if (r == 0)
            r = put(d, "tasks.", s->aliases[i], addr, false);
    }
    return r;
}

static int put_endpoint(struct dns_names *d, const struct sw_map *services,
                        const Swarm__V1__NetworkEndpoint *e)
{
    const Swarm__V1__NetworkService *s = sw_map_get(services, e->service);
    int r = put_reverse(d, e->container_name, e->addr);

    if (r < 0 || !e->serving)
        return r;
    r = put(d, "", e->container_name, e->addr, false);
    for (size_t i = 0; r == 0 && i < e->n_aliases; i++) {
        r = put(d, "", e->aliases[i], e->addr, false);
        if (r == 0)
            r = put(d, "tasks.", e->aliases[i], e->addr, false);
    }
    if (r == 0 && s != NULL)
        r = put_task(d, s, e->addr);
    return r;
}

static int fill(struct dns_names *d, const Swarm__V1__NetworkTable *t, struct sw_map *services)
{
    int r = 0;

    if (t->ingress) /* has no names */
        return 0;
    for (size_t i = 0; r == 0 && i < t->n_services; i++) {
        r = sw_map_put(services, t->services[i]->key, t->services[i]);
        if (r == 0)
            r = put_service(d, t->services[i]);
    }
    for (size_t i = 0; r == 0 && i < t->n_endpoints; i++)
        r = put_endpoint(d, services, t->endpoints[i]);
    return r;
}

int dns_names_new(struct dns_names **out, const Swarm__V1__NetworkTable *t, struct sw_err *err)
{
    struct dns_names *d = sw_calloc(1, sizeof(*d) + strlen(t->name) + 1);
    struct sw_map services;
    int r;

    if (d == NULL)
        return sw_err_set(err, -ENOMEM, "names of network '%s'", t->name);
    memcpy(d->network, t->name, strlen(t->name) + 1);
    lower(d->network);
    d->mask =
        t->subnet_len == 0 ? 0 : UINT32_MAX << (32 - (t->subnet_len < 32 ? t->subnet_len : 32));
    d->subnet = t->subnet & d->mask;
    sw_map_init(&d->by_name);
    sw_map_init(&d->by_addr);
    sw_map_init(&services);
    r = fill(d, t, &services);
    sw_map_fini(&services);
    if (r < 0) {
        dns_names_free(d);
        return sw_err_set(err, -ENOMEM, "names of network '%s'", t->name);
    }
    *out = d;
    return 0;
}

void dns_names_free(struct dns_names *d)
{
    size_t it = 0;
    struct name *n;

    if (d == NULL)
        return;
    while ((n = sw_map_next(&d->by_name, &it)) != NULL) {
        sw_free(n->addrs);
        sw_free(n);
    }
    sw_map_fini(&d->by_name);
    sw_map_fini(&d->by_addr);
    sw_free(d);
}

const char *dns_names_network(const struct dns_names *d)
{
    return d->network;
}

bool dns_names_find(const struct dns_names *d, const char *name, struct dns_record *out)
{
    const struct name *n = sw_strmap_get(&d->by_name, name);

    if (n == NULL)
        return false;
    *out = (struct dns_record){ .vip = n->vip, .n = n->n, .addrs = n->addrs };
    return true;
}

const char *dns_names_reverse(const struct dns_names *d, uint32_t addr)
{
    const struct name *n = addr != 0 ? sw_map_get(&d->by_addr, addr) : NULL;

    return n != NULL ? n->text : NULL;
}

bool dns_names_covers(const struct dns_names *d, uint32_t addr)
{
    return d->mask != 0 && (addr & d->mask) == d->subnet;
}
