/* SPDX-License-Identifier: Apache-2.0 */
#include "common/rpc/frame.h"

#include <stdio.h>
#include <string.h>

#include "common/base/macro.h"
#include "proto/pb.h"
#include "swarm/v1/rpc.pb-c.h"

#define CONTROL_MAX 2048u /* payload of anything but DATA */

/* What each type may look like. */
static const struct rule {
    bool on_stream; /* else on stream 0 */
    uint8_t flags;
    uint32_t min;
    uint32_t max;
} rules[] = {
    [FRAME_OPEN] = { true, 0, 0, CONTROL_MAX },
    [FRAME_DATA] = { true, FRAME_MORE | FRAME_LAST | FRAME_FD, 0, FRAME_FRAGMENT },
    [FRAME_END] = { true, 0, 0, 0 },
    [FRAME_STATUS] = { true, 0, 0, CONTROL_MAX },
    [FRAME_RESET] = { true, 0, 0, CONTROL_MAX },
    [FRAME_WINDOW] = { true, 0, 4, 4 },
    [FRAME_PING] = { false, 0, 0, 0 },
    [FRAME_PONG] = { false, 0, 0, 0 },
    [FRAME_REKEY] = { false, 0, 0, 0 },
    [FRAME_GOAWAY] = { false, 0, 0, CONTROL_MAX },
    [FRAME_WELCOME] = { false, 0, 0, CONTROL_MAX },
};

static void put_u32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

static uint32_t get_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool obeys(const struct frame *f, const struct rule *r)
{
    if (r->on_stream != (f->stream != 0))
        return false;
    if ((f->flags & ~r->flags) != 0 || f->len < r->min || f->len > r->max)
        return false;
    /* A message that goes on is neither the last nor complete. */
    return (f->flags & FRAME_MORE) == 0 || f->flags == FRAME_MORE;
}

int rpc_frame_next(const uint8_t **p, size_t *left, struct frame *out, struct sw_err *err)
{
    const uint8_t *h = *p;
    struct frame f;

    if (*left == 0)
        return 1;
    if (*left < FRAME_HEADER)
        return sw_err_set(err, SW_E_PROTOCOL, "frame header of %zu bytes", *left);
    f.stream = get_u32(h);
    f.type = h[4];
    f.flags = h[5];
    f.len = get_u32(h + 8);
    f.payload = h + FRAME_HEADER;
    if (f.type == 0 || f.type >= SW_ARRAY_LEN(rules) || h[6] != 0 || h[7] != 0)
        return sw_err_set(err, SW_E_PROTOCOL, "frame of unknown type %u", f.type);
    if (!obeys(&f, &rules[f.type]) || f.len > *left - FRAME_HEADER)
        return sw_err_set(err, SW_E_PROTOCOL,
                          "frame type %u flags %u on stream %u with %u bytes is not allowed",
                          f.type, f.flags, f.stream, f.len);
    *p += FRAME_HEADER + f.len;
    *left -= FRAME_HEADER + f.len;
    *out = f;
    return 0;
}

void rpc_frame_header(uint8_t out[FRAME_HEADER], const struct frame *f)
{
    put_u32(out, f->stream);
    out[4] = f->type;
    out[5] = f->flags;
    out[6] = 0;
    out[7] = 0;
    put_u32(out + 8, f->len);
}

void rpc_frame_put(struct sw_buf *out, const struct frame *f)
{
    uint8_t *at = sw_buf_reserve(out, FRAME_HEADER + f->len);

    if (at == NULL)
        return;
    rpc_frame_header(at, f);
    if (f->payload == NULL || f->len == 0) {
        sw_buf_commit(out, FRAME_HEADER);
        return;
    }
    memcpy(at + FRAME_HEADER, f->payload, f->len);
    sw_buf_commit(out, FRAME_HEADER + f->len);
}

static void put_msg(struct sw_buf *out, uint32_t stream, enum frame_type type, const void *msg)
{
    uint8_t payload[CONTROL_MAX];
    struct frame f = { .stream = stream, .type = (uint8_t)type, .payload = payload };

    if (protobuf_c_message_get_packed_size(msg) > sizeof(payload)) {
        out->failed = true; /* every text was bounded by the caller */
        return;
    }
    f.len = (uint32_t)protobuf_c_message_pack(msg, payload);
    rpc_frame_put(out, &f);
}

void rpc_frame_put_status(struct sw_buf *out, uint32_t stream, enum frame_type type,
                          const struct sw_err *status)
{
    Swarm__V1__RpcStatus m = SWARM__V1__RPC_STATUS__INIT;
    char text[SW_ERR_MSG_MAX];

    (void)snprintf(text, sizeof(text), "%s", status->msg);
    m.code = status->code;
    m.message = text;
    put_msg(out, stream, type, &m);
}

void rpc_frame_status(const struct frame *f, struct sw_err *out)
{
    Swarm__V1__RpcStatus *m;
    struct sw_err ignored;

    if (pb_unpack(&swarm__v1__rpc_status__descriptor, f->payload, f->len, &m, &ignored) < 0) {
        (void)sw_err_set(out, SW_E_PROTOCOL, "the peer gave an unreadable error");
        return;
    }
    (void)sw_err_set(out, m->code < 0 ? m->code : SW_E_PROTOCOL, "%s", m->message);
    pb_free(m);
}

void rpc_frame_put_open(struct sw_buf *out, uint32_t stream, const struct rpc_frame_open *open)
{
    Swarm__V1__RpcOpen m = SWARM__V1__RPC_OPEN__INIT;

    m.method = open->method;
    m.priority = open->priority;
    m.deadline_ms = open->deadline_ms;
    put_msg(out, stream, FRAME_OPEN, &m);
}

int rpc_frame_open(const struct frame *f, struct rpc_frame_open *out, struct sw_err *err)
{
    Swarm__V1__RpcOpen *m;
    int r = pb_unpack(&swarm__v1__rpc_open__descriptor, f->payload, f->len, &m, err);

    if (r < 0)
        return r;
    *out = (struct rpc_frame_open){ m->method, m->priority, m->deadline_ms };
    pb_free(m);
    return 0;
}

void rpc_frame_put_window(struct sw_buf *out, uint32_t stream, uint32_t credit)
{
    uint8_t payload[4];
    const struct frame f = { stream, FRAME_WINDOW, 0, payload, sizeof(payload) };

    put_u32(payload, credit);
    rpc_frame_put(out, &f);
}

uint32_t rpc_frame_window(const struct frame *f)
{
    return get_u32(f->payload);
}

void rpc_frame_put_welcome(struct sw_buf *out, const char *address, int64_t now_ns)
{
    Swarm__V1__RpcWelcome m = SWARM__V1__RPC_WELCOME__INIT;

    m.your_address = (char *)(uintptr_t)address; /* only read */
    m.now_ns = (uint64_t)now_ns;
    put_msg(out, 0, FRAME_WELCOME, &m);
}

int rpc_frame_welcome(const struct frame *f, char *address, size_t room, int64_t *now_ns,
                      struct sw_err *err)
{
    Swarm__V1__RpcWelcome *m;
    int r = pb_unpack(&swarm__v1__rpc_welcome__descriptor, f->payload, f->len, &m, err);

    if (r < 0)
        return r;
    (void)snprintf(address, room, "%s", m->your_address);
    *now_ns = (int64_t)m->now_ns;
    pb_free(m);
    return 0;
}
