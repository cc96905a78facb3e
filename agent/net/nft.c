/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/net/nft.h"

#include <errno.h>
#include <nftables/libnftables.h>
#include <string.h>

#include "common/log/log.h"

struct nft_ctx *nft_open(void)
{
    struct nft_ctx *c = nft_ctx_new(NFT_CTX_DEFAULT);

    if (c != NULL && (nft_ctx_buffer_error(c) != 0 || nft_ctx_buffer_output(c) != 0)) {
        nft_ctx_free(c);
        return NULL;
    }
    return c;
}

void nft_close(struct nft_ctx *c)
{
    if (c != NULL)
        nft_ctx_free(c);
}

int nft_run(struct nft_ctx *c, const struct sw_buf *text, struct sw_err *err)
{
    const char *complaint;

    if (c == NULL || sw_buf_failed(text))
        return sw_err_set(err, -ENOMEM, "nftables transaction");
    if (nft_run_cmd_from_buffer(c, sw_buf_str(text)) == 0)
        return 0;
    complaint = nft_ctx_get_error_buffer(c);
    if (complaint == NULL)
        complaint = "";
    log_debug("nftables transaction refused text=%s complaint=%s", sw_buf_str(text), complaint);
    return sw_err_set(err, -EINVAL, "nftables: %.*s", (int)strcspn(complaint, "\n"), complaint);
}
