/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/spec/ports.h"

#include <ctype.h>
#include <string.h>

#include "cli/spec/text.h"

static int port_number(const char *s, int *out, struct sw_err *err)
{
    uint64_t v;

    if (text_uint(s, &v, err) < 0)
        return err->code;
    if (v > 65535)
        return sw_err_set(err, SW_E_INVALID,
                          "strconv.ParseUint: parsing \"%s\": value out of range", s);
    *out = (int)v;
    return 0;
}

int ports_range(const char *s, int *from, int *to, struct sw_err *err)
{
    SW_CLEANUP(sw_free_ptr) char *first = NULL;
    const char *second = text_cut(s, '-', &first);

    if (*s == '\0')
        return sw_err_set(err, SW_E_INVALID, "empty string specified for ports");
    if (port_number(first, from, err) < 0)
        return err->code;
    *to = *from;
    if (second != NULL && port_number(second, to, err) < 0)
        return err->code;
    if (*to < *from)
        return sw_err_set(err, SW_E_INVALID, "invalid range specified for port: %s", s);
    return 0;
}

json_t *ports_config(const char *protocol, int target, int published, const char *mode)
{
    json_t *p = json_object();

    js_set_str(p, "Protocol", protocol);
    js_set_int(p, "TargetPort", target);
    if (published != 0)
        js_set_int(p, "PublishedPort", published);
    js_set_str(p, "PublishMode", mode);
    return p;
}

static bool known_protocol(const char *s)
{
    return strcmp(s, "tcp") == 0 || strcmp(s, "udp") == 0 || strcmp(s, "sctp") == 0;
}

/* Cut "[ip:]published:target" from the right: addresses of IPv6 hold colons. */
static void cut_short(const char *s, char **ip, char **published, char **target)
{
    const char *last = strrchr(s, ':');
    const char *mid = NULL;

    *target = cli_strdup(last != NULL ? last + 1 : s);
    if (last == NULL) {
        *ip = cli_strdup("");
        *published = cli_strdup("");
        return;
    }
    for (const char *p = s; p < last; p++) {
        if (*p == ':')
            mid = p;
    }
    *published =
        cli_strndup(mid != NULL ? mid + 1 : s, (size_t)(last - (mid != NULL ? mid + 1 : s)));
    *ip = cli_strndup(s, mid != NULL ? (size_t)(mid - s) : 0);
}

int ports_parse_short(const char *s, bool keep_ip, json_t *out, struct sw_err *err)
{
    SW_CLEANUP(sw_free_ptr) char *spec = NULL;
    SW_CLEANUP(sw_free_ptr) char *protocol = NULL;
    SW_CLEANUP(sw_free_ptr) char *ip = NULL;
    SW_CLEANUP(sw_free_ptr) char *published = NULL;
    SW_CLEANUP(sw_free_ptr) char *target = NULL;
    const char *slash = text_cut(s, '/', &spec);
    int t0, t1, p0 = 0, p1 = 0;

    protocol = text_lower(slash != NULL && *slash != '\0' ? slash : "tcp");
    if (!known_protocol(protocol))
        return sw_err_set(err, SW_E_INVALID, "invalid proto: %s", protocol);
    cut_short(spec, &ip, &published, &target);
    if (*target == '\0')
        return sw_err_set(err, SW_E_INVALID, "no port specified: %s<empty>", spec);
    if (ports_range(target, &t0, &t1, err) < 0)
        return sw_err_set(err, SW_E_INVALID, "invalid containerPort: %s", target);
    if (*published != '\0' && ports_range(published, &p0, &p1, err) < 0)
        return sw_err_set(err, SW_E_INVALID, "invalid hostPort: %s", published);
    if (*ip != '\0' && !keep_ip)
        return sw_err_set(err, SW_E_INVALID, "hostip is not supported");
    /* One container port may be published on a whole range; else the two pair up. */
    if (*published != '\0' && t1 - t0 != p1 - p0 && t0 != t1)
        return sw_err_set(err, SW_E_INVALID,
                          "invalid ranges specified for container and host Ports: %s and %s",
                          target, published);
    if (*published == '\0') {
        for (int t = t0; t <= t1; t++)
            json_array_append_new(out, ports_config(protocol, t, 0, "ingress"));
        return 0;
    }
    for (int p = p0; p <= p1; p++)
        json_array_append_new(out,
                              ports_config(protocol, t0 == t1 ? t0 : t0 + p - p0, p, "ingress"));
    return 0;
}

static int long_port(const char *what, const char *value, int *out, struct sw_err *err)
{
    struct sw_err why;

    if (port_number(value, out, &why) == 0)
        return 0;
    return sw_err_set(
        err, SW_E_INVALID, "invalid %s port (%s): value must be an integer: %s", what, value,
        strstr(why.msg, "out of range") != NULL ? "value out of range" : "invalid syntax");
}

static int parse_long(const char *s, json_t *out, struct sw_err *err)
{
    SW_CLEANUP(strv_fini) struct strv fields = { 0 };
    char protocol[8] = "tcp";
    char mode[8] = "ingress";
    int target = 0;
    int published = 0;

    if (text_csv(s, &fields, err) < 0)
        return err->code;
    for (size_t i = 0; i < fields.n; i++) {
        SW_CLEANUP(sw_free_ptr) char *lower = text_lower(fields.v[i]);
        SW_CLEANUP(sw_free_ptr) char *key = NULL;
        const char *value = text_cut(lower, '=', &key);
        int r = 0;

        if (value == NULL || *key == '\0')
            return sw_err_set(err, SW_E_INVALID, "invalid field %s", fields.v[i]);
        if (strcmp(key, "protocol") == 0) {
            if (!known_protocol(value))
                return sw_err_set(err, SW_E_INVALID, "invalid protocol value %s", value);
            strcpy(protocol, value);
        } else if (strcmp(key, "mode") == 0) {
            if (strcmp(value, "ingress") != 0 && strcmp(value, "host") != 0)
                return sw_err_set(err, SW_E_INVALID, "invalid publish mode value %s", value);
            strcpy(mode, value);
        } else if (strcmp(key, "target") == 0) {
            r = long_port("target", value, &target, err);
        } else if (strcmp(key, "published") == 0) {
            r = long_port("published", value, &published, err);
        } else {
            return sw_err_set(err, SW_E_INVALID, "invalid field key: %s", key);
        }
        if (r < 0)
            return r;
    }
    if (target == 0)
        return sw_err_set(err, SW_E_INVALID, "missing mandatory field 'target'");
    json_array_append_new(out, ports_config(protocol, target, published, mode));
    return 0;
}

int ports_parse(const char *s, json_t *out, struct sw_err *err)
{
    return strchr(s, '=') != NULL ? parse_long(s, out, err) : ports_parse_short(s, false, out, err);
}

int ports_check(const char *s, struct sw_err *err)
{
    json_auto_t *scratch = json_array();

    return ports_parse(s, scratch, err);
}
