/* SPDX-License-Identifier: Apache-2.0
 * agent_manager.c - the process swarm-manager on this node.
 *
 *   manager_start(): connect to its control socket -> (nobody there: spawn, connect again)
 *     -> ask its status -> (not set up: hand the setup over) -> done
 *
 * It is no child in the usual sense: its own session, not ended with us, found again by its socket.
 * One that ends by itself while it is wanted is started again. */
#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/agent_priv.h"
#include "common/base/alloc.h"
#include "common/base/time.h"
#include "common/io/file.h"
#include "common/log/log.h"
#include "proto/pb.h"

#define TRY_MS     50
#define TRIES      120 /* 6 s until its socket must answer */
#define SETUP_MS   30000
#define RESPAWN_MS 500

static void attempt(void *arg);

static void paths(const struct agent *a, char dir[512], char run[512])
{
    (void)snprintf(dir, 512, "%s/manager", a->o.state_dir);
    (void)snprintf(run, 512, "%s/manager", a->o.run_dir);
}

static void report(struct agent *a, const Swarm__V1__ManagerLocalStatus *st,
                   const struct sw_err *err)
{
    struct manager_proc *p = &a->manager;
    void (*done)(struct agent *, const Swarm__V1__ManagerLocalStatus *, const struct sw_err *) =
        p->done;

    p->done = NULL;
    pb_free(p->setup);
    p->setup = NULL;
    sw_timer_stop(&p->retry);
    if (done != NULL)
        done(a, st, err);
    else if (err != NULL && err->code != 0)
        log_error("manager: %s", err->msg);
}

/* ---- the process
 * ---------------------------------------------------------------------------------- */

static void on_handle_closed(uv_handle_t *h)
{
    struct manager_proc *p = h->data;
    void (*stopped)(struct agent * a) = p->stopped;

    p->spawned = false;
    p->stopped = NULL;
    if (stopped != NULL)
        stopped(p->a);
    else if (p->wanted && !p->a->stopping)
        sw_timer_start(&p->retry, RESPAWN_MS);
}

static void on_process_exit(uv_process_t *process, int64_t status, int signal)
{
    struct manager_proc *p = process->data;
    struct sw_err err;

    log_warn("manager process ended status=%lld signal=%d", (long long)status, signal);
    p->running = false;
    sw_rpc_conn_close(p->conn);
    p->conn = NULL;
    if (p->done != NULL) {
        p->wanted = false;
        (void)sw_err_set(&err, SW_E_INTERNAL,
                         "the manager process ended while it was starting "
                         "(status %lld, signal %d); its log tells more",
                         (long long)status, signal);
        report(p->a, NULL, &err);
    }
    uv_close((uv_handle_t *)process, on_handle_closed);
}

/* Its directories belong to the user it runs as. */
static int prepare_dirs(struct agent *a, uv_process_options_t *o, struct sw_err *err)
{
    const struct passwd *pw;
    char dir[512];
    char run[512];
    int r;

    paths(a, dir, run);
    r = sw_dir_make(dir, 0700, err);
    if (r == 0)
        r = sw_dir_make(run, 0700, err);
    if (r < 0 || a->o.manager_user == NULL || a->o.manager_user[0] == '\0')
        return r;
    pw = getpwnam(a->o.manager_user);
    if (pw == NULL)
        return sw_err_set(err, SW_E_INVALID,
                          "user \"%s\" for swarm-manager does not exist: create it with \"useradd "
                          "--system %s\" or start swarmd with --manager-user ''",
                          a->o.manager_user, a->o.manager_user);
    o->uid = pw->pw_uid;
    o->gid = pw->pw_gid;
    o->flags |= UV_PROCESS_SETUID | UV_PROCESS_SETGID;
    if (chown(dir, pw->pw_uid, pw->pw_gid) < 0 || chown(run, pw->pw_uid, pw->pw_gid) < 0)
        return sw_err_errno(err, errno, "chown %s", dir);
    return 0;
}

static int spawn(struct manager_proc *p, struct sw_err *err)
{
    struct agent *a = p->a;
    uv_process_options_t o = { 0 };
    uv_stdio_container_t stdio[3];
    char program[512];
    char dir[512];
    char run[512];
    char *argv[] = { program,
                     (char[]){ "--state-dir" },
                     dir,
                     (char[]){ "--run-dir" },
                     run,
                     (char[]){ "--log-level" },
                     (char *)(uintptr_t)a->o.log_level,
                     NULL };
    int r;

    paths(a, dir, run);
    (void)snprintf(program, sizeof(program), "%s/swarm-manager", a->o.libexec_dir);
    stdio[0].flags = UV_IGNORE;
    stdio[1].flags = stdio[2].flags = UV_INHERIT_FD;
    stdio[1].data.fd = stdio[2].data.fd = STDERR_FILENO;
    o.file = program;
    o.args = argv;
    o.exit_cb = on_process_exit;
    o.flags = UV_PROCESS_DETACHED;
    o.stdio = stdio;
    o.stdio_count = 3;
    r = prepare_dirs(a, &o, err);
    if (r < 0)
        return r;
    p->process.data = p;
    r = uv_spawn(a->loop, &p->process, &o);
    p->spawned = true;
    if (r < 0) {
        uv_close((uv_handle_t *)&p->process, on_handle_closed);
        return sw_err_set(err, r, "start %s: %s", program, uv_strerror(r));
    }
    uv_unref((uv_handle_t *)&p->process);
    log_info("manager process started pid=%d", p->process.pid);
    return 0;
}

/* ---- the control socket
 * --------------------------------------------------------------------------- */

static void on_setup_reply(const uint8_t *bytes, size_t len, const struct sw_err *err, void *arg)
{
    SW_CLEANUP(pb_free_ptr) Swarm__V1__ManagerLocalStatus *st = NULL;
    struct manager_proc *p = arg;
    struct sw_err local = { 0 };

    if (err != NULL)
        local = *err;
    else if (pb_unpack(&swarm__v1__manager_local_status__descriptor, bytes, len, &st, &local) == 0)
        p->running = true;
    report(p->a, st, &local);
}

static void set_up(struct manager_proc *p)
{
    struct sw_rpc_call call = { .method = SWARM__V1__METHOD__METHOD_LOCAL_SETUP,
                                .deadline_ms = SETUP_MS,
                                .msg = &p->setup->base,
                                .done = on_setup_reply,
                                .arg = p };
    struct sw_err err;

    if (sw_rpc_call(p->conn, &call, &err) < 0)
        report(p->a, NULL, &err);
}

static void on_status(const uint8_t *bytes, size_t len, const struct sw_err *err, void *arg)
{
    SW_CLEANUP(pb_free_ptr) Swarm__V1__ManagerLocalStatus *st = NULL;
    struct manager_proc *p = arg;
    struct sw_err local = { 0 };

    if (err != NULL) {
        local = *err;
        report(p->a, NULL, &local);
        return;
    }
    if (pb_unpack(&swarm__v1__manager_local_status__descriptor, bytes, len, &st, &local) < 0) {
        report(p->a, NULL, &local);
    } else if (st->running) {
        p->running = true;
        report(p->a, st, &local);
    } else {
        set_up(p);
    }
}

static void on_up(struct sw_rpc_conn *conn, void *arg)
{
    struct manager_proc *p = arg;
    Swarm__V1__Empty empty = SWARM__V1__EMPTY__INIT;
    struct sw_rpc_call call = { .method = SWARM__V1__METHOD__METHOD_LOCAL_STATUS,
                                .deadline_ms = 5000,
                                .msg = &empty.base,
                                .done = on_status,
                                .arg = p };
    struct sw_err err;

    if (sw_rpc_call(conn, &call, &err) < 0)
        report(p->a, NULL, &err);
}

static void on_down(struct sw_rpc_conn *conn, const struct sw_err *err, void *arg)
{
    struct manager_proc *p = arg;
    struct sw_err local = *err;

    (void)conn;
    p->conn = NULL;
    if (p->running) { /* it ended; one that is not our child is noticed here */
        p->running = false;
        log_warn("manager control socket closed: %s", local.msg);
        if (p->wanted && !p->spawned && !p->a->stopping)
            sw_timer_start(&p->retry, RESPAWN_MS);
        return;
    }
    if (!p->wanted)
        return;
    if (!p->spawned) { /* nobody is there */
        if (spawn(p, &local) < 0) {
            p->wanted = p->done == NULL;
            report(p->a, NULL, &local);
            return;
        }
    }
    if (++p->tries > TRIES) {
        (void)sw_err_wrap(&local, "the manager process does not answer");
        report(p->a, NULL, &local);
        return;
    }
    sw_timer_start(&p->retry, TRY_MS);
}

static void attempt(void *arg)
{
    struct manager_proc *p = arg;
    char address[600];
    struct sw_rpc_dial d = {
        .loop = p->a->loop,
        .address = address,
        .purpose = SW_RPC_UNIX,
        .expect = SW_RPC_LOCAL,
        .timeout_ms = 2000,
        .on_up = on_up,
        .on_down = on_down,
        .arg = p,
    };
    struct sw_err err;

    if (!p->wanted || p->conn != NULL)
        return;
    if (p->setup == NULL && /* it ended by itself: open what it had */
        agent_setup_new(p->a, SWARM__V1__MANAGER_SETUP__MODE__OPEN, &p->setup, &err) < 0) {
        report(p->a, NULL, &err);
        return;
    }
    (void)snprintf(address, sizeof(address), "unix:%s/manager/manager-control.sock",
                   p->a->o.run_dir);
    if (sw_rpc_dial(&p->conn, &d, &err) < 0) {
        p->conn = NULL;
        report(p->a, NULL, &err);
    }
}

int agent_setup_new(struct agent *a, Swarm__V1__ManagerSetup__Mode mode,
                    Swarm__V1__ManagerSetup **out, struct sw_err *err)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf id = SW_BUF_INIT;
    SW_CLEANUP(pb_free_ptr)
    Swarm__V1__ManagerSetup *s = pb_new(&swarm__v1__manager_setup__descriptor);
    int r;

    if (s == NULL)
        return sw_err_set(err, -ENOMEM, "set up the manager");
    s->mode = mode;
    r = sw_identity_encode(a->identity, &id, err);
    if (r == 0 && (pb_set_bytes(&s->identity, id.data, id.len) < 0 ||
                   pb_set_string(&s->visualizer_addr, a->o.visualizer_addr) < 0 ||
                   pb_set_string(&s->listen_addr, a->node->listen_addr) < 0 ||
                   pb_set_string(&s->advertise_addr, a->node->advertise_addr) < 0))
        r = sw_err_set(err, -ENOMEM, "set up the manager");
    if (id.data != NULL)
        sw_wipe(id.data, id.len);
    if (r == 0)
        *out = sw_steal(s);
    return r;
}

void manager_start(struct agent *a, Swarm__V1__ManagerSetup *setup,
                   void (*done)(struct agent *a, const Swarm__V1__ManagerLocalStatus *st,
                                const struct sw_err *err))
{
    struct manager_proc *p = &a->manager;

    pb_free(p->setup);
    p->setup = setup;
    p->done = done;
    p->wanted = true;
    p->tries = 0;
    sw_timer_start(&p->retry, 0);
}

void manager_end(struct agent *a, void (*stopped)(struct agent *a))
{
    struct manager_proc *p = &a->manager;
    char dir[512];
    char run[512];
    pid_t pid = 0;

    paths(a, dir, run);
    p->wanted = false;
    p->running = false;
    p->done = NULL;
    if (p->conn != NULL && sw_rpc_conn_is_up(p->conn))
        pid = sw_rpc_conn_peer(p->conn)->pid;
    sw_rpc_conn_close(p->conn);
    p->conn = NULL;
    sw_timer_stop(&p->retry);
    if (p->spawned)
        pid = p->process.pid;
    /* It is told to end by signal and its state goes at once: what it still writes is lost. */
    if (pid > 0)
        (void)kill(pid, SIGKILL);
    (void)agent_remove_tree(dir);
    if (p->spawned && stopped != NULL)
        p->stopped = stopped;
    else if (stopped != NULL)
        stopped(a);
}

static void on_identity_taken(const uint8_t *bytes, size_t len, const struct sw_err *err, void *arg)
{
    (void)bytes;
    (void)len;
    (void)arg;
    if (err != NULL)
        log_warn("manager did not take the new certificate: %s", err->msg);
}

void manager_set_identity(struct agent *a)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf id = SW_BUF_INIT;
    Swarm__V1__ManagerIdentity m = SWARM__V1__MANAGER_IDENTITY__INIT;
    struct sw_rpc_call call = { .method = SWARM__V1__METHOD__METHOD_LOCAL_IDENTITY,
                                .msg = &m.base,
                                .done = on_identity_taken };
    struct sw_err err;

    if (!a->manager.running || a->manager.conn == NULL ||
        sw_identity_encode(a->identity, &id, &err) < 0)
        return;
    m.identity.data = id.data;
    m.identity.len = id.len;
    if (sw_rpc_call(a->manager.conn, &call, &err) < 0)
        log_warn("manager did not take the new certificate: %s", err.msg);
    sw_wipe(id.data, id.len);
}

int manager_proc_init(struct agent *a, struct sw_err *err)
{
    a->manager.a = a;
    return sw_timer_init(&a->manager.retry, a->loop, attempt, &a->manager, err);
}

void manager_proc_fini(struct agent *a)
{
    struct manager_proc *p = &a->manager;

    p->wanted = false;
    p->done = NULL;
    sw_timer_fini(&p->retry);
    sw_rpc_conn_close(p->conn);
    p->conn = NULL;
    pb_free(p->setup);
    p->setup = NULL;
    if (p->spawned && !uv_is_closing((uv_handle_t *)&p->process))
        uv_close((uv_handle_t *)&p->process, NULL);
}
