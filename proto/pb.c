/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/pb.h"

#include <errno.h>
#include <string.h>

#include "common/base/alloc.h"

static void *alloc_cb(void *data, size_t size)
{
    (void)data;
    return sw_malloc(size);
}

static void free_cb(void *data, void *p)
{
    (void)data;
    sw_free(p);
}

ProtobufCAllocator pb_allocator = { alloc_cb, free_cb, NULL };

int pb_unpack(const ProtobufCMessageDescriptor *desc, const void *data, size_t len, void *out,
              struct sw_err *err)
{
    ProtobufCMessage *m = protobuf_c_message_unpack(desc, &pb_allocator, len, data);

    if (m == NULL)
        return sw_err_set(err, SW_E_PROTOCOL, "malformed %s (%zu bytes)", desc->name, len);
    *(void **)out = m;
    return 0;
}

int pb_pack(const void *msg, struct sw_buf *out)
{
    size_t n = protobuf_c_message_get_packed_size(msg);
    uint8_t *at = sw_buf_reserve(out, n);

    if (at == NULL)
        return -ENOMEM;
    sw_buf_commit(out, protobuf_c_message_pack(msg, at));
    return 0;
}

void *pb_clone(const void *msg)
{
    const ProtobufCMessage *m = msg;
    SW_CLEANUP(sw_buf_fini) struct sw_buf b = SW_BUF_INIT;

    if (pb_pack(m, &b) < 0)
        return NULL;
    return protobuf_c_message_unpack(m->descriptor, &pb_allocator, b.len, b.data);
}

bool pb_equal(const void *a, const void *b)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf x = SW_BUF_INIT;
    SW_CLEANUP(sw_buf_fini) struct sw_buf y = SW_BUF_INIT;

    if (a == b)
        return true;
    if (a == NULL || b == NULL)
        return false;
    if (pb_pack(a, &x) < 0 || pb_pack(b, &y) < 0)
        return false;
    return x.len == y.len && memcmp(x.data, y.data, x.len) == 0;
}

void pb_free(void *msg)
{
    if (msg != NULL)
        protobuf_c_message_free_unpacked(msg, &pb_allocator);
}

void *pb_new(const ProtobufCMessageDescriptor *desc)
{
    ProtobufCMessage *m = sw_malloc(desc->sizeof_message);

    if (m != NULL)
        protobuf_c_message_init(desc, m);
    return m;
}

int pb_set_string(char **field, const char *s)
{
    char *copy = sw_strdup(s);

    if (copy == NULL)
        return -ENOMEM;
    if (*field != NULL && *field != protobuf_c_empty_string)
        sw_free(*field);
    *field = copy;
    return 0;
}

int pb_set_bytes(ProtobufCBinaryData *field, const void *p, size_t n)
{
    uint8_t *copy = n != 0 ? sw_memdup(p, n) : NULL;

    if (copy == NULL && n != 0)
        return -ENOMEM;
    sw_free(field->data);
    field->data = copy;
    field->len = n;
    return 0;
}

int pb_add(size_t *n, void *array, void *item)
{
    void **old;
    void **grown;

    memcpy(&old, array, sizeof(old));
    grown = sw_realloc(old, (*n + 1) * sizeof(*grown)); /* unpacked arrays have no spare room */
    if (grown == NULL)
        return -ENOMEM;
    memcpy(array, &grown, sizeof(grown));
    grown[(*n)++] = item;
    return 0;
}
