/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/time.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
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

bool sw_rfc3339_parse(const char *s, int64_t *ns)
{
    struct tm tm = { 0 };
    int64_t frac = 0;
    int64_t scale = SW_NS_PER_S / 10;
    int n = 0;
    int off = 0;

    if (sscanf(s, "%4d-%2d-%2dT%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
               &tm.tm_min, &tm.tm_sec, &n) != 6)
        return false;
    s += n;
    if (*s == '.') {
        for (s++; isdigit((unsigned char)*s); s++, scale /= 10)
            frac += (*s - '0') * scale;
    }
    if (*s == '+' || *s == '-') {
        int h, m, used = 0;

        if (sscanf(s + 1, "%2d:%2d%n", &h, &m, &used) != 2 || used != 5)
            return false;
        off = (h * 60 + m) * (*s == '-' ? -60 : 60);
        s += 6;
    } else if (*s == 'Z' || *s == 'z') {
        s++;
    } else {
        return false;
    }
    if (*s != '\0' || tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31)
        return false;
    if (tm.tm_year <= 1) {
        *ns = 0;
        return true;
    }
    if (tm.tm_year < 1678 || tm.tm_year > 2261)
        return false; /* does not fit int64 nanoseconds */
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    *ns = ((int64_t)timegm(&tm) - off) * SW_NS_PER_S + frac;
    return true;
}

struct unit {
    const char *name;
    double ns;
};

static const struct unit units[] = {
    { "ns", 1 },  { "us", 1e3 }, { "\xc2\xb5s", 1e3 }, { "ms", 1e6 },
    { "s", 1e9 }, { "m", 60e9 }, { "h", 3600e9 },
};

bool sw_duration_parse(const char *s, int64_t *ns)
{
    double total = 0;
    double sign = 1;

    if (*s == '-' || *s == '+')
        sign = *s++ == '-' ? -1 : 1;
    if (strcmp(s, "0") == 0) {
        *ns = 0;
        return true;
    }
    if (*s == '\0')
        return false;
    while (*s != '\0') {
        const struct unit *found = NULL;
        size_t best = 0;
        char *end;
        double v;

        if (!isdigit((unsigned char)*s) && *s != '.')
            return false;
        if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X'))
            return false;
        v = strtod(s, &end);
        if (end == s || !isfinite(v))
            return false;
        for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
            size_t len = strlen(units[i].name);

            if (strncmp(end, units[i].name, len) == 0 && len > best) {
                found = &units[i];
                best = len;
            }
        }
        if (found == NULL)
            return false;
        total += v * found->ns;
        s = end + best;
    }
    if (total > 9.2e18)
        return false;
    *ns = (int64_t)llround(sign * total);
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
