/* SPDX-License-Identifier: Apache-2.0
 * What a stranger may send before it is known. The first input byte chooses the side, and whether
 * the rest are raw records (a length byte and their bytes), or the payload of a handshake that a
 * stranger with a key of its own does by the book. */
// uses: swarm_rpc
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/crypto/secret.h"
#include "common/rpc/handshake.h"

#define NOW 1700000000000000000ll

static struct sw_identity *identity;
static struct sw_token token;

struct rpc_handshake_peer { /* the side under test */
    struct handshake *h;
    bool dialer;
    enum sw_rpc_purpose purpose;
};

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

/* Noise's messages by the book, the stranger's payload is @data. */
static int by_the_book(struct rpc_handshake_peer *p, const uint8_t *data, size_t size)
{
    struct sw_buf out = SW_BUF_INIT;
    uint8_t preamble[HANDSHAKE_PREAMBLE] = { 's', 'w', 'a', 'r', 'm', 1, (uint8_t)p->purpose };
    uint8_t msg[HANDSHAKE_MAX_BYTES * 2];
    struct sw_dh_key key;
    struct sw_noise noise;
    struct sw_noise_options opt = { .protocol = SW_NOISE_XX,
                                    .initiator = !p->dialer,
                                    .prologue = preamble,
                                    .prologue_len = sizeof(preamble),
                                    .s = &key };
    struct sw_err err;
    size_t n;
    int r = 0;

    sw_dh_key_make(&key);
    if (p->dialer) { /* it speaks first: its preamble is the prologue */
        if (rpc_handshake_start(p->h, &out, &err) < 0)
            abort();
        opt.prologue = out.data + 2;
        if (sw_noise_init(&noise, &opt, &err) < 0 ||
            sw_noise_read(&noise, out.data + 2 + HANDSHAKE_PREAMBLE,
                          out.len - 2 - HANDSHAKE_PREAMBLE, msg, &n, &err) < 0 ||
            sw_noise_write(&noise, data, size, msg, &n, &err) < 0)
            abort();
        r = rpc_handshake_take(p->h, msg, n, &out, &err);
    } else {
        memcpy(msg, preamble, sizeof(preamble));
        if (sw_noise_init(&noise, &opt, &err) < 0 ||
            sw_noise_write(&noise, NULL, 0, msg + sizeof(preamble), &n, &err) < 0 ||
            rpc_handshake_take(p->h, msg, sizeof(preamble) + n, &out, &err) != 0 ||
            sw_noise_read(&noise, out.data + 2, out.len - 2, msg, &n, &err) < 0 ||
            sw_noise_write(&noise, data, size, msg, &n, &err) < 0)
            abort();
        r = rpc_handshake_take(p->h, msg, n, &out, &err);
    }
    sw_noise_fini(&noise);
    sw_buf_fini(&out);
    return r;
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
    if ((data[0] & 4) != 0) {
        struct rpc_handshake_peer p = { h, opt.dialer, opt.purpose };

        size = size > 2001 ? 2001 : size;
        r = by_the_book(&p, data + 1, size - 1);
        if (r == HANDSHAKE_DONE && (opt.dialer || opt.purpose == SW_RPC_NODE))
            abort();
        rpc_handshake_free(h);
        return 0;
    }
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
