/* SPDX-License-Identifier: Apache-2.0 */
#include "common/http/url.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "common/base/alloc.h"
#include "common/base/buf.h"

#define PARAMS_MAX 1024u /* more than any client sends; bounds memory */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool http_url_decode(char *s, bool plus_is_space)
{
    char *w = s;

    for (const char *r = s; *r != '\0'; r++) {
        if (*r == '%') {
            int hi = hex_digit(r[1]);
            int lo = hi < 0 ? -1 : hex_digit(r[2]);

            if (lo < 0 || (hi == 0 && lo == 0))
                return false;
            *w++ = (char)(hi << 4 | lo);
            r += 2;
        } else if (*r == '+' && plus_is_space) {
            *w++ = ' ';
        } else {
            *w++ = *r;
        }
    }
    *w = '\0';
    return true;
}

void http_url_encode(struct sw_buf *out, const char *s)
{
    static const char hex[] = "0123456789ABCDEF";

    for (; *s != '\0'; s++) {
        unsigned char c = (unsigned char)*s;

        if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
            c == '-' || c == '.' || c == '_' || c == '~') {
            sw_buf_putc(out, (char)c);
        } else {
            sw_buf_putc(out, '%');
            sw_buf_putc(out, hex[c >> 4]);
            sw_buf_putc(out, hex[c & 15]);
        }
    }
}

static int parse_params(struct http_url *u, char *query, struct sw_err *err)
{
    size_t n = 1;
    char *save = NULL;

    for (const char *p = query; *p != '\0'; p++)
        n += *p == '&';
    if (n > PARAMS_MAX)
        return sw_err_set(err, SW_E_INVALID, "too many query parameters");
    u->params = sw_calloc(n, sizeof(*u->params));
    if (u->params == NULL)
        return sw_err_set(err, -ENOMEM, "parse query");
    for (char *p = strtok_r(query, "&", &save); p != NULL; p = strtok_r(NULL, "&", &save)) {
        char *eq = strchr(p, '=');
        char *value = p + strlen(p);

        if (eq != NULL) {
            *eq = '\0';
            value = eq + 1;
        }
        if (!http_url_decode(p, true) || !http_url_decode(value, true))
            return sw_err_set(err, SW_E_INVALID, "invalid URL escape in the query");
        u->params[u->n_params].name = p;
        u->params[u->n_params++].value = value;
    }
    return 0;
}

int http_url_parse(struct http_url *out, const char *target, struct sw_err *err)
{
    struct http_url u = { 0 };
    char *query;
    int r;

    if (strncasecmp(target, "http://", 7) == 0) {
        target = strchr(target + 7, '/');
        if (target == NULL)
            target = "/";
    }
    if (target[0] != '/' && strcmp(target, "*") != 0)
        return sw_err_set(err, SW_E_INVALID, "invalid request target");
    u.path = sw_strndup(target, strcspn(target, "?#"));
    query = strchr(target, '?');
    if (query != NULL)
        u.text = sw_strndup(query + 1, strcspn(query + 1, "#"));
    if (u.path == NULL || (query != NULL && u.text == NULL)) {
        r = sw_err_set(err, -ENOMEM, "parse request target");
        goto fail;
    }
    if (!http_url_decode(u.path, false)) {
        r = sw_err_set(err, SW_E_INVALID, "invalid URL escape in the path");
        goto fail;
    }
    if (u.text != NULL) {
        r = parse_params(&u, u.text, err);
        if (r < 0)
            goto fail;
    }
    *out = u;
    return 0;
fail:
    http_url_fini(&u);
    return r;
}

void http_url_fini(struct http_url *u)
{
    sw_free(u->path);
    sw_free(u->params);
    sw_free(u->text);
    memset(u, 0, sizeof(*u));
}
