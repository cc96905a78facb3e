/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/netd/netd_open.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/alloc.h"

#define RCVBUF (8 * 1024 * 1024)
#define SNDBUF (2 * 1024 * 1024)

static void close_all(int *fds, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        (void)close(fds[i]);
        fds[i] = -1;
    }
}

/* ---------------------------------------------------------------------------------------- taps */

static int tap_queue(const char *name, struct sw_err *err)
{
    SW_CLEANUP(sw_close_ptr) int fd = -1;
    struct ifreq ifr = { 0 };
    size_t n = strlen(name);

    if (n == 0 || n >= IFNAMSIZ)
        return sw_err_set(err, SW_E_INVALID, "tap '%s': bad name", name);
    memcpy(ifr.ifr_name, name, n);
    fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return sw_err_errno(err, errno, "open /dev/net/tun");
    ifr.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE);
    if (ioctl(fd, TUNSETIFF, &ifr) < 0)
        return sw_err_errno(err, errno, "tap '%s'", name);
    if (ioctl(fd, TUNSETPERSIST, 1ul) < 0)
        return sw_err_errno(err, errno, "tap '%s': keep it", name);
    return sw_steal_fd(&fd);
}

int netd_tap_open(const char *name, size_t n, int *fds, struct sw_err *err)
{
    for (size_t i = 0; i < n; i++) {
        fds[i] = tap_queue(name, err);
        if (fds[i] < 0) {
            close_all(fds, i);
            return err->code;
        }
    }
    return 0;
}

/* ----------------------------------------------------------------------------------------- udp */

struct addr {
    union {
        struct sockaddr sa;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } u;
    socklen_t len;
};

static int addr_parse(struct addr *a, const char *text, uint16_t port, struct sw_err *err)
{
    memset(a, 0, sizeof(*a));
    if (inet_pton(AF_INET, text, &a->u.in.sin_addr) == 1) {
        a->u.in.sin_family = AF_INET;
        a->u.in.sin_port = htons(port);
        a->len = sizeof(a->u.in);
        return 0;
    }
    if (inet_pton(AF_INET6, text, &a->u.in6.sin6_addr) == 1) {
        a->u.in6.sin6_family = AF_INET6;
        a->u.in6.sin6_port = htons(port);
        a->len = sizeof(a->u.in6);
        return 0;
    }
    return sw_err_set(err, SW_E_INVALID, "data path address '%s' is no IP address", text);
}

static int set_int(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof(value));
}

/* The outer packet is never fragmented: a wrong MTU shall be seen, not paid for. */
static int dont_fragment(int fd, int family)
{
    if (family == AF_INET6)
        return set_int(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
    return set_int(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
}

static int udp_one(const struct addr *a, bool receive, struct sw_err *err)
{
    SW_CLEANUP(sw_close_ptr) int fd = -1;

    fd = socket(a->u.sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return sw_err_errno(err, errno, "data path socket");
    if (dont_fragment(fd, a->u.sa.sa_family) < 0)
        return sw_err_errno(err, errno, "data path socket: do not fragment");
    if (a->u.sa.sa_family == AF_INET6)
        (void)set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    if (receive) {
        if (set_int(fd, SOL_SOCKET, SO_RCVBUFFORCE, RCVBUF) < 0)
            (void)set_int(fd, SOL_SOCKET, SO_RCVBUF, RCVBUF);
        if (set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1) < 0)
            return sw_err_errno(err, errno, "data path socket: share the port");
        (void)set_int(fd, SOL_UDP, UDP_GRO, 1); /* absent before Linux 5.0: slower, not wrong */
    } else if (set_int(fd, SOL_SOCKET, SO_SNDBUFFORCE, SNDBUF) < 0) {
        (void)set_int(fd, SOL_SOCKET, SO_SNDBUF, SNDBUF);
    }
    if (bind(fd, &a->u.sa, a->len) < 0)
        return sw_err_errno(err, errno, "bind data path socket");
    return sw_steal_fd(&fd);
}

int netd_udp_open(const char *local_addr, uint16_t port, size_t workers, int *fds,
                  struct sw_err *err)
{
    struct addr in, out;
    int r;

    r = addr_parse(&in, local_addr, port, err);
    if (r == 0)
        r = addr_parse(&out, local_addr, 0, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < 2 * workers; i++) {
        fds[i] = udp_one(i % 2 == 0 ? &in : &out, i % 2 == 0, err);
        if (fds[i] < 0) {
            close_all(fds, i);
            return sw_err_wrap(err, "%s port %u", local_addr, port);
        }
    }
    return 0;
}

/* ----------------------------------------------------------------------------------------- dns */

#define RESOLVER_ADDR 0x7f00000bu /* 127.0.0.11 */
#define DNS_BACKLOG   64

static int dns_one(int type, struct sw_err *err)
{
    SW_CLEANUP(sw_close_ptr) int fd = -1;
    struct sockaddr_in sa = {
        .sin_family = AF_INET,
        .sin_port = htons(53),
        .sin_addr.s_addr = htonl(RESOLVER_ADDR),
    };

    fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return sw_err_errno(err, errno, "resolver socket");
    if (type == SOCK_STREAM)
        (void)set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0 ||
        (type == SOCK_STREAM && listen(fd, DNS_BACKLOG) < 0))
        return sw_err_errno(err, errno, "resolver on 127.0.0.11 port 53");
    return sw_steal_fd(&fd);
}

int netd_dns_open(int fds[2], struct sw_err *err)
{
    fds[0] = dns_one(SOCK_DGRAM, err);
    if (fds[0] < 0)
        return err->code;
    fds[1] = dns_one(SOCK_STREAM, err);
    if (fds[1] < 0) {
        close_all(fds, 1);
        return err->code;
    }
    return 0;
}

int netd_dns_open_forward(struct sw_err *err)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    return fd < 0 ? sw_err_errno(err, errno, "resolver's forwarding socket") : fd;
}
