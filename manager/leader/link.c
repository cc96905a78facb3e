/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/leader/link.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/io/timer.h"
#include "common/log/log.h"

#define REDIAL_MS 200

struct leader_link {
    struct leader_link_options o;
    struct sw_timer redial;
    struct sw_rpc_conn *conn;
    bool up;
    char address[SW_RPC_ADDRESS_MAX];
};

static void on_up(struct sw_rpc_conn *conn, void *arg)
{
    struct leader_link *l = arg;

    (void)conn;
    l->up = true;
}

static void on_down(struct sw_rpc_conn *conn, const struct sw_err *err, void *arg)
{
    struct leader_link *l = arg;

    (void)conn;
    log_debug("link to the leader down addr=%s: %s", l->address, err->msg);
    l->conn = NULL;
    l->up = false;
    sw_timer_start(&l->redial, REDIAL_MS);
}

static void dial(void *arg)
{
    struct leader_link *l = arg;
    struct sw_rpc_dial d = {
        .loop = l->o.loop,
        .address = l->address,
        .purpose = SW_RPC_NODE,
        .identity = l->o.identity(l->o.arg),
        .expect = SW_RPC_MANAGER,
        .on_up = on_up,
        .on_down = on_down,
        .arg = l,
    };
    struct sw_err err;

    if (l->address[0] == '\0' || l->conn != NULL)
        return;
    if (sw_rpc_dial(&l->conn, &d, &err) < 0) {
        log_warn("can't dial the leader addr=%s: %s", l->address, err.msg);
        l->conn = NULL;
        sw_timer_start(&l->redial, REDIAL_MS);
    }
}

int leader_link_new(struct leader_link **out, const struct leader_link_options *o,
                    struct sw_err *err)
{
    struct leader_link *l = sw_calloc(1, sizeof(*l));

    if (l == NULL)
        return sw_err_set(err, -ENOMEM, "create the link to the leader");
    l->o = *o;
    if (sw_timer_init(&l->redial, o->loop, dial, l, err) < 0) {
        sw_free(l);
        return err->code;
    }
    *out = l;
    return 0;
}

void leader_link_free(struct leader_link *l)
{
    if (l == NULL)
        return;
    sw_rpc_conn_close(l->conn);
    sw_timer_fini(&l->redial);
    sw_free(l);
}

void leader_link_set(struct leader_link *l, const char *address)
{
    if (strcmp(l->address, address) == 0)
        return;
    sw_rpc_conn_close(l->conn);
    l->conn = NULL;
    l->up = false;
    sw_timer_stop(&l->redial);
    (void)snprintf(l->address, sizeof(l->address), "%s", address);
    dial(l);
}

struct sw_rpc_conn *leader_link_conn(struct leader_link *l, struct sw_err *err)
{
    if (l->up)
        return l->conn;
    if (l->address[0] != '\0')
        (void)sw_err_set(err, SW_E_NO_LEADER, "the leader at %s can't be reached from this manager",
                         l->address);
    else
        (void)sw_err_set(err, SW_E_NO_LEADER, "no manager leads at the moment");
    return NULL;
}
