/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/scheduler/constraint.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/id.h"
#include "common/base/macro.h"

enum constraint_key {
    KEY_UNKNOWN,
    KEY_ID,
    KEY_HOSTNAME,
    KEY_IP,
    KEY_ROLE,
    KEY_OS,
    KEY_ARCH,
    KEY_NODE_LABEL,
    KEY_ENGINE_LABEL,
};

struct constraint {
    enum constraint_key key;
    bool equal;
    char *label; /* of the two label keys, else NULL */
    char *value;
};

static const struct {
    const char *text;
    enum constraint_key key;
} keys[] = {
    { "node.id", KEY_ID },          { "node.hostname", KEY_HOSTNAME },
    { "node.ip", KEY_IP },          { "node.role", KEY_ROLE },
    { "node.platform.os", KEY_OS }, { "node.platform.arch", KEY_ARCH },
};

static const char node_prefix[] = "node.labels.";
static const char engine_prefix[] = "engine.labels.";

static const char *trim(const char *s, size_t *len)
{
    while (*len > 0 && isspace((unsigned char)*s)) {
        s++;
        (*len)--;
    }
    while (*len > 0 && isspace((unsigned char)s[*len - 1]))
        (*len)--;
    return s;
}

static bool key_is_valid(const char *s, size_t len) /* ^[a-z_][a-z0-9\-_.]+$ */
{
    if (len < 2 || !(isalpha((unsigned char)s[0]) || s[0] == '_'))
        return false;
    for (size_t i = 1; i < len; i++) {
        if (!isalnum((unsigned char)s[i]) && memchr("-_.", s[i], 3) == NULL)
            return false;
    }
    return true;
}

static bool value_is_valid(const char *s, size_t len)
{
    static const char others[] = ":-_.*()?+[]\\^$|/";

    for (size_t i = 0; i < len; i++) {
        if (!isalnum((unsigned char)s[i]) && !isspace((unsigned char)s[i]) &&
            memchr(others, s[i], sizeof(others) - 1) == NULL)
            return false;
    }
    return len > 0;
}

static int set_key(struct constraint *c, const char *key, size_t len)
{
    const char *label = NULL;

    for (size_t i = 0; i < SW_ARRAY_LEN(keys); i++) {
        if (strlen(keys[i].text) == len && strncasecmp(key, keys[i].text, len) == 0)
            c->key = keys[i].key;
    }
    if (len >= sizeof(node_prefix) && strncasecmp(key, node_prefix, sizeof(node_prefix) - 1) == 0) {
        c->key = KEY_NODE_LABEL;
        label = key + sizeof(node_prefix) - 1;
    } else if (len >= sizeof(engine_prefix) &&
               strncasecmp(key, engine_prefix, sizeof(engine_prefix) - 1) == 0) {
        c->key = KEY_ENGINE_LABEL;
        label = key + sizeof(engine_prefix) - 1;
    }
    if (label == NULL)
        return 0;
    c->label = sw_strndup(label, len - (size_t)(label - key));
    return c->label != NULL ? 0 : -ENOMEM;
}

static int parse_one(const char *expr, struct constraint *c, struct sw_err *err)
{
    const char *op = strstr(expr, "==");
    const char *key = expr;
    const char *value;
    size_t key_len;
    size_t value_len;

    c->equal = op != NULL;
    if (op == NULL)
        op = strstr(expr, "!=");
    if (op == NULL)
        return sw_err_set(err, SW_E_INVALID, "constraint expected one operator from ==, !=");
    key_len = (size_t)(op - expr);
    key = trim(key, &key_len);
    if (!key_is_valid(key, key_len))
        return sw_err_set(err, SW_E_INVALID, "key '%.*s' is invalid", (int)key_len, key);
    value = op + 2;
    value_len = strlen(value);
    value = trim(value, &value_len);
    if (!value_is_valid(value, value_len))
        return sw_err_set(err, SW_E_INVALID, "value '%.*s' is invalid", (int)value_len, value);
    c->value = sw_strndup(value, value_len);
    if (c->value == NULL || set_key(c, key, key_len) < 0)
        return sw_err_set(err, -ENOMEM, "constraint");
    return 0;
}

int constraint_parse(char *const *exprs, size_t n, struct constraint_set *out, struct sw_err *err)
{
    struct constraint_set s = { NULL, 0 };

    if (n > 0) {
        s.v = sw_calloc(n, sizeof(*s.v));
        if (s.v == NULL)
            return sw_err_set(err, -ENOMEM, "constraints");
    }
    for (size_t i = 0; i < n; i++) {
        s.n++;
        if (parse_one(exprs[i], &s.v[i], err) < 0) {
            constraint_fini(&s);
            return err->code;
        }
    }
    *out = s;
    return 0;
}

void constraint_fini(struct constraint_set *s)
{
    for (size_t i = 0; i < s->n; i++) {
        sw_free(s->v[i].label);
        sw_free(s->v[i].value);
    }
    sw_free(s->v);
    s->v = NULL;
    s->n = 0;
}

const char *constraint_label(Swarm__V1__Label *const *labels, size_t n, const char *key)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(labels[i]->key, key) == 0)
            return labels[i]->value;
    }
    return "";
}

static const char *plain_arch(const char *a)
{
    if (strcasecmp(a, "x86_64") == 0)
        return "amd64";
    if (strcasecmp(a, "aarch64") == 0)
        return "arm64";
    return a;
}

bool constraint_same_arch(const char *a, const char *b)
{
    return strcasecmp(plain_arch(a), plain_arch(b)) == 0;
}

/* An address of either family as 16 bytes. Return: number of bits, 0 when it is no address. */
static unsigned parse_ip(const char *s, uint8_t out[16])
{
    memset(out, 0, 16);
    if (inet_pton(AF_INET, s, out) == 1)
        return 32;
    return inet_pton(AF_INET6, s, out) == 1 ? 128 : 0;
}

/* Is @node the address or inside of the subnet @want? Return: -1 when @want is neither. */
static int ip_within(const char *node, const char *want)
{
    uint8_t a[16];
    uint8_t b[16];
    char copy[64];
    char *slash;
    unsigned bits_a = parse_ip(node, a);
    unsigned bits_b;
    unsigned prefix;

    if (strlen(want) >= sizeof(copy))
        return -1;
    strcpy(copy, want);
    slash = strchr(copy, '/');
    if (slash != NULL)
        *slash = '\0';
    bits_b = parse_ip(copy, b);
    prefix = bits_b;
    if (slash != NULL) {
        char *end;
        unsigned long p = strtoul(slash + 1, &end, 10);

        if (end == slash + 1 || *end != '\0' || p > bits_b)
            return -1;
        prefix = (unsigned)p;
    }
    if (bits_b == 0)
        return -1;
    if (bits_a != bits_b)
        return 0;
    if (memcmp(a, b, prefix / 8) != 0)
        return 0;
    if (prefix % 8 == 0)
        return 1;
    return (a[prefix / 8] ^ b[prefix / 8]) >> (8 - prefix % 8) == 0;
}

static bool match_one(const struct constraint *c, const Swarm__V1__Node *n)
{
    static const Swarm__V1__NodeDescription none = SWARM__V1__NODE_DESCRIPTION__INIT;
    const Swarm__V1__NodeDescription *d = n->description != NULL ? n->description : &none;
    const char *value = "";
    char id_text[SW_ID_CHARS + 1] = "";

    switch (c->key) {
    case KEY_ID:
        if (n->meta != NULL && n->meta->id.len == SW_ID_BYTES) {
            struct sw_id id;

            memcpy(id.b, n->meta->id.data, sizeof(id.b));
            sw_id_format(&id, id_text);
        }
        value = id_text;
        break;
    case KEY_HOSTNAME:
        value = d->hostname;
        break;
    case KEY_IP: {
        int r = ip_within(n->status != NULL ? n->status->addr : "", c->value);

        return r >= 0 && (r == 1) == c->equal;
    }
    case KEY_ROLE:
        value = n->role == SWARM__V1__NODE_ROLE__MANAGER ? "manager" : "worker";
        break;
    case KEY_OS:
        value = d->os;
        break;
    case KEY_ARCH:
        return constraint_same_arch(d->arch, c->value) == c->equal;
    case KEY_NODE_LABEL:
        if (n->spec != NULL && n->spec->annotations != NULL)
            value = constraint_label(n->spec->annotations->labels, n->spec->annotations->n_labels,
                                     c->label);
        break;
    case KEY_ENGINE_LABEL:
        value = constraint_label(d->engine_labels, d->n_engine_labels, c->label);
        break;
    case KEY_UNKNOWN:
        return false;
    }
    return (strcasecmp(value, c->value) == 0) == c->equal;
}

bool constraint_match(const struct constraint_set *s, const Swarm__V1__Node *node)
{
    for (size_t i = 0; i < s->n; i++) {
        if (!match_one(&s->v[i], node))
            return false;
    }
    return true;
}
