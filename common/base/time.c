/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/time.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec ts;

    (void)clock_gettime(id, &ts); /* cannot fail for these clocks */
    return (int64_t)ts.tv_sec * SW_NS_PER_S + ts.tv_nsec;
}

int64_t sw_now_ns(void)
{
    return read_clock(CLOCK_REALTIME);
}

int64_t sw_mono_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

/* "123000000" -> ".123", 0 -> "" */
static void fraction(int64_t frac, char out[12])
{
    int n;

    out[0] = '\0';
    if (frac == 0)
        return;
    n = snprintf(out, 12, ".%09lld", (long long)frac);
    while (n > 0 && out[n - 1] == '0')
        out[--n] = '\0';
}

void sw_rfc3339(int64_t ns, char out[SW_RFC3339_MAX])
{
    int64_t frac = ns % SW_NS_PER_S;
    time_t sec = (time_t)(ns / SW_NS_PER_S);
    char text[12];
    struct tm tm;

    if (ns == 0) {
        memcpy(out, "0001-01-01T00:00:00Z", sizeof("0001-01-01T00:00:00Z"));
        return;
    }
    if (frac < 0) {
        frac += SW_NS_PER_S;
        sec--;
    }
    (void)gmtime_r(&sec, &tm);
    fraction(frac, text);
    (void)snprintf(out, SW_RFC3339_MAX, "%04d-%02d-%02dT%02d:%02d:%02d%sZ",
                   (tm.tm_year + 1900) % 10000, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
                   tm.tm_sec, text);
}

/* Exactly @digits digits, advancing *@s. Return: their value or -1. */
static int number(const char **s, int digits)
{
    int v = 0;

    for (int i = 0; i < digits; i++, (*s)++) {
        if (!isdigit((unsigned char)**s))
            return -1;
        v = v * 10 + (**s - '0');
    }
    return v;
}

static bool expect(const char **s, char c)
{
    if (**s != c)
        return false;
    (*s)++;
    return true;
}

static bool parse_date(const char **s, struct tm *tm)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap;

    tm->tm_year = number(s, 4);
    if (tm->tm_year < 0 || !expect(s, '-'))
        return false;
    tm->tm_mon = number(s, 2) - 1;
    if (tm->tm_mon < 0 || tm->tm_mon > 11 || !expect(s, '-'))
        return false;
    tm->tm_mday = number(s, 2);
    leap = (tm->tm_year % 4 == 0 && tm->tm_year % 100 != 0) || tm->tm_year % 400 == 0;
    return tm->tm_mday >= 1 && tm->tm_mday <= days[tm->tm_mon] + (leap && tm->tm_mon == 1 ? 1 : 0);
}

static bool parse_time(const char **s, struct tm *tm, int64_t *frac)
{
    int64_t scale = SW_NS_PER_S / 10;

    tm->tm_hour = number(s, 2);
    if (tm->tm_hour < 0 || tm->tm_hour > 23 || !expect(s, ':'))
        return false;
    tm->tm_min = number(s, 2);
    if (tm->tm_min < 0 || tm->tm_min > 59 || !expect(s, ':'))
        return false;
    tm->tm_sec = number(s, 2);
    if (tm->tm_sec < 0 || tm->tm_sec > 60) /* 60: a leap second */
        return false;
    *frac = 0;
    if (**s != '.')
        return true;
    if (!isdigit((unsigned char)(*s)[1]))
        return false;
    for ((*s)++; isdigit((unsigned char)**s); (*s)++, scale /= 10)
        *frac += (**s - '0') * scale;
    return true;
}

/* Seconds east of Greenwich. */
static bool parse_zone(const char **s, int *off)
{
    int sign = **s == '-' ? -1 : 1;
    int h;
    int m;

    *off = 0;
    if (**s == 'Z' || **s == 'z') {
        (*s)++;
        return true;
    }
    if (**s != '+' && **s != '-')
        return false;
    (*s)++;
    h = number(s, 2);
    if (h < 0 || h > 23 || !expect(s, ':'))
        return false;
    m = number(s, 2);
    *off = sign * (h * 60 + m) * 60;
    return m >= 0 && m <= 59;
}

bool sw_rfc3339_parse(const char *s, int64_t *ns)
{
    struct tm tm = { 0 };
    int64_t frac;
    int year;
    int off;

    if (!parse_date(&s, &tm) || (*s != 'T' && *s != 't'))
        return false;
    s++;
    if (!parse_time(&s, &tm, &frac) || !parse_zone(&s, &off) || *s != '\0')
        return false;
    year = tm.tm_year;
    if (year <= 1) { /* Go's zero time: never */
        *ns = 0;
        return true;
    }
    if (year < 1678 || year > 2261)
        return false; /* does not fit int64 nanoseconds */
    tm.tm_year -= 1900;
    *ns = ((int64_t)timegm(&tm) - off) * SW_NS_PER_S + frac;
    return true;
}

static const struct unit {
    const char *name;
    int64_t ns;
} units[] = {
    { "ns", 1 },
    { "us", 1000 },
    { "\xc2\xb5s", 1000 },
    { "\xce\xbcs", 1000 },
    { "ms", SW_NS_PER_MS },
    { "s", SW_NS_PER_S },
    { "m", 60 * SW_NS_PER_S },
    { "h", 3600 * SW_NS_PER_S },
};

/* The longest unit that @s begins with: "ms" before "m". */
static const struct unit *find_unit(const char *s)
{
    const struct unit *found = NULL;

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        size_t len = strlen(units[i].name);

        if (strncmp(s, units[i].name, len) == 0 && (found == NULL || len > strlen(found->name)))
            found = &units[i];
    }
    return found;
}

/* One "12.5h", advancing *@s. Integers throughout: a double has no nanoseconds beyond 104 days. */
static bool parse_term(const char **s, int64_t *ns)
{
    const struct unit *unit;
    const char *fraction_at = NULL;
    bool digits = false;
    int64_t whole = 0;
    int64_t total;

    for (; isdigit((unsigned char)**s); (*s)++, digits = true)
        if (__builtin_mul_overflow(whole, 10, &whole) ||
            __builtin_add_overflow(whole, **s - '0', &whole))
            return false;
    if (expect(s, '.')) {
        fraction_at = *s;
        for (; isdigit((unsigned char)**s); (*s)++)
            digits = true;
    }
    unit = find_unit(*s);
    if (!digits || unit == NULL || __builtin_mul_overflow(whole, unit->ns, &total))
        return false;
    *s += strlen(unit->name);
    if (fraction_at != NULL) {
        int64_t scale = unit->ns;
        int64_t rest = 0;

        /* Digits beyond what a nanosecond can hold are cut off. */
        for (const char *p = fraction_at; isdigit((unsigned char)*p) && scale > 0; p++) {
            rest += (*p - '0') * scale / 10;
            scale /= 10;
        }
        if (__builtin_add_overflow(total, rest, &total))
            return false;
    }
    *ns = total;
    return true;
}

bool sw_duration_parse(const char *s, int64_t *ns)
{
    bool negative = *s == '-';
    int64_t total = 0;
    int64_t term;

    if (*s == '-' || *s == '+')
        s++;
    if (strcmp(s, "0") == 0) {
        *ns = 0;
        return true;
    }
    if (*s == '\0')
        return false;
    while (*s != '\0')
        if (!parse_term(&s, &term) || __builtin_add_overflow(total, term, &total))
            return false;
    *ns = negative ? -total : total;
    return true;
}

void sw_duration_format(int64_t ns, char out[SW_DURATION_MAX])
{
    const char *sign = ns < 0 ? "-" : "";
    uint64_t u = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
    char frac[12];

    if (u == 0) {
        (void)snprintf(out, SW_DURATION_MAX, "0s");
    } else if (u < 1000) {
        (void)snprintf(out, SW_DURATION_MAX, "%s%lluns", sign, (unsigned long long)u);
    } else if (u < (uint64_t)SW_NS_PER_MS) {
        fraction((int64_t)(u % 1000) * SW_NS_PER_MS, frac);
        (void)snprintf(out, SW_DURATION_MAX, "%s%llu%s\xc2\xb5s", sign,
                       (unsigned long long)u / 1000, frac);
    } else if (u < (uint64_t)SW_NS_PER_S) {
        fraction((int64_t)(u % 1000000) * 1000, frac);
        (void)snprintf(out, SW_DURATION_MAX, "%s%llu%sms", sign, (unsigned long long)u / 1000000,
                       frac);
    } else {
        uint64_t sec = u / (uint64_t)SW_NS_PER_S;
        char *p = out;

        fraction((int64_t)(u % (uint64_t)SW_NS_PER_S), frac);
        p += sprintf(p, "%s", sign);
        if (sec >= 3600)
            p += sprintf(p, "%lluh", (unsigned long long)(sec / 3600));
        if (sec >= 60)
            p += sprintf(p, "%llum", (unsigned long long)(sec / 60 % 60));
        (void)sprintf(p, "%llu%ss", (unsigned long long)(sec % 60), frac);
    }
}
