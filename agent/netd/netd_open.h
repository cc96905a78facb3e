/* SPDX-License-Identifier: Apache-2.0
 * netd_open.h - make the devices and sockets that swarm-netd works on.
 *
 * netd has no privilege to make them; swarmd calls these with the calling thread inside the network
 * namespace where the thing belongs (setns before, back afterwards) and passes the descriptors on.
 * All blocking calls are short. Every function closes what it opened when it fails. */
#ifndef SWARM_AGENT_NETD_NETD_OPEN_H
#define SWARM_AGENT_NETD_NETD_OPEN_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

#define NETD_WORKERS_MAX     8u
#define NETD_MTU_OVERHEAD_V4 82u /* outer IPv4, UDP, our header, VXLAN, inner Ethernet, tag */
#define NETD_MTU_OVERHEAD_V6 102u

/**
 * netd_tap_open() - open @n queues of the multi-queue TAP device @name, creating it if it is absent
 * @name: at most 15 characters; in the namespace of the calling thread
 * @fds:  returned, @n of them; close them
 *
 * The device is persistent: neither swarmd's nor netd's end takes it away, nor its place in the
 * bridge, nor its FDB entries. A netd that was started anew gets fresh queues of the same device
 * by calling this again. Remove it with RTM_DELLINK. MTU, MAC, master and up are the caller's.
 *
 * syscalls: open("/dev/net/tun"), ioctl(TUNSETIFF, TUNSETPERSIST). Needs CAP_NET_ADMIN.
 * Return: 0 or -errno.
 */
int netd_tap_open(const char *name, size_t n, int *fds, struct sw_err *err);

/**
 * netd_udp_open() - the data path's sockets for @workers workers, in the host's namespace
 * @local_addr: IPv4 or IPv6 underlay address of this node
 * @fds: returned, 2 x @workers: receiving, sending, receiving, ... as NetdConfigureUdp wants them
 *
 * syscalls: socket, setsockopt, bind. SO_RCVBUFFORCE takes effect with CAP_NET_ADMIN only.
 * Return: 0; SW_E_INVALID for a bad address; -EADDRINUSE; -errno.
 */
int netd_udp_open(const char *local_addr, uint16_t port, size_t workers, int *fds,
                  struct sw_err *err);

/**
 * netd_dns_open() - the resolver's sockets of one container: 127.0.0.11, port 53, UDP and TCP
 * @fds: returned, two; as NetdDnsAttach wants them
 *
 * The calling thread is inside the container's network namespace, where lo must be up.
 * Return: 0 or -errno.
 */
int netd_dns_open(int fds[2], struct sw_err *err);

/** netd_dns_open_forward() - the socket for nameservers that are asked from the container's
 * namespace. Return: descriptor >= 0 or -errno. */
int netd_dns_open_forward(struct sw_err *err);

#endif
