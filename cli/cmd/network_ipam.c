/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cmd/network.h"
#include "cli/spec/text.h"

/* Bytes of an address, 4 or 16; 0 when it is none. @bits: prefix length, all bits without one. */
static size_t parse_cidr(const char *s, uint8_t out[16], unsigned *bits)
{
    SW_CLEANUP(sw_free_ptr) char *ip = NULL;
    const char *prefix = text_cut(s, '/', &ip);
    size_t n = inet_pton(AF_INET, ip, out) == 1 ? 4 : inet_pton(AF_INET6, ip, out) == 1 ? 16 : 0;
    struct sw_err err;
    uint64_t v = 8 * n;

    if (prefix != NULL && (text_uint(prefix, &v, &err) < 0 || v > 8 * n))
        return 0;
    *bits = (unsigned)v;
    return n;
}

bool network_holds(const char *subnet, const char *ip)
{
    uint8_t net[16], addr[16];
    unsigned bits, unused;
    size_t n = parse_cidr(subnet, net, &bits);

    if (n == 0 || parse_cidr(ip, addr, &unused) != n)
        return false;
    for (unsigned i = 0; i < bits; i++) {
        if (((net[i / 8] ^ addr[i / 8]) >> (7 - i % 8) & 1) != 0)
            return false;
    }
    return true;
}

/* The list "a,b" and repeated options alike. */
static void values(const struct args *args, const char *option, struct strv *out)
{
    const struct strv *l = args_list(args, option);

    for (size_t i = 0; i < l->n; i++)
        text_split(l->v[i], ',', out);
}

static json_t *holder(json_t *config, const char *ip)
{
    size_t i;
    json_t *c;

    json_array_foreach(config, i, c)
    {
        if (network_holds(js_str(c, "Subnet"), ip))
            return c;
    }
    return NULL;
}

static int place(json_t *config, const struct strv *list, const char *key, const char *what,
                 struct sw_err *err)
{
    for (size_t i = 0; i < list->n; i++) {
        json_t *c = holder(config, list->v[i]);

        if (c == NULL)
            return sw_err_set(err, SW_E_INVALID, "no matching subnet for %s %s", what, list->v[i]);
        if (js_get(c, key) != NULL)
            return sw_err_set(err, SW_E_INVALID,
                              "cannot configure multiple %ss (%s, %s) on the same subnet (%s)",
                              what, list->v[i], js_str(c, key), js_str(c, "Subnet"));
        js_set_str(c, key, list->v[i]);
    }
    return 0;
}

int network_ipam(const struct args *args, json_t *config, struct sw_err *err)
{
    SW_CLEANUP(strv_fini) struct strv subnets = { 0 };
    SW_CLEANUP(strv_fini) struct strv ranges = { 0 };
    SW_CLEANUP(strv_fini) struct strv gateways = { 0 };
    const struct strv *aux = args_list(args, "aux-address");

    values(args, "subnet", &subnets);
    values(args, "ip-range", &ranges);
    values(args, "gateway", &gateways);
    if (subnets.n < ranges.n || subnets.n < gateways.n)
        return sw_err_set(err, SW_E_INVALID,
                          "every ip-range or gateway must have a corresponding subnet");
    for (size_t i = 0; i < subnets.n; i++) {
        json_t *c = json_object();

        js_set_str(c, "Subnet", subnets.v[i]);
        json_array_append_new(config, c);
    }
    if (place(config, &ranges, "IPRange", "range", err) < 0 ||
        place(config, &gateways, "Gateway", "gateway", err) < 0)
        return err->code;
    for (size_t i = 0; i < aux->n; i++) {
        SW_CLEANUP(sw_free_ptr) char *name = NULL;
        const char *ip = text_cut(aux->v[i], '=', &name);
        json_t *c = ip != NULL ? holder(config, ip) : NULL;

        if (c == NULL)
            return sw_err_set(err, SW_E_INVALID, "no matching subnet for aux-address %s",
                              ip != NULL ? ip : aux->v[i]);
        js_map_set(js_obj(c, "AuxiliaryAddresses"), aux->v[i]);
    }
    return 0;
}
