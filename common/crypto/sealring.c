/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "common/base/id.h"
#include "common/crypto/seal.h"
#include "common/crypto/sealfmt.h"
#include "common/crypto/secret.h"

#define KEY_RECORD (4 + SW_KEY_BYTES)

void sw_seal_ring_init(struct sw_seal_ring *ring, const struct sw_id *cluster_id)
{
    memset(ring, 0, sizeof(*ring));
    ring->cluster_id = *cluster_id;
}

const struct sw_seal_key *sw_seal_ring_find(const struct sw_seal_ring *ring, uint32_t id)
{
    for (size_t i = ring->n; i-- > 0;)
        if (ring->keys[i].id == id)
            return &ring->keys[i];
    return NULL;
}

static void remove_at(struct sw_seal_ring *ring, size_t i)
{
    memmove(&ring->keys[i], &ring->keys[i + 1], (ring->n - i - 1) * sizeof(ring->keys[0]));
    ring->n--;
    sw_wipe(&ring->keys[ring->n], sizeof(ring->keys[0]));
}

void sw_seal_ring_add(struct sw_seal_ring *ring, const struct sw_seal_key *key)
{
    struct sw_seal_key copy = *key; /* may lie in the ring itself */

    assert(key->id != 0);
    for (size_t i = 0; i < ring->n; i++)
        if (ring->keys[i].id == copy.id) {
            remove_at(ring, i);
            break;
        }
    if (ring->n == SW_SEAL_KEYS_MAX)
        remove_at(ring, 0);
    ring->keys[ring->n++] = copy;
    sw_wipe(&copy, sizeof(copy));
}

void sw_seal_ring_rotate(struct sw_seal_ring *ring)
{
    struct sw_seal_key key = { .id = ring->n > 0 ? ring->keys[ring->n - 1].id + 1 : 1 };

    if (key.id == 0)
        key.id = 1;
    sw_random(key.key, sizeof(key.key));
    sw_seal_ring_add(ring, &key);
    sw_wipe(&key, sizeof(key));
}

void sw_seal_ring_retire(struct sw_seal_ring *ring)
{
    while (ring->n > 1)
        remove_at(ring, 0);
}

int sw_seal_ring_encode(const struct sw_seal_ring *ring, struct sw_buf *out, struct sw_err *err)
{
    uint8_t *at = sw_buf_reserve(out, SW_ID_BYTES + ring->n * KEY_RECORD);

    if (at == NULL)
        return sw_err_set(err, -ENOMEM, "encode the data keys");
    memcpy(at, ring->cluster_id.b, SW_ID_BYTES);
    for (size_t i = 0; i < ring->n; i++) {
        uint8_t *record = at + SW_ID_BYTES + i * KEY_RECORD;

        seal_put_u32(record, ring->keys[i].id);
        memcpy(record + 4, ring->keys[i].key, SW_KEY_BYTES);
    }
    sw_buf_commit(out, SW_ID_BYTES + ring->n * KEY_RECORD);
    return 0;
}

int sw_seal_ring_decode(struct sw_seal_ring *ring, const void *bytes, size_t n, struct sw_err *err)
{
    const uint8_t *in = bytes;
    size_t keys;

    if (n < SW_ID_BYTES || (n - SW_ID_BYTES) % KEY_RECORD != 0 ||
        (n - SW_ID_BYTES) / KEY_RECORD > SW_SEAL_KEYS_MAX)
        return sw_err_set(err, SW_E_CORRUPT, "no data keys (%zu bytes)", n);
    keys = (n - SW_ID_BYTES) / KEY_RECORD;
    for (size_t i = 0; i < keys; i++)
        if (seal_get_u32(in + SW_ID_BYTES + i * KEY_RECORD) == 0)
            return sw_err_set(err, SW_E_CORRUPT, "a data key has no number");
    memset(ring, 0, sizeof(*ring));
    memcpy(ring->cluster_id.b, in, SW_ID_BYTES);
    for (size_t i = 0; i < keys; i++) {
        const uint8_t *record = in + SW_ID_BYTES + i * KEY_RECORD;

        ring->keys[ring->n].id = seal_get_u32(record);
        memcpy(ring->keys[ring->n++].key, record + 4, SW_KEY_BYTES);
    }
    return 0;
}
