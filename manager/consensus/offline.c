/* SPDX-License-Identifier: Apache-2.0
 * offline.c - what is done to a directory while no member runs on it: bootstrap, recovery. */
#include <string.h>

#include "common/log/log.h"
#include "manager/consensus/core.h"

static int null_apply(void *arg, uint64_t index, const uint8_t *data, size_t len)
{
    (void)arg;
    (void)index;
    (void)data;
    (void)len;
    return 0;
}

/* On a loop of its own, with nothing started. */
static int offline(const char *dir, uint64_t member, const char *address, bool bootstrap,
                   struct sw_err *err)
{
    struct consensus_options o = CONSENSUS_OPTIONS_INIT;
    struct raft_configuration conf;
    struct consensus *c = NULL;
    uv_loop_t loop;
    int code = 0;
    int r = uv_loop_init(&loop);

    if (r < 0)
        return sw_err_set(err, r, "raft directory %s", dir);
    o.loop = &loop;
    o.dir = dir;
    o.member = member;
    o.address = address;
    o.reserve_bytes = 0;
    o.fsm.apply = null_apply;
    r = cons_create(&c, &o, NULL, err);
    if (r == 0) {
        raft_configuration_init(&conf);
        code = raft_configuration_add(&conf, member, address, RAFT_VOTER);
        if (code == 0)
            code = bootstrap ? raft_bootstrap(&c->raft, &conf) : raft_recover(&c->raft, &conf);
        raft_configuration_close(&conf);
        if (code == RAFT_CANTBOOTSTRAP)
            r = sw_err_set(err, SW_E_CONFLICT, "%s already holds a raft member", dir);
        else if (code != 0)
            r = cons_dir_explain(code, c->disk->errmsg, dir, err);
    }
    cons_give_up(c);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    if (uv_loop_close(&loop) < 0)
        log_warn("raft loop left open dir=%s", dir);
    return r;
}

int consensus_bootstrap(const char *dir, uint64_t member, const char *address, struct sw_err *err)
{
    if (cons_dir_is_used(dir))
        return sw_err_set(err, SW_E_CONFLICT, "%s already holds a raft member", dir);
    return offline(dir, member, address, true, err);
}

int consensus_recover(const char *dir, uint64_t member, const char *address, struct sw_err *err)
{
    if (!cons_dir_is_used(dir))
        return sw_err_set(err, SW_E_NOT_FOUND, "%s holds no raft member", dir);
    return offline(dir, member, address, false, err);
}

bool consensus_exists(const char *dir)
{
    return cons_dir_is_used(dir);
}
