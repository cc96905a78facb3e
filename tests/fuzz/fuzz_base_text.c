/* SPDX-License-Identifier: Apache-2.0
 * Text forms of common/base: what is taken must come out again the same. */
// uses: swarm_base
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/id.h"
#include "common/base/time.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *s = malloc(size + 1);
    char text[SW_DURATION_MAX + SW_RFC3339_MAX];
    struct sw_id id;
    int64_t ns;
    int64_t back;

    memcpy(s, data, size);
    s[size] = '\0';
    if (sw_duration_parse(s, &ns)) {
        sw_duration_format(ns, text);
        if (!sw_duration_parse(text, &back) || back != ns)
            abort();
    }
    if (sw_rfc3339_parse(s, &ns)) {
        sw_rfc3339(ns, text);
        if (!sw_rfc3339_parse(text, &back) || back != ns)
            abort();
    }
    if (sw_id_parse(s, &id)) {
        sw_id_format(&id, text);
        if (strcmp(text, s) != 0)
            abort();
    }
    free(s);
    return 0;
}
