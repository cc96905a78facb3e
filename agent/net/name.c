/* SPDX-License-Identifier: Apache-2.0
 * name.c - names of links, the same at every start: what exists is found again by its name. */
#include <stdio.h>
#include <string.h>

#include "agent/net/kern_priv.h"
#include "common/base/id.h"

#define NAME_DIGITS 12

static void name_digits(uint64_t v, char out[NAME_DIGITS + 1])
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";

    for (int i = NAME_DIGITS - 1; i >= 0; i--, v /= 36)
        out[i] = digits[v % 36];
    out[NAME_DIGITS] = '\0';
}

void name_of_net(char out[NET_IFNAME_MAX], char kind, uint64_t key)
{
    char digits[NAME_DIGITS + 1];
    size_t skip;

    name_digits(key, digits);
    skip = strspn(digits, "0");
    snprintf(out, NET_IFNAME_MAX, "sw%c%s", kind, digits + SW_MIN(skip, (size_t)NAME_DIGITS - 1));
}

void name_of_port(char out[NET_IFNAME_MAX], const char *id, uint64_t net)
{
    char digits[NAME_DIGITS + 1];

    name_digits(sw_hash_u64(sw_hash_bytes(id, strlen(id)) ^ sw_hash_u64(net)), digits);
    snprintf(out, NET_IFNAME_MAX, "%s%s", net == 0 ? KERN_EGRESS_PREFIX : KERN_PORT_PREFIX, digits);
}

static bool name_has(const char *name, const char *prefix)
{
    size_t n = strlen(prefix);

    return strncmp(name, prefix, n) == 0 && strlen(name) == n + NAME_DIGITS;
}

bool name_is_container(const char *name)
{
    return name_has(name, KERN_PORT_PREFIX);
}

bool name_is_egress(const char *name)
{
    return name_has(name, KERN_EGRESS_PREFIX);
}
