/* SPDX-License-Identifier: Apache-2.0 */
#include "common/io/hostport.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

static int parse_port(const char *s, const char *whole, uint16_t *out, struct sw_err *err)
{
    unsigned long v = 0;
    size_t n = strlen(s);

    for (size_t i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9' || n > 5)
            return sw_err_set(err, SW_E_INVALID, "'%s' has no port number behind its colon", whole);
        v = v * 10 + (unsigned long)(s[i] - '0');
    }
    if (n == 0 || v > 65535)
        return sw_err_set(err, SW_E_INVALID, "'%s' has no port number between 0 and 65535", whole);
    *out = (uint16_t)v;
    return 0;
}

/* Where the host ends and what stands behind it: NULL for nothing, else the port's text. */
static int split(const char *s, size_t *skip, size_t *len, const char **port, struct sw_err *err)
{
    const char *colon = strchr(s, ':');
    const char *close;

    *skip = 0;
    *port = NULL;
    if (s[0] == '[') {
        close = strchr(s, ']');
        if (close == NULL || (close[1] != ':' && close[1] != '\0'))
            return sw_err_set(err, SW_E_INVALID, "'%s' is no address: bracket not closed", s);
        *skip = 1;
        *len = (size_t)(close - s - 1);
        *port = close[1] == ':' ? close + 2 : NULL;
        return 0;
    }
    *len = strlen(s);
    if (colon == NULL || strchr(colon + 1, ':') != NULL)
        return 0; /* a bare name or a bare IPv6 address */
    *len = (size_t)(colon - s);
    *port = colon + 1;
    return 0;
}

int sw_hostport_parse(const char *s, uint16_t default_port, struct sw_hostport *out,
                      struct sw_err *err)
{
    struct sw_hostport hp = { .port = default_port };
    const char *port = NULL;
    size_t skip = 0;
    size_t len = 0;
    int r;

    r = split(s, &skip, &len, &port, err);
    if (r < 0)
        return r;
    if (len >= sizeof(hp.host))
        return sw_err_set(err, SW_E_INVALID, "host name of %zu characters is too long", len);
    if (port == NULL && default_port == 0)
        return sw_err_set(err, SW_E_INVALID, "'%s' has no port", s);
    if (port != NULL) {
        r = parse_port(port, s, &hp.port, err);
        if (r < 0)
            return r;
    }
    if (len == 0 && port == NULL)
        return sw_err_set(err, SW_E_INVALID, "the address is empty");
    memcpy(hp.host, s + skip, len);
    *out = hp;
    return 0;
}

int sw_hostport_numeric(const struct sw_hostport *hp, struct sockaddr_storage *out,
                        struct sw_err *err)
{
    struct sockaddr_in *in = (void *)out;
    struct sockaddr_in6 *in6 = (void *)out;
    char host[SW_HOST_MAX];
    char *zone;

    memset(out, 0, sizeof(*out));
    memcpy(host, hp->host[0] == '\0' ? "::" : hp->host, hp->host[0] == '\0' ? 3 : sizeof(host));
    if (inet_pton(AF_INET, host, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        in->sin_port = htons(hp->port);
        return 0;
    }
    zone = strchr(host, '%');
    if (zone != NULL) {
        *zone = '\0';
        in6->sin6_scope_id = if_nametoindex(zone + 1);
    }
    if (inet_pton(AF_INET6, host, &in6->sin6_addr) == 1) {
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(hp->port);
        return 0;
    }
    return sw_err_set(err, SW_E_INVALID, "'%s' is no numeric address", hp->host);
}
