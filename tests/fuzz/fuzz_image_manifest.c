// uses: agent_image
/* SPDX-License-Identifier: Apache-2.0
 * The JSON documents of image archives and peers; the first byte chooses which. */
#include <stdlib.h>
#include <string.h>

#include "agent/image/manifest.h"
#include "agent/image/store.h"
#include "common/base/alloc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct manifest m;
    struct archive_row *rows;
    struct config_facts facts;
    struct image **images;
    struct sw_err err;
    const char *text = (const char *)data + 1;
    size_t n;

    if (size < 1)
        return 0;
    size--;
    if (data[0] % 4 == 0 && manifest_parse(&m, text, size, &err) == 0) {
        manifest_choose(&m, "amd64");
        for (size_t i = 0; i < m.n_items; i++)
            if (!image_digest_is_valid(m.items[i].digest))
                abort();
        manifest_fini(&m);
    } else if (data[0] % 4 == 1 && archive_rows_parse(&rows, &n, text, size, &err) == 0) {
        archive_rows_free(rows, n);
    } else if (data[0] % 4 == 2 && config_facts_parse(&facts, text, size, &err) == 0) {
        config_facts_fini(&facts);
    } else if (data[0] % 4 == 3 && index_decode(text, size, &images, &n, &err) == 0) {
        char *back = index_encode(images, n);

        for (size_t i = 0; i < n; i++)
            image_free(images[i]);
        sw_free(images);
        sw_free(back);
    }
    return 0;
}
