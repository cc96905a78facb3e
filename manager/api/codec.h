/* SPDX-License-Identifier: Apache-2.0
 * codec.h - JSON of the Engine API <-> protobuf messages, driven by tables.
 *
 * One row describes one member of a JSON object: its name, its kind, and where its value lives in
 * the message. Reading follows Go's rules (names in any case, null is absent, unknown is ignored, a
 * wrong type is an error that names the member); writing leaves zero values out, as "omitempty"
 * does, unless the row says CODEC_ALWAYS. */
#ifndef SWARM_MANAGER_API_CODEC_H
#define SWARM_MANAGER_API_CODEC_H

#include <jansson.h>
#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

enum codec_kind {
    CODEC_STRING,
    CODEC_STRINGS,
    CODEC_I64,
    CODEC_U64,
    CODEC_I32,
    CODEC_U32,
    CODEC_DOUBLE,
    CODEC_BOOL,
    CODEC_BASE64,  /* bytes */
    CODEC_LABELS,  /* repeated Label <-> object of strings */
    CODEC_ENUM,    /* int <-> one of codec_field.names */
    CODEC_OPT_I64, /* OptionalInt64 */
    CODEC_OPT_BOOL,
    CODEC_MSG,
    CODEC_MSGS,
    CODEC_CUSTOM, /* codec_field.read and .write do it */
};

enum { CODEC_ALWAYS = 1, CODEC_READ_ONLY = 2, CODEC_WRITE_ONLY = 4 };

struct codec;

struct codec_field {
    const char *json;
    enum codec_kind kind;
    unsigned flags;
    size_t offset;            /* of the value, or of the array's pointer */
    size_t n_offset;          /* of the array's length */
    const struct codec *sub;  /* MSG, MSGS */
    const char *const *names; /* ENUM: index is the value, NULL-terminated */
    const char *bad_name;     /* ENUM: "invalid MountType: \"%s\"" */
    /** read() - @value is never null or absent. write() - add to @object, or not. */
    int (*read)(void *msg, const json_t *value, struct sw_err *err);
    int (*write)(const void *msg, json_t *object, const char *name);
};

struct codec {
    const char *type; /* Go's name of the struct, for error texts */
    const ProtobufCMessageDescriptor *desc;
    const struct codec_field *fields;
    size_t n_fields;
};

/** codec_read() - fill @msg from @object. Return: 0; SW_E_INVALID naming the member; -ENOMEM. */
int codec_read(const struct codec *c, void *msg, const json_t *object, struct sw_err *err);
/** codec_decode() - a new message. @out: pb_free(). */
int codec_decode(const struct codec *c, const json_t *object, void *out, struct sw_err *err);
/** codec_write() - the message as an object; NULL message or memory gone: NULL. */
json_t *codec_write(const struct codec *c, const void *msg);
/** codec_write_into() - add the members to @object. Return: 0, -ENOMEM. */
int codec_write_into(const struct codec *c, const void *msg, json_t *object);

/* For custom members. */
json_t *codec_strings(size_t n, char *const *strings);
json_t *codec_labels(size_t n, void *const *labels);
int codec_type_error(const json_t *value, const char *member, const char *wanted,
                     struct sw_err *err);

#endif
