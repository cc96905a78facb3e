/* SPDX-License-Identifier: Apache-2.0
 * main.c - swarm-manager: parse options, build the manager, run the loop. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "common/crypto/secret.h"
#include "common/log/log.h"
#include "manager/manager.h"

struct options {
    struct manager_options m;
    enum sw_log_level level;
};

static void usage(FILE *out)
{
    (void)fputs(
        "Usage: swarm-manager [OPTIONS]\n\n"
        "The control plane of a swarm on one manager node. Started by swarmd, which hands it\n"
        "the node's identity; it needs no privileges of its own.\n\n"
        "Options:\n"
        "      --state-dir DIR    Raft log and keys (default \"/var/lib/swarm/manager\")\n"
        "      --run-dir DIR      Sockets (default \"/run/swarm\")\n"
        "      --log-level LEVEL  debug, info, warn or error (default \"info\")\n"
        "      --version          Print the version and exit\n"
        "  -h, --help             Print this help and exit\n",
        out);
}

/* Return: -1 to go on, else the exit status. */
static int parse(int argc, char **argv, struct options *o)
{
    static const struct option longs[] = {
        { "state-dir", required_argument, NULL, 's' },
        { "run-dir", required_argument, NULL, 'r' },
        { "log-level", required_argument, NULL, 'l' },
        { "version", no_argument, NULL, 'v' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    int c;

    while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
        switch (c) {
        case 's':
            o->m.state_dir = optarg;
            break;
        case 'r':
            o->m.run_dir = optarg;
            break;
        case 'l':
            if (sw_log_level_parse(optarg, &o->level) < 0) {
                (void)fprintf(stderr,
                              "swarm-manager: --log-level: \"%s\" is none of debug, info, "
                              "warn, error\n",
                              optarg);
                return 2;
            }
            break;
        case 'v':
            (void)printf("swarm-manager %s\n", SWARM_VERSION);
            return 0;
        case 'h':
            usage(stdout);
            return 0;
        default:
            usage(stderr);
            return 2;
        }
    }
    if (optind < argc) {
        (void)fprintf(stderr, "swarm-manager: unexpected argument \"%s\"\n", argv[optind]);
        return 2;
    }
    return -1;
}

static void on_signal(uv_signal_t *h, int signum)
{
    struct manager *m = h->data;

    (void)signum;
    manager_stop(m);
    uv_unref((uv_handle_t *)h);
}

int main(int argc, char **argv)
{
    struct options o = { { "/var/lib/swarm/manager", "/run/swarm" }, SW_LOG_INFO };
    uv_signal_t signals[2];
    struct manager *m;
    struct sw_err err;
    uv_loop_t loop;
    int r = parse(argc, argv, &o);

    if (r >= 0)
        return r;
    sw_log_init("swarm-manager", o.level);
    (void)signal(SIGPIPE, SIG_IGN);
    if (sw_crypto_init(&err) < 0 || uv_loop_init(&loop) != 0 ||
        manager_new(&m, &loop, &o.m, &err) < 0) {
        log_error("can't start: %s", err.msg);
        return 1;
    }
    for (int i = 0; i < 2; i++) {
        (void)uv_signal_init(&loop, &signals[i]);
        signals[i].data = m;
        (void)uv_signal_start(&signals[i], on_signal, i == 0 ? SIGTERM : SIGINT);
        uv_unref((uv_handle_t *)&signals[i]);
    }
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    manager_free(m);
    return 0;
}
