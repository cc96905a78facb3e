/* SPDX-License-Identifier: Apache-2.0
 * peer.h - images from and for the other nodes of the cluster.
 *
 * A node that has an image serves its blobs by digest to any member; a node that lacks one asks
 * nodes that are said to have it, in turn, and verifies everything it gets. Fetches of the same
 * image join. */
#ifndef SWARM_AGENT_IMAGE_PEER_H
#define SWARM_AGENT_IMAGE_PEER_H

#include "agent/image/image.h"
#include "common/rpc/rpc.h"

/* ---- serving --------------------------------------------------------------------------------- */

#define IMAGE_PEER_METHODS 2
/** image_peer_methods() - rows for sw_rpc_listen.methods. @s: borrowed, must outlive the server. */
void image_peer_methods(struct image_store *s, struct sw_rpc_method out[IMAGE_PEER_METHODS]);

/* ---- fetching -------------------------------------------------------------------------------- */

struct image_fetcher; /* opaque, peer_fetch.c */

/**
 * image_fetcher_new() - @s and @loop are borrowed
 * @identity: a reference is taken; NULL: only "unix:" addresses work
 */
int image_fetcher_new(struct image_fetcher **out, struct uv_loop_s *loop, struct image_store *s,
                      struct sw_identity *identity, struct sw_err *err);
void image_fetcher_set_identity(struct image_fetcher *f, struct sw_identity *identity);
/** image_fetcher_free() - everyone who waits is told SW_E_CANCELED, inside this call. Before the
 * store is closed. */
void image_fetcher_free(struct image_fetcher *f);

struct image_fetch; /* one who waits, opaque */
struct image_fetch_options {
    const char *reference;
    const char *const *addresses; /* "10.0.0.2:7946", "unix:/path"; copied; tried in this order */
    size_t n_addresses;
    uint64_t stall_ms; /* without a byte from a peer, 0: 30 000 */
    image_done *done;  /* once, unless canceled; SW_E_NOT_FOUND when no peer has it */
    void *arg;
};
/**
 * image_fetch() - get the image from the first peer that has it
 * @out: borrowed until done; may be NULL
 *
 * An image that is there already is done at once (in a later turn of the loop).
 * Return: 0; SW_E_INVALID for a bad reference; SW_E_NOT_FOUND without addresses; -ENOMEM.
 */
int image_fetch(struct image_fetcher *f, struct image_fetch **out,
                const struct image_fetch_options *opt, struct sw_err *err);
/** image_fetch_cancel() - the last one to leave stops the transfer. */
void image_fetch_cancel(struct image_fetch *w);

#endif
