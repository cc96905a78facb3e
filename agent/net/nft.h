/* SPDX-License-Identifier: Apache-2.0
 * nft.h - run one nftables transaction. The only includer of libnftables. */
#ifndef SWARM_AGENT_NET_NFT_H
#define SWARM_AGENT_NET_NFT_H

#include "common/base/buf.h"
#include "common/base/err.h"

struct nft_ctx;

/**
 * nft_open() - a context for the namespace the calling thread is in; later transactions go there
 * from everywhere. Return: NULL when memory or sockets are gone.
 *
 * Closing one costs some milliseconds after deletions (the kernel waits for readers): keep the
 * node's, and close containers' together.
 */
struct nft_ctx *nft_open(void);
void nft_close(struct nft_ctx *c);

/** nft_run() - all of @text or nothing. Return: 0; -ENOMEM when @text failed; -EINVAL with the
 * first line of libnftables' complaint. */
int nft_run(struct nft_ctx *c, const struct sw_buf *text, struct sw_err *err);

#endif
