/* SPDX-License-Identifier: Apache-2.0
 * pb.h - protobuf-c through our allocator and our error idiom.
 *
 * Messages from these functions, and messages built by hand whose strings and arrays come from
 * sw_malloc(), are freed with pb_free(). Strings are never NULL: proto3's default is the shared
 * protobuf_c_empty_string, which pb_free() and pb_set_string() recognise. */
#ifndef SWARM_PROTO_PB_H
#define SWARM_PROTO_PB_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"

extern ProtobufCAllocator pb_allocator;

/**
 * pb_unpack() - decode a message
 * @out: returned, release with pb_free()
 *
 * Return: 0; SW_E_PROTOCOL when the bytes are no such message (or memory is gone: protobuf-c does
 * not tell the two apart).
 */
int pb_unpack(const ProtobufCMessageDescriptor *desc, const void *data, size_t len, void *out,
              struct sw_err *err);
/** pb_pack() - append the encoding to @out. Return: 0 or -ENOMEM. */
int pb_pack(const void *msg, struct sw_buf *out);
/** pb_clone() - deep copy, release with pb_free(). Return: NULL when memory is gone. */
void *pb_clone(const void *msg);
/** pb_equal() - same type and same encoding; NULL equals only NULL. */
bool pb_equal(const void *a, const void *b);
void pb_free(void *msg); /* NULL is fine */
/** pb_new() - heap message with all defaults. Return: NULL when memory is gone. */
void *pb_new(const ProtobufCMessageDescriptor *desc);

/** pb_set_string() - replace a string field by a copy. Return: 0 or -ENOMEM (field unchanged). */
int pb_set_string(char **field, const char *s);
/** pb_set_bytes() - replace a bytes field by a copy. Return: 0 or -ENOMEM (field unchanged). */
int pb_set_bytes(ProtobufCBinaryData *field, const void *p, size_t n);
/** pb_add() - append @item (owned when it succeeds) to a repeated message or string field:
 * pb_add(&m->n_tasks, &m->tasks, task). Return: 0 or -ENOMEM. */
int pb_add(size_t *n, void *array, void *item);

static inline void pb_free_ptr(void *pp)
{
    pb_free(*(void **)pp);
}

#endif
