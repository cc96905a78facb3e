/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/image/ref.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#define DEFAULT_DOMAIN "docker.io"
#define LIBRARY        "library/"

static bool is_lower_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_alnum(char c)
{
    return is_lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

static bool is_hex(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!((s[i] >= '0' && s[i] <= '9') || (s[i] >= 'a' && s[i] <= 'f')))
            return false;
    return true;
}

bool image_digest_is_valid(const char *s)
{
    return strlen(s) == IMAGE_DIGEST_LEN && strncmp(s, "sha256:", 7) == 0 && is_hex(s + 7, 64);
}

const char *image_id_prefix(const char *s)
{
    size_t n;

    if (strncmp(s, "sha256:", 7) == 0)
        s += 7;
    n = strlen(s);
    return n > 0 && n <= 64 && is_hex(s, n) ? s : NULL;
}

/* alnum+ ( [_.] | __ | -+  alnum+ )* */
static bool component_is_valid(const char *s, size_t n)
{
    size_t i = 0;

    while (i < n) {
        size_t start = i;

        while (i < n && is_lower_alnum(s[i]))
            i++;
        if (i == start)
            return false;
        if (i == n)
            return true;
        start = i;
        if (s[i] == '-') {
            while (i < n && s[i] == '-')
                i++;
        } else if (s[i] == '_') {
            i++;
            if (i < n && s[i] == '_')
                i++;
        } else if (s[i] == '.') {
            i++;
        } else {
            return false;
        }
        if (i == n)
            return false;
    }
    return false;
}

static bool path_is_valid(const char *s)
{
    for (;;) {
        size_t n = strcspn(s, "/");

        if (!component_is_valid(s, n))
            return false;
        if (s[n] == '\0')
            return true;
        s += n + 1;
    }
}

/* host ( . host )* [ :port ], or [v6][:port] */
static bool domain_is_valid(const char *s, size_t n)
{
    size_t i = 0;

    if (n > 0 && s[0] == '[') {
        for (i = 1; i < n && s[i] != ']'; i++)
            if (!is_alnum(s[i]) && s[i] != ':')
                return false;
        if (i == 1 || i++ == n)
            return false;
    } else {
        size_t label = 0;

        for (; i < n && s[i] != ':'; i++) {
            if (s[i] == '.') {
                if (i == label || s[i - 1] == '-')
                    return false;
                label = i + 1;
            } else if (!is_alnum(s[i]) && (s[i] != '-' || i == label)) {
                return false;
            }
        }
        if (i == label || s[i - 1] == '-')
            return false;
    }
    if (i == n)
        return true;
    if (s[i++] != ':' || i == n)
        return false;
    for (; i < n; i++)
        if (s[i] < '0' || s[i] > '9')
            return false;
    return true;
}

static bool tag_is_valid(const char *s, size_t n)
{
    if (n == 0 || n > IMAGE_TAG_MAX)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!is_alnum(s[i]) && s[i] != '_' && (i == 0 || (s[i] != '.' && s[i] != '-')))
            return false;
    return true;
}

static bool has_upper(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (s[i] >= 'A' && s[i] <= 'Z')
            return true;
    return false;
}

/* The first part is a registry when it looks like a host. Return: its length, 0 when there is none.
 */
static size_t domain_length(const char *s)
{
    size_t n = strcspn(s, "/");

    if (s[n] == '\0')
        return 0;
    if (memchr(s, '.', n) != NULL || memchr(s, ':', n) != NULL || has_upper(s, n) ||
        (n == 9 && memcmp(s, "localhost", 9) == 0))
        return n;
    return 0;
}

static int invalid(struct sw_err *err)
{
    return sw_err_set(err, SW_E_INVALID, "invalid reference format");
}

static int parse_name(struct image_ref *out, char *s, struct sw_err *err)
{
    size_t domain_len = domain_length(s);
    const char *domain = domain_len == 0 ? DEFAULT_DOMAIN : s;
    const char *path = domain_len == 0 ? s : s + domain_len + 1;
    const char *prefix = "";

    if (domain_len == 0)
        domain_len = strlen(DEFAULT_DOMAIN);
    if (domain_len == 15 && memcmp(domain, "index.docker.io", 15) == 0) {
        domain = DEFAULT_DOMAIN;
        domain_len = strlen(DEFAULT_DOMAIN);
    }
    if (domain_len == strlen(DEFAULT_DOMAIN) && memcmp(domain, DEFAULT_DOMAIN, domain_len) == 0 &&
        strchr(path, '/') == NULL)
        prefix = LIBRARY;
    if (has_upper(path, strlen(path)))
        return sw_err_set(err, SW_E_INVALID,
                          "invalid reference format: repository name (%s%.255s) must be lowercase",
                          prefix, path);
    if (!domain_is_valid(domain, domain_len) || !path_is_valid(path))
        return invalid(err);
    if (domain_len + 1 + strlen(prefix) + strlen(path) > IMAGE_NAME_MAX)
        return sw_err_set(err, SW_E_INVALID, "repository name must not be more than %d characters",
                          IMAGE_NAME_MAX);
    snprintf(out->name, sizeof(out->name), "%.*s/%s%.*s", (int)domain_len, domain, prefix,
             IMAGE_NAME_MAX, path);
    return 0;
}

int image_ref_parse(struct image_ref *out, const char *s, struct sw_err *err)
{
    char copy[IMAGE_REF_MAX + 64];
    struct image_ref r = { .name = "" };
    char *at;
    char *colon;
    int rc;

    if (strlen(s) >= sizeof(copy))
        return invalid(err);
    if (strlen(s) == 64 && is_hex(s, 64))
        return sw_err_set(err, SW_E_INVALID,
                          "invalid repository name (%s), cannot specify 64-byte hexadecimal "
                          "strings",
                          s);
    strcpy(copy, s);
    at = strchr(copy, '@');
    if (at != NULL) {
        *at++ = '\0';
        if (!image_digest_is_valid(at))
            return invalid(err);
        strcpy(r.digest, at);
    }
    colon = strrchr(copy, ':');
    if (colon != NULL && strchr(colon, '/') == NULL) {
        if (!tag_is_valid(colon + 1, strlen(colon + 1)))
            return invalid(err);
        strcpy(r.tag, colon + 1);
        *colon = '\0';
    }
    rc = parse_name(&r, copy, err);
    if (rc < 0)
        return rc;
    *out = r;
    return 0;
}

void image_ref_default_tag(struct image_ref *r)
{
    if (r->tag[0] == '\0' && r->digest[0] == '\0')
        strcpy(r->tag, "latest");
}

int image_ref_set_tag(struct image_ref *r, const char *tag, struct sw_err *err)
{
    if (!tag_is_valid(tag, strlen(tag)))
        return sw_err_set(err, SW_E_INVALID, "invalid tag format");
    strcpy(r->tag, tag);
    return 0;
}

static void format(const struct image_ref *r, const char *name, char *out)
{
    snprintf(out, IMAGE_REF_MAX + 32, "%s%s%s%s%s", name, r->tag[0] == '\0' ? "" : ":", r->tag,
             r->digest[0] == '\0' ? "" : "@", r->digest);
}

void image_ref_full(const struct image_ref *r, char out[IMAGE_REF_MAX + 32])
{
    format(r, r->name, out);
}

void image_ref_familiar(const struct image_ref *r, char out[IMAGE_REF_MAX + 32])
{
    format(r, image_name_familiar(r->name), out);
}

/* What is left must still mean the same: "docker.io/a.b/c" cannot be shortened. */
const char *image_name_familiar(const char *name)
{
    size_t domain = strlen(DEFAULT_DOMAIN "/");
    const char *rest = name + domain;

    if (strncmp(name, DEFAULT_DOMAIN "/", domain) != 0 || domain_length(rest) > 0)
        return name;
    if (strncmp(rest, LIBRARY, strlen(LIBRARY)) == 0 && strchr(rest + strlen(LIBRARY), '/') == NULL)
        rest += strlen(LIBRARY);
    return rest;
}

bool image_glob(const char *pattern, const char *s)
{
    return fnmatch(pattern, s, FNM_PATHNAME) == 0;
}
