/* SPDX-License-Identifier: Apache-2.0 */
#include "common/log/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/macro.h"
#include "common/base/time.h"

static const char *const names[] = { "debug", "info", "warn", "error" };
static const char *program = "swarm";
static enum sw_log_level threshold = SW_LOG_INFO;

void sw_log_init(const char *name, enum sw_log_level level)
{
    program = name;
    threshold = level;
}

int sw_log_level_parse(const char *s, enum sw_log_level *out)
{
    for (size_t i = 0; i < SW_ARRAY_LEN(names); i++) {
        if (strcmp(s, names[i]) == 0) {
            *out = (enum sw_log_level)i;
            return 0;
        }
    }
    return -1;
}

enum sw_log_level sw_log_threshold(void)
{
    return threshold;
}

/* A peer's text must not be able to forge a log line or drive a terminal. */
static void scrub(char *line, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = '?';
    }
}

void sw_log(enum sw_log_level level, const char *fmt, ...)
{
    char line[2048];
    char when[SW_RFC3339_MAX];
    int saved = errno;
    size_t len;
    va_list ap;
    int n;

    if (level < threshold)
        return;
    sw_rfc3339(sw_now_ns() / SW_NS_PER_MS * SW_NS_PER_MS, when);
    n = snprintf(line, sizeof(line), "%s %-5s %s: ", when, names[level], program);
    len = n > 0 ? (size_t)n : 0;
    va_start(ap, fmt);
    n = vsnprintf(line + len, sizeof(line) - len - 1, fmt, ap);
    va_end(ap);
    if (n > 0)
        len += SW_MIN((size_t)n, sizeof(line) - len - 2);
    scrub(line, len);
    line[len++] = '\n';
    if (write(STDERR_FILENO, line, len) < 0)
        (void)0; /* nowhere left to say so */
    errno = saved;
}
