/* SPDX-License-Identifier: Apache-2.0
 * What a stranger may send before it is known: the first input byte chooses the side, then records
 * of a length byte and their bytes. */
// uses: swarm_rpc
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/crypto/secret.h"
#include "common/rpc/handshake.h"

#define NOW 1700000000000000000ll

static struct sw_identity *identity;
static struct sw_token token;

static void prepare(void)
{
    struct sw_cert_grant grant = { .role = SW_ROLE_MANAGER, .serial = 1, .now_ns = NOW };
    struct sw_cert_request req;
    struct sw_root_key root;
    struct sw_identity *keys;
    struct sw_cert cert;
    struct sw_err err;

    grant.node_id.b[0] = 1;
    if (sw_crypto_init(&err) < 0 || sw_root_key_make(&root, &grant.node_id, NOW, &err) < 0 ||
        sw_identity_new(&keys, &err) < 0)
        abort();
    memcpy(req.public_key, keys->sign.public_key, SW_KEY_BYTES);
    memcpy(req.static_key, keys->dh.public_key, SW_KEY_BYTES);
    if (sw_cert_issue(&cert, &root, &req, &grant, &err) < 0 ||
        sw_identity_renew(&identity, keys, &cert, &root.root, 1, &err) < 0)
        abort();
    sw_identity_unref(keys);
    memcpy(token.digest, root.root.digest, sizeof(token.digest));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct handshake_options opt = { .identity = NULL, .allow_join = true, .now_ns = NOW };
    struct sw_buf out = SW_BUF_INIT;
    struct handshake *h;
    struct sw_err err;
    int r = 0;

    if (identity == NULL)
        prepare();
    if (size < 1)
        return 0;
    opt.dialer = (data[0] & 1) != 0;
    opt.purpose = (data[0] & 2) != 0 ? SW_RPC_JOIN : SW_RPC_NODE;
    opt.identity = identity;
    opt.token = &token;
    opt.expect = SW_RPC_MEMBER;
    if (rpc_handshake_new(&h, &opt, &err) < 0)
        abort();
    if (opt.dialer && rpc_handshake_start(h, &out, &err) < 0)
        abort();
    for (data++, size--; r == 0 && size > 0;) {
        size_t n = data[0] < size - 1 ? data[0] : size - 1;

        r = rpc_handshake_take(h, data + 1, n, &out, &err);
        data += 1 + n;
        size -= 1 + n;
    }
    if (r == HANDSHAKE_DONE && opt.purpose == SW_RPC_NODE)
        abort(); /* without a certificate's key nobody gets in */
    rpc_handshake_free(h);
    sw_buf_fini(&out);
    return 0;
}
