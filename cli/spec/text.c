/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/spec/text.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/macro.h"
#include "common/base/time.h"

int text_csv(const char *s, struct strv *out, struct sw_err *err)
{
    if (*s == '\0')
        return 0;
    for (;;) {
        SW_CLEANUP(sw_buf_fini) struct sw_buf field = SW_BUF_INIT;

        if (*s == '"') {
            for (s++;; s++) {
                if (*s == '\0')
                    return sw_err_set(err, SW_E_INVALID,
                                      "parse error on line 1: extraneous or "
                                      "missing \" in quoted-field");
                if (*s == '"' && *++s != '"')
                    break;
                sw_buf_putc(&field, *s);
            }
            if (*s != ',' && *s != '\0')
                return sw_err_set(
                    err, SW_E_INVALID,
                    "parse error on line 1: extraneous or missing \" in quoted-field");
        } else {
            for (; *s != ',' && *s != '\0'; s++) {
                if (*s == '"')
                    return sw_err_set(err, SW_E_INVALID,
                                      "parse error on line 1: bare \" in non-quoted-field");
                sw_buf_putc(&field, *s);
            }
        }
        strv_take(out, cli_take(&field));
        if (*s == '\0')
            return 0;
        s++;
    }
}

int text_words(const char *s, struct strv *out, struct sw_err *err)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf word = SW_BUF_INIT;
    bool in_word = false;

    for (; *s != '\0'; s++) {
        if (isspace((unsigned char)*s)) {
            if (in_word)
                strv_take(out, cli_take(&word));
            in_word = false;
            continue;
        }
        in_word = true;
        if (*s == '\'' || *s == '"') {
            char quote = *s++;

            for (; *s != quote; s++) {
                if (*s == '\\' && quote == '"' && s[1] != '\0')
                    s++;
                if (*s == '\0')
                    return sw_err_set(err, SW_E_INVALID, "EOF found when expecting closing quote");
                sw_buf_putc(&word, *s);
            }
        } else if (*s == '\\' && s[1] != '\0') {
            sw_buf_putc(&word, *++s);
        } else {
            sw_buf_putc(&word, *s);
        }
    }
    if (in_word)
        strv_take(out, cli_take(&word));
    return 0;
}

void text_split(const char *s, char sep, struct strv *out)
{
    for (;;) {
        const char *at = strchr(s, sep);

        strv_take(out, cli_strndup(s, at != NULL ? (size_t)(at - s) : strlen(s)));
        if (at == NULL)
            return;
        s = at + 1;
    }
}

const char *text_cut(const char *s, char sep, char **key)
{
    const char *at = strchr(s, sep);

    *key = cli_strndup(s, at != NULL ? (size_t)(at - s) : strlen(s));
    return at != NULL ? at + 1 : NULL;
}

bool text_prefix(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool text_suffix(const char *s, const char *suffix)
{
    size_t n = strlen(s);
    size_t m = strlen(suffix);

    return n >= m && strcmp(s + n - m, suffix) == 0;
}

char *text_lower(const char *s)
{
    char *l = cli_strdup(s);

    for (char *p = l; *p != '\0'; p++)
        *p = (char)tolower((unsigned char)*p);
    return l;
}

static int bad_number(const char *func, const char *s, int why, struct sw_err *err)
{
    return sw_err_set(err, SW_E_INVALID, "strconv.%s: parsing \"%s\": %s", func, s,
                      why == ERANGE ? "value out of range" : "invalid syntax");
}

int text_uint(const char *s, uint64_t *out, struct sw_err *err)
{
    char *end = NULL;
    unsigned long long v;

    errno = 0;
    v = strtoull(s, &end, 10);
    if (!isdigit((unsigned char)*s) || *end != '\0')
        return bad_number("ParseUint", s, EINVAL, err);
    if (errno == ERANGE)
        return bad_number("ParseUint", s, ERANGE, err);
    *out = v;
    return 0;
}

int text_int(const char *s, int64_t *out, struct sw_err *err)
{
    char *end = NULL;
    long long v;

    errno = 0;
    v = strtoll(s, &end, 10);
    if (*s == '\0' || isspace((unsigned char)*s) || *end != '\0' || end == s)
        return bad_number("ParseInt", s, EINVAL, err);
    if (errno == ERANGE)
        return bad_number("ParseInt", s, ERANGE, err);
    *out = v;
    return 0;
}

int text_float(const char *s, double *out, struct sw_err *err)
{
    char *end = NULL;
    double v = strtod(s, &end);

    if (*s == '\0' || isspace((unsigned char)*s) || *end != '\0' || !isfinite(v))
        return bad_number("ParseFloat", s, EINVAL, err);
    *out = v;
    return 0;
}

int text_bool(const char *s, bool *out, struct sw_err *err)
{
    static const char *const yes[] = { "1", "t", "T", "TRUE", "true", "True" };
    static const char *const no[] = { "0", "f", "F", "FALSE", "false", "False" };

    for (size_t i = 0; i < SW_ARRAY_LEN(yes); i++) {
        if (strcmp(s, yes[i]) == 0 || strcmp(s, no[i]) == 0) {
            *out = strcmp(s, yes[i]) == 0;
            return 0;
        }
    }
    return bad_number("ParseBool", s, EINVAL, err);
}

int text_duration(const char *s, int64_t *ns, struct sw_err *err)
{
    bool number = *s != '\0' && strspn(s, "0123456789.+-") == strlen(s);

    if (sw_duration_parse(s, ns))
        return 0;
    if (number)
        return sw_err_set(err, SW_E_INVALID, "time: missing unit in duration \"%s\"", s);
    return sw_err_set(err, SW_E_INVALID, "time: invalid duration \"%s\"", s);
}

/* Exponent of 1024 for a size suffix, -1 when it is none. */
static int size_unit(const char *suffix)
{
    static const char units[] = "kmgtp";
    SW_CLEANUP(sw_free_ptr) char *l = text_lower(suffix);
    const char *u;

    if (*l == '\0' || strcmp(l, "b") == 0)
        return 0;
    u = strchr(units, *l);
    if (u == NULL || (l[1] != '\0' && strcmp(l + 1, "b") != 0 && strcmp(l + 1, "ib") != 0))
        return -1;
    return (int)(u - units) + 1;
}

int text_bytes(const char *s, int64_t *bytes, struct sw_err *err)
{
    size_t n = strlen(s);
    SW_CLEANUP(sw_free_ptr) char *number = NULL;
    const char *suffix;
    double v;
    int unit;

    while (n > 0 && strchr("0123456789. ", s[n - 1]) == NULL)
        n--;
    if (n == 0)
        return sw_err_set(err, SW_E_INVALID, "invalid size: '%s'", s);
    suffix = s + n;
    number = cli_strndup(s, s[n - 1] == ' ' ? n - 1 : n);
    if (text_float(number, &v, err) < 0)
        return err->code;
    if (v < 0)
        return sw_err_set(err, SW_E_INVALID, "invalid size: '%s'", s);
    unit = size_unit(suffix);
    if (unit < 0)
        return sw_err_set(err, SW_E_INVALID, "invalid suffix: '%s'", suffix);
    v = ldexp(v, 10 * unit);
    if (v >= 9223372036854775807.0)
        return sw_err_set(err, SW_E_INVALID, "invalid size: '%s'", s);
    *bytes = (int64_t)v;
    return 0;
}

int text_cpus(const char *s, int64_t *nano, struct sw_err *err)
{
    const char *p = s + (*s == '-' || *s == '+');
    int64_t v = 0;
    int decimals = -1;
    bool digits = false;

    for (; *p != '\0'; p++) {
        if (*p == '.' && decimals < 0) {
            decimals = 0;
            continue;
        }
        if (!isdigit((unsigned char)*p) || v > (INT64_MAX - 9) / 10)
            return sw_err_set(err, SW_E_INVALID, "failed to parse %s as a rational number", s);
        if (decimals >= 9) {
            if (*p != '0')
                return sw_err_set(err, SW_E_INVALID, "value is too precise");
            continue;
        }
        digits = true;
        v = 10 * v + (*p - '0');
        if (decimals >= 0)
            decimals++;
    }
    if (!digits)
        return sw_err_set(err, SW_E_INVALID, "failed to parse %s as a rational number", s);
    for (int d = decimals > 0 ? decimals : 0; d < 9; d++) {
        if (v > INT64_MAX / 10)
            return sw_err_set(err, SW_E_INVALID, "failed to parse %s as a rational number", s);
        v *= 10;
    }
    *nano = *s == '-' ? -v : v;
    return 0;
}

int text_mode(const char *s, uint32_t *mode, struct sw_err *err)
{
    const char *p = s;
    uint32_t v = 0;

    if (text_prefix(p, "0o"))
        p += 2;
    for (; *p >= '0' && *p <= '7' && v < 010000000; p++)
        v = 8 * v + (uint32_t)(*p - '0');
    if (*p != '\0' || *s == '\0')
        return bad_number("ParseUint", s, EINVAL, err);
    *mode = v;
    return 0;
}

bool text_is_ipv4(const char *s)
{
    struct in_addr a;

    return inet_pton(AF_INET, s, &a) == 1;
}

bool text_is_ip(const char *s)
{
    struct in6_addr a;

    return text_is_ipv4(s) || inet_pton(AF_INET6, s, &a) == 1;
}

size_t text_utf8(const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t n = s[0] < 0x80   ? 1
               : s[0] < 0xc2 ? 0
               : s[0] < 0xe0 ? 2
               : s[0] < 0xf0 ? 3
               : s[0] < 0xf5 ? 4
                             : 0;

    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    }
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return n;
}
