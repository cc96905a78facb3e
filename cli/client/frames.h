/* SPDX-License-Identifier: Apache-2.0
 * frames.h - the framing of logs and attach: 1 byte stream, 3 zero, 4 bytes length, payload.
 *
 * Pieces may arrive cut anywhere. A whole frame is handed out at a time, as logs put one line in
 * each; a frame larger than FRAME_MAX is handed out in parts. */
#ifndef SWARM_CLI_CLIENT_FRAMES_H
#define SWARM_CLI_CLIENT_FRAMES_H

#include "cli/spec/mem.h"
#include "common/base/err.h"

#define FRAME_MAX (1u << 20)

enum frame_stream { FRAME_STDIN, FRAME_STDOUT, FRAME_STDERR, FRAME_SYSTEM_ERROR };

struct frames {
    struct sw_buf pending;
    int (*on_frame)(void *arg, enum frame_stream stream, const char *data, size_t n,
                    struct sw_err *err);
    void *arg;
};

/** frames_push() - Return: 0; SW_E_PROTOCOL for an unknown stream, or what on_frame returned;
 * a frame of FRAME_SYSTEM_ERROR is an error with its text. */
int frames_push(struct frames *f, const char *data, size_t n, struct sw_err *err);
void frames_fini(struct frames *f);

#endif
