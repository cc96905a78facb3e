/* SPDX-License-Identifier: Apache-2.0
 * url.h - request targets: percent-decoding and query parameters (private to common/http).
 *
 * Source: RFC 3986 section 2.1, WHATWG URL section 5.1 ("+" is a space in a query). */
#ifndef SWARM_COMMON_HTTP_URL_H
#define SWARM_COMMON_HTTP_URL_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/err.h"

struct http_param {
    const char *name;
    const char *value; /* "" for "name" and "name=" */
};

struct http_url {
    char *path; /* decoded, starts with '/' ("*" for OPTIONS) */
    struct http_param *params;
    size_t n_params;
    char *text; /* what params point into */
};

/**
 * http_url_parse() - split a raw target; an absolute "http://host" in front is dropped
 * @out: filled on success only; release with http_url_fini()
 *
 * Return: 0; SW_E_INVALID for a bad escape, a decoded zero byte or a target without '/'; -ENOMEM.
 */
int http_url_parse(struct http_url *out, const char *target, struct sw_err *err);
void http_url_fini(struct http_url *u);

/** http_url_decode() - in place. Return: false on a bad escape or "%00". */
bool http_url_decode(char *s, bool plus_is_space);

struct sw_buf;
/** http_url_encode() - append @s with everything but unreserved characters escaped. */
void http_url_encode(struct sw_buf *out, const char *s);

#endif
