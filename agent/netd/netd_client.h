/* SPDX-License-Identifier: Apache-2.0
 * netd_client.h - swarmd's end of the control socket of swarm-netd.
 *
 * The client keeps one connection up for as long as it lives: it connects, says hello, reports
 * on_up, and after a loss tries again with growing pauses. Nothing is replayed for the caller: on
 * every on_up it sends its whole state again (all requests are idempotent) and removes what the
 * hello reply lists and it does not want. The same `instance` as before means netd itself lived
 * on: descriptors need not be passed again. Another one means a new netd: fresh start keys, no
 * sockets, no TAP queues.
 *
 * netd is a process of its own with its own life (`swarm-netd --socket PATH`); this client never
 * starts or stops it. */
#ifndef SWARM_AGENT_NETD_NETD_CLIENT_H
#define SWARM_AGENT_NETD_NETD_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/alloc.h"
#include "common/base/err.h"
#include "common/base/id.h"
#include "swarm/v1/netd.pb-c.h"

#define NETD_SOCKET_PATH   "/run/swarm/netd.sock"
#define NETD_FDS_MAX       16u
#define NETD_DEADLINE_MS   10000u
#define NETD_RETRY_MIN_MS  50u
#define NETD_RETRY_MAX_MS  2000u
#define NETD_KEY_DOMAIN    "swarm-netd-key-1" /* sw_sign()'s domain for start keys */
#define NETD_KEY_MSG_BYTES (16u + 8u + 32u + 4u)

struct netd_client; /* opaque */
struct uv_loop_s;

struct netd_client_watch {
    void *ctx; /* borrowed */
    /* Connected and greeted. @hello is borrowed for the call. */
    void (*on_up)(void *ctx, const Swarm__V1__NetdHelloReply *hello);
    /* The connection of the last on_up is gone; every request under way has been answered. */
    void (*on_down)(void *ctx, const struct sw_err *why);
    /* Something to know about; borrowed for the call. May be NULL. */
    void (*on_event)(void *ctx, const Swarm__V1__NetdEvent *event);
};

/**
 * netd_client_new() - start connecting; callbacks come from the loop, never from inside this call
 * @out:   returned, set on success only; release with netd_client_close()
 * @loop:  borrowed, must outlive the client's closing
 * @path:  copied; of netd's socket
 * @watch: copied
 *
 * Return: 0; -ENAMETOOLONG for a path longer than a Unix address takes; -ENOMEM; UV_E*.
 */
int netd_client_new(struct netd_client **out, struct uv_loop_s *loop, const char *path,
                    const struct netd_client_watch *watch, struct sw_err *err);

/**
 * netd_client_close() - give up the connection and free the client
 * @done: called once, later, from the loop, when no callback of the client can come any more;
 *        may be NULL. Requests under way are answered with SW_E_CANCELED before.
 */
void netd_client_close(struct netd_client *c, void (*done)(void *ctx), void *ctx);

/** How a request ended. @status: code 0, or netd's refusal, or SW_E_UNAVAILABLE (connection lost),
 * SW_E_DEADLINE, SW_E_CANCELED. @reply is NULL unless code is 0. Both borrowed for the call. */
typedef void netd_client_reply_fn(void *ctx, const struct sw_err *status,
                                  const Swarm__V1__NetdReply *reply);

/**
 * netd_client_request() - send one request
 * @req:   borrowed for the call; seq and fds are filled in here
 * @fds:   the descriptors, @n_fds <= NETD_FDS_MAX; **owned**: closed on every path, once sent or
 *         when this fails
 * @reply: called exactly once when this returned 0, from the loop, never inside the call; may be
 *         NULL when the outcome does not matter
 *
 * Return: 0; SW_E_UNAVAILABLE while not connected; SW_E_INVALID for a message above 16 MiB or too
 * many descriptors; -ENOMEM. The reply is not called then.
 */
int netd_client_request(struct netd_client *c, Swarm__V1__NetdRequest *req, const int *fds,
                        size_t n_fds, netd_client_reply_fn *reply, void *ctx, struct sw_err *err);

/**
 * netd_key_message() - what a node signs about a start key of its netd, under NETD_KEY_DOMAIN:
 * node id, epoch (u64 little endian), start key, suites (u32 little endian)
 */
void netd_key_message(const struct sw_id *node_id, uint64_t epoch, const uint8_t start_key[32],
                      uint32_t suites, uint8_t out[NETD_KEY_MSG_BYTES]);

#endif
