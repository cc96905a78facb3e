/* SPDX-License-Identifier: Apache-2.0
 * net_spec.c - a copy of struct net_attach that outlives the caller's. */
#include "agent/net/net_spec.h"

#include <string.h>

#include "common/base/alloc.h"

static void list_free(const char *const *list, size_t n)
{
    char **own = (char **)(uintptr_t)list;

    for (size_t i = 0; own != NULL && i < n; i++)
        sw_free(own[i]);
    sw_free(own);
}

/* Return: NULL when memory is gone; also a list of none is a pointer. */
static const char *const *list_copy(const char *const *list, size_t n)
{
    char **own = sw_calloc(n + 1, sizeof(*own));

    for (size_t i = 0; own != NULL && i < n; i++) {
        own[i] = sw_strdup(list[i]);
        if (own[i] == NULL) {
            list_free((const char *const *)own, i);
            return NULL;
        }
    }
    return (const char *const *)own;
}

void net_spec_free(struct net_attach *a)
{
    struct net_attachment *at = (struct net_attachment *)(uintptr_t)a->attachments;

    for (size_t i = 0; at != NULL && i < a->n_attachments; i++)
        list_free(at[i].aliases, at[i].n_aliases);
    sw_free(at);
    sw_free((void *)(uintptr_t)a->container_id);
    sw_free((void *)(uintptr_t)a->container_name);
    sw_free((void *)(uintptr_t)a->hostname);
    sw_free((void *)(uintptr_t)a->ports);
    list_free(a->dns.servers, a->dns.n_servers);
    list_free(a->dns.search, a->dns.n_search);
    list_free(a->dns.options, a->dns.n_options);
    list_free(a->hosts, a->n_hosts);
    memset(a, 0, sizeof(*a));
}

static bool attachments_copy(struct net_attach *to, const struct net_attach *from)
{
    struct net_attachment *at = sw_calloc(from->n_attachments + 1, sizeof(*at));

    if (at == NULL)
        return false;
    to->attachments = at;
    for (size_t i = 0; i < from->n_attachments; i++) {
        at[i] = from->attachments[i];
        at[i].aliases = list_copy(from->attachments[i].aliases, from->attachments[i].n_aliases);
        to->n_attachments++;
        if (at[i].aliases == NULL) {
            at[i].n_aliases = 0;
            return false;
        }
    }
    return true;
}

int net_spec_copy(struct net_attach *to, const struct net_attach *from)
{
    bool good;

    memset(to, 0, sizeof(*to));
    good = attachments_copy(to, from);
    to->container_id = sw_strdup(from->container_id);
    to->container_name = sw_strdup(from->container_name != NULL ? from->container_name : "");
    to->hostname = sw_strdup(from->hostname != NULL ? from->hostname : "");
    to->ports = sw_memdup(from->ports, from->n_ports * sizeof(*from->ports));
    to->dns.servers = list_copy(from->dns.servers, from->dns.n_servers);
    to->dns.search = list_copy(from->dns.search, from->dns.n_search);
    to->dns.options = list_copy(from->dns.options, from->dns.n_options);
    to->hosts = list_copy(from->hosts, from->n_hosts);
    good = good && to->container_id != NULL && to->container_name != NULL && to->hostname != NULL &&
           (from->n_ports == 0 || to->ports != NULL) && to->dns.servers != NULL &&
           to->dns.search != NULL && to->dns.options != NULL && to->hosts != NULL;
    to->n_ports = to->ports != NULL ? from->n_ports : 0;
    to->dns.n_servers = to->dns.servers != NULL ? from->dns.n_servers : 0;
    to->dns.n_search = to->dns.search != NULL ? from->dns.n_search : 0;
    to->dns.n_options = to->dns.options != NULL ? from->dns.n_options : 0;
    to->n_hosts = to->hosts != NULL ? from->n_hosts : 0;
    to->netns_fd = -1;
    to->pid = 0;
    to->task = from->task;
    to->egress = from->egress;
    if (!good) {
        net_spec_free(to);
        return -1;
    }
    return 0;
}
