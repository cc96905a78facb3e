/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/render/human.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/base/macro.h"
#include "common/base/time.h"

void human_duration(struct sw_buf *out, int64_t ns)
{
    long long seconds = ns / SW_NS_PER_S;
    long long minutes = seconds / 60;
    double exact_hours = (double)ns / (3600.0 * (double)SW_NS_PER_S);
    long long hours = (long long)(exact_hours + 0.5);

    if (seconds < 1)
        sw_buf_puts(out, "Less than a second");
    else if (seconds == 1)
        sw_buf_puts(out, "1 second");
    else if (seconds < 60)
        sw_buf_printf(out, "%lld seconds", seconds);
    else if (minutes == 1)
        sw_buf_puts(out, "About a minute");
    else if (minutes < 60)
        sw_buf_printf(out, "%lld minutes", minutes);
    else if (hours == 1)
        sw_buf_puts(out, "About an hour");
    else if (hours < 48)
        sw_buf_printf(out, "%lld hours", hours);
    else if (hours < 24 * 7 * 2)
        sw_buf_printf(out, "%lld days", hours / 24);
    else if (hours < 24 * 30 * 2)
        sw_buf_printf(out, "%lld weeks", hours / 24 / 7);
    else if (hours < 24 * 365 * 2)
        sw_buf_printf(out, "%lld months", hours / 24 / 30);
    else
        sw_buf_printf(out, "%lld years", (long long)exact_hours / 24 / 365);
}

void human_ago(struct sw_buf *out, int64_t now_ns, int64_t then_ns)
{
    if (then_ns == 0) {
        sw_buf_puts(out, "N/A");
        return;
    }
    human_duration(out, now_ns - then_ns);
    sw_buf_puts(out, " ago");
}

static void scaled(struct sw_buf *out, double v, double base, const char *const *units, size_t n,
                   int digits)
{
    size_t i = 0;

    while (v >= base && i + 1 < n) {
        v /= base;
        i++;
    }
    sw_buf_printf(out, "%.*g%s", digits, v, units[i]);
}

void human_size(struct sw_buf *out, double bytes, int digits)
{
    static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB" };

    scaled(out, bytes, 1000.0, units, SW_ARRAY_LEN(units), digits);
}

void human_bytes(struct sw_buf *out, double bytes)
{
    static const char *const units[] = {
        "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"
    };

    scaled(out, bytes, 1024.0, units, SW_ARRAY_LEN(units), 4);
}

void human_utc(struct sw_buf *out, int64_t ns)
{
    time_t s = (time_t)(ns / SW_NS_PER_S);
    long fraction = (long)(ns % SW_NS_PER_S);
    char text[64];
    struct tm tm;

    if (ns == 0) { /* never */
        sw_buf_puts(out, "0001-01-01 00:00:00 +0000 utc");
        return;
    }
    if (fraction < 0) {
        fraction += SW_NS_PER_S;
        s--;
    }
    gmtime_r(&s, &tm);
    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
    sw_buf_puts(out, text);
    if (fraction != 0) {
        size_t end;

        snprintf(text, sizeof(text), ".%09ld", fraction);
        for (end = strlen(text); text[end - 1] == '0'; end--)
            ;
        sw_buf_add(out, text, end);
    }
    sw_buf_puts(out, " +0000 utc");
}

void human_utc_go(struct sw_buf *out, int64_t ns)
{
    human_utc(out, ns);
    if (out->len >= 3)
        memcpy(out->data + out->len - 3, "UTC", 3);
}

void human_state(struct sw_buf *out, const char *s)
{
    if (*s == '\0')
        return;
    sw_buf_putc(out, (char)toupper((unsigned char)*s));
    sw_buf_puts(out, s + 1);
}
