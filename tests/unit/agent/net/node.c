/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/agent/net/node.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <uv.h>

#include "agent/net/ns.h"
#include "common/log/log.h"

#define MESSAGE_MAX 65536
#define KEYS_MAX    16
#define DEADLINE_MS 15000

enum what { READOPT, APPLY, APPLY_KEYS, ATTACH, DETACH, STATS, KEYS, STOP, PURGE };

struct message {
    enum what what;
    int code;
    size_t len;
    uint8_t data[MESSAGE_MAX];
};

/* ---------------------------------------------------------------------------- the node's process
 */

static struct {
    uv_loop_t loop;
    uv_poll_t poll;
    struct net *net;
    int sock;
    pid_t parent;
    struct net_data_key keys[KEYS_MAX];
    size_t n_keys;
    struct message in, out;
} self;

static void answer(int code, const void *data, size_t len)
{
    self.out.what = self.in.what;
    self.out.code = code;
    self.out.len = len;
    if (len > 0)
        memcpy(self.out.data, data, len);
    if (send(self.sock, &self.out, offsetof(struct message, data) + len, 0) < 0)
        _exit(3);
}

static void answer_err(const struct sw_err *err)
{
    answer(err->code, err->msg, strlen(err->msg) + 1);
}

static void on_keys(void *arg, const struct net_data_key *keys, size_t n)
{
    (void)arg;
    self.n_keys = n < KEYS_MAX ? n : KEYS_MAX;
    memcpy(self.keys, keys, self.n_keys * sizeof(*keys));
}

static void on_attached(void *arg, const struct net_result *r, const struct sw_err *err)
{
    (void)arg;
    (void)r;
    if (err->code < 0)
        answer_err(err);
    else
        answer(0, NULL, 0);
}

static void on_done(void *arg)
{
    (void)arg;
    answer(0, NULL, 0);
}

static void on_each(void *arg, const char *id, const struct net_result *r, const struct sw_err *err)
{
    (void)arg;
    (void)r;
    if (err->code < 0)
        fprintf(stderr, "not adopted: %s: %s\n", id, err->msg);
}

static void on_freed(void *arg)
{
    (void)arg;
    answer(0, NULL, 0);
    _exit(0);
}

static void on_purged(void *arg, const struct sw_err *err)
{
    (void)arg;
    answer_err(err);
}

struct unpacked {
    struct net_attach a;
    struct net_attachment at[2];
    struct net_port port;
};

static void unpack(const struct node_attach *w, struct unpacked *u)
{
    char path[64];

    memset(u, 0, sizeof(*u));
    snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)self.parent, w->ns);
    u->a.container_id = w->id;
    u->a.container_name = w->id;
    u->a.netns_fd = open(path, O_RDONLY | O_CLOEXEC);
    u->a.attachments = u->at;
    u->a.n_attachments = w->n;
    for (unsigned i = 0; i < w->n; i++)
        u->at[i] = (struct net_attachment){ .network = w->net[i], .addr = w->addr[i] };
    u->port = (struct net_port){ .proto = NET_TCP, .target = 80, .published = w->published };
    u->a.ports = &u->port;
    u->a.n_ports = w->published != 0;
}

static void do_attach(void)
{
    struct unpacked u;
    struct sw_err err;

    unpack((const void *)self.in.data, &u);
    if (net_attach(self.net, &u.a, on_attached, NULL, &err) < 0)
        answer_err(&err);
    close(u.a.netns_fd);
}

static void do_readopt(void)
{
    size_t n = self.in.len / sizeof(struct node_attach);
    struct unpacked u[8];
    struct net_attach list[8] = { 0 };
    struct sw_err err;

    for (size_t i = 0; i < n; i++) {
        unpack((const struct node_attach *)(const void *)self.in.data + i, &u[i]);
        list[i] = u[i].a;
    }
    if (net_readopt(self.net, list, n, on_each, on_done, NULL, &err) < 0)
        answer_err(&err);
    for (size_t i = 0; i < n; i++)
        close(u[i].a.netns_fd);
}

static void do_apply(void)
{
    Swarm__V1__NetworkTable *t = swarm__v1__network_table__unpack(NULL, self.in.len, self.in.data);
    struct sw_err err = { 0 };

    net_apply_network(self.net, t, &err);
    swarm__v1__network_table__free_unpacked(t, NULL);
    answer_err(&err);
}

static void do_keys(void)
{
    Swarm__V1__DataPlaneKeys *k =
        swarm__v1__data_plane_keys__unpack(NULL, self.in.len, self.in.data);
    struct sw_err err = { 0 };

    net_apply_keys(self.net, k, &err);
    swarm__v1__data_plane_keys__free_unpacked(k, NULL);
    answer_err(&err);
}

static void on_message(uv_poll_t *p, int status, int events)
{
    struct net_stats stats;
    ssize_t n = recv(self.sock, &self.in, sizeof(self.in), 0);

    (void)p;
    (void)status;
    (void)events;
    if (n < (ssize_t)offsetof(struct message, data))
        _exit(2);
    switch (self.in.what) {
    case READOPT:
        do_readopt();
        break;
    case APPLY:
        do_apply();
        break;
    case APPLY_KEYS:
        do_keys();
        break;
    case ATTACH:
        do_attach();
        break;
    case DETACH:
        net_detach(self.net, (const char *)self.in.data, on_done, NULL);
        break;
    case STATS:
        net_stats(self.net, &stats);
        answer(0, &stats, sizeof(stats));
        break;
    case KEYS:
        answer(0, self.keys, self.n_keys * sizeof(self.keys[0]));
        break;
    case STOP:
        net_free(self.net, on_freed, NULL);
        break;
    case PURGE:
        net_purge(self.net, true, on_purged, NULL);
        break;
    }
}

static void child(const struct node *n, int sock)
{
    struct net_options o = { .state_dir = n->dir,
                             .run_dir = n->run,
                             .netd_path = getenv("SWARM_NETD") };
    struct net_callbacks cb = { .on_data_keys = on_keys };
    struct net_identity id = { .node_key = n->key, .data_addr = n->addr };
    struct sw_err err = { 0 };

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    self.sock = sock;
    self.parent = getppid();
    memset(id.node_id.b, (int)n->key, sizeof(id.node_id.b));
    uv_loop_init(&self.loop);
    if (ns_enter(n->ns, &err) < 0 || net_new(&self.net, &self.loop, &o, &cb, &err) < 0 ||
        net_set_identity(self.net, &id, &err) < 0) {
        fprintf(stderr, "node: %s\n", err.msg);
        _exit(1);
    }
    uv_poll_init(&self.loop, &self.poll, sock);
    uv_poll_start(&self.poll, UV_READABLE, on_message);
    uv_run(&self.loop, UV_RUN_DEFAULT);
    _exit(0);
}

/* ----------------------------------------------------------------------------- the test's process
 */

static struct message buffer;

static int call(struct node *n, enum what what, const void *data, size_t len)
{
    struct pollfd p = { n->sock, POLLIN, 0 };

    buffer.what = what;
    buffer.code = 0;
    buffer.len = len;
    if (len > 0)
        memcpy(buffer.data, data, len);
    assert_true(send(n->sock, &buffer, offsetof(struct message, data) + len, MSG_NOSIGNAL) > 0);
    if (poll(&p, 1, DEADLINE_MS) != 1)
        fail_msg("node %llu does not answer", (unsigned long long)n->key);
    if (recv(n->sock, &buffer, sizeof(buffer), 0) <= 0)
        fail_msg("node %llu is gone", (unsigned long long)n->key);
    return buffer.code;
}

static void must(struct node *n, enum what what, const void *data, size_t len)
{
    if (call(n, what, data, len) < 0)
        fail_msg("node %llu: %s", (unsigned long long)n->key, (const char *)buffer.data);
}

void node_start(struct node *n, int ns, const char *dir, const char *addr, uint64_t key)
{
    int pair[2];

    snprintf(n->dir, sizeof(n->dir), "%s", dir);
    snprintf(n->run, sizeof(n->run), "%s/run", dir);
    snprintf(n->addr, sizeof(n->addr), "%s", addr);
    n->ns = ns;
    n->key = key;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    n->pid = fork();
    if (n->pid == 0)
        child(n, pair[1]);
    close(pair[1]);
    n->sock = pair[0];
}

static void node_reap(struct node *n)
{
    int status;

    waitpid(n->pid, &status, 0);
    close(n->sock);
    n->pid = 0;
}

void node_kill(struct node *n)
{
    kill(n->pid, SIGKILL);
    node_reap(n);
}

void node_stop(struct node *n)
{
    must(n, STOP, NULL, 0);
    node_reap(n);
}

void node_purge(struct node *n)
{
    must(n, PURGE, NULL, 0);
}

pid_t node_netd_pid(const struct node *n)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    struct ucred who = { 0 };
    socklen_t len = sizeof(who);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(sa.sun_path, sizeof(sa.sun_path), "%.90s/netd.sock", n->run);
    if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0)
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len);
    close(fd);
    return who.pid;
}

void node_readopt(struct node *n, const struct node_attach *list, size_t count)
{
    must(n, READOPT, list, count * sizeof(*list));
}

void node_apply(struct node *n, const Swarm__V1__NetworkTable *t)
{
    uint8_t bytes[MESSAGE_MAX];

    must(n, APPLY, bytes, swarm__v1__network_table__pack(t, bytes));
}

void node_apply_keys(struct node *n, const Swarm__V1__DataPlaneKeys *k)
{
    uint8_t bytes[MESSAGE_MAX];

    must(n, APPLY_KEYS, bytes, swarm__v1__data_plane_keys__pack(k, bytes));
}

int node_try_attach(struct node *n, const struct node_attach *a)
{
    return call(n, ATTACH, a, sizeof(*a));
}

void node_attach(struct node *n, const struct node_attach *a)
{
    must(n, ATTACH, a, sizeof(*a));
}

void node_detach(struct node *n, const char *id)
{
    must(n, DETACH, id, strlen(id) + 1);
}

void node_stats(struct node *n, struct net_stats *out)
{
    must(n, STATS, NULL, 0);
    memcpy(out, buffer.data, sizeof(*out));
}

void node_key(struct node *n, uint64_t epoch, const uint8_t not [32], struct net_data_key *out)
{
    for (int i = 0; i < 200; i++) {
        const struct net_data_key *k = (const void *)buffer.data;

        must(n, KEYS, NULL, 0);
        for (size_t j = 0; j < buffer.len / sizeof(*k); j++)
            if (k[j].epoch == epoch && (not == NULL || memcmp(k[j].start_key, not, 32) != 0)) {
                *out = k[j];
                return;
            }
        usleep(20000);
    }
    fail_msg("node %llu has no key", (unsigned long long)n->key);
}
