// uses: cli_render
/* SPDX-License-Identifier: Apache-2.0
 * Templates of --format. */
#include <stddef.h>
#include <stdint.h>

#include "cli/render/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct tmpl_options opt = { 0 };
    static json_t *dot;
    char *text = cli_strndup((const char *)data, size < 4096 ? size : 4096);
    struct tmpl *t = NULL;
    struct sw_err err;

    js_setup();
    if (dot == NULL)
        dot = json_loads("{\"Name\":\"web\",\"N\":3,\"F\":0.5,\"Tags\":[\"x\",\"y\"],\"Spec\":{"
                         "\"Labels\":{\"a\":\"1\"}},\"Nil\":null}",
                         0, NULL);
    if (tmpl_parse(&t, text, &err) == 0) {
        struct sw_buf out = SW_BUF_INIT;

        (void)tmpl_exec(t, dot, &opt, &out, &err);
        sw_buf_fini(&out);
    }
    tmpl_free(t);
    sw_free(text);
    return 0;
}
