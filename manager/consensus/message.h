/* SPDX-License-Identifier: Apache-2.0
 * message.h - libraft's messages as bytes (proto/swarm/v1/raft.proto) and back.
 *
 * Pure. Decoding trusts nothing: lengths, types and configurations are checked, so that what
 * reaches libraft, which asserts, is well-formed. */
#ifndef SWARM_MANAGER_CONSENSUS_MESSAGE_H
#define SWARM_MANAGER_CONSENSUS_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "manager/consensus/compat.h"
#include "manager/consensus/consensus.h"

#define CONS_PIECE_BYTES (256u * 1024) /* of entries a message */
#define CONS_CHUNK_BYTES (256u * 1024) /* of a snapshot a message */
#define CONS_FRAME_MAX   CONSENSUS_MESSAGE_MAX

struct cons_chunk {
    uint64_t term;
    uint64_t last_index;
    uint64_t last_term;
    uint64_t conf_index;
    const uint8_t *conf; /* libraft's encoding */
    size_t conf_len;
    uint64_t total;
    uint64_t offset;
    const uint8_t *data;
    size_t len;
};

struct cons_ack {
    uint64_t term;
    uint64_t last_index;
    uint64_t offset;
    bool installed;
};

enum cons_frame_kind { CONS_FRAME_MESSAGE, CONS_FRAME_CHUNK, CONS_FRAME_ACK, CONS_FRAME_REMOVED };

struct cons_frame {
    enum cons_frame_kind kind;
    char address[CONSENSUS_ADDRESS_MAX];
    struct raft_message msg; /* MESSAGE; entries from raft_malloc, given to libraft's recv */
    struct cons_chunk chunk; /* pointers into the frame */
    struct cons_ack ack;
    uint64_t removed;
    void *unpacked;
};

/** cons_frame_decode() - @out: release with cons_frame_fini(). Return: 0; SW_E_PROTOCOL; -ENOMEM.
 */
int cons_frame_decode(const uint8_t *data, size_t len, struct cons_frame *out, struct sw_err *err);
void cons_frame_fini(struct cons_frame *f);
/** cons_message_fini() - free what a message owns that libraft did not take. */
void cons_message_fini(struct raft_message *m);

/**
 * cons_encode_message() - any message but InstallSnapshot
 * @first, @n:  the entries of an append to include; its prev index, term and commit index are
 *              adapted, so that pieces sent one behind the other are as good as the whole
 * @address:    of the sender, for appends
 * @out, @len:  returned, sw_free()
 *
 * Return: 0, -ENOMEM.
 */
int cons_encode_message(const struct raft_message *m, unsigned first, unsigned n,
                        const char *address, uint8_t **out, size_t *len);
int cons_encode_chunk(const struct cons_chunk *c, const char *address, uint8_t **out, size_t *len);
int cons_encode_ack(const struct cons_ack *a, uint8_t **out, size_t *len);
int cons_encode_removed(uint64_t member, uint8_t **out, size_t *len);

/** cons_piece_entries() - how many entries from @first on make up the next piece; at least 1. */
unsigned cons_piece_entries(const struct raft_append_entries *a, unsigned first, size_t bytes);

#endif
