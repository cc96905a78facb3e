/* SPDX-License-Identifier: Apache-2.0
 * Two ends in one process. What one writes the other reads in the next turn of the loop. */
#include "common/rpc/transport.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <uv.h>

#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/io/turn.h"

struct mem_end {
    struct transport base;
    struct mem_end *other;
    struct sw_buf inbox;
    struct sw_turn pump;
    bool closed; /* by its owner */
    bool told;
    unsigned hold;
};

static struct mem_end *end_of(struct transport *t)
{
    return (struct mem_end *)t;
}

/* Both ends live until both are closed. */
static void maybe_free(struct mem_end *e)
{
    struct mem_end *o = e->other;

    if (!e->closed || !o->closed || e->hold > 0 || o->hold > 0)
        return;
    sw_buf_fini(&e->inbox);
    sw_buf_fini(&o->inbox);
    sw_free(o);
    sw_free(e);
}

static void on_pump(void *arg)
{
    struct mem_end *e = arg;
    struct sw_buf got = e->inbox;

    sw_buf_init(&e->inbox);
    e->hold++;
    if (got.len > 0) {
        struct mem_end *from = e->other;

        from->base.queued -= got.len;
        e->base.cb->on_bytes(e->base.arg, got.data, got.len);
        if (!from->closed)
            from->base.cb->on_drained(from->base.arg);
    }
    if (!e->closed && !e->told && e->other->closed && e->inbox.len == 0) {
        e->told = true;
        e->base.cb->on_closed(e->base.arg, UV_EOF);
    }
    e->hold--;
    sw_buf_fini(&got);
    maybe_free(e);
}

static int mem_write(struct transport *base, uint8_t *bytes, size_t n, const int *fds, size_t n_fds)
{
    struct mem_end *e = end_of(base);
    struct mem_end *o = e->other;

    (void)fds;
    (void)n_fds;
    if (!o->closed)
        sw_buf_add(&o->inbox, bytes, n);
    sw_free(bytes);
    if (o->closed)
        return 0;
    if (sw_buf_failed(&o->inbox))
        return -ENOMEM;
    base->queued += n;
    sw_turn_ask(&o->pump);
    return 0;
}

static void mem_close(struct transport *base, bool linger)
{
    struct mem_end *e = end_of(base);

    (void)linger; /* what was written is in the other's inbox already */
    e->closed = true;
    sw_turn_fini(&e->pump);
    if (!e->other->closed)
        sw_turn_ask(&e->other->pump);
    maybe_free(e);
}

static const struct transport_ops mem_ops = { mem_write, mem_close };

int rpc_transport_pair(struct transport *out[2], struct uv_loop_s *loop, struct sw_err *err)
{
    struct mem_end *e[2];

    for (int i = 0; i < 2; i++) {
        e[i] = sw_calloc(1, sizeof(*e[i]));
        if (e[i] != NULL && sw_turn_init(&e[i]->pump, loop, on_pump, e[i], err) == 0)
            continue;
        sw_free(e[i]);
        if (i == 1) {
            sw_turn_fini(&e[0]->pump);
            sw_free(e[0]);
        }
        return sw_err_set(err, -ENOMEM, "no memory for a connection");
    }
    for (int i = 0; i < 2; i++) {
        e[i]->base.ops = &mem_ops;
        e[i]->other = e[1 - i];
        out[i] = &e[i]->base;
    }
    return 0;
}
