/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/spec/imageref.h"

#include <ctype.h>
#include <string.h>

#include "cli/spec/text.h"

static bool lower_alnum(char c)
{
    return islower((unsigned char)c) || isdigit((unsigned char)c);
}

/* One component: lower-case words joined by ".", "_", "__" or dashes. */
static bool component_ok(const char *s, size_t n)
{
    if (n == 0 || !lower_alnum(s[0]) || !lower_alnum(s[n - 1]))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (lower_alnum(s[i]) || s[i] == '-')
            continue;
        if (s[i] != '.' && s[i] != '_')
            return false;
        if (s[i] == '_' && s[i + 1] == '_')
            i++; /* two are a separator too, three are not */
        if (!lower_alnum(s[i + 1]))
            return false;
    }
    return true;
}

static bool path_ok(const char *path)
{
    for (;;) {
        size_t n = strcspn(path, "/");

        if (!component_ok(path, n))
            return false;
        if (path[n] == '\0')
            return true;
        path += n + 1;
    }
}

static bool tag_ok(const char *s)
{
    size_t n = strlen(s);

    if (n == 0 || n > 128 || *s == '.' || *s == '-')
        return false;
    for (; *s != '\0'; s++) {
        if (!isalnum((unsigned char)*s) && strchr("_.-", *s) == NULL)
            return false;
    }
    return true;
}

static bool digest_ok(const char *s)
{
    const char *colon = strchr(s, ':');
    size_t n;

    if (colon == NULL || colon == s)
        return false;
    n = strlen(colon + 1);
    return n >= 32 && strspn(colon + 1, "0123456789abcdef") == n;
}

static bool is_domain(const char *s, size_t n)
{
    bool upper = false;

    for (size_t i = 0; i < n; i++) {
        upper |= isupper((unsigned char)s[i]) != 0;
        if (s[i] == '.' || s[i] == ':')
            return true;
    }
    return upper || (n == 9 && strncmp(s, "localhost", 9) == 0);
}

bool imageref_parse(const char *s, struct imageref *out)
{
    SW_CLEANUP(sw_free_ptr) char *name = NULL;
    const char *digest = text_cut(s, '@', &name);
    const char *slash = strchr(name, '/');
    char *colon;
    const char *rest = name;

    *out = (struct imageref){ 0 };
    if (digest != NULL && !digest_ok(digest))
        return false;
    if (slash != NULL && is_domain(name, (size_t)(slash - name))) {
        out->domain = cli_strndup(name, (size_t)(slash - name));
        rest = slash + 1;
        if (strcmp(out->domain, "index.docker.io") == 0) {
            sw_free(out->domain);
            out->domain = cli_strdup("docker.io");
        }
    } else {
        out->domain = cli_strdup("docker.io");
    }
    colon = strrchr(rest, ':');
    if (colon != NULL && strchr(colon, '/') == NULL) {
        out->tag = cli_strdup(colon + 1);
        *colon = '\0';
    }
    out->digest = digest != NULL ? cli_strdup(digest) : NULL;
    if (strcmp(out->domain, "docker.io") == 0 && strchr(rest, '/') == NULL)
        out->path = cli_printf("library/%s", rest);
    else
        out->path = cli_strdup(rest);
    if (!path_ok(out->path) || (out->tag != NULL && !tag_ok(out->tag)) ||
        (strlen(s) == 64 && strspn(s, "0123456789abcdef") == 64)) {
        imageref_fini(out);
        return false;
    }
    return true;
}

void imageref_fini(struct imageref *r)
{
    sw_free(r->domain);
    sw_free(r->path);
    sw_free(r->tag);
    sw_free(r->digest);
    *r = (struct imageref){ 0 };
}

char *imageref_familiar_name(const struct imageref *r)
{
    const char *path = r->path;

    if (strcmp(r->domain, "docker.io") != 0)
        return cli_printf("%s/%s", r->domain, path);
    if (text_prefix(path, "library/") && strchr(path + 8, '/') == NULL)
        path += 8;
    return cli_strdup(path);
}

char *imageref_familiar(const struct imageref *r)
{
    SW_CLEANUP(sw_free_ptr) char *name = imageref_familiar_name(r);

    return cli_printf("%s%s%s%s%s", name, r->tag != NULL ? ":" : "", r->tag != NULL ? r->tag : "",
                      r->digest != NULL ? "@" : "", r->digest != NULL ? r->digest : "");
}

char *imageref_tagged(const char *s)
{
    SW_CLEANUP(imageref_fini) struct imageref r = { 0 };

    if (!imageref_parse(s, &r))
        return NULL;
    if (r.tag == NULL && r.digest == NULL)
        r.tag = cli_strdup("latest");
    return imageref_familiar(&r);
}

char *imageref_pinned(const char *s, const char *digest)
{
    SW_CLEANUP(imageref_fini) struct imageref r = { 0 };

    if (!imageref_parse(s, &r) || r.digest != NULL)
        return NULL;
    r.digest = cli_strdup(digest);
    return imageref_familiar(&r);
}

char *imageref_undigested(const char *s)
{
    SW_CLEANUP(imageref_fini) struct imageref r = { 0 };

    if (!imageref_parse(s, &r) || r.digest == NULL || r.tag == NULL)
        return cli_strdup(s);
    sw_free(r.digest);
    r.digest = NULL;
    return imageref_familiar(&r);
}
