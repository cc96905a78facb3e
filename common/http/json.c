/* SPDX-License-Identifier: Apache-2.0
 * JSON in and out, with the leniency docker's clients rely on. */
#include <stdint.h>
#include <strings.h>

#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/http/docker.h"

static int append(const char *text, size_t len, void *arg)
{
    sw_buf_add(arg, text, len);
    return sw_buf_failed(arg) ? -1 : 0;
}

void http_reply_json(struct http_request *req, int status, json_t *value)
{
    struct sw_buf b = SW_BUF_INIT;
    size_t len;
    int r = -1;

    if (value != NULL)
        r = json_dump_callback(value, append, &b, JSON_COMPACT | JSON_ENCODE_ANY);
    json_decref(value);
    sw_buf_putc(&b, '\n');
    if (r < 0 || sw_buf_failed(&b)) {
        sw_buf_fini(&b);
        http_abort(req);
        return;
    }
    len = b.len;
    http_reply_owned(req, status, "application/json", sw_buf_steal(&b), len);
}

size_t http_stream_json(struct http_request *req, json_t *value)
{
    struct sw_buf b = SW_BUF_INIT;
    size_t waiting = 0;

    if (value != NULL && json_dump_callback(value, append, &b, JSON_COMPACT) == 0) {
        sw_buf_puts(&b, "\r\n");
        if (!sw_buf_failed(&b))
            waiting = http_stream_write(req, b.data, b.len);
    }
    json_decref(value);
    sw_buf_fini(&b);
    return waiting;
}

int http_body_json(const struct http_request *req, bool may_be_empty, json_t **out,
                   struct sw_err *err)
{
    size_t len;
    const char *body = http_body(req, &len);
    json_error_t je;
    json_t *v;

    if (len == 0 && may_be_empty) {
        *out = NULL;
        return 0;
    }
    v = json_loadb(body, len, JSON_DECODE_ANY, &je);
    if (v == NULL && json_error_code(&je) == json_error_out_of_memory)
        return sw_err_set(err, SW_E_INTERNAL, "out of memory");
    if (v == NULL && (json_error_code(&je) == json_error_premature_end_of_input || len == 0))
        return sw_err_set(err, SW_E_INVALID, len == 0 ? "EOF" : "unexpected EOF");
    if (v == NULL)
        return sw_err_set(err, SW_E_INVALID, "invalid JSON at line %d column %d: %s", je.line,
                          je.column, je.text);
    if (!json_is_object(v)) {
        json_decref(v);
        return sw_err_set(err, SW_E_INVALID, "invalid JSON: an object is expected");
    }
    *out = v;
    return 0;
}

json_t *docker_json_get(const json_t *object, const char *key)
{
    json_t *v = json_object_get(object, key);
    json_t *o = (json_t *)(uintptr_t)object; /* jansson's iterator is not const-correct */

    if (v == NULL && json_is_object(object)) {
        for (void *it = json_object_iter(o); it != NULL && v == NULL;
             it = json_object_iter_next(o, it))
            if (strcasecmp(json_object_iter_key(it), key) == 0)
                v = json_object_iter_value(it);
    }
    return json_is_null(v) ? NULL : v;
}

const char *docker_json_str(const json_t *object, const char *key)
{
    return json_string_value(docker_json_get(object, key));
}

int64_t docker_json_int(const json_t *object, const char *key, int64_t absent)
{
    const json_t *v = docker_json_get(object, key);

    return json_is_integer(v) ? json_integer_value(v) : absent;
}

bool docker_json_bool(const json_t *object, const char *key, bool absent)
{
    const json_t *v = docker_json_get(object, key);

    return json_is_boolean(v) ? json_boolean_value(v) : absent;
}

static const char *type_name(json_type t)
{
    switch (t) {
    case JSON_OBJECT:
        return "object";
    case JSON_ARRAY:
        return "array";
    case JSON_STRING:
        return "string";
    case JSON_INTEGER:
    case JSON_REAL:
        return "number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "bool";
    case JSON_NULL:
        break;
    }
    return "null";
}

/* The names Go's decoder uses for what it wanted. */
static const char *go_name(json_type t)
{
    switch (t) {
    case JSON_OBJECT:
        return "struct";
    case JSON_ARRAY:
        return "slice";
    case JSON_INTEGER:
        return "int64";
    case JSON_REAL:
        return "float64";
    case JSON_STRING:
    case JSON_TRUE:
    case JSON_FALSE:
    case JSON_NULL:
        break;
    }
    return type_name(t);
}

int docker_json_check(const json_t *object, const char *key, json_type type, const char *where,
                      struct sw_err *err)
{
    const json_t *v = docker_json_get(object, key);

    if (v == NULL || json_typeof(v) == type || (type == JSON_TRUE && json_is_false(v)) ||
        (type == JSON_FALSE && json_is_true(v)) || (type == JSON_REAL && json_is_integer(v)))
        return 0;
    return sw_err_set(err, SW_E_INVALID,
                      "json: cannot unmarshal %s into Go struct field %s of type %s",
                      type_name(json_typeof(v)), where, go_name(type));
}
