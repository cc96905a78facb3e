/* SPDX-License-Identifier: Apache-2.0
 * docker.h - rules that every Docker Engine API endpoint shares.
 *
 * Source: Docker Engine API 1.44; moby daemon/server/httputils and api/types/filters. */
#ifndef SWARM_COMMON_HTTP_DOCKER_H
#define SWARM_COMMON_HTTP_DOCKER_H

#include <jansson.h>

#include "common/http/http.h"

#define DOCKER_API_VERSION     "1.44"
#define DOCKER_API_VERSION_MIN "1.24"
#define DOCKER_API_MAX         144u
#define DOCKER_API_MIN         124u

/* ---- JSON ---------------------------------------------------------------------------------- */

/** http_reply_json() - finish with @value and a newline. @value is owned (json_decref). */
void http_reply_json(struct http_request *req, int status, json_t *value);
/** http_stream_json() - one object and "\r\n" on a started stream. @value is owned. */
size_t http_stream_json(struct http_request *req, json_t *value);
/**
 * http_body_json() - the body as JSON
 * @out: returned, json_decref(); NULL for an empty body when @may_be_empty
 *
 * Return: 0; SW_E_INVALID with Go's wording ("unexpected EOF", ...).
 */
int http_body_json(const struct http_request *req, bool may_be_empty, json_t **out,
                   struct sw_err *err);
/** docker_json_get() - member by name: exact, else in any case; null counts as absent. */
json_t *docker_json_get(const json_t *object, const char *key);
/** docker_json_str() - string member, NULL when absent or of another type. Borrowed. */
const char *docker_json_str(const json_t *object, const char *key);
int64_t docker_json_int(const json_t *object, const char *key, int64_t absent);
bool docker_json_bool(const json_t *object, const char *key, bool absent);
/**
 * docker_json_check() - @key, when given, must be of @type
 * Return: 0; SW_E_INVALID "json: cannot unmarshal string into Go struct field <where> of type int".
 */
int docker_json_check(const json_t *object, const char *key, json_type type, const char *where,
                      struct sw_err *err);

/* ---- filters=... --------------------------------------------------------------------------- */

struct docker_filters; /* opaque, filters.c */

/**
 * docker_filters_parse() - both {"label":{"a=b":true}} and {"label":["a=b"]}
 * @out:     returned, docker_filters_free(); never NULL on success, empty for NULL or "" text
 * @allowed: NULL-terminated names, NULL: any
 *
 * Return: 0; SW_E_INVALID with docker's text ("Invalid filter 'foo'", "invalid character ...").
 */
int docker_filters_parse(struct docker_filters **out, const char *text, const char *const *allowed,
                         struct sw_err *err);
/** docker_filters_of() - from the request's "filters" parameter. */
int docker_filters_of(struct docker_filters **out, const struct http_request *req,
                      const char *const *allowed, struct sw_err *err);
void docker_filters_free(struct docker_filters *f);
/** docker_filters_get() - the values of one key; NULL and *n == 0 when the key is not given. */
const char *const *docker_filters_get(const struct docker_filters *f, const char *key, size_t *n);
/** docker_filters_match() - key absent, or @value equals one of its values. */
bool docker_filters_match(const struct docker_filters *f, const char *key, const char *value);
/** docker_filters_prefix() - the same, a value of the key may be a prefix of @value. */
bool docker_filters_prefix(const struct docker_filters *f, const char *key, const char *value);
/**
 * docker_filters_labels() - every "k" or "k=v" under @key must hold; lookup() returns a label's
 * value or NULL.
 */
bool docker_filters_labels(const struct docker_filters *f, const char *key,
                           const char *(*lookup)(const void *labels, const char *name),
                           const void *labels);
/**
 * docker_filters_bool() - a key with one of 1, 0, true, false
 * Return: 0, @out is @absent when not given; SW_E_INVALID "Invalid filter 'x=[y]'".
 */
int docker_filters_bool(const struct docker_filters *f, const char *key, bool absent, bool *out,
                        struct sw_err *err);

#endif
