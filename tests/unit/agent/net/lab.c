/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/agent/net/lab.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/net/ns.h"

#define DEADLINE_MS 1500

#define ok(expr)                                                                                   \
    do {                                                                                           \
        int ok_r_ = (expr);                                                                        \
        if (ok_r_ < 0)                                                                             \
            fail_msg("%s: %s", #expr, err.msg);                                                    \
    } while (0)

bool lab_possible(void)
{
    pid_t pid = fork();
    int status = 1;

    if (pid == 0)
        _exit(unshare(CLONE_NEWNET | CLONE_NEWNS) == 0 ? 0 : 1);
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

int lab_ns(struct lab *l)
{
    struct sw_err err;
    struct nlk nl;
    int fd;

    assert_int_equal(unshare(CLONE_NEWNET), 0);
    ok(fd = ns_open_self(&err));
    ok(nlk_open(&nl, NETLINK_ROUTE, &err));
    link_up(&nl, 1);
    ok(nlk_commit(&nl, &err));
    nlk_close(&nl);
    ns_leave(l->home);
    return fd;
}

static void plug(struct lab *l, int ns, const char *port, uint32_t addr, int bridge)
{
    struct link_veth v = {
        .name = port, .master = bridge, .mtu = 1500, .peer_name = "u0", .peer_ns = ns
    };
    struct link_info i;
    struct sw_err err;
    struct nlk nl;

    ok(ns_enter(l->wire, &err));
    ok(nlk_open(&nl, NETLINK_ROUTE, &err));
    link_add_veth(&nl, &v);
    ok(nlk_commit(&nl, &err));
    nlk_close(&nl);
    ok(ns_enter(ns, &err));
    ok(nlk_open(&nl, NETLINK_ROUTE, &err));
    assert_int_equal(link_get(&nl, "u0", &i, &err), 0);
    link_addr_add(&nl, i.index, addr, 24);
    link_up(&nl, i.index);
    ok(nlk_commit(&nl, &err));
    nlk_close(&nl);
    ns_leave(l->home);
}

void lab_start(struct lab *l, bool kerns)
{
    static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 1 };
    struct link_info bridge;
    struct sw_err err;
    struct nlk nl;
    char port[16];

    memset(l, 0, sizeof(*l));
    assert_int_equal(unshare(CLONE_NEWNS), 0);
    assert_int_equal(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    strcpy(l->dir, "/tmp/net-lab-XXXXXX");
    assert_non_null(mkdtemp(l->dir));
    ok(l->home = ns_open_self(&err));
    l->wire = lab_ns(l);
    l->client = lab_ns(l);
    ok(ns_enter(l->wire, &err));
    ok(nlk_open(&nl, NETLINK_ROUTE, &err));
    link_add_bridge(&nl, "wire", mac, 1500);
    ok(nlk_commit(&nl, &err));
    assert_int_equal(link_get(&nl, "wire", &bridge, &err), 0);
    nlk_close(&nl);
    ns_leave(l->home);
    plug(l, l->client, "client", IP(198, 51, 100, 9), bridge.index);
    for (unsigned i = 0; i < LAB_NODES; i++) {
        struct lab_node *n = &l->nodes[i];

        n->ns = lab_ns(l);
        snprintf(port, sizeof(port), "node%u", i + 1);
        plug(l, n->ns, port, IP(198, 51, 100, i + 1), bridge.index);
        snprintf(n->dir, sizeof(n->dir), "%s/n%u", l->dir, i + 1);
        snprintf(n->addr, sizeof(n->addr), "198.51.100.%u", i + 1);
        assert_int_equal(mkdir(n->dir, 0700), 0);
        if (kerns)
            lab_kern_start(l, i);
    }
}

void lab_stop(struct lab *l)
{
    char path[128];
    struct sw_err err;

    for (unsigned i = 0; i < LAB_NODES; i++) {
        struct lab_node *n = &l->nodes[i];

        if (n->k != NULL) {
            lab_in(l, i);
            kern_purge(n->k, true, &err);
            lab_out(l);
            lab_kern_stop(l, i);
        }
        for (size_t j = 0; j < 3; j++) {
            snprintf(path, sizeof(path), "%s/%s", n->dir,
                     ((const char *[]){ "netns", "net", "run" })[j]);
            rmdir(path);
        }
        rmdir(n->dir);
        close(n->ns);
    }
    rmdir(l->dir);
    close(l->wire);
    close(l->client);
    close(l->home);
}

struct kern *lab_in(struct lab *l, unsigned i)
{
    struct sw_err err;

    ok(ns_enter(l->nodes[i].ns, &err));
    return l->nodes[i].k;
}

void lab_out(struct lab *l)
{
    ns_leave(l->home);
}

void lab_kern_start(struct lab *l, unsigned i)
{
    struct lab_node *n = &l->nodes[i];
    struct kern_options o = { .state_dir = n->dir };
    struct link_ip addr;
    struct sw_err err;

    lab_in(l, i);
    ok(kern_new(&n->k, &o, &err));
    assert_true(link_ip_parse(n->addr, &addr));
    ok(kern_identity(n->k, i + 1, &addr, 0, &err));
    lab_out(l);
}

void lab_kern_stop(struct lab *l, unsigned i)
{
    kern_free(l->nodes[i].k);
    l->nodes[i].k = NULL;
}

/* ------------------------------------------------------------------------------------ sockets */

static int sock(int ns, int type)
{
    struct sw_err err;
    int home;
    int fd;

    ok(home = ns_open_self(&err));
    ok(ns_enter(ns, &err));
    fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ns_leave(home);
    close(home);
    assert_true(fd >= 0);
    return fd;
}

static struct sockaddr_in at(uint32_t addr, uint16_t port)
{
    return (struct sockaddr_in){ .sin_family = AF_INET,
                                 .sin_port = htons(port),
                                 .sin_addr.s_addr = htonl(addr) };
}

static bool ready(int fd, short events)
{
    struct pollfd p = { fd, events, 0 };

    return poll(&p, 1, DEADLINE_MS) == 1;
}

int lab_listen(int ns, uint32_t addr, uint16_t port)
{
    struct sockaddr_in sa = at(addr, port);
    int fd = sock(ns, SOCK_STREAM);
    int one = 1;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    assert_int_equal(listen(fd, 64), 0);
    return fd;
}

int lab_udp(int ns, uint32_t addr, uint16_t port)
{
    struct sockaddr_in sa = at(addr, port);
    int fd = sock(ns, SOCK_DGRAM);

    assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    return fd;
}

int lab_connect(int ns, uint32_t addr, uint16_t port)
{
    struct sockaddr_in sa = at(addr, port);
    int fd = sock(ns, SOCK_STREAM);
    int e = 0;
    socklen_t len = sizeof(e);

    if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
        if (errno != EINPROGRESS)
            e = errno;
        else if (!ready(fd, POLLOUT))
            e = ETIMEDOUT;
        else
            getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &len);
    }
    if (e == 0)
        return fd;
    close(fd);
    return -e;
}

int lab_accept(int fd, uint32_t *peer)
{
    struct sockaddr_in sa;
    socklen_t len = sizeof(sa);
    int r;

    if (!ready(fd, POLLIN))
        return -ETIMEDOUT;
    r = accept4(fd, (struct sockaddr *)&sa, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (r < 0)
        return -errno;
    if (peer != NULL)
        *peer = ntohl(sa.sin_addr.s_addr);
    return r;
}

bool lab_echo(int a, int b)
{
    char c = 0;

    return send(a, "x", 1, MSG_NOSIGNAL) == 1 && ready(b, POLLIN) && recv(b, &c, 1, 0) == 1 &&
           c == 'x' && send(b, "y", 1, MSG_NOSIGNAL) == 1 && ready(a, POLLIN) &&
           recv(a, &c, 1, 0) == 1 && c == 'y';
}

bool lab_udp_echo(int a, uint32_t addr, uint16_t port, int b, uint32_t peer)
{
    struct sockaddr_in to = at(addr, port);
    struct sockaddr_in from;
    socklen_t len = sizeof(from);
    char c = 0;

    if (sendto(a, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)) != 1 || !ready(b, POLLIN) ||
        recvfrom(b, &c, 1, 0, (struct sockaddr *)&from, &len) != 1 ||
        ntohl(from.sin_addr.s_addr) != peer ||
        sendto(b, "y", 1, 0, (struct sockaddr *)&from, len) != 1 || !ready(a, POLLIN))
        return false;
    len = sizeof(from);
    return recvfrom(a, &c, 1, 0, (struct sockaddr *)&from, &len) == 1 && c == 'y' &&
           from.sin_addr.s_addr == to.sin_addr.s_addr && from.sin_port == to.sin_port;
}

ssize_t lab_udp_ask(int fd, uint32_t addr, uint16_t port, const void *q, size_t n, void *answer,
                    size_t max)
{
    struct sockaddr_in to = at(addr, port);

    if (sendto(fd, q, n, 0, (struct sockaddr *)&to, sizeof(to)) < 0 || !ready(fd, POLLIN))
        return -1;
    return recv(fd, answer, max, 0);
}

bool lab_reaches(int ns, uint32_t addr, uint16_t port, int listener, uint32_t *peer)
{
    int a = lab_connect(ns, addr, port);
    int b;
    bool good;

    if (a < 0)
        return false;
    b = lab_accept(listener, peer);
    good = b >= 0 && lab_echo(a, b);
    close(a);
    if (b >= 0)
        close(b);
    return good;
}

/* ----------------------------------------------------------------------------------- programs */

static FILE *run(int ns, const char *command)
{
    struct sw_err err;
    int home;
    FILE *f;

    ok(home = ns_open_self(&err));
    ok(ns_enter(ns, &err));
    f = popen(command, "r");
    ns_leave(home);
    close(home);
    assert_non_null(f);
    return f;
}

int lab_run(int ns, const char *fmt, ...)
{
    char command[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(command, sizeof(command), fmt, ap);
    va_end(ap);
    return pclose(run(ns, command));
}

int lab_nft_lines(int ns, const char *text)
{
    FILE *f = run(ns, "nft list ruleset");
    char line[4096];
    int n = 0;

    while (fgets(line, sizeof(line), f) != NULL)
        n += strstr(line, text) != NULL;
    pclose(f);
    return n;
}
