/* SPDX-License-Identifier: Apache-2.0
 * main.c - swarm-netd: encrypted overlay data plane and the containers' resolver. */
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include <uv.h>

#include "agent/netd/control.h"
#include "agent/netd/netd_client.h"
#include "agent/netd/sandbox.h"
#include "agent/netd/worker.h"
#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/base/macro.h"
#include "common/conf/conf.h"
#include "common/crypto/aead.h"
#include "common/io/unixsock.h"
#include "common/log/log.h"

struct options {
    const char *socket;
    const char *user;
    int64_t listen_fd;
    int64_t log_level;
    bool no_sandbox;
};

static const char *const levels[] = { "debug", "info", "warn", "error", NULL };

static const struct sw_opt rows[] = {
    { .name = "socket",
      .type = SW_OPT_STRING,
      .at = offsetof(struct options, socket),
      .arg = "PATH",
      .def = NETD_SOCKET_PATH,
      .help = "Where swarmd connects" },
    { .name = "listen-fd",
      .type = SW_OPT_INT,
      .at = offsetof(struct options, listen_fd),
      .arg = "N",
      .def = "-1",
      .min = -1,
      .max = 65535,
      .help = "An inherited listening socket to use instead" },
    { .name = "user",
      .type = SW_OPT_STRING,
      .at = offsetof(struct options, user),
      .arg = "NAME",
      .help = "Run as this user once the socket is there" },
    { .name = "log-level",
      .type = SW_OPT_CHOICE,
      .at = offsetof(struct options, log_level),
      .arg = "LEVEL",
      .def = "info",
      .choices = levels,
      .help = "What is worth a line" },
    { .name = "no-sandbox",
      .type = SW_OPT_FLAG,
      .at = offsetof(struct options, no_sandbox),
      .help = "Leave system calls unfiltered, to debug" },
};

static const struct sw_conf conf = {
    .program = "swarm-netd",
    .usage = "[OPTIONS]",
    .summary = "Encrypted overlay data plane and resolver of this node's containers.",
    .rows = rows,
    .n_rows = SW_ARRAY_LEN(rows),
};

/* Return: 0 to go on, else the exit status + 1. */
static int parse_options(int argc, char **argv, struct options *o)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf help = SW_BUF_INIT;
    struct sw_err err;
    int rest = 0;
    int r = sw_conf_parse(&conf, argc, argv, o, &rest, &err);

    if (r == SW_CONF_HELP) {
        sw_conf_help(&conf, &help);
        (void)fputs(sw_buf_str(&help), stdout);
        return 1;
    }
    if (r == SW_CONF_VERSION) {
        (void)puts("swarm-netd " SWARM_VERSION);
        return 1;
    }
    if (r == 0 && rest < argc)
        r = sw_err_set(&err, SW_E_INVALID, "unexpected argument '%s'", argv[rest]);
    if (r < 0) {
        (void)fprintf(stderr, "swarm-netd: %s\n", err.msg);
        return 3;
    }
    sw_log_init("swarm-netd", (enum sw_log_level)o->log_level);
    return 0;
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
    int fd = (int)o->listen_fd;
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
        return r - 1;
    (void)signal(SIGPIPE, SIG_IGN);
    if (run(&o, &err) < 0) {
        log_error("%s", err.msg);
        return 1;
    }
    return 0;
}
