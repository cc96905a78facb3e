/* SPDX-License-Identifier: Apache-2.0
 * channel.h - private to rpc: records. Pure.
 *
 * A record is u16 length (big-endian), then that many bytes: the sealed frames and a tag, or on
 * connections that need no encryption the frames as they are. Each direction counts its records;
 * a sender changes its key after so many of them or so much time and says so with a REKEY frame,
 * the last under the old key. */
#ifndef SWARM_COMMON_RPC_CHANNEL_H
#define SWARM_COMMON_RPC_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/crypto/noise.h"

#define RECORD_HEADER 2u
#define RECORD_MAX    65535u
/* Frames of one record when we send: one full fragment and a few small ones. */
#define RECORD_PLAIN (16u * 1024u + 512u)

struct channel { /* secret */
    bool sealed;
    struct sw_noise_cipher send;
    struct sw_noise_cipher recv;
    uint64_t records;     /* sent under this key */
    uint64_t keyed_ms;    /* when this key came into use */
    uint64_t max_records; /* limits */
    uint64_t max_ms;
};

void rpc_channel_fini(struct channel *c); /* wipes */
/** rpc_channel_wants_rekey() - @now_ms: monotonic milliseconds. */
bool rpc_channel_wants_rekey(const struct channel *c, uint64_t now_ms);
/** rpc_channel_rekey_send() - the REKEY frame has been sealed: the next record is under the next
 * key.
 */
void rpc_channel_rekey_send(struct channel *c, uint64_t now_ms);
void rpc_channel_rekey_recv(struct channel *c);
/** rpc_channel_seal() - append one record with @n bytes of frames. Return: 0, -ENOMEM, SW_E_CRYPTO.
 */
int rpc_channel_seal(struct channel *c, const uint8_t *plain, size_t n, struct sw_buf *out);
/**
 * rpc_channel_open() - the body of one record
 * @body:  opened in place
 * @plain_len: returned
 *
 * Return: 0; SW_E_CRYPTO.
 */
int rpc_channel_open(struct channel *c, uint8_t *body, size_t n, size_t *plain_len,
                     struct sw_err *err);

/**
 * rpc_record_take() - find one whole record at the front of @bytes
 * @body: returned, inside @bytes; @n: its length
 *
 * Return: how many bytes the record takes in all; 0 when it is not complete yet.
 */
size_t rpc_record_take(uint8_t *bytes, size_t len, uint8_t **body, size_t *n);
/** rpc_record_put() - append @n bytes as a record without sealing: the handshake's messages. */
void rpc_record_put(struct sw_buf *out, const uint8_t *body, size_t n);

#endif
