/* SPDX-License-Identifier: Apache-2.0
 *
 *   reader: HEADER --32 bytes--> LENGTH --4 bytes--> CHUNK --all of it--> LENGTH ... --final--> END
 *           any failure --> FAILED, which answers SW_E_CORRUPT from then on */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include <sodium.h>

#include "common/base/macro.h"
#include "common/crypto/seal.h"
#include "common/crypto/sealfmt.h"
#include "common/crypto/secret.h"

#define STREAM_HEADER (SEAL_HEADER + crypto_secretstream_xchacha20poly1305_HEADERBYTES)
#define CHUNK_TAG     crypto_secretstream_xchacha20poly1305_ABYTES
#define CHUNK_MAX     (SW_SEAL_CHUNK + CHUNK_TAG)

static_assert(STREAM_HEADER == 32, "8 bytes and the nonce");

struct sw_seal_writer {
    crypto_secretstream_xchacha20poly1305_state st;
    struct sw_id cluster_id;
    bool ended;
};

int sw_seal_writer_new(struct sw_seal_writer **out_w, const struct sw_seal_ring *ring,
                       struct sw_buf *out, struct sw_err *err)
{
    struct sw_seal_writer *w = sw_secret_alloc(sizeof(*w));
    const struct sw_seal_key *key;
    uint8_t *at;

    assert(ring->n > 0);
    at = w != NULL ? sw_buf_reserve(out, STREAM_HEADER) : NULL;
    if (at == NULL) {
        sw_secret_free(w);
        return sw_err_set(err, -ENOMEM, "seal a snapshot");
    }
    key = &ring->keys[ring->n - 1];
    w->cluster_id = ring->cluster_id;
    seal_header(at, 'Z', 0, key->id);
    (void)crypto_secretstream_xchacha20poly1305_init_push(&w->st, at + SEAL_HEADER, key->key);
    sw_buf_commit(out, STREAM_HEADER);
    *out_w = w;
    return 0;
}

static int push_chunk(struct sw_seal_writer *w, const uint8_t *plain, size_t n, bool last,
                      struct sw_buf *out)
{
    uint8_t *at = sw_buf_reserve(out, 4 + n + CHUNK_TAG);

    if (at == NULL)
        return -ENOMEM;
    seal_put_u32(at, (uint32_t)(n + CHUNK_TAG));
    (void)crypto_secretstream_xchacha20poly1305_push(
        &w->st, at + 4, NULL, plain, n, w->cluster_id.b, SW_ID_BYTES,
        last ? crypto_secretstream_xchacha20poly1305_TAG_FINAL
             : crypto_secretstream_xchacha20poly1305_TAG_MESSAGE);
    sw_buf_commit(out, 4 + n + CHUNK_TAG);
    return 0;
}

int sw_seal_writer_push(struct sw_seal_writer *w, const void *plain, size_t n, bool last,
                        struct sw_buf *out, struct sw_err *err)
{
    const uint8_t *in = plain;
    int r;

    assert(!w->ended);
    do {
        size_t take = SW_MIN(n, (size_t)SW_SEAL_CHUNK);
        bool final = last && take == n;

        if (take == 0 && !final)
            return 0;
        r = push_chunk(w, in, take, final, out);
        if (r < 0)
            return sw_err_set(err, r, "seal a snapshot");
        in = take > 0 ? in + take : in;
        n -= take;
        w->ended = final;
    } while (n > 0);
    return 0;
}

void sw_seal_writer_free(struct sw_seal_writer *w)
{
    sw_secret_free(w);
}

enum reader_state { READ_HEADER, READ_LENGTH, READ_CHUNK, READ_END, READ_FAILED };

struct sw_seal_reader {
    crypto_secretstream_xchacha20poly1305_state st;
    const struct sw_seal_ring *ring;
    struct sw_id cluster_id;
    enum reader_state state;
    size_t want; /* bytes of the piece being gathered */
    size_t have;
    uint8_t piece[CHUNK_MAX];
};

int sw_seal_reader_new(struct sw_seal_reader **out, const struct sw_seal_ring *ring,
                       struct sw_err *err)
{
    struct sw_seal_reader *r = sw_secret_alloc(sizeof(*r));

    if (r == NULL)
        return sw_err_set(err, -ENOMEM, "open a snapshot");
    r->ring = ring;
    r->cluster_id = ring->cluster_id;
    r->want = STREAM_HEADER;
    *out = r;
    return 0;
}

static void expect(struct sw_seal_reader *r, enum reader_state state, size_t want)
{
    r->state = state;
    r->want = want;
    r->have = 0;
}

static int read_header(struct sw_seal_reader *r, struct sw_err *err)
{
    const struct sw_seal_key *key;
    struct seal_header h;

    if (!seal_header_parse(r->piece, 'Z', &h) || h.pad != 0)
        return sw_err_set(err, SW_E_CORRUPT, "no sealed snapshot");
    key = sw_seal_ring_find(r->ring, h.key_id);
    if (key == NULL)
        return sw_err_set(err, SW_E_NOT_FOUND,
                          "snapshot sealed with data key %u, which is not "
                          "known here",
                          h.key_id);
    if (crypto_secretstream_xchacha20poly1305_init_pull(&r->st, r->piece + SEAL_HEADER, key->key) !=
        0)
        return sw_err_set(err, SW_E_CORRUPT, "no sealed snapshot");
    r->ring = NULL;
    expect(r, READ_LENGTH, 4);
    return 0;
}

static int read_length(struct sw_seal_reader *r, struct sw_err *err)
{
    uint32_t n = seal_get_u32(r->piece);

    if (n < CHUNK_TAG || n > CHUNK_MAX)
        return sw_err_set(err, SW_E_CORRUPT, "sealed snapshot: chunk of %u bytes", n);
    expect(r, READ_CHUNK, n);
    return 0;
}

static int read_chunk(struct sw_seal_reader *r, struct sw_buf *out, struct sw_err *err)
{
    uint8_t *at = sw_buf_reserve(out, r->want - CHUNK_TAG);
    uint8_t tag;

    if (at == NULL)
        return sw_err_set(err, -ENOMEM, "open a snapshot");
    if (crypto_secretstream_xchacha20poly1305_pull(&r->st, at, NULL, &tag, r->piece, r->want,
                                                   r->cluster_id.b, SW_ID_BYTES) != 0)
        return sw_err_set(err, SW_E_CORRUPT, "sealed snapshot does not authenticate");
    sw_buf_commit(out, r->want - CHUNK_TAG);
    if (tag == crypto_secretstream_xchacha20poly1305_TAG_FINAL)
        expect(r, READ_END, 0);
    else
        expect(r, READ_LENGTH, 4);
    return 0;
}

static int read_piece(struct sw_seal_reader *r, struct sw_buf *out, struct sw_err *err)
{
    switch (r->state) {
    case READ_HEADER:
        return read_header(r, err);
    case READ_LENGTH:
        return read_length(r, err);
    case READ_CHUNK:
        return read_chunk(r, out, err);
    case READ_END:
    case READ_FAILED:
        break;
    }
    return sw_err_set(err, SW_E_CORRUPT, "sealed snapshot: bytes behind its end");
}

int sw_seal_reader_push(struct sw_seal_reader *r, const void *sealed, size_t n, struct sw_buf *out,
                        struct sw_err *err)
{
    const uint8_t *in = sealed;
    int result;

    if (r->state == READ_FAILED)
        return sw_err_set(err, SW_E_CORRUPT, "sealed snapshot is damaged");
    while (n > 0) {
        size_t take = SW_MIN(n, r->want - r->have);

        memcpy(r->piece + r->have, in, take);
        r->have += take;
        in += take;
        n -= take;
        if (r->have < r->want)
            break;
        result = read_piece(r, out, err);
        if (result < 0) {
            r->state = READ_FAILED;
            return result;
        }
    }
    return 0;
}

int sw_seal_reader_finish(struct sw_seal_reader *r, struct sw_err *err)
{
    if (r->state != READ_END)
        return sw_err_set(err, SW_E_CORRUPT, "sealed snapshot is cut or damaged");
    return 0;
}

void sw_seal_reader_free(struct sw_seal_reader *r)
{
    sw_secret_free(r);
}
