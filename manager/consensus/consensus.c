/* SPDX-License-Identifier: Apache-2.0
 * consensus.c - life of a member: open, the kick, the tick, close.
 *
 * Close:  kick: complete the user's requests, stop the transport
 *         -> last outstanding send back -> raft_close() -> disk half closed -> some turns
 *         -> kick handle closed -> free, closed() */
#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/log/log.h"
#include "manager/consensus/core.h"

#define DISK_CHECK_TICKS 10
#define GRACE_TURNS      16

int cons_error(int raft_code)
{
    switch (raft_code) {
    case 0:
        return 0;
    case RAFT_NOMEM:
        return -ENOMEM;
    case RAFT_NOTLEADER:
        return SW_E_NO_LEADER;
    case RAFT_LEADERSHIPLOST:
        return SW_E_UNAVAILABLE;
    case RAFT_CANTCHANGE:
    case RAFT_DUPLICATEID:
    case RAFT_DUPLICATEADDRESS:
    case RAFT_BUSY:
        return SW_E_CONFLICT;
    case RAFT_BADID:
    case RAFT_NOTFOUND:
        return SW_E_NOT_FOUND;
    case RAFT_NOSPACE:
        return SW_E_EXHAUSTED;
    case RAFT_SHUTDOWN:
    case RAFT_CANCELED:
        return SW_E_CANCELED;
    default:
        return SW_E_INTERNAL;
    }
}

void cons_fatal(struct consensus *c, int code, const char *fmt, ...)
{
    va_list ap;

    if (c->failed)
        return;
    c->failed = true;
    c->fatal.code = code;
    va_start(ap, fmt);
    (void)vsnprintf(c->fatal.msg, sizeof(c->fatal.msg), fmt, ap);
    va_end(ap);
    cons_kick(c);
}

static void prepare_connections(struct consensus *c)
{
    const struct raft_configuration *conf = &c->raft.configuration;

    if (c->o.transport.prepare == NULL || c->removed)
        return;
    for (unsigned i = 0; i < conf->n; i++) {
        if (conf->servers[i].id != c->o.member)
            c->o.transport.prepare(c->o.transport.arg, conf->servers[i].id,
                                   conf->servers[i].address);
    }
}

void cons_tick(struct consensus *c)
{
    if (!cons_is_usable(c))
        return;
    cons_compat_mirror(&c->io, c->disk);
    if (c->has_dir && c->ticks++ % DISK_CHECK_TICKS == 0)
        c->disk_low = cons_dir_is_low(&c->dir);
    prepare_connections(c);
    if (cons_guard_may_tick(c))
        c->tick(&c->io);
    cons_react(c);
    if (!cons_is_usable(c))
        return;
    cons_member_tick(c);
    cons_out_tick(c);
}

/* ---- close --------------------------------------------------------------------------------- */

static void free_all(struct consensus *c)
{
    cons_out_fini(c);
    cons_guard_fini(c);
    cons_in_fini(c);
    cons_history_fini(&c->history);
    cons_log_fini(&c->log);
    cons_dir_close(&c->dir);
    sw_buf_fini(&c->plain);
    sw_free((void *)(uintptr_t)c->o.dir);
    sw_free((void *)(uintptr_t)c->o.address);
    sw_free(c);
}

static void on_kick_closed(uv_handle_t *handle)
{
    struct consensus *c = handle->data;
    void (*closed)(void *arg) = c->closed;
    void *arg = c->closed_arg;

    free_all(c);
    if (closed != NULL)
        closed(arg);
}

/* libraft's disk half says it is closed while its writers' handles still are closing, and looks at
 * itself, and says so again, when they have: it is kept for some more turns of the loop. */
static void on_grace(uv_idle_t *handle)
{
    struct consensus *c = handle->data;

    if (--c->grace_turns > 0)
        return;
    uv_idle_stop(handle);
    if (c->disk == &c->own_disk)
        raft_uv_close(&c->own_disk);
    uv_close((uv_handle_t *)&c->kick, on_kick_closed);
}

static void close_rest(struct consensus *c)
{
    cons_out_flush(c);
    uv_idle_stop(&c->kick);
    c->grace_turns = GRACE_TURNS;
    uv_idle_start(&c->kick, on_grace);
}

static void on_raft_closed(struct raft *r)
{
    close_rest(r->data);
}

static void close_step(struct consensus *c)
{
    if (!c->out.stopped) {
        c->out.stopped = true;
        cons_prop_fail(c, SW_E_CANCELED, SW_E_CANCELED);
        cons_member_fail(c, SW_E_CANCELED);
        cons_fsm_cancel(c);
        if (c->o.transport.stop != NULL)
            c->o.transport.stop(c->o.transport.arg);
    }
    if (c->out.outstanding > 0 || c->raft_closing)
        return;
    c->raft_closing = true;
    if (c->raft_ready)
        raft_close(&c->raft, on_raft_closed);
    else
        close_rest(c);
}

void consensus_close(struct consensus *c, void (*closed)(void *arg), void *arg)
{
    c->closing = true;
    c->closed = closed;
    c->closed_arg = arg;
    cons_kick(c);
}

/* ---- the kick ------------------------------------------------------------------------------ */

static void tell_fatal(struct consensus *c)
{
    if (c->fatal_told)
        return;
    c->fatal_told = true;
    c->ready = c->leading = false;
    log_error("raft stopped member=%" PRIu64 " reason=%s", c->o.member, c->fatal.msg);
    cons_prop_fail(c, SW_E_CANCELED, SW_E_CANCELED);
    cons_member_fail(c, SW_E_CANCELED);
    cons_fsm_cancel(c);
    if (c->o.events.on_fatal != NULL)
        c->o.events.on_fatal(c->o.events.arg, &c->fatal);
}

static void on_kick(uv_idle_t *handle)
{
    struct consensus *c = handle->data;

    uv_idle_stop(handle);
    cons_out_flush(c);
    if (c->failed && !c->closing)
        tell_fatal(c);
    if (c->closing) {
        close_step(c);
        return;
    }
    if (!cons_is_usable(c))
        return;
    cons_guard_release(c);
    cons_react(c);
    if (cons_is_usable(c))
        cons_prop_flush(c);
    if (cons_is_usable(c))
        cons_member_flush(c);
}

void cons_kick(struct consensus *c)
{
    if (c->kick_open && c->grace_turns == 0 && !uv_is_closing((uv_handle_t *)&c->kick))
        uv_idle_start(&c->kick, on_kick);
}

/* ---- open ---------------------------------------------------------------------------------- */

static int null_init(struct raft_uv_transport *t, raft_id id, const char *address)
{
    (void)t;
    (void)id;
    (void)address;
    return 0;
}

static int null_listen(struct raft_uv_transport *t, raft_uv_accept_cb cb)
{
    (void)t;
    (void)cb;
    return 0;
}

static int null_connect(struct raft_uv_transport *t, struct raft_uv_connect *req, raft_id id,
                        const char *address, raft_uv_connect_cb cb)
{
    (void)t;
    (void)req;
    (void)id;
    (void)address;
    (void)cb;
    return RAFT_NOCONNECTION;
}

static void null_close(struct raft_uv_transport *t, raft_uv_transport_close_cb cb)
{
    cb(t);
}

static int init_disk(struct consensus *c, struct sw_err *err)
{
    struct raft_uv_transport *t = &c->null_transport;
    int code;

    t->init = null_init;
    t->listen = null_listen;
    t->connect = null_connect;
    t->close = null_close;
    cons_compat_transport(t);
    code = raft_uv_init(&c->own_disk, c->o.loop, c->dir.log, t);
    if (code != 0)
        return cons_dir_explain(code, c->own_disk.errmsg, c->dir.path, err);
    raft_uv_set_auto_recovery(&c->own_disk, false);
    (void)raft_uv_set_snapshot_compression(&c->own_disk, false); /* sealed bytes do not shrink */
    c->disk = &c->own_disk;
    return 0;
}

static int init_raft(struct consensus *c, struct sw_err *err)
{
    int code;

    cons_io_init(c);
    cons_fsm_init(c);
    code = raft_init(&c->raft, &c->io, &c->fsm, c->o.member, c->o.address);
    if (code != 0) {
        const char *why = c->disk->errmsg[0] != '\0' ? c->disk->errmsg : raft_errmsg(&c->raft);

        return cons_dir_explain(code, why, c->o.dir == NULL ? "raft" : c->o.dir, err);
    }
    c->raft.data = c;
    c->disk->data = &c->raft;
    c->raft_ready = true;
    raft_set_election_timeout(&c->raft, c->o.election_ms);
    raft_set_heartbeat_timeout(&c->raft, c->o.heartbeat_ms);
    raft_set_snapshot_threshold(&c->raft, c->o.snapshot_entries);
    raft_set_snapshot_trailing(&c->raft, c->o.trailing_entries);
    raft_set_max_catch_up_round_duration(&c->raft, 600 * 1000);
    raft_set_pre_vote(&c->raft, true);
    return 0;
}

static int check_options(const struct consensus_options *o, bool has_disk, struct sw_err *err)
{
    if (o->loop == NULL || (o->dir == NULL && !has_disk) || o->member == 0 || o->address == NULL ||
        o->address[0] == '\0' || strlen(o->address) >= CONSENSUS_ADDRESS_MAX)
        return sw_err_set(err, SW_E_INVALID, "raft needs loop, directory, member id and address");
    if (o->heartbeat_ms == 0 || o->election_ms < 2 * o->heartbeat_ms)
        return sw_err_set(err, SW_E_INVALID, "raft election timeout below two heartbeats");
    if (o->inflight_entries == 0 || o->trailing_entries == 0 || o->snapshot_entries == 0)
        return sw_err_set(err, SW_E_INVALID, "raft limits must not be 0");
    if ((o->seal.seal == NULL) != (o->seal.open == NULL))
        return sw_err_set(err, SW_E_INVALID, "raft needs both seal functions or none");
    return 0;
}

static int copy_strings(struct consensus *c, struct sw_err *err)
{
    const char *dir = c->o.dir;
    const char *address = c->o.address;

    c->o.dir = dir == NULL ? NULL : sw_strdup(dir);
    c->o.address = sw_strdup(address);
    if (c->o.address == NULL || (dir != NULL && c->o.dir == NULL))
        return sw_err_set(err, -ENOMEM, "open raft");
    return 0;
}

static int prepare(struct consensus *c, struct raft_io *disk, struct sw_err *err)
{
    int r = copy_strings(c, err);

    if (r < 0)
        return r;
    r = uv_idle_init(c->o.loop, &c->kick);
    if (r < 0)
        return sw_err_set(err, r, "open raft");
    c->kick.data = c;
    c->kick_open = true;
    if (disk != NULL) {
        c->disk = disk;
    } else {
        r = cons_dir_open(&c->dir, c->o.dir, c->o.member, err);
        if (r < 0)
            return r;
        c->has_dir = true;
        r = cons_dir_reserve(&c->dir, c->o.reserve_bytes, err);
        if (r < 0 && r != SW_E_EXHAUSTED)
            return r;
        c->disk_low = r < 0; /* start all the same: a snapshot may free space */
        r = init_disk(c, err);
        if (r < 0)
            return r;
    }
    return init_raft(c, err);
}

int cons_create(struct consensus **out, const struct consensus_options *o, struct raft_io *disk,
                struct sw_err *err)
{
    struct consensus *c;
    int r = check_options(o, disk != NULL, err);

    if (r < 0)
        return r;
    c = sw_calloc(1, sizeof(*c));
    if (c == NULL)
        return sw_err_set(err, -ENOMEM, "open raft");
    *out = c;
    c->o = *o;
    cons_dir_init(&c->dir);
    cons_log_init(&c->log);
    cons_history_init(&c->history);
    cons_guard_init(c);
    cons_out_init(c);
    cons_prop_init(c);
    sw_list_init(&c->snap.waiters);
    return prepare(c, disk, err);
}

void cons_give_up(struct consensus *c)
{
    if (c == NULL)
        return;
    c->failed = c->fatal_told = true;
    memset(&c->o.transport, 0, sizeof(c->o.transport)); /* may be gone when the loop runs */
    c->has_dir = false;
    cons_dir_close(&c->dir); /* another try may follow at once */
    if (c->kick_open)
        consensus_close(c, NULL, NULL); /* frees itself when the loop runs */
    else
        free_all(c);
}

int cons_open(struct consensus **out, const struct consensus_options *o, struct raft_io *disk,
              struct sw_err *err)
{
    struct consensus *c = NULL;
    int code;
    int r = cons_create(&c, o, disk, err);

    if (r < 0)
        goto fail;
    code = raft_start(&c->raft);
    if (code != 0 || c->failed) {
        if (c->failed)
            *err = c->fatal;
        else
            (void)cons_dir_explain(code, raft_errmsg(&c->raft), c->o.dir == NULL ? "" : c->o.dir,
                                   err);
        r = err->code;
        goto fail;
    }
#ifdef __GLIBC__
    (void)malloc_trim(0); /* of the segments that were loaded, 8 MB each */
#endif
    c->started = true;
    c->members_changed = true;
    cons_kick(c);
    *out = c;
    return 0;

fail:
    cons_give_up(c);
    return r;
}

int consensus_open(struct consensus **out, const struct consensus_options *o, struct sw_err *err)
{
    return cons_open(out, o, NULL, err);
}
