/* SPDX-License-Identifier: Apache-2.0 */
#include "common/io/timer.h"

#include <assert.h>
#include <errno.h>

#include <uv.h>

#include "common/base/alloc.h"

struct sw_timer_handle {
    uv_timer_t uv;
    void (*fire)(void *arg);
    void *arg;
};

static void on_timer(uv_timer_t *uv)
{
    struct sw_timer_handle *h = uv->data;

    h->fire(h->arg); /* may end the timer: nothing may follow */
}

static void on_closed(uv_handle_t *uv)
{
    sw_free(uv->data);
}

int sw_timer_init(struct sw_timer *t, struct uv_loop_s *loop, void (*fire)(void *arg), void *arg,
                  struct sw_err *err)
{
    struct sw_timer_handle *h = sw_calloc(1, sizeof(*h));

    t->handle = NULL;
    if (h == NULL)
        return sw_err_set(err, -ENOMEM, "no memory for a timer");
    (void)uv_timer_init(loop, &h->uv); /* cannot fail */
    h->uv.data = h;
    h->fire = fire;
    h->arg = arg;
    t->handle = h;
    return 0;
}

void sw_timer_fini(struct sw_timer *t)
{
    struct sw_timer_handle *h = t->handle;

    if (h == NULL)
        return;
    t->handle = NULL;
    uv_close((uv_handle_t *)&h->uv, on_closed);
}

void sw_timer_start(struct sw_timer *t, uint64_t ms)
{
    assert(t->handle != NULL);
    /* The loop's notion of now may be stale after long work in a callback. */
    uv_update_time(t->handle->uv.loop);
    (void)uv_timer_start(&t->handle->uv, on_timer, ms, 0);
}

void sw_timer_stop(struct sw_timer *t)
{
    if (t->handle != NULL)
        (void)uv_timer_stop(&t->handle->uv);
}

bool sw_timer_is_running(const struct sw_timer *t)
{
    return t->handle != NULL && uv_is_active((const uv_handle_t *)&t->handle->uv);
}

void sw_timer_unref(struct sw_timer *t)
{
    uv_unref((uv_handle_t *)&t->handle->uv);
}
