/* SPDX-License-Identifier: Apache-2.0
 * main.c - swarmd: parse options, build the agent, run the loop. */
#include <errno.h>
#include <getopt.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>
#include <uv.h>

#include "agent/agent.h"
#include "common/crypto/secret.h"
#include "common/io/file.h"
#include "common/log/log.h"

static void usage(FILE *out)
{
    (void)fputs(
        "Usage: swarmd [OPTIONS]\n\n"
        "The node agent of a swarm: runs tasks as containers, serves the Docker Engine API on a "
        "Unix\n"
        "socket, and starts swarm-manager and swarm-netd when this node needs them. Runs as "
        "root.\n\n"
        "Options:\n"
        "      --state-dir DIR         Identity, images, containers, Raft log (default "
        "\"/var/lib/swarm\")\n"
        "      --run-dir DIR           Sockets (default \"/run/swarm\")\n"
        "      --socket PATH           API socket (default \"RUN-DIR/swarm.sock\")\n"
        "      --libexec-dir DIR       Where swarm-manager, swarm-netd and swarm-shim are\n"
        "                              (default: beside swarmd)\n"
        "      --manager-user USER     User that swarm-manager runs as, '' for root (default "
        "\"swarm\")\n"
        "      --visualizer-addr ADDR  Where managers show the cluster, '' for nowhere\n"
        "                              (default \"127.0.0.1:8080\")\n"
        "      --hostname NAME         Name of this node (default: the machine's)\n"
        "      --cgroup-parent NAME    Below it lie the containers' cgroups (default \"swarm\")\n"
        "      --log-level LEVEL       debug, info, warn or error (default \"info\")\n"
        "      --version               Print the version and exit\n"
        "  -h, --help                  Print this help and exit\n",
        out);
}

/* Return: -1 to go on, else the exit status. */
static int parse(int argc, char **argv, struct agent_options *o)
{
    const struct {
        const char *name;
        const char **value;
    } texts[] = {
        { "state-dir", &o->state_dir },
        { "run-dir", &o->run_dir },
        { "socket", &o->socket },
        { "libexec-dir", &o->libexec_dir },
        { "manager-user", &o->manager_user },
        { "visualizer-addr", &o->visualizer_addr },
        { "hostname", &o->hostname },
        { "cgroup-parent", &o->cgroup_parent },
        { "log-level", &o->log_level },
    };
    enum { TEXTS = sizeof(texts) / sizeof(texts[0]) };
    struct option longs[TEXTS + 3] = { 0 };
    enum sw_log_level level;
    int c;

    for (int i = 0; i < TEXTS; i++)
        longs[i] = (struct option){ texts[i].name, required_argument, NULL, 256 + i };
    longs[TEXTS] = (struct option){ "version", no_argument, NULL, 'v' };
    longs[TEXTS + 1] = (struct option){ "help", no_argument, NULL, 'h' };
    while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
        if (c >= 256) {
            *texts[c - 256].value = optarg;
        } else if (c == 'v') {
            (void)printf("swarmd %s\n", SWARM_VERSION);
            return 0;
        } else {
            usage(c == 'h' ? stdout : stderr);
            return c == 'h' ? 0 : 2;
        }
    }
    if (optind < argc) {
        (void)fprintf(stderr, "swarmd: unexpected argument \"%s\"\n", argv[optind]);
        return 2;
    }
    if (sw_log_level_parse(o->log_level, &level) < 0) {
        (void)fprintf(stderr, "swarmd: --log-level: \"%s\" is none of debug, info, warn, error\n",
                      o->log_level);
        return 2;
    }
    sw_log_init("swarmd", level);
    return -1;
}

/* Two agents on one state directory would ruin each other's containers. */
static int lock_state(const char *dir, struct sw_err *err)
{
    char path[PATH_MAX];
    FILE *f;

    if (sw_dir_make(dir, 0711, err) < 0)
        return err->code;
    (void)snprintf(path, sizeof(path), "%s/lock", dir);
    f = fopen(path, "we");
    if (f == NULL)
        return sw_err_errno(err, errno, "open %s", path);
    if (flock(fileno(f), LOCK_EX | LOCK_NB) < 0)
        return sw_err_set(err, SW_E_CONFLICT, "another swarmd uses the state directory %s", dir);
    return 0; /* held until the process ends */
}

static void on_signal(uv_signal_t *h, int signum)
{
    (void)signum;
    agent_stop(h->data);
}

int main(int argc, char **argv)
{
    struct agent_options o = {
        .state_dir = "/var/lib/swarm",
        .run_dir = "/run/swarm",
        .manager_user = "swarm",
        .visualizer_addr = "127.0.0.1:8080",
        .log_level = "info",
    };
    static char self[PATH_MAX];
    uv_signal_t signals[2];
    struct sw_err err = { 0 };
    struct agent *a = NULL;
    uv_loop_t loop;
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    int r;

    if (n > 0)
        o.libexec_dir = dirname(self);
    r = parse(argc, argv, &o);
    if (r >= 0)
        return r;
    (void)signal(SIGPIPE, SIG_IGN);
    if (geteuid() != 0) {
        log_error("can't start: swarmd makes namespaces and networks and must run as root");
        return 1;
    }
    if (sw_crypto_init(&err) < 0 || lock_state(o.state_dir, &err) < 0 || uv_loop_init(&loop) != 0 ||
        agent_new(&a, &loop, &o, &err) < 0) {
        log_error("can't start: %s", err.msg);
        return 1;
    }
    for (int i = 0; i < 2; i++) {
        (void)uv_signal_init(&loop, &signals[i]);
        signals[i].data = a;
        (void)uv_signal_start(&signals[i], on_signal, i == 0 ? SIGTERM : SIGINT);
        uv_unref((uv_handle_t *)&signals[i]);
    }
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    agent_free(a);
    return 0;
}
