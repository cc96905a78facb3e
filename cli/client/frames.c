/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/client/frames.h"

#define HEADER 8

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put_be32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (24 - 8 * i));
}

int frames_push(struct frames *f, const char *data, size_t n, struct sw_err *err)
{
    sw_buf_add(&f->pending, data, n);
    while (f->pending.len >= HEADER) {
        uint8_t *p = f->pending.data;
        uint32_t len = be32(p + 4);
        uint32_t take = len < FRAME_MAX ? len : FRAME_MAX;
        int r;

        if (p[0] > FRAME_SYSTEM_ERROR)
            return sw_err_set(err, SW_E_PROTOCOL, "Unrecognized input header: %u", p[0]);
        if (f->pending.len < HEADER + (size_t)take)
            break;
        if (p[0] == FRAME_SYSTEM_ERROR)
            return sw_err_set(err, SW_E_INTERNAL, "error from daemon in stream: %.*s", (int)take,
                              (char *)p + HEADER);
        r = f->on_frame(f->arg, (enum frame_stream)p[0], (char *)p + HEADER, take, err);
        if (r < 0)
            return r;
        if (take == len) {
            sw_buf_consume(&f->pending, HEADER + (size_t)take);
        } else { /* the rest of a giant frame keeps its header */
            uint8_t stream = p[0];

            sw_buf_consume(&f->pending, take);
            f->pending.data[0] = stream;
            put_be32(f->pending.data + 4, len - take);
        }
    }
    return 0;
}

void frames_fini(struct frames *f)
{
    sw_buf_fini(&f->pending);
}
