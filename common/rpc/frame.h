/* SPDX-License-Identifier: Apache-2.0
 * frame.h - private to rpc: what travels inside a record. Pure.
 *
 * A record holds whole frames: u32 stream, u8 type, u8 flags, u16 zero, u32 length, payload; all
 * big-endian. Stream 0 is the connection. Streams opened by the dialer are odd, the others even,
 * each side's numbers only grow. */
#ifndef SWARM_COMMON_RPC_FRAME_H
#define SWARM_COMMON_RPC_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"

#define FRAME_HEADER   12u
#define FRAME_FRAGMENT (16u * 1024u) /* payload of a DATA frame, at most */

enum frame_type {
    FRAME_OPEN = 1,     /* RpcOpen */
    FRAME_DATA = 2,     /* a message or a piece of one; costs credit */
    FRAME_END = 3,      /* no more from this side */
    FRAME_STATUS = 4,   /* RpcStatus: the stream ends behind what was sent */
    FRAME_RESET = 5,    /* RpcStatus: the stream ends at once */
    FRAME_WINDOW = 6,   /* u32: more credit for the receiver of this frame */
    FRAME_PING = 7,     /* stream 0 */
    FRAME_PONG = 8,     /* stream 0 */
    FRAME_REKEY = 9,    /* stream 0, last in its record: the next is under the next key */
    FRAME_GOAWAY = 10,  /* stream 0, RpcStatus: the connection ends */
    FRAME_WELCOME = 11, /* stream 0, RpcWelcome: first frame of the server */
};

#define FRAME_MORE 1u /* DATA: the message goes on in the next DATA of this stream */
#define FRAME_LAST 2u /* DATA: as if END followed */
#define FRAME_FD   4u /* DATA: a descriptor came along with this message; on its last piece */

struct frame {
    uint32_t stream;
    uint8_t type;
    uint8_t flags;
    const uint8_t *payload; /* inside the record */
    uint32_t len;
};

/**
 * rpc_frame_next() - take one frame off the front of a record
 * @p: advanced; @left: reduced
 *
 * Return: 0; 1 when the record is used up; SW_E_PROTOCOL for anything that no peer of ours sends:
 * unknown type, flags of another type, wrong length for its type, cut.
 */
int rpc_frame_next(const uint8_t **p, size_t *left, struct frame *out, struct sw_err *err);
/** rpc_frame_put() - header and payload appended; a failure sticks to @out. @f->payload may be NULL
 * when the caller appends it. */
void rpc_frame_put(struct sw_buf *out, const struct frame *f);
/** rpc_frame_header() - the 12 bytes alone. */
void rpc_frame_header(uint8_t out[FRAME_HEADER], const struct frame *f);

void rpc_frame_put_status(struct sw_buf *out, uint32_t stream, enum frame_type type,
                          const struct sw_err *status);
/** rpc_frame_status() - a status payload as an error; what makes no sense becomes SW_E_PROTOCOL. */
void rpc_frame_status(const struct frame *f, struct sw_err *out);

struct rpc_frame_open {
    uint32_t method;
    uint32_t priority;
    uint64_t deadline_ms;
};
void rpc_frame_put_open(struct sw_buf *out, uint32_t stream, const struct rpc_frame_open *open);
int rpc_frame_open(const struct frame *f, struct rpc_frame_open *out, struct sw_err *err);

void rpc_frame_put_window(struct sw_buf *out, uint32_t stream, uint32_t credit);
uint32_t rpc_frame_window(const struct frame *f);

void rpc_frame_put_welcome(struct sw_buf *out, const char *address, int64_t now_ns);
/** rpc_frame_welcome() - @address: room for @room bytes. Return: 0, SW_E_PROTOCOL. */
int rpc_frame_welcome(const struct frame *f, char *address, size_t room, int64_t *now_ns,
                      struct sw_err *err);

#endif
