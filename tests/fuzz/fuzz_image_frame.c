// uses: agent_image
/* SPDX-License-Identifier: Apache-2.0
 * What a child process that a stranger's archive took over may report. */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/image/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct frame f;
    struct frame_totals totals;
    struct sw_err err;
    int fds[2];

    if (size > 32768 || pipe2(fds, O_CLOEXEC) < 0) /* below a pipe's capacity: no second thread */
        return 0;
    if (write(fds[1], data, size) != (ssize_t)size)
        abort();
    close(fds[1]);
    while (frame_read(fds[0], -1, &f, &err) == 0) {
        if (f.len > FRAME_MAX || f.payload[f.len] != '\0')
            abort();
        frame_unpack_totals(&f, &totals);
    }
    close(fds[0]);
    return 0;
}
