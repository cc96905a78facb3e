/* SPDX-License-Identifier: Apache-2.0
 * net_netd.c - swarm-netd's life: found, started, started again.
 *
 * netd outlives swarmd. The client tries to connect all the time; when nobody listens on the
 * socket, a program is started, ever more rarely while it keeps dying. What it must know is
 * net_tell.c. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/net/net_priv.h"
#include "agent/net/net_tell.h"
#include "common/base/alloc.h"
#include "common/io/file.h"
#include "common/log/log.h"

#define NETD_PAUSE_MIN_MS 100
#define NETD_PAUSE_MAX_MS 10000
#define NETD_STABLE_MS    10000 /* up for so long: the next death is a new story */

static char *netd_socket(const struct net *net)
{
    return sw_asprintf("%s/netd.sock", net->run_dir);
}

/* Is there a process behind the socket? A Unix socket connects or fails at once. */
static bool netd_listens(const struct net *net)
{
    SW_CLEANUP(sw_free_ptr) char *path = netd_socket(net);
    SW_CLEANUP(sw_close_ptr) int fd = -1;
    struct sockaddr_un sa = { .sun_family = AF_UNIX };

    if (path == NULL || strlen(path) >= sizeof(sa.sun_path))
        return false;
    strcpy(sa.sun_path, path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return fd >= 0 &&
           (connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) == 0 || errno == EAGAIN);
}

/* ------------------------------------------------------------------------------------- process */

static void process_closed(uv_handle_t *h)
{
    struct net *net = h->data;

    sw_free(h);
    net->closes--;
    net_idle(net);
}

static void process_drop(struct net *net)
{
    uv_process_t *p = net->netd.process;

    net->netd.process = NULL;
    if (p == NULL)
        return;
    net->closes++;
    uv_close((uv_handle_t *)p, process_closed);
}

static void start_later(struct net *net)
{
    struct net_netd *d = &net->netd;

    if (!net->closing && !d->off && d->client != NULL && !sw_timer_is_running(&d->start))
        sw_timer_start(&d->start, sw_backoff_next(&d->pause, sw_random_unit()));
}

static void process_on_exit(uv_process_t *p, int64_t status, int sig)
{
    struct net *net = p->data;

    log_warn("swarm-netd ended status=%lld signal=%d", (long long)status, sig);
    process_drop(net);
    start_later(net);
}

static int process_start(struct net *net, struct sw_err *err)
{
    SW_CLEANUP(sw_free_ptr) char *path = netd_socket(net);
    char *args[] = { net->netd_path, (char *)(uintptr_t) "--socket", path, NULL };
    uv_stdio_container_t io[] = { { .flags = UV_IGNORE },
                                  { .flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO },
                                  { .flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO } };
    uv_process_options_t o = { .exit_cb = process_on_exit,
                               .file = net->netd_path,
                               .args = args,
                               .flags = UV_PROCESS_DETACHED,
                               .stdio_count = 3,
                               .stdio = io };
    uv_process_t *p = sw_calloc(1, sizeof(*p));
    int r;

    if (path == NULL || p == NULL) {
        sw_free(p);
        return sw_err_set(err, -ENOMEM, "start swarm-netd");
    }
    r = uv_spawn(net->loop, p, &o);
    p->data = net;
    net->netd.process = p;
    if (r < 0) {
        process_drop(net);
        return sw_err_set(err, r, "start %s: %s", net->netd_path, uv_strerror(r));
    }
    uv_unref((uv_handle_t *)p);
    net->netd_starts++;
    log_info("swarm-netd started pid=%d", (int)p->pid);
    return 0;
}

static void start_fire(void *arg)
{
    struct net *net = arg;
    struct sw_err err;

    if (net->closing || net->netd.off || net->netd.up || net->netd.process != NULL)
        return;
    if (!netd_listens(net) && process_start(net, &err) < 0)
        log_error("%s", err.msg);
    start_later(net); /* look again: it may die before it listens */
}

/* ---------------------------------------------------------------------------------- connection */

static void netd_on_up(void *ctx, const Swarm__V1__NetdHelloReply *hello)
{
    struct net *net = ctx;
    struct net_netd *d = &net->netd;

    sw_timer_stop(&d->start);
    d->up = true;
    d->round++;
    d->up_since_ms = uv_now(net->loop);
    d->workers = hello->workers;
    d->pid = (int)hello->pid;
    log_info("swarm-netd connected pid=%d workers=%u cipher=\"%s\"", d->pid, d->workers,
             hello->cipher);
    net_tell_all(net, hello);
}

static void netd_on_down(void *ctx, const struct sw_err *why)
{
    struct net *net = ctx;
    struct net_netd *d = &net->netd;

    d->up = false;
    if (net->closing)
        return;
    log_warn("swarm-netd lost error=%s", why->msg);
    if (uv_now(net->loop) - d->up_since_ms > NETD_STABLE_MS)
        sw_backoff_reset(&d->pause);
    start_later(net);
}

static void netd_on_event(void *ctx, const Swarm__V1__NetdEvent *e)
{
    (void)ctx;
    log_warn("data plane event kind=%d node=%llu value=%llu text=\"%s\"", (int)e->kind,
             (unsigned long long)e->node, (unsigned long long)e->value, e->text);
}

int net_netd_start(struct net *net, struct sw_err *err)
{
    SW_CLEANUP(sw_free_ptr) char *path = netd_socket(net);
    struct netd_client_watch watch = { net, netd_on_up, netd_on_down, netd_on_event };
    int r;

    sw_backoff_init(&net->netd.pause, NETD_PAUSE_MIN_MS, NETD_PAUSE_MAX_MS);
    if (net->netd_path == NULL)
        return 0;
    if (path == NULL)
        return sw_err_set(err, -ENOMEM, "swarm-netd");
    r = sw_dir_make(net->run_dir, 0755, err);
    if (r == 0)
        r = sw_timer_init(&net->netd.start, net->loop, start_fire, net, err);
    if (r == 0)
        r = netd_client_new(&net->netd.client, net->loop, path, &watch, err);
    if (r == 0)
        sw_timer_start(&net->netd.start, 0);
    return r;
}

static void netd_closed(void *ctx)
{
    struct net *net = ctx;

    net->closes--;
    net_idle(net);
}

void net_netd_close(struct net *net)
{
    struct net_netd *d = &net->netd;

    sw_timer_stop(&d->start);
    process_drop(net);
    if (d->client == NULL)
        return;
    net->closes++;
    netd_client_close(d->client, netd_closed, net);
    d->client = NULL;
    d->up = false;
}

void net_netd_free(struct net *net)
{
    struct net_netd *d = &net->netd;

    sw_timer_fini(&d->start);
    net_tell_free(net);
}

void net_netd_wanted(struct net *net)
{
    struct net_netd *d = &net->netd;

    if (!d->off)
        return;
    d->off = false;
    if (!d->up)
        sw_timer_start(&d->start, 0);
}

void net_netd_end(struct net *net, bool off)
{
    struct net_netd *d = &net->netd;

    d->off = off;

    net_tell_forget_keys(net);
    d->n_made = 0;
    if (d->up && d->pid > 1 && kill(d->pid, SIGTERM) < 0)
        log_warn("swarm-netd not ended pid=%d error=%s", d->pid, strerror(errno));
}

uint32_t net_data_workers(const struct net *net)
{
    return net->netd.workers;
}
