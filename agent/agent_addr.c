/* SPDX-License-Identifier: Apache-2.0
 * agent_addr.c - which address to tell others. Source: SEMANTICS 4.13. */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent_priv.h"

void agent_host_of(const char *address, char *out, size_t cap)
{
    const char *start = address[0] == '[' ? address + 1 : address;
    const char *end = address[0] == '[' ? strchr(start, ']') : strrchr(start, ':');
    size_t n = end != NULL ? (size_t)(end - start) : strlen(start);

    if (n >= cap)
        n = cap - 1;
    memcpy(out, start, n);
    out[n] = '\0';
}

/* IPv4 addresses of one interface (@name) or of all that are up and not loopback. Return: how many
 * there are; the first is in @out, a list for people in @all. */
static unsigned addresses(const char *name, char out[INET_ADDRSTRLEN], char *all, size_t cap)
{
    struct ifaddrs *list;
    unsigned n = 0;

    all[0] = '\0';
    if (getifaddrs(&list) != 0)
        return 0;
    for (const struct ifaddrs *i = list; i != NULL; i = i->ifa_next) {
        char text[INET_ADDRSTRLEN];
        size_t used = strlen(all);

        if (i->ifa_addr == NULL || i->ifa_addr->sa_family != AF_INET || !(i->ifa_flags & IFF_UP) ||
            (name == NULL && (i->ifa_flags & IFF_LOOPBACK)))
            continue;
        if (name != NULL && strcmp(i->ifa_name, name) != 0)
            continue;
        if (name == NULL && strncmp(i->ifa_name, "swarm", 5) == 0)
            continue; /* our own bridge */
        (void)inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)i->ifa_addr)->sin_addr,
                        text, sizeof(text));
        if (n++ == 0)
            memcpy(out, text, sizeof(text));
        (void)snprintf(all + used, cap - used, "%s%s on interface %s", used > 0 ? ", " : "", text,
                       i->ifa_name);
    }
    freeifaddrs(list);
    return n;
}

static int parse_port(const char *s, uint16_t *port, struct sw_err *err)
{
    char *end;
    unsigned long n = strtoul(s, &end, 10);

    if (end == s || *end != '\0' || n == 0 || n > 65535)
        return sw_err_set(err, SW_E_INVALID, "invalid port \"%s\" in an address", s);
    *port = (uint16_t)n;
    return 0;
}

int agent_pick_address(const char *wish, uint16_t port, char *out, size_t cap, struct sw_err *err)
{
    char host[256] = "";
    char addr[INET_ADDRSTRLEN] = "";
    char all[512];
    const char *colon;
    struct in_addr in;
    unsigned n;
    int r;

    if (wish != NULL && wish[0] != '\0') {
        colon = strrchr(wish, ':');
        if (colon != NULL && strchr(wish, ':') == colon) {
            r = parse_port(colon + 1, &port, err);
            if (r < 0)
                return r;
        }
        agent_host_of(wish, host, sizeof(host));
    }
    if (strcmp(host, "0.0.0.0") == 0)
        host[0] = '\0';
    if (host[0] != '\0' && inet_pton(AF_INET, host, &in) == 1) {
        (void)snprintf(out, cap, "%s:%u", host, port);
        return 0;
    }
    n = addresses(host[0] != '\0' ? host : NULL, addr, all, sizeof(all));
    if (host[0] != '\0' && n == 0)
        return sw_err_set(
            err, SW_E_INVALID,
            "advertise address must be a non-zero IP address or network interface (with "
            "optional port number): \"%s\" is neither an address nor an interface with "
            "one",
            host);
    if (n == 0)
        return sw_err_set(err, SW_E_INVALID,
                          "could not find the system's IP address - specify one with "
                          "--advertise-addr");
    if (n > 1)
        return sw_err_set(
            err, SW_E_INVALID,
            "could not choose an IP address to advertise since this system has multiple "
            "addresses (%.300s) - specify one with --advertise-addr",
            all);
    (void)snprintf(out, cap, "%s:%u", addr, port);
    return 0;
}
