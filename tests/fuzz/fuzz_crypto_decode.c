/* SPDX-License-Identifier: Apache-2.0
 * Every encoding of common/crypto that comes from elsewhere; the first input byte chooses. */
// uses: swarm_crypto
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/crypto/identity.h"
#include "common/crypto/seal.h"
#include "common/crypto/secret.h"
#include "common/crypto/token.h"

static void text_forms(const uint8_t *data, size_t size)
{
    char *s = malloc(size + 1);
    uint8_t key[SW_UNLOCK_KEY_BYTES];
    char back[SW_TOKEN_CHARS + 1];
    struct sw_token t;
    struct sw_err err;

    memcpy(s, data, size);
    s[size] = '\0';
    if (sw_token_parse(s, &t, &err) == 0) {
        sw_token_format(&t, back);
        if (strstr(s, back) == NULL)
            abort(); /* one token, one text */
    }
    (void)sw_unlock_key_parse(s, key, &err);
    free(s);
}

static void certificates(const uint8_t *data, size_t size)
{
    struct sw_cert_request req;
    struct sw_identity *id;
    struct sw_root root;
    struct sw_cert cert;
    struct sw_err err;

    if (sw_root_decode(&root, data, size, &err) == 0 &&
        sw_cert_decode(&cert, data, size, &err) == 0)
        (void)sw_cert_verify(&cert, &root, 1, 1700000000000000000ll, &err);
    (void)sw_cert_request_decode(&req, data, size, &err);
    if (sw_identity_decode(&id, data, size, &err) == 0)
        sw_identity_unref(id);
}

static void sealed(const uint8_t *data, size_t size)
{
    static const struct sw_id cluster = { { 1 } };
    struct sw_seal_key key = { .id = 0x01010101 };
    struct sw_buf out = SW_BUF_INIT;
    struct sw_seal_ring ring;
    struct sw_seal_reader *r;
    uint8_t *plain = malloc(size + 1);
    size_t n;
    struct sw_err err;

    sw_seal_ring_init(&ring, &cluster);
    sw_seal_ring_add(&ring, &key);
    (void)sw_unseal(&ring, data, size, plain, &n, &err);
    if (sw_seal_reader_new(&r, &ring, &err) < 0)
        abort();
    (void)sw_seal_reader_push(r, data, size / 2, &out, &err);
    (void)sw_seal_reader_push(r, data + size / 2, size - size / 2, &out, &err);
    (void)sw_seal_reader_finish(r, &err);
    sw_seal_reader_free(r);
    (void)sw_key_unwrap(key.key, "fuzz", data, size, &out, &err);
    (void)sw_seal_ring_decode(&ring, data, size, &err);
    sw_buf_fini(&out);
    free(plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sw_err err;

    if (size < 1 || sw_crypto_init(&err) < 0)
        return 0;
    switch (data[0] % 3) {
    case 0:
        text_forms(data + 1, size - 1);
        break;
    case 1:
        certificates(data + 1, size - 1);
        break;
    default:
        sealed(data + 1, size - 1);
        break;
    }
    return 0;
}
