/* SPDX-License-Identifier: Apache-2.0
 * Error answers, and the one table error code -> HTTP status. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "common/base/alloc.h"
#include "common/base/macro.h"
#include "common/http/http.h"

static const struct {
    int code;
    int status;
} statuses[] = {
    { SW_E_INVALID, 400 },      { SW_E_NOT_FOUND, 404 },    { SW_E_CONFLICT, 409 },
    { SW_E_SEQUENCE, 500 },     { SW_E_UNAVAILABLE, 503 },  { SW_E_NO_LEADER, 500 },
    { SW_E_PRECONDITION, 400 }, { SW_E_PERMISSION, 403 },   { SW_E_UNSUPPORTED, 501 },
    { SW_E_EXHAUSTED, 500 },    { SW_E_NOT_MODIFIED, 304 }, { SW_E_FORBIDDEN, 403 },
    { SW_E_UNAUTHORIZED, 401 },
};

int http_status_of(int code)
{
    for (size_t i = 0; i < SW_ARRAY_LEN(statuses); i++)
        if (statuses[i].code == code)
            return statuses[i].status;
    return 500;
}

static void reply_message(struct http_request *req, int status, char *msg)
{
    json_t *body;
    char *text;

    if (status == 304 || status == 204) {
        http_reply_empty(req, status);
        return;
    }
    body = json_pack("{s:s}", "message", msg);
    if (body == NULL) { /* not UTF-8: a name a client sent, quoted back to it */
        for (char *p = msg; *p != '\0'; p++)
            if ((unsigned char)*p >= 0x80)
                *p = '?';
        body = json_pack("{s:s}", "message", msg);
    }
    text = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);
    json_decref(body);
    if (text == NULL) {
        http_abort(req);
        return;
    }
    size_t len = strlen(text);
    char *copy = sw_malloc(len + 1);

    if (copy != NULL) {
        memcpy(copy, text, len);
        copy[len] = '\n';
    }
    free(text); /* jansson's */
    if (copy == NULL)
        http_abort(req);
    else
        http_reply_owned(req, status, "application/json", copy, len + 1);
}

void http_reply_error(struct http_request *req, int status, const char *fmt, ...)
{
    char msg[2048];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(msg, sizeof(msg), fmt, ap);
    va_end(ap);
    reply_message(req, status, msg);
}

void http_reply_err(struct http_request *req, const struct sw_err *err)
{
    char msg[SW_ERR_MSG_MAX];

    snprintf(msg, sizeof(msg), "%s", err->msg);
    reply_message(req, http_status_of(err->code), msg);
}
