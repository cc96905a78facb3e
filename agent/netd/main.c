/* SPDX-License-Identifier: Apache-2.0
 * main.c - swarm-netd: encrypted overlay data plane and the containers' resolver. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <uv.h>

#include "agent/netd/control.h"
#include "agent/netd/netd_client.h"
#include "agent/netd/sandbox.h"
#include "agent/netd/worker.h"
#include "common/crypto/aead.h"
#include "common/io/unixsock.h"
#include "common/log/log.h"

struct options {
    const char *socket;
    const char *user;
    int listen_fd;
    bool no_sandbox;
};

static const char usage[] =
    "usage: swarm-netd [--socket PATH] [--user NAME] [--log-level LEVEL]\n"
    "  --socket PATH      where swarmd connects (" NETD_SOCKET_PATH ")\n"
    "  --listen-fd N      an inherited listening socket instead\n"
    "  --user NAME        run as this user once the socket is there (default: stay)\n"
    "  --log-level LEVEL  debug, info, warn, error (info)\n"
    "  --no-sandbox       keep capabilities and system calls, to debug\n"
    "  --version, --help\n";

static int parse_options(int argc, char **argv, struct options *o)
{
    static const struct option longs[] = {
        { "socket", required_argument, NULL, 's' }, { "listen-fd", required_argument, NULL, 'f' },
        { "user", required_argument, NULL, 'u' },   { "log-level", required_argument, NULL, 'l' },
        { "no-sandbox", no_argument, NULL, 'n' },   { "version", no_argument, NULL, 'v' },
        { "help", no_argument, NULL, 'h' },         { NULL, 0, NULL, 0 },
    };
    enum sw_log_level level = SW_LOG_INFO;
    int c;

    *o = (struct options){ .socket = NETD_SOCKET_PATH, .listen_fd = -1 };
    while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        char *end = NULL;

        if (c == 's') {
            o->socket = optarg;
        } else if (c == 'u') {
            o->user = optarg;
        } else if (c == 'n') {
            o->no_sandbox = true;
        } else if (c == 'f') {
            o->listen_fd = (int)strtol(optarg, &end, 10);
            if (*end != 0 || o->listen_fd < 3)
                return 2;
        } else if (c == 'l') {
            if (sw_log_level_parse(optarg, &level) < 0)
                return 2;
        } else if (c == 'v') {
            (void)puts("swarm-netd " SWARM_VERSION);
            return 1;
        } else {
            (void)fputs(usage, c == 'h' ? stdout : stderr);
            return c == 'h' ? 1 : 2;
        }
    }
    sw_log_init("swarm-netd", level);
    return optind == argc ? 0 : 2;
}

static void on_signal(uv_signal_t *h, int signum)
{
    (void)signum;
    uv_stop(h->loop);
}

static void close_handle(uv_handle_t *h, void *arg)
{
    (void)arg;
    if (!uv_is_closing(h))
        uv_close(h, NULL);
}

static int serve(uv_loop_t *loop, int listen_fd, const struct options *o, struct sw_err *err)
{
    struct netd_control *control = NULL;
    uv_signal_t term, intr;
    uv_tcp_t first; /* libuv opens a spare descriptor with the first stream: before the filter */
    unsigned cpus = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
    int r;

    (void)uv_tcp_init(loop, &first);
    (void)uv_signal_init(loop, &term);
    (void)uv_signal_init(loop, &intr);
    (void)uv_signal_start(&term, on_signal, SIGTERM);
    (void)uv_signal_start(&intr, on_signal, SIGINT);
    r = netd_control_new(&control, loop, listen_fd, cpus, err);
    if (r == 0 && !o->no_sandbox && (r = netd_sandbox_seal(err)) < 0)
        netd_control_free(control);
    if (r == 0) {
        log_info("ready cipher=\"%s\" workers=%u",
                 sw_aead_best(sw_aead_suites(), sw_aead_suites())->name, netd_workers_count(cpus));
        (void)uv_run(loop, UV_RUN_DEFAULT);
        netd_control_free(control);
    }
    uv_close((uv_handle_t *)&first, NULL);
    uv_close((uv_handle_t *)&term, NULL);
    uv_close((uv_handle_t *)&intr, NULL);
    (void)uv_run(loop, UV_RUN_DEFAULT);
    uv_walk(loop, close_handle, NULL);
    (void)uv_run(loop, UV_RUN_DEFAULT);
    return r;
}

static int run(const struct options *o, struct sw_err *err)
{
    uv_loop_t loop;
    int fd = o->listen_fd;
    int r = sw_aead_init(err);

    if (r == 0 && fd < 0)
        r = sw_unix_listen(o->socket, 0600, &fd, err);
    if (r == 0)
        r = netd_sandbox_enter(o->user, o->listen_fd < 0 ? o->socket : NULL, err);
    if (r < 0)
        return r;
    r = uv_loop_init(&loop);
    if (r < 0)
        return sw_err_set(err, r, "event loop");
    r = serve(&loop, fd, o, err);
    (void)uv_loop_close(&loop);
    return r;
}

int main(int argc, char **argv)
{
    struct options o;
    struct sw_err err;
    int r = parse_options(argc, argv, &o);

    if (r != 0)
        return r == 1 ? 0 : 2;
    (void)signal(SIGPIPE, SIG_IGN);
    if (run(&o, &err) < 0) {
        log_error("%s", err.msg);
        return 1;
    }
    return 0;
}
