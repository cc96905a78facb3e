// uses: cli_compose
/* SPDX-License-Identifier: Apache-2.0
 * The small syntaxes of service options. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "cli/compose/interp.h"
#include "cli/spec/imageref.h"
#include "cli/spec/mounts.h"
#include "cli/spec/ports.h"
#include "cli/spec/text.h"

static const char *lookup(void *arg, const char *name)
{
    (void)arg;
    return name[0] == 'A' ? "v" : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int (*const checks[])(const char *s, struct sw_err *err) = {
        ports_check,  mounts_check, network_check, secret_check,
        ulimit_check, pref_check,   host_check,    words_check,
    };
    char *s = cli_strndup((const char *)data, size < 512 ? size : 512);
    struct strv vars = { 0 };
    struct sw_err err;
    int64_t n;
    char *text;
    bool changed;

    js_setup();
    for (size_t i = 0; i < sizeof(checks) / sizeof(*checks); i++)
        (void)checks[i](s, &err);
    (void)text_bytes(s, &n, &err);
    (void)text_cpus(s, &n, &err);
    text = imageref_tagged(s);
    sw_free(text);
    text = imageref_undigested(s);
    sw_free(text);
    text = mounts_clean_path(s);
    sw_free(text);
    if (interp_string(s, lookup, NULL, &text, &changed, &err) == 0)
        sw_free(text);
    (void)env_file_parse(s, "f", lookup, NULL, &vars, &err);
    strv_fini(&vars);
    sw_free(s);
    return 0;
}
