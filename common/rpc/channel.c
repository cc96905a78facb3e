/* SPDX-License-Identifier: Apache-2.0 */
#include "common/rpc/channel.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "common/crypto/secret.h"

void rpc_channel_fini(struct channel *c)
{
    sw_wipe(c, sizeof(*c));
}

bool rpc_channel_wants_rekey(const struct channel *c, uint64_t now_ms)
{
    return c->sealed && (c->records >= c->max_records || now_ms - c->keyed_ms >= c->max_ms) &&
           c->records > 0;
}

void rpc_channel_rekey_send(struct channel *c, uint64_t now_ms)
{
    sw_noise_rekey(&c->send);
    c->records = 0;
    c->keyed_ms = now_ms;
}

void rpc_channel_rekey_recv(struct channel *c)
{
    if (c->sealed)
        sw_noise_rekey(&c->recv);
}

int rpc_channel_seal(struct channel *c, const uint8_t *plain, size_t n, struct sw_buf *out)
{
    size_t body = n + (c->sealed ? SW_NOISE_TAG : 0);
    uint8_t *at;

    assert(body <= RECORD_MAX);
    at = sw_buf_reserve(out, RECORD_HEADER + body);
    if (at == NULL)
        return -ENOMEM;
    at[0] = (uint8_t)(body >> 8);
    at[1] = (uint8_t)body;
    if (!c->sealed) {
        memcpy(at + RECORD_HEADER, plain, n);
    } else {
        int r = sw_noise_seal(&c->send, plain, n, at + RECORD_HEADER);

        if (r < 0)
            return r;
        c->records++;
    }
    sw_buf_commit(out, RECORD_HEADER + body);
    return 0;
}

int rpc_channel_open(struct channel *c, uint8_t *body, size_t n, size_t *plain_len,
                     struct sw_err *err)
{
    if (!c->sealed) {
        *plain_len = n;
        return 0;
    }
    if (sw_noise_open(&c->recv, body, n, body) < 0)
        return sw_err_set(err, SW_E_CRYPTO, "a record does not authenticate");
    *plain_len = n - SW_NOISE_TAG;
    return 0;
}

size_t rpc_record_take(uint8_t *bytes, size_t len, uint8_t **body, size_t *n)
{
    size_t want;

    if (len < RECORD_HEADER)
        return 0;
    want = (size_t)bytes[0] << 8 | bytes[1];
    if (len - RECORD_HEADER < want)
        return 0;
    *body = bytes + RECORD_HEADER;
    *n = want;
    return RECORD_HEADER + want;
}

void rpc_record_put(struct sw_buf *out, const uint8_t *body, size_t n)
{
    const uint8_t header[RECORD_HEADER] = { (uint8_t)(n >> 8), (uint8_t)n };

    assert(n <= RECORD_MAX);
    sw_buf_add(out, header, sizeof(header));
    sw_buf_add(out, body, n);
}
