// uses: agent_sandbox
/* SPDX-License-Identifier: Apache-2.0
 * A custom seccomp profile, as a service or docker run may carry it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/sandbox/caps.h"
#include "agent/sandbox/seccomp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sw_buf out = SW_BUF_INIT;
    char *text = malloc(size + 1);
    struct sw_err err;

    if (text == NULL)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    (void)seccomp_compile(text, caps_default, &out, &err);
    sw_buf_fini(&out);
    free(text);
    return 0;
}
