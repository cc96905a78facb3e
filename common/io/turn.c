/* SPDX-License-Identifier: Apache-2.0 */
#include "common/io/turn.h"

#include <assert.h>
#include <errno.h>

#include <uv.h>

#include "common/base/alloc.h"

struct sw_turn_handle {
    uv_idle_t uv;
    void (*run)(void *arg);
    void *arg;
};

static void on_idle(uv_idle_t *uv)
{
    struct sw_turn_handle *h = uv->data;

    (void)uv_idle_stop(uv);
    h->run(h->arg); /* may end it: nothing may follow */
}

static void on_closed(uv_handle_t *uv)
{
    sw_free(uv->data);
}

int sw_turn_init(struct sw_turn *t, struct uv_loop_s *loop, void (*run)(void *arg), void *arg,
                 struct sw_err *err)
{
    struct sw_turn_handle *h = sw_calloc(1, sizeof(*h));

    t->handle = NULL;
    if (h == NULL)
        return sw_err_set(err, -ENOMEM, "no memory for a loop turn");
    (void)uv_idle_init(loop, &h->uv); /* cannot fail */
    h->uv.data = h;
    h->run = run;
    h->arg = arg;
    t->handle = h;
    return 0;
}

void sw_turn_fini(struct sw_turn *t)
{
    struct sw_turn_handle *h = t->handle;

    if (h == NULL)
        return;
    t->handle = NULL;
    uv_close((uv_handle_t *)&h->uv, on_closed);
}

void sw_turn_ask(struct sw_turn *t)
{
    assert(t->handle != NULL);
    (void)uv_idle_start(&t->handle->uv, on_idle);
}
