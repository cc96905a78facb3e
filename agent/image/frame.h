/* SPDX-License-Identifier: Apache-2.0
 * frame.h - what a child process reports: type, length, payload, over a pipe.
 *
 * The child has read a stranger's archive and may be in its hands, so the reader trusts nothing:
 * lengths and types are bounded here, digests and names are checked by whoever uses them. */
#ifndef SWARM_AGENT_IMAGE_FRAME_H
#define SWARM_AGENT_IMAGE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

#define FRAME_MAX 65536u /* bytes of payload */

enum frame_type {
    FRAME_FILE = 'F',   /* a file of the archive begins: its path */
    FRAME_DATA = 'D',   /* more of it */
    FRAME_END = 'E',    /* it is complete */
    FRAME_LINK = 'L',   /* path, zero byte, path it stands for */
    FRAME_OPAQUE = 'O', /* folder of a layer that hides what lies below */
    FRAME_DONE = 'Z',   /* struct frame_totals: last frame of a success */
    FRAME_ERROR = 'X',  /* text: last frame of a failure */
};

struct frame_totals {
    uint8_t sha256[32]; /* of the uncompressed tar */
    uint64_t bytes;     /* of all files */
    uint64_t entries;
};

struct frame {
    enum frame_type type;
    size_t len;
    uint8_t payload[FRAME_MAX + 1]; /* zero-terminated behind len */
};

/** frame_write() - blocks. Return: 0 or -errno. */
int frame_write(int fd, enum frame_type type, const void *payload, size_t len);
/**
 * frame_read() - blocks; reads exactly one
 * @cancel_fd: becomes readable when the wait is to end, -1: never
 *
 * Return: 0; SW_E_PROTOCOL, also at a premature end; SW_E_CANCELED.
 */
int frame_read(int fd, int cancel_fd, struct frame *out, struct sw_err *err);
/** frame_read_bytes() - exactly @n bytes, the same way. */
int frame_read_bytes(int fd, int cancel_fd, void *p, size_t n, struct sw_err *err);
/** frame_head() - check the 5 bytes before the payload. Return: 0; SW_E_PROTOCOL. */
int frame_head(const uint8_t head[5], enum frame_type *type, size_t *len, struct sw_err *err);

void frame_pack_totals(const struct frame_totals *t, uint8_t out[48]);
bool frame_unpack_totals(const struct frame *f, struct frame_totals *out);

#endif
