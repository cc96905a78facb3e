/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/control/names.h"

#include <ctype.h>
#include <string.h>

static bool alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool name_of(const char *s, const char *inside, size_t max)
{
    size_t n = strlen(s);

    if (n == 0 || n > max || !alnum(s[0]) || !alnum(s[n - 1]))
        return false;
    for (size_t i = 1; i + 1 < n; i++) {
        if (!alnum(s[i]) && strchr(inside, s[i]) == NULL)
            return false;
    }
    return true;
}

bool name_is_dns(const char *s)
{
    return name_of(s, "-_", 63);
}

bool name_is_data(const char *s)
{
    return name_of(s, "-_.", 64);
}

static bool lower_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z');
}

/* path-component := alpha-numeric [separator alpha-numeric]*; separator "_", "__", ".", "-"* */
static bool component(const char *s, size_t n)
{
    if (n == 0 || !lower_alnum(s[0]) || !lower_alnum(s[n - 1]))
        return false;
    for (size_t i = 1; i < n; i++) {
        if (!lower_alnum(s[i]) && strchr("_.-", s[i]) == NULL)
            return false;
        if (s[i] == '.' && s[i - 1] == '.')
            return false;
    }
    return true;
}

static bool is_domain(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!alnum(s[i]) && strchr(".-:[]", s[i]) == NULL)
            return false;
    }
    return n > 0 && (memchr(s, '.', n) != NULL || memchr(s, ':', n) != NULL ||
                     (n == 9 && memcmp(s, "localhost", 9) == 0) || isupper((unsigned char)s[0]));
}

static bool digest(const char *s)
{
    size_t n = 0;

    if (strncmp(s, "sha256:", 7) != 0)
        return false;
    for (s += 7; isxdigit((unsigned char)s[n]) && !isupper((unsigned char)s[n]); n++)
        ;
    return n == 64 && s[n] == '\0';
}

static bool tag(const char *s, size_t n)
{
    if (n == 0 || n > 128 || !(alnum(s[0]) || s[0] == '_'))
        return false;
    for (size_t i = 1; i < n; i++) {
        if (!alnum(s[i]) && strchr("_.-", s[i]) == NULL)
            return false;
    }
    return true;
}

bool name_is_image(const char *s)
{
    const char *at = strchr(s, '@');
    size_t n = at != NULL ? (size_t)(at - s) : strlen(s);
    const char *slash = memchr(s, '/', n);
    const char *p = s;
    const char *end = s + n;
    const char *colon;

    if (at != NULL && !digest(at + 1))
        return false;
    if (digest(s))
        return true;
    if (n == 0 || n > 512)
        return false;
    if (slash != NULL && is_domain(s, (size_t)(slash - s)))
        p = slash + 1;
    colon = memrchr(p, ':', (size_t)(end - p));
    if (colon != NULL && memchr(colon, '/', (size_t)(end - colon)) == NULL) {
        if (!tag(colon + 1, (size_t)(end - colon - 1)))
            return false;
        end = colon;
    }
    while (p < end) {
        const char *next = memchr(p, '/', (size_t)(end - p));
        size_t len = next != NULL ? (size_t)(next - p) : (size_t)(end - p);

        if (!component(p, len))
            return false;
        p += len;
        if (next != NULL && ++p == end)
            return false;
    }
    return end > s;
}
