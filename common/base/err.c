/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/err.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

int sw_err_set(struct sw_err *err, int code, const char *fmt, ...)
{
    va_list ap;

    assert(code < 0);
    err->code = code;
    va_start(ap, fmt);
    (void)vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
    va_end(ap);
    return code;
}

int sw_err_errno(struct sw_err *err, int errnum, const char *fmt, ...)
{
    char text[SW_ERR_MSG_MAX];
    char reason[128];
    va_list ap;

    assert(errnum > 0);
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    err->code = -errnum;
    (void)snprintf(err->msg, sizeof(err->msg), "%.370s: %s", text,
                   strerror_r(errnum, reason, sizeof(reason)));
    return err->code;
}

int sw_err_wrap(struct sw_err *err, const char *fmt, ...)
{
    char inner[SW_ERR_MSG_MAX];
    va_list ap;
    int n;

    assert(err->code < 0);
    memcpy(inner, err->msg, sizeof(inner));
    va_start(ap, fmt);
    n = vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < sizeof(err->msg)) {
        size_t left = sizeof(err->msg) - (size_t)n;

        (void)snprintf(err->msg + n, left, ": %.*s", (int)(left > 3 ? left - 3 : 0), inner);
    }
    return err->code;
}

const char *sw_err_name(int code)
{
    static const char *const names[] = {
        "invalid argument",  "not found", "already exists", "update out of sequence",
        "unavailable",       "no leader", "precondition",   "permission denied",
        "not supported",     "exhausted", "protocol error", "authentication failed",
        "deadline exceeded", "canceled",  "corrupt",        "internal error",
        "not modified",      "forbidden", "unauthorized",
    };
    int i = SW_E_INVALID - code;

    if (i >= 0 && i < (int)(sizeof(names) / sizeof(names[0])))
        return names[i];
    return code == 0 ? "ok" : "system error";
}
