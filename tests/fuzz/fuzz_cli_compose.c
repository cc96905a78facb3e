// uses: cli_compose
/* SPDX-License-Identifier: Apache-2.0
 * Compose files from anywhere: two documents, split at a zero byte, loaded, converted and printed.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "cli/compose/compose.h"

static const char *lookup(void *arg, const char *name)
{
    (void)arg;
    return name[0] == 'A' ? "value" : NULL;
}

static int read_file(void *arg, const char *path, struct sw_buf *out, struct sw_err *err)
{
    (void)arg;
    if (strlen(path) % 2 == 0)
        return sw_err_set(err, -2, "open %.100s", path);
    sw_buf_puts(out, "A=1\nB\n#\n");
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct compose_world world = { lookup, read_file, NULL, NULL };
    const char *first = cli_strndup((const char *)data, size);
    size_t n = strlen(first);
    char *second = cli_strndup((const char *)data + n, size - n);
    struct compose_source sources[2] = { { "a.yml", "/a", first, n }, { "b.yml", "/a", NULL, 0 } };
    struct compose c;
    struct sw_err err;
    json_t *all = NULL;

    js_setup();
    if (size > n) {
        sw_free(second);
        second = cli_strndup((const char *)data + n + 1, size - n - 1);
    }
    sources[1].text = second;
    sources[1].len = strlen(second);
    if (compose_load(&c, sources, *second != '\0' ? 2 : 1, true, &world, &err) == 0) {
        struct sw_buf out = SW_BUF_INIT;

        if (compose_convert(&c, "st", &world, &all, &err) == 0)
            json_decref(all);
        compose_dump(&c, &out);
        sw_buf_fini(&out);
        compose_fini(&c);
    }
    sw_free((void *)(uintptr_t)first);
    sw_free(second);
    return 0;
}
