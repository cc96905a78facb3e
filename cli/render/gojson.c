/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/render/gojson.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void gojson_number(struct sw_buf *out, double d)
{
    char text[64];
    int digits = 1;

    /* Go switches to exponents at 1e21 and 1e-6; the fewest digits that read back win. */
    for (; digits < 17; digits++) {
        snprintf(text, sizeof(text), "%.*e", digits - 1, d);
        if (strtod(text, NULL) == d)
            break;
    }
    if (d == 0 || (fabs(d) >= 1e-6 && fabs(d) < 1e21)) {
        int exp10 = d == 0 ? 0 : (int)floor(log10(fabs(d)));
        int decimals = digits - 1 - exp10;

        snprintf(text, sizeof(text), "%.*f", decimals > 0 ? decimals : 0, d);
    } else {
        snprintf(text, sizeof(text), "%.*e", digits - 1, d);
    }
    sw_buf_puts(out, text);
}

static void quoted(struct sw_buf *out, const char *s, size_t n)
{
    sw_buf_putc(out, '"');
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];

        if (c == '"' || c == '\\')
            sw_buf_printf(out, "\\%c", c);
        else if (c == '\n')
            sw_buf_puts(out, "\\n");
        else if (c == '\r')
            sw_buf_puts(out, "\\r");
        else if (c == '\t')
            sw_buf_puts(out, "\\t");
        else if (c == '\b')
            sw_buf_puts(out, "\\b");
        else if (c == '\f')
            sw_buf_puts(out, "\\f");
        else if (c < 0x20 || c == '<' || c == '>' || c == '&')
            sw_buf_printf(out, "\\u%04x", c);
        else if (c == 0xe2 && n - i > 2 && (unsigned char)s[i + 1] == 0x80 &&
                 ((unsigned char)s[i + 2] & 0xfe) == 0xa8) {
            sw_buf_printf(out, "\\u202%x", (unsigned char)s[i + 2] & 0xf);
            i += 2;
        } else
            sw_buf_putc(out, (char)c);
    }
    sw_buf_putc(out, '"');
}

static void object(struct sw_buf *out, const json_t *v, bool sort)
{
    SW_CLEANUP(strv_fini) struct strv keys = { 0 };
    json_t *o = (json_t *)(uintptr_t)v;
    const char *key;
    json_t *member;

    if (sort) {
        js_sorted_keys(v, &keys);
    } else {
        json_object_foreach(o, key, member)
        {
            strv_add(&keys, key);
        }
    }
    sw_buf_putc(out, '{');
    for (size_t i = 0; i < keys.n; i++) {
        if (i > 0)
            sw_buf_putc(out, ',');
        quoted(out, keys.v[i], strlen(keys.v[i]));
        sw_buf_putc(out, ':');
        gojson_compact(out, json_object_get(v, keys.v[i]), sort);
    }
    sw_buf_putc(out, '}');
}

void gojson_compact(struct sw_buf *out, const json_t *v, bool sort)
{
    if (json_is_object(v)) {
        object(out, v, sort);
    } else if (json_is_array(v)) {
        sw_buf_putc(out, '[');
        for (size_t i = 0; i < json_array_size(v); i++) {
            if (i > 0)
                sw_buf_putc(out, ',');
            gojson_compact(out, json_array_get(v, i), sort);
        }
        sw_buf_putc(out, ']');
    } else if (json_is_string(v)) {
        quoted(out, json_string_value(v), json_string_length(v));
    } else if (json_is_integer(v)) {
        sw_buf_printf(out, "%lld", (long long)json_integer_value(v));
    } else if (json_is_real(v)) {
        gojson_number(out, json_real_value(v));
    } else {
        sw_buf_puts(out, json_is_true(v) ? "true" : json_is_false(v) ? "false" : "null");
    }
}

static void newline(struct sw_buf *out, const char *prefix, const char *indent, unsigned depth)
{
    sw_buf_putc(out, '\n');
    sw_buf_puts(out, prefix);
    for (unsigned i = 0; i < depth; i++)
        sw_buf_puts(out, indent);
}

void gojson_indent(struct sw_buf *out, const char *raw, size_t n, const char *prefix,
                   const char *indent)
{
    bool in_string = false;
    bool need_indent = false; /* after an opening bracket: an empty one stays on its line */
    unsigned depth = 0;

    for (size_t i = 0; i < n; i++) {
        char c = raw[i];

        if (in_string) {
            sw_buf_putc(out, c);
            if (c == '\\' && i + 1 < n)
                sw_buf_putc(out, raw[++i]);
            else if (c == '"')
                in_string = false;
            continue;
        }
        if (c == ' ' || c == '\n' || c == '\t' || c == '\r')
            continue;
        if (need_indent && c != ']' && c != '}')
            newline(out, prefix, indent, ++depth);
        if (c == '}' || c == ']') {
            if (!need_indent && depth > 0)
                newline(out, prefix, indent, --depth);
            need_indent = false;
            sw_buf_putc(out, c);
            continue;
        }
        need_indent = c == '{' || c == '[';
        in_string = c == '"';
        sw_buf_putc(out, c);
        if (c == ',')
            newline(out, prefix, indent, depth);
        else if (c == ':')
            sw_buf_putc(out, ' ');
    }
}
