/* SPDX-License-Identifier: Apache-2.0
 * wire.h - framing on the shim's socket, and the small files of a bundle.
 *
 * A frame is a 4-byte little-endian length, 1 .. WIRE_FRAME_MAX, and that many bytes. */
#ifndef SWARM_AGENT_SANDBOX_WIRE_H
#define SWARM_AGENT_SANDBOX_WIRE_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/buf.h"
#include "common/base/err.h"

#define WIRE_HEAD      4
#define WIRE_FRAME_MAX (4u << 20) /* an exec may carry a long environment */
#define WIRE_SPEC_MAX  (16u << 20)
#define WIRE_SOCKET    "shim.sock"
#define WIRE_SPEC      "spec.pb"
#define WIRE_EXIT      "exit"

/** wire_add() - append a message as a frame. Return: 0 or -ENOMEM. */
int wire_add(struct sw_buf *b, const ProtobufCMessage *msg);
/**
 * wire_take() - is a whole frame at the start of @p?
 * Return: length of its payload, behind WIRE_HEAD bytes; 0: more is needed; -1: no frame.
 */
long wire_take(const uint8_t *p, size_t len);

/** wire_address() - "/proc/self/fd/<dir>/shim.sock": bundle paths are longer than sun_path. */
void wire_address(int dir, char out[64]);

/* How a container ended, as the shim leaves it in the file "exit". */
struct wire_exit {
    int code, signal;
    bool oom_killed, started;
    int64_t started_ns, finished_ns;
};
/** wire_exit_write() - atomic; no fsync. Return: 0 or -errno. */
int wire_exit_write(int dir, const struct wire_exit *x);
/** wire_exit_read() - Return: 0, -ENOENT, SW_E_CORRUPT, -errno. */
int wire_exit_read(int dir, struct wire_exit *x);

#endif
