// uses: cli_client
/* SPDX-License-Identifier: Apache-2.0
 * The daemon's framed streams, cut at every place the first byte says. */
#include <stddef.h>
#include <stdint.h>

#include "cli/client/frames.h"

static int on_frame(void *arg, enum frame_stream stream, const char *data, size_t n,
                    struct sw_err *err)
{
    size_t *total = arg;

    (void)err;
    *total += n + (n > 0 ? (unsigned char)data[n - 1] : 0) + (size_t)stream;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t total = 0;
    struct frames f = { .on_frame = on_frame, .arg = &total };
    struct sw_err err;
    size_t step = size > 0 ? (size_t)data[0] + 1 : 1;

    for (size_t at = 1; at < size; at += step) {
        if (frames_push(&f, (const char *)data + at, size - at < step ? size - at : step, &err) < 0)
            break;
    }
    frames_fini(&f);
    return 0;
}
