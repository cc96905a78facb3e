/* SPDX-License-Identifier: Apache-2.0
 * container_exec.c - a further process: its stdio is ours, its life is the shim's.
 *
 * The pipes are made here and travel to the shim with the request; a terminal is made inside and
 * comes to us over a socket pair. Told is first started or failed; exited comes when the process
 * has ended and its output too, or EXEC_DRAIN_MS later. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "agent/sandbox/container_priv.h"
#include "agent/sandbox/fdio.h"
#include "common/base/alloc.h"
#include "common/io/unixsock.h"

#define EXEC_DRAIN_MS 1000

struct container_exec {
    struct sw_list link; /* in container.execs */
    struct container *c; /* NULL: freed before us */
    uint64_t id;
    pid_t pid;
    struct container_exec_events events;
    struct fdio *in, *out[2]; /* in == out[0] with a terminal */
    uv_poll_t *wait;          /* for the terminal */
    int wait_fd;
    struct sw_timer drain;
    unsigned rows, cols;
    bool tty, started, has_exited, told, input_done;
    int exit_code;
    struct sw_err failure;
    struct sw_buf early; /* input from before the terminal came */
    bool failed;
    int busy;
    bool dead;
};

static void on_wait_closed(uv_handle_t *h)
{
    sw_free(h);
}

static void stop_waiting(struct container_exec *x)
{
    if (x->wait == NULL)
        return;
    uv_close((uv_handle_t *)x->wait, on_wait_closed);
    (void)close(x->wait_fd);
    x->wait = NULL;
}

static void close_io(struct container_exec *x)
{
    if (x->in != x->out[0])
        fdio_free(x->in);
    for (int i = 0; i < 2; i++) {
        fdio_free(x->out[i]);
        x->out[i] = NULL;
    }
    x->in = NULL;
    stop_waiting(x);
}

static void exec_destroy(struct container_exec *x)
{
    sw_list_del(&x->link);
    close_io(x);
    sw_timer_fini(&x->drain);
    sw_buf_fini(&x->early);
    sw_free(x);
}

void container_exec_free(struct container_exec *x)
{
    if (x == NULL || x->dead)
        return;
    x->dead = true;
    if (x->busy == 0)
        exec_destroy(x);
}

/* Each callback to the owner runs between these two, as it may free @x. */
static void enter(struct container_exec *x)
{
    x->busy++;
}

static void leave(struct container_exec *x)
{
    if (--x->busy == 0 && x->dead)
        exec_destroy(x);
}

/* The one way out. */
static void exec_step(struct container_exec *x, bool now)
{
    if (x->told || x->dead)
        return;
    if (!x->failed) {
        if (!x->has_exited)
            return;
        if (!now && (x->out[0] != NULL || x->out[1] != NULL || x->wait != NULL)) {
            sw_timer_start(&x->drain, EXEC_DRAIN_MS);
            return;
        }
    }
    x->told = true;
    sw_timer_stop(&x->drain);
    close_io(x);
    enter(x);
    if (x->failed && x->events.failed != NULL)
        x->events.failed(x, x->exit_code, &x->failure, x->events.data);
    else if (!x->failed && x->events.exited != NULL)
        x->events.exited(x, x->exit_code, x->events.data);
    leave(x);
}

static void on_drain(void *arg)
{
    exec_step(arg, true);
}

/* ---- stdio ---- */

static void on_data(struct fdio *io, const uint8_t *p, size_t len, void *arg)
{
    struct container_exec *x = arg;

    enter(x);
    if (x->events.output != NULL)
        x->events.output(x, io == x->out[1] ? CONTAINER_STDERR : CONTAINER_STDOUT, p, len,
                         x->events.data);
    leave(x);
}

static void on_drained(struct fdio *io, void *arg)
{
    struct container_exec *x = arg;

    (void)io;
    enter(x);
    if (x->events.drained != NULL)
        x->events.drained(x, x->events.data);
    leave(x);
}

static void on_end(struct fdio *io, int status, void *arg)
{
    struct container_exec *x = arg;

    (void)status;
    enter(x);
    if (io == x->in && io != x->out[0]) {
        x->in = NULL;
    } else {
        if (io == x->in)
            x->in = NULL;
        x->out[io == x->out[1]] = NULL;
    }
    fdio_free(io);
    exec_step(x, false);
    leave(x);
}

static int watch(struct container_exec *x, struct fdio **out, int fd, bool reads,
                 struct sw_err *err)
{
    struct fdio_events ev = { .data = on_data, .drained = on_drained, .end = on_end, .arg = x };

    return fdio_new(out, x->c->host->loop, fd, reads, &ev, err);
}

static void set_size(const struct container_exec *x)
{
    struct winsize size = { .ws_row = (unsigned short)x->rows, .ws_col = (unsigned short)x->cols };

    if (x->rows != 0 && x->out[0] != NULL)
        (void)ioctl(fdio_fd(x->out[0]), TIOCSWINSZ, &size);
}

/* The terminal arrives, or the socket ends without one. */
static void on_terminal(uv_poll_t *h, int status, int events)
{
    struct container_exec *x = h->data;
    int fds[SW_UNIX_FDS_MAX];
    size_t n = 0;
    uint8_t msg[1024];
    struct sw_err err;
    ssize_t r = sw_unix_recv(x->wait_fd, msg, sizeof(msg), fds, &n);

    (void)status;
    (void)events;
    if (r == -EAGAIN || r == -EINTR)
        return;
    stop_waiting(x);
    for (size_t i = 1; i < n; i++)
        (void)close(fds[i]);
    enter(x);
    if (n > 0 && x->c != NULL && watch(x, &x->out[0], fds[0], true, &err) == 0) {
        x->in = x->out[0];
        set_size(x);
        if (x->early.len > 0)
            (void)fdio_write(x->in, x->early.data, x->early.len, NULL, 0, &err);
        sw_buf_fini(&x->early);
        sw_buf_init(&x->early);
    } else if (n > 0 && x->c == NULL) {
        (void)close(fds[0]);
    }
    exec_step(x, false);
    leave(x);
}

static int open_terminal(struct container_exec *x, int theirs[3], size_t *n, struct sw_err *err)
{
    int pair[2];
    int r;

    x->wait = sw_calloc(1, sizeof(*x->wait));
    if (x->wait == NULL)
        return sw_err_set(err, -ENOMEM, "exec");
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        r = sw_err_errno(err, errno, "exec");
        sw_free(x->wait);
        x->wait = NULL;
        return r;
    }
    (void)uv_poll_init(x->c->host->loop, x->wait, pair[0]);
    x->wait->data = x;
    x->wait_fd = pair[0];
    (void)uv_poll_start(x->wait, UV_READABLE | UV_DISCONNECT, on_terminal);
    theirs[0] = pair[1];
    *n = 1;
    return 0;
}

static int open_pipes(struct container_exec *x, bool in, int theirs[3], size_t *n,
                      struct sw_err *err)
{
    int p[2];
    int r = 0;

    if (!in) {
        theirs[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    } else {
        if (pipe2(p, O_CLOEXEC) < 0)
            return sw_err_errno(err, errno, "exec");
        theirs[0] = p[0];
        r = watch(x, &x->in, p[1], false, err);
    }
    *n = 1;
    for (int i = 0; i < 2 && r == 0; i++) {
        if (pipe2(p, O_CLOEXEC) < 0)
            return sw_err_errno(err, errno, "exec");
        theirs[(*n)++] = p[1];
        r = watch(x, &x->out[i], p[0], true, err);
    }
    return r;
}

/* ---- life ---- */

static char **texts(const char *const *list, size_t *n)
{
    *n = 0;
    while (list != NULL && list[*n] != NULL)
        (*n)++;
    return (char **)(uintptr_t)list;
}

static char *text(const char *s)
{
    return (char *)(uintptr_t)(s != NULL ? s : "");
}

static int send_request(struct container_exec *x, const struct container_exec_options *o,
                        const int *fds, size_t n, struct sw_err *err)
{
    Swarm__V1__ShimRequest req = SWARM__V1__SHIM_REQUEST__INIT;
    Swarm__V1__ShimExec m = SWARM__V1__SHIM_EXEC__INIT;

    m.id = x->id;
    m.argv = texts(o->argv, &m.n_argv);
    m.env = texts(o->env, &m.n_env);
    m.cwd = text(o->cwd);
    m.user = text(o->user);
    m.tty = o->tty && !o->discard;
    m.discard = o->discard;
    m.privileged = o->privileged;
    m.tty_rows = o->tty_rows;
    m.tty_cols = o->tty_cols;
    req.kind_case = SWARM__V1__SHIM_REQUEST__KIND_EXEC;
    req.exec = &m;
    return container_send(x->c, &req, fds, n, err);
}

int container_exec(struct container_exec **out, struct container *c,
                   const struct container_exec_options *o,
                   const struct container_exec_events *events, struct sw_err *err)
{
    struct container_exec *x;
    int theirs[3] = { -1, -1, -1 };
    size_t n = 0;
    int r;

    if (c->state != CONTAINER_RUNNING)
        return container_not_running(c, err);
    if (c->paused)
        return sw_err_set(err, SW_E_CONFLICT,
                          "Container %s is paused, unpause the container before exec", c->id);
    if (o->argv == NULL || o->argv[0] == NULL)
        return sw_err_set(err, SW_E_INVALID, "No exec command specified");
    x = sw_calloc(1, sizeof(*x));
    if (x == NULL)
        return sw_err_set(err, -ENOMEM, "exec");
    x->c = c;
    x->id = ++c->next_exec;
    x->wait_fd = -1;
    x->tty = o->tty && !o->discard;
    x->rows = o->tty_rows;
    x->cols = o->tty_cols;
    if (events != NULL)
        x->events = *events;
    sw_list_init(&x->link);
    r = sw_timer_init(&x->drain, c->host->loop, on_drain, x, err);
    if (r == 0 && x->tty)
        r = open_terminal(x, theirs, &n, err);
    else if (r == 0 && !o->discard)
        r = open_pipes(x, o->in, theirs, &n, err);
    if (r == 0)
        r = send_request(x, o, theirs, n, err); /* owns theirs */
    else
        for (size_t i = 0; i < n; i++)
            if (theirs[i] >= 0)
                (void)close(theirs[i]);
    if (r < 0) {
        exec_destroy(x);
        return r;
    }
    sw_list_push_back(&c->execs, &x->link);
    *out = x;
    return 0;
}

static struct container_exec *find(struct container *c, uint64_t id)
{
    sw_list_each(l, &c->execs)
    {
        struct container_exec *x = sw_list_entry(l, struct container_exec, link);

        if (x->id == id)
            return x;
    }
    return NULL;
}

void container_exec_event(struct container *c, const Swarm__V1__ShimEvent *ev)
{
    bool started = ev->kind_case == SWARM__V1__SHIM_EVENT__KIND_EXEC_STARTED;
    bool failed = ev->kind_case == SWARM__V1__SHIM_EVENT__KIND_EXEC_FAILED;
    struct container_exec *x = find(c, started  ? ev->exec_started->id
                                       : failed ? ev->exec_failed->id
                                                : ev->exec_exited->id);

    if (x == NULL)
        return;
    enter(x);
    if (started && !x->started) {
        x->started = true;
        x->pid = ev->exec_started->pid;
        if (x->events.started != NULL)
            x->events.started(x, x->pid, x->events.data);
    } else if (failed) {
        x->failed = true;
        x->exit_code = ev->exec_failed->exit_code;
        (void)sw_err_set(&x->failure,
                         ev->exec_failed->code < 0 ? ev->exec_failed->code : SW_E_INTERNAL, "%s",
                         ev->exec_failed->message);
        exec_step(x, false);
    } else if (!started) {
        x->has_exited = true;
        x->exit_code = ev->exec_exited->exit_code;
        exec_step(x, false);
    }
    leave(x);
}

/* The shim has gone: everything inside has ended. Owners may free any of them meanwhile. */
void container_exec_lost(struct container *c)
{
    while (!sw_list_empty(&c->execs)) {
        struct container_exec *x = sw_list_entry(c->execs.next, struct container_exec, link);

        sw_list_del(&x->link);
        enter(x);
        if (!x->started && !x->failed) {
            x->failed = true;
            x->exit_code = 128;
            (void)container_not_running(c, &x->failure);
        } else if (!x->has_exited) {
            x->has_exited = true;
            x->exit_code = 137;
        }
        x->c = NULL;
        exec_step(x, true);
        leave(x);
    }
}

void container_exec_orphan(struct container *c)
{
    while (!sw_list_empty(&c->execs)) {
        struct container_exec *x = sw_list_entry(c->execs.next, struct container_exec, link);

        sw_list_del(&x->link);
        x->c = NULL;
        x->told = true;
        close_io(x);
        sw_timer_stop(&x->drain);
    }
}

int container_exec_write(struct container_exec *x, const void *p, size_t len, struct sw_err *err)
{
    if (x->in != NULL)
        return fdio_write(x->in, p, len, NULL, 0, err);
    if (x->wait == NULL)
        return sw_err_errno(err, EPIPE, "write");
    sw_buf_add(&x->early, p, len);
    return sw_buf_failed(&x->early) ? sw_err_set(err, -ENOMEM, "write") : 0;
}

size_t container_exec_queued(const struct container_exec *x)
{
    return x->early.len + (x->in != NULL ? fdio_queued(x->in) : 0);
}

void container_exec_shutdown(struct container_exec *x)
{
    if (x->in != NULL && x->in != x->out[0])
        fdio_shutdown(x->in);
}

void container_exec_pause(struct container_exec *x, bool pause)
{
    for (int i = 0; i < 2; i++)
        if (x->out[i] != NULL)
            fdio_pause(x->out[i], pause);
}

int container_exec_resize(struct container_exec *x, unsigned rows, unsigned cols,
                          struct sw_err *err)
{
    if (!x->tty)
        return sw_err_set(err, SW_E_CONFLICT, "this exec has no terminal");
    x->rows = rows;
    x->cols = cols;
    set_size(x);
    return 0;
}

int container_exec_signal(struct container_exec *x, int signo, struct sw_err *err)
{
    Swarm__V1__ShimRequest req = SWARM__V1__SHIM_REQUEST__INIT;
    Swarm__V1__ShimSignal sig = SWARM__V1__SHIM_SIGNAL__INIT;

    if (x->c == NULL || !x->started || x->has_exited)
        return sw_err_set(err, SW_E_CONFLICT, "the process is not running");
    sig.signo = signo;
    sig.exec_id = x->id;
    req.kind_case = SWARM__V1__SHIM_REQUEST__KIND_SIGNAL;
    req.signal = &sig;
    return container_send(x->c, &req, NULL, 0, err);
}

pid_t container_exec_pid(const struct container_exec *x)
{
    return x->pid;
}
