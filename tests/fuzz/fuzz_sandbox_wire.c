// uses: agent_sandbox_core
/* SPDX-License-Identifier: Apache-2.0
 * What comes over the shim's socket, and what a log file may hold after a crash. */
#include <stdint.h>
#include <stdlib.h>
#include <swarm/v1/shim.pb-c.h>

#include "agent/sandbox/logfile.h"
#include "agent/sandbox/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct logfile_head h;
    size_t at = 0;
    long n;

    while ((n = wire_take(data + at, size - at)) > 0) {
        Swarm__V1__ShimRequest *req =
            swarm__v1__shim_request__unpack(NULL, (size_t)n, data + at + WIRE_HEAD);

        if (req != NULL)
            swarm__v1__shim_request__free_unpacked(req, NULL);
        at += WIRE_HEAD + (size_t)n;
        if (at > size)
            abort();
    }
    for (at = 0; (n = logfile_check(data + at, size - at, &h)) > 0; at += (size_t)n)
        if (h.len == 0 || h.len > LOGFILE_DATA_MAX || at + (size_t)n > size)
            abort();
    return 0;
}
