/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/api/codec.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "common/base/alloc.h"
#include "common/http/docker.h"
#include "manager/api/base64.h"
#include "proto/pb.h"
#include "swarm/v1/objects.pb-c.h"

#define AT(msg, off, type) ((type *)(void *)((char *)(uintptr_t)(msg) + (off)))

static const char *json_type_name(const json_t *v)
{
    if (json_is_object(v))
        return "object";
    if (json_is_array(v))
        return "array";
    if (json_is_string(v))
        return "string";
    return json_is_boolean(v) ? "bool" : "number";
}

int codec_type_error(const json_t *value, const char *member, const char *wanted,
                     struct sw_err *err)
{
    return sw_err_set(err, SW_E_INVALID,
                      "json: cannot unmarshal %s into Go struct field %s of type %s",
                      json_type_name(value), member, wanted);
}

static int no_memory(struct sw_err *err)
{
    return sw_err_set(err, -ENOMEM, "out of memory");
}

/* ---- reading ----------------------------------------------------------------------------------
 */

static int read_strings(const struct codec_field *f, void *msg, const json_t *v, struct sw_err *err)
{
    size_t *n = AT(msg, f->n_offset, size_t);
    char ***array = AT(msg, f->offset, char **);

    if (!json_is_array(v))
        return codec_type_error(v, f->json, "[]string", err);
    for (size_t i = 0; i < json_array_size(v); i++) {
        const json_t *e = json_array_get(v, i);
        char *copy;

        if (!json_is_string(e))
            return codec_type_error(e, f->json, "string", err);
        copy = sw_strdup(json_string_value(e));
        if (copy == NULL || pb_add(n, array, copy) < 0) {
            sw_free(copy);
            return no_memory(err);
        }
    }
    return 0;
}

static int read_labels(const struct codec_field *f, void *msg, json_t *v, struct sw_err *err)
{
    size_t *n = AT(msg, f->n_offset, size_t);
    Swarm__V1__Label ***array = AT(msg, f->offset, Swarm__V1__Label **);
    const char *key;
    json_t *e;

    if (!json_is_object(v))
        return codec_type_error(v, f->json, "map[string]string", err);
    json_object_foreach(v, key, e)
    {
        Swarm__V1__Label *l;

        if (!json_is_string(e))
            return codec_type_error(e, f->json, "string", err);
        l = pb_new(&swarm__v1__label__descriptor);
        if (l == NULL || pb_set_string(&l->key, key) < 0 ||
            pb_set_string(&l->value, json_string_value(e)) < 0 || pb_add(n, array, l) < 0) {
            pb_free(l);
            return no_memory(err);
        }
    }
    return 0;
}

static int read_enum(const struct codec_field *f, void *msg, const json_t *v, struct sw_err *err)
{
    const char *s = json_string_value(v);

    if (s == NULL)
        return codec_type_error(v, f->json, "string", err);
    if (s[0] == '\0')
        return 0;
    for (int i = 0; f->names[i] != NULL; i++) {
        if (strcasecmp(f->names[i], s) == 0) {
            *AT(msg, f->offset, int) = i;
            return 0;
        }
    }
    return sw_err_set(err, SW_E_INVALID, "%s: \"%s\"", f->bad_name != NULL ? f->bad_name : f->json,
                      s);
}

static int read_integer(const struct codec_field *f, void *msg, const json_t *v, struct sw_err *err)
{
    json_int_t n = json_integer_value(v);

    /* A client in JavaScript or Lua may send 1e9 for an integer. */
    if (json_is_real(v) && json_real_value(v) == (double)(json_int_t)json_real_value(v))
        n = (json_int_t)json_real_value(v);
    else if (!json_is_integer(v))
        return codec_type_error(v, f->json, "int64", err);
    if (f->kind == CODEC_I64) {
        *AT(msg, f->offset, int64_t) = n;
        return 0;
    }
    if (f->kind == CODEC_I32) {
        if (n < INT32_MIN || n > INT32_MAX)
            return codec_type_error(v, f->json, "int32", err);
        *AT(msg, f->offset, int32_t) = (int32_t)n;
        return 0;
    }
    if (n < 0 || (f->kind == CODEC_U32 && n > UINT32_MAX))
        return codec_type_error(v, f->json, f->kind == CODEC_U32 ? "uint32" : "uint64", err);
    if (f->kind == CODEC_U32)
        *AT(msg, f->offset, uint32_t) = (uint32_t)n;
    else
        *AT(msg, f->offset, uint64_t) = (uint64_t)n;
    return 0;
}

static int read_optional(const struct codec_field *f, void *msg, const json_t *v,
                         struct sw_err *err)
{
    Swarm__V1__OptionalInt64 *i;

    if (f->kind == CODEC_OPT_BOOL) {
        Swarm__V1__OptionalBool *b;

        if (!json_is_boolean(v))
            return codec_type_error(v, f->json, "bool", err);
        b = pb_new(&swarm__v1__optional_bool__descriptor);
        if (b == NULL)
            return no_memory(err);
        b->value = json_is_true(v);
        *AT(msg, f->offset, void *) = b;
        return 0;
    }
    if (!json_is_integer(v))
        return codec_type_error(v, f->json, "int64", err);
    i = pb_new(&swarm__v1__optional_int64__descriptor);
    if (i == NULL)
        return no_memory(err);
    i->value = json_integer_value(v);
    *AT(msg, f->offset, void *) = i;
    return 0;
}

static int read_msgs(const struct codec_field *f, void *msg, const json_t *v, struct sw_err *err)
{
    size_t *n = AT(msg, f->n_offset, size_t);
    void ***array = AT(msg, f->offset, void **);

    if (!json_is_array(v))
        return codec_type_error(v, f->json, "array", err);
    for (size_t i = 0; i < json_array_size(v); i++) {
        void *sub;
        int r = codec_decode(f->sub, json_array_get(v, i), &sub, err);

        if (r < 0)
            return r;
        if (pb_add(n, array, sub) < 0) {
            pb_free(sub);
            return no_memory(err);
        }
    }
    return 0;
}

static int read_bytes(const struct codec_field *f, void *msg, const json_t *v, struct sw_err *err)
{
    ProtobufCBinaryData *b = AT(msg, f->offset, ProtobufCBinaryData);

    if (!json_is_string(v))
        return codec_type_error(v, f->json, "string", err);
    return base64_decode(json_string_value(v), &b->data, &b->len, err);
}

static int read_string(const struct codec_field *f, void *msg, const json_t *v, struct sw_err *err)
{
    if (!json_is_string(v))
        return codec_type_error(v, f->json, "string", err);
    if (json_string_length(v) != strlen(json_string_value(v)))
        return sw_err_set(err, SW_E_INVALID, "%s contains a zero byte", f->json);
    return pb_set_string(AT(msg, f->offset, char *), json_string_value(v)) < 0 ? no_memory(err) : 0;
}

static int read_field(const struct codec_field *f, void *msg, json_t *v, struct sw_err *err)
{
    switch (f->kind) {
    case CODEC_STRING:
        return read_string(f, msg, v, err);
    case CODEC_STRINGS:
        return read_strings(f, msg, v, err);
    case CODEC_I64:
    case CODEC_U64:
    case CODEC_I32:
    case CODEC_U32:
        return read_integer(f, msg, v, err);
    case CODEC_DOUBLE:
        if (!json_is_number(v))
            return codec_type_error(v, f->json, "float32", err);
        *AT(msg, f->offset, double) = json_number_value(v);
        return 0;
    case CODEC_BOOL:
        if (!json_is_boolean(v))
            return codec_type_error(v, f->json, "bool", err);
        *AT(msg, f->offset, protobuf_c_boolean) = json_is_true(v);
        return 0;
    case CODEC_BASE64:
        return read_bytes(f, msg, v, err);
    case CODEC_LABELS:
        return read_labels(f, msg, v, err);
    case CODEC_ENUM:
        return read_enum(f, msg, v, err);
    case CODEC_OPT_I64:
    case CODEC_OPT_BOOL:
        return read_optional(f, msg, v, err);
    case CODEC_MSG:
        return codec_decode(f->sub, v, AT(msg, f->offset, void *), err);
    case CODEC_MSGS:
        return read_msgs(f, msg, v, err);
    case CODEC_CUSTOM:
        return f->read(msg, v, err);
    }
    return 0;
}

int codec_read(const struct codec *c, void *msg, const json_t *object, struct sw_err *err)
{
    if (!json_is_object(object))
        return codec_type_error(object, c->type, c->type, err);
    for (size_t i = 0; i < c->n_fields; i++) {
        const struct codec_field *f = &c->fields[i];
        json_t *v;
        int r;

        if ((f->flags & CODEC_WRITE_ONLY) || (f->kind == CODEC_CUSTOM && f->read == NULL))
            continue;
        v = docker_json_get(object, f->json);
        if (v == NULL)
            continue;
        r = read_field(f, msg, v, err);
        if (r < 0)
            return r;
    }
    return 0;
}

int codec_decode(const struct codec *c, const json_t *object, void *out, struct sw_err *err)
{
    SW_CLEANUP(pb_free_ptr) void *msg = pb_new(c->desc);
    int r;

    if (msg == NULL)
        return no_memory(err);
    r = codec_read(c, msg, object, err);
    if (r < 0)
        return r;
    *(void **)out = sw_steal(msg);
    return 0;
}

/* ---- writing ----------------------------------------------------------------------------------
 */

json_t *codec_strings(size_t n, char *const *strings)
{
    json_t *a = json_array();

    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(a, json_string(strings[i]));
    return a;
}

json_t *codec_labels(size_t n, void *const *labels)
{
    json_t *o = json_object();

    for (size_t i = 0; i < n; i++) {
        const Swarm__V1__Label *l = labels[i];

        (void)json_object_set_new(o, l->key, json_string(l->value));
    }
    return o;
}

static json_t *write_msgs(const struct codec_field *f, const void *msg)
{
    size_t n = *AT(msg, f->n_offset, size_t);
    void **items = *AT(msg, f->offset, void **);
    json_t *a = json_array();

    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(a, codec_write(f->sub, items[i]));
    return a;
}

static json_t *integer(bool always, json_int_t v)
{
    return v != 0 || always ? json_integer(v) : NULL;
}

static json_t *write_optional(const struct codec_field *f, const void *msg)
{
    const void *p = *AT(msg, f->offset, void *);

    if (p == NULL)
        return NULL;
    return f->kind == CODEC_OPT_BOOL ? json_boolean(((const Swarm__V1__OptionalBool *)p)->value)
                                     : json_integer(((const Swarm__V1__OptionalInt64 *)p)->value);
}

static json_t *write_bytes(const struct codec_field *f, const void *msg)
{
    const ProtobufCBinaryData *b = AT(msg, f->offset, ProtobufCBinaryData);
    char *text = base64_encode(b->data, b->len);
    json_t *v = text != NULL ? json_string(text) : NULL;

    sw_free(text);
    return v;
}

static json_t *write_string(const struct codec_field *f, const void *msg, bool always)
{
    const char *s = *AT(msg, f->offset, char *);

    return s[0] != '\0' || always ? json_string(s) : NULL;
}

/* Return: NULL when the member is left out. */
static json_t *write_field(const struct codec_field *f, const void *msg)
{
    bool always = (f->flags & CODEC_ALWAYS) != 0;
    size_t n;

    switch (f->kind) {
    case CODEC_STRING:
        return write_string(f, msg, always);
    case CODEC_STRINGS:
        n = *AT(msg, f->n_offset, size_t);
        return n != 0 || always ? codec_strings(n, *AT(msg, f->offset, char **)) : NULL;
    case CODEC_I64:
        return integer(always, *AT(msg, f->offset, int64_t));
    case CODEC_U64:
        return integer(always, (json_int_t)*AT(msg, f->offset, uint64_t));
    case CODEC_I32:
        return integer(always, *AT(msg, f->offset, int32_t));
    case CODEC_U32:
        return integer(always, *AT(msg, f->offset, uint32_t));
    case CODEC_DOUBLE: {
        double d = *AT(msg, f->offset, double);

        if (d == (double)(json_int_t)d)
            return integer(always, (json_int_t)d); /* Go writes 0, not 0.0 */
        return json_real(d);
    }
    case CODEC_BOOL:
        return *AT(msg, f->offset, protobuf_c_boolean) || always
                   ? json_boolean(*AT(msg, f->offset, protobuf_c_boolean))
                   : NULL;
    case CODEC_BASE64:
        return write_bytes(f, msg);
    case CODEC_LABELS:
        n = *AT(msg, f->n_offset, size_t);
        return n != 0 || always ? codec_labels(n, *AT(msg, f->offset, void **)) : NULL;
    case CODEC_ENUM:
        return *AT(msg, f->offset, int) != 0 || always
                   ? json_string(f->names[*AT(msg, f->offset, int)])
                   : NULL;
    case CODEC_OPT_I64:
    case CODEC_OPT_BOOL:
        return write_optional(f, msg);
    case CODEC_MSG:
        return codec_write(f->sub, *AT(msg, f->offset, void *));
    case CODEC_MSGS:
        n = *AT(msg, f->n_offset, size_t);
        return n != 0 || always ? write_msgs(f, msg) : NULL;
    case CODEC_CUSTOM:
        break;
    }
    return NULL;
}

int codec_write_into(const struct codec *c, const void *msg, json_t *object)
{
    for (size_t i = 0; i < c->n_fields; i++) {
        const struct codec_field *f = &c->fields[i];
        json_t *v;

        if (f->flags & CODEC_READ_ONLY)
            continue;
        if (f->kind == CODEC_CUSTOM) {
            if (f->write != NULL && f->write(msg, object, f->json) < 0)
                return -ENOMEM;
            continue;
        }
        v = write_field(f, msg);
        if (v != NULL && json_object_set_new(object, f->json, v) < 0)
            return -ENOMEM;
    }
    return 0;
}

json_t *codec_write(const struct codec *c, const void *msg)
{
    json_t *o;

    if (msg == NULL)
        return NULL;
    o = json_object();
    if (o != NULL && codec_write_into(c, msg, o) < 0) {
        json_decref(o);
        return NULL;
    }
    return o;
}
