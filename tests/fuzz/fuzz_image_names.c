// uses: agent_image
/* SPDX-License-Identifier: Apache-2.0
 * References, paths of archive entries and import's changes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/image/changes.h"
#include "agent/image/ref.h"
#include "agent/image/tarpath.h"
#include "common/base/alloc.h"

static void check_ref(const char *text)
{
    struct image_ref r, again;
    struct sw_err err;
    char full[IMAGE_REF_MAX + 32];
    char once[IMAGE_REF_MAX + 32];

    if (image_ref_parse(&r, text, &err) < 0)
        return;
    image_ref_default_tag(&r);
    image_ref_full(&r, full);
    if (image_ref_parse(&again, full, &err) < 0) /* the full form is a reference to the same */
        abort();
    image_ref_full(&again, once);
    if (strcmp(full, once) != 0)
        abort();
    image_ref_familiar(&r, full);
    if (image_ref_parse(&again, full, &err) < 0)
        abort();
    image_ref_full(&again, full);
    if (strcmp(full, once) != 0)
        abort();
}

static void check_path(const char *text)
{
    char out[256];
    char again[256];
    char target[256] = "";

    if (!tarpath_clean(text, out, sizeof(out)))
        return;
    if (out[0] == '/' || strcmp(out, "..") == 0 || strncmp(out, "../", 3) == 0 ||
        strstr(out, "/../") != NULL || strstr(out, "//") != NULL)
        abort();
    if (!tarpath_clean(out, again, sizeof(again)) || strcmp(out, again) != 0)
        abort();
    tarpath_kind(out, target, sizeof(target));
    if (!tarpath_clean(target, again, sizeof(again)) || strcmp(target, again) != 0)
        abort(); /* what a whiteout removes is inside as well */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = sw_strndup((const char *)data, size);
    const char *change = text;
    json_t *config = json_object();
    struct sw_err err;

    check_ref(text);
    check_path(text);
    changes_apply(config, &change, 1, &err);
    json_decref(config);
    sw_free(text);
    return 0;
}
