/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/client/url.h"

#include <ctype.h>
#include <string.h>

#include "cli/render/gojson.h"

static void escape(struct sw_buf *b, const char *s, const char *keep)
{
    for (; *s != '\0'; s++) {
        unsigned char c = (unsigned char)*s;

        if (isalnum(c) || strchr("-_.~", c) != NULL || strchr(keep, c) != NULL)
            sw_buf_putc(b, (char)c);
        else
            sw_buf_printf(b, "%%%02X", c);
    }
}

void url_path(struct sw_buf *b, const char *before, const char *name, const char *after)
{
    sw_buf_puts(b, before);
    escape(b, name, "/:@");
    sw_buf_puts(b, after);
}

void url_query(struct sw_buf *b, const char *key, const char *value)
{
    sw_buf_putc(b, strchr(sw_buf_str(b), '?') != NULL ? '&' : '?');
    escape(b, key, "");
    sw_buf_putc(b, '=');
    escape(b, value, "");
}

void filters_set(json_t *filters, const char *key, const char *value)
{
    json_t *values = json_object_get(filters, key);
    json_t *v = js_string(value);

    if (values == NULL) {
        values = json_object();
        json_object_set_new(filters, key, values);
    }
    json_object_set_new(values, json_string_value(v), json_true());
    json_decref(v);
}

int filters_check(const char *kv, struct sw_err *err)
{
    if (strchr(kv, '=') == NULL)
        return sw_err_set(err, SW_E_INVALID, "bad format of filter (expected name=value)");
    return 0;
}

int filters_add(json_t *filters, const char *kv, struct sw_err *err)
{
    const char *eq = strchr(kv, '=');
    SW_CLEANUP(sw_free_ptr) char *key = NULL;
    const char *start = kv;
    const char *value;
    size_t n = 0;

    if (filters_check(kv, err) < 0)
        return err->code;
    while (isspace((unsigned char)*start))
        start++;
    key = cli_strndup(start, (size_t)(eq - start));
    for (char *k = key; *k != '\0'; k++)
        *k = (char)tolower((unsigned char)*k);
    for (n = strlen(key); n > 0 && isspace((unsigned char)key[n - 1]); n--)
        key[n - 1] = '\0';
    for (value = eq + 1; isspace((unsigned char)*value); value++)
        ;
    filters_set(filters, key, value);
    return 0;
}

void url_filters(struct sw_buf *b, const json_t *filters)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf text = SW_BUF_INIT;

    if (json_object_size(filters) == 0)
        return;
    gojson_compact(&text, filters, true);
    url_query(b, "filters", sw_buf_str(&text));
}
