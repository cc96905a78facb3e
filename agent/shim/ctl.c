/* SPDX-License-Identifier: Apache-2.0
 * ctl.c - the shim's socket: requests, events, attached clients.
 *
 * A connection is a control connection until it asks to attach. Only root may connect. A connection
 * that fails is only marked, and freed by ctl_sweep(), as events are sent from within handlers. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/shim/shim.h"
#include "common/base/alloc.h"
#include "common/io/unixsock.h"

#define CONN_OUT_MAX (1u << 20) /* a control client that reads nothing is cut off */
#define CONN_READ    4096
#define CONNS_MAX    64

struct conn {
    struct sw_list link;
    int fd;
    size_t slot; /* in the array of the last poll(2); 0: none */
    bool dead;
    bool attached, in, out, err, close_stdin;
    bool input_ended;
    struct sw_buf rx; /* unparsed frames, or input the container has not taken yet */
    struct sw_buf tx;
    int64_t stalled_ms; /* since when tx waits; 0: it does not */
    int fds[SW_UNIX_FDS_MAX];
    size_t n_fds;
};

#define conn_of(l) sw_list_entry(l, struct conn, link)

static void conn_kill(struct shim *s, struct conn *c)
{
    if (c->dead)
        return;
    c->dead = true;
    sw_buf_clear(&c->tx);
    if (c->attached && c->in && c->close_stdin)
        stdio_close_stdin(s);
}

static void conn_free(struct conn *c)
{
    sw_list_del(&c->link);
    (void)close(c->fd);
    for (size_t i = 0; i < c->n_fds; i++)
        (void)close(c->fds[i]);
    sw_buf_fini(&c->rx);
    sw_buf_fini(&c->tx);
    sw_free(c);
}

void ctl_sweep(struct shim *s)
{
    sw_list_each_safe(l, &s->conns) if (conn_of(l)->dead) conn_free(conn_of(l));
}

int ctl_adopt(struct shim *s, int fd)
{
    struct conn *c = sw_calloc(1, sizeof(*c));

    if (c == NULL) {
        (void)close(fd);
        return -ENOMEM;
    }
    (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    c->fd = fd;
    sw_list_push_back(&s->conns, &c->link);
    return 0;
}

int ctl_listen(struct shim *s, struct sw_err *err)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };

    (void)unlinkat(s->bundle, WIRE_SOCKET, 0); /* the agent made sure that no shim lives here */
    wire_address(s->bundle, sa.sun_path);
    s->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s->listen_fd < 0 || bind(s->listen_fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
        fchmodat(s->bundle, WIRE_SOCKET, 0600, 0) < 0 || listen(s->listen_fd, 16) < 0)
        return sw_err_errno(err, errno, "listen on " WIRE_SOCKET);
    return 0;
}

/* ---- sending ---- */

static void conn_flush(struct shim *s, struct conn *c)
{
    while (c->tx.len > 0) {
        ssize_t n = send(c->fd, c->tx.data, c->tx.len, MSG_NOSIGNAL);

        if (n <= 0) {
            if (n < 0 && errno != EAGAIN && errno != EINTR)
                conn_kill(s, c);
            return;
        }
        sw_buf_consume(&c->tx, (size_t)n);
        c->stalled_ms = c->tx.len > 0 ? s->now_ms : 0;
    }
    sw_buf_fini(&c->tx); /* memory counts */
    sw_buf_init(&c->tx);
}

void ctl_event(struct shim *s, const Swarm__V1__ShimEvent *event)
{
    sw_list_each(l, &s->conns)
    {
        struct conn *c = conn_of(l);

        if (c->attached || c->dead)
            continue;
        if (wire_add(&c->tx, &event->base) < 0 || c->tx.len > CONN_OUT_MAX)
            conn_kill(s, c);
        else
            conn_flush(s, c);
    }
}

void ctl_output(struct shim *s, unsigned stream, const uint8_t *p, size_t len)
{
    uint8_t head[8] = {
        (uint8_t)stream,     0,           0, 0, (uint8_t)(len >> 24), (uint8_t)(len >> 16),
        (uint8_t)(len >> 8), (uint8_t)len
    };

    sw_list_each(l, &s->conns)
    {
        struct conn *c = conn_of(l);

        if (c->dead || !c->attached || !(stream == 2 ? c->err : c->out))
            continue;
        sw_buf_add(&c->tx, head, sizeof(head));
        sw_buf_add(&c->tx, p, len);
        if (c->stalled_ms == 0)
            c->stalled_ms = s->now_ms;
        if (sw_buf_failed(&c->tx))
            conn_kill(s, c);
        else
            conn_flush(s, c);
    }
}

bool ctl_blocked(const struct shim *s)
{
    sw_list_each(l, &s->conns) if (conn_of(l)->attached && conn_of(l)->tx.len > 0) return true;
    return false;
}

bool ctl_flushed(const struct shim *s)
{
    sw_list_each(l, &s->conns) if (conn_of(l)->tx.len > 0) return false;
    return true;
}

int64_t ctl_deadline_ms(const struct shim *s)
{
    int64_t first = 0;

    sw_list_each(l, &s->conns)
    {
        const struct conn *c = conn_of(l);
        int64_t at = c->stalled_ms + SHIM_STALL_MS;

        if (c->tx.len > 0 && (first == 0 || at < first))
            first = at;
    }
    return first;
}

void ctl_timeout(struct shim *s)
{
    sw_list_each(l, &s->conns)
    {
        struct conn *c = conn_of(l);

        if (c->tx.len > 0 && s->now_ms >= c->stalled_ms + SHIM_STALL_MS)
            conn_kill(s, c);
    }
}

void ctl_close_all(struct shim *s)
{
    while (!sw_list_empty(&s->conns))
        conn_free(conn_of(s->conns.next));
}

size_t ctl_conns(const struct shim *s)
{
    size_t n = 0;

    sw_list_each(l, &s->conns) n++;
    return n;
}

/* ---- requests ---- */

static void answer_hello(struct shim *s, struct conn *c)
{
    Swarm__V1__ShimCreated created = SWARM__V1__SHIM_CREATED__INIT;
    Swarm__V1__ShimStarted started = SWARM__V1__SHIM_STARTED__INIT;
    Swarm__V1__ShimEvent ev = SWARM__V1__SHIM_EVENT__INIT;

    if (s->state == SHIM_CREATING || s->state == SHIM_DYING)
        return; /* the events themselves are still to come, or are in the file "exit" */
    created.pid = started.pid = s->pid;
    ev.kind_case = SWARM__V1__SHIM_EVENT__KIND_CREATED;
    ev.created = &created;
    (void)wire_add(&c->tx, &ev.base);
    if (s->state == SHIM_RUNNING) {
        started.started_ns = s->exit.started_ns;
        ev.kind_case = SWARM__V1__SHIM_EVENT__KIND_STARTED;
        ev.started = &started;
        (void)wire_add(&c->tx, &ev.base);
    }
}

static void handle_signal(struct shim *s, const Swarm__V1__ShimSignal *req)
{
    if (req->exec_id != 0)
        (void)exec_signal(s, req->exec_id, req->signo);
    else if (!s->reaped && s->pid > 0)
        (void)kill(s->pid, req->signo);
}

static void handle_exec(struct shim *s, struct conn *c, const Swarm__V1__ShimExec *req)
{
    size_t want = req->discard ? 0 : req->tty ? 1 : 3;
    int fds[3];

    if (c->n_fds < want)
        want = 0; /* exec_start() says what is wrong with it */
    memcpy(fds, c->fds, want * sizeof(fds[0]));
    memmove(c->fds, c->fds + want, (c->n_fds - want) * sizeof(fds[0]));
    c->n_fds -= want;
    exec_start(s, req, fds, want);
}

static void handle(struct shim *s, struct conn *c, const Swarm__V1__ShimRequest *req)
{
    switch (req->kind_case) {
    case SWARM__V1__SHIM_REQUEST__KIND_HELLO:
        answer_hello(s, c);
        break;
    case SWARM__V1__SHIM_REQUEST__KIND_START:
        ctl_accept(s); /* who attached before the start shall see all of the output */
        shim_start(s);
        break;
    case SWARM__V1__SHIM_REQUEST__KIND_SIGNAL:
        handle_signal(s, req->signal);
        break;
    case SWARM__V1__SHIM_REQUEST__KIND_STOP:
        shim_stop(s, req->stop->signo, req->stop->grace_ms);
        break;
    case SWARM__V1__SHIM_REQUEST__KIND_RESIZE:
        stdio_resize(s, req->resize->rows, req->resize->cols);
        break;
    case SWARM__V1__SHIM_REQUEST__KIND_ATTACH:
        c->attached = true;
        c->in = req->attach->in;
        c->out = req->attach->out;
        c->err = req->attach->err;
        c->close_stdin = req->attach->close_stdin;
        break;
    case SWARM__V1__SHIM_REQUEST__KIND_EXEC:
        handle_exec(s, c, req->exec);
        break;
    case SWARM__V1__SHIM_REQUEST__KIND__NOT_SET:
    case _SWARM__V1__SHIM_REQUEST__KIND__CASE_IS_INT_SIZE:
        break; /* from a newer agent: not ours to judge */
    }
}

/* Return: false when the peer does not speak our protocol. */
static bool take_frames(struct shim *s, struct conn *c)
{
    while (!c->attached && !c->dead) {
        Swarm__V1__ShimRequest *req;
        long n = wire_take(c->rx.data, c->rx.len);

        if (n <= 0)
            return n == 0;
        req = swarm__v1__shim_request__unpack(NULL, (size_t)n, c->rx.data + WIRE_HEAD);
        sw_buf_consume(&c->rx, WIRE_HEAD + (size_t)n);
        if (req == NULL)
            return false;
        handle(s, c, req);
        swarm__v1__shim_request__free_unpacked(req, NULL);
    }
    return true;
}

/* ---- receiving ---- */

static void feed_stdin(struct shim *s, struct conn *c)
{
    while (c->rx.len > 0 && c->in && s->stdin_fd >= 0) {
        ssize_t n = write(s->stdin_fd, c->rx.data, c->rx.len);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n < 0) { /* the container closed its input */
            stdio_close_stdin(s);
            break;
        }
        sw_buf_consume(&c->rx, (size_t)n);
    }
    sw_buf_fini(&c->rx);
    sw_buf_init(&c->rx);
    if (c->input_ended && c->in && c->close_stdin)
        stdio_close_stdin(s);
}

static void conn_read(struct shim *s, struct conn *c)
{
    int fds[SW_UNIX_FDS_MAX];
    size_t n_fds = 0;
    uint8_t *p = sw_buf_reserve(&c->rx, CONN_READ);
    ssize_t n;

    if (p == NULL) {
        conn_kill(s, c);
        return;
    }
    n = sw_unix_recv(c->fd, p, CONN_READ, fds, &n_fds);
    if (n == -EAGAIN || n == -EINTR)
        return;
    if (n > 0)
        sw_buf_commit(&c->rx, (size_t)n);
    for (size_t i = 0; i < n_fds; i++) {
        if (c->n_fds < SW_UNIX_FDS_MAX)
            c->fds[c->n_fds++] = fds[i];
        else
            (void)close(fds[i]);
    }
    if (n <= 0) {
        c->input_ended = true;
        if (!c->attached || n < 0) {
            conn_kill(s, c);
            return;
        }
    } else if (!take_frames(s, c)) {
        conn_kill(s, c);
        return;
    }
    if (c->attached)
        feed_stdin(s, c);
    else if (c->rx.len == 0) {
        sw_buf_fini(&c->rx);
        sw_buf_init(&c->rx);
    }
    conn_flush(s, c); /* answers */
}

void ctl_accept(struct shim *s)
{
    struct sw_unix_cred cred;
    struct sw_err err;
    int fd;

    while (s->listen_fd >= 0 &&
           (fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
        if (sw_unix_cred(fd, &cred, &err) < 0 || cred.uid != geteuid() ||
            ctl_conns(s) >= CONNS_MAX) {
            (void)close(fd);
            continue;
        }
        if (ctl_adopt(s, fd) == 0)
            conn_read(s, conn_of(s->conns.prev));
    }
}

/* ---- the loop's part ---- */

size_t ctl_poll(struct shim *s, struct pollfd *fds)
{
    size_t n = 0;

    fds[n++] = (struct pollfd){ .fd = s->listen_fd, .events = POLLIN };
    /* one place for stdin, used when somebody has input for it */
    fds[n++] = (struct pollfd){ .fd = -1, .events = POLLOUT };
    sw_list_each(l, &s->conns)
    {
        struct conn *c = conn_of(l);
        short events = 0;

        if (c->attached && c->rx.len > 0 && s->stdin_fd < 0)
            feed_stdin(s, c); /* nobody will take it */
        if (c->tx.len > 0)
            events |= POLLOUT;
        if (c->attached && c->rx.len > 0)
            fds[1].fd = s->stdin_fd;
        else if (!c->input_ended)
            events |= POLLIN;
        c->slot = n;
        fds[n++] = (struct pollfd){ .fd = c->fd, .events = events };
    }
    return n;
}

void ctl_handle(struct shim *s, const struct pollfd *fds)
{
    sw_list_each(l, &s->conns)
    {
        struct conn *c = conn_of(l);
        short got = c->slot != 0 ? fds[c->slot].revents : 0;

        c->slot = 0;
        if (c->dead)
            continue;
        if (fds[1].revents != 0 && c->attached && c->rx.len > 0)
            feed_stdin(s, c);
        if ((got & POLLIN) != 0 || ((got & POLLHUP) != 0 && !c->input_ended))
            conn_read(s, c);
        else if ((got & (POLLHUP | POLLERR)) != 0)
            conn_kill(s, c);
        else if ((got & POLLOUT) != 0)
            conn_flush(s, c);
    }
    if (fds[0].revents != 0)
        ctl_accept(s);
}
