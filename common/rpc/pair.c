/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "common/rpc/conn.h"

static struct sw_rpc_conn *make_end(struct uv_loop_s *loop, const struct sw_rpc_end *e, bool dialer,
                                    struct sw_err *err)
{
    struct sw_rpc_conn *c = rpc_conn_new(loop, e->limits, err);

    if (c == NULL)
        return NULL;
    c->state = CONN_WELCOME;
    c->dialer = dialer;
    c->next_id = dialer ? 1 : 2;
    c->peer = e->sees;
    c->methods = e->methods;
    c->n_methods = e->n_methods;
    c->on_up = e->on_up;
    c->on_down = e->on_down;
    c->arg = e->arg;
    return c;
}

int sw_rpc_pair(struct uv_loop_s *loop, const struct sw_rpc_end *a, const struct sw_rpc_end *b,
                struct sw_rpc_conn *out[2], struct sw_err *err)
{
    struct transport *t[2];
    struct sw_rpc_conn *x = make_end(loop, a, true, err);
    struct sw_rpc_conn *y = x != NULL ? make_end(loop, b, false, err) : NULL;

    if (y == NULL || rpc_transport_pair(t, loop, err) < 0) {
        sw_rpc_conn_close(x);
        sw_rpc_conn_close(y);
        return sw_err_set(err, -ENOMEM, "no memory for a connection");
    }
    rpc_conn_attach(x, t[0]);
    rpc_conn_attach(y, t[1]);
    rpc_conn_kick(y); /* it welcomes the other from the next turn */
    out[0] = x;
    out[1] = y;
    return 0;
}
