/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/api/base64.h"

#include <errno.h>
#include <string.h>

#include "common/base/alloc.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *base64_encode(const uint8_t *p, size_t n)
{
    char *out = sw_malloc((n + 2) / 3 * 4 + 1);
    char *o = out;

    if (out == NULL)
        return NULL;
    for (size_t i = 0; i < n; i += 3) {
        uint32_t v = (uint32_t)p[i] << 16 | (i + 1 < n ? (uint32_t)p[i + 1] << 8 : 0) |
                     (i + 2 < n ? p[i + 2] : 0);

        *o++ = digits[v >> 18];
        *o++ = digits[v >> 12 & 63];
        *o++ = i + 1 < n ? digits[v >> 6 & 63] : '=';
        *o++ = i + 2 < n ? digits[v & 63] : '=';
    }
    *o = '\0';
    return out;
}

static int value_of(char c)
{
    const char *at;

    if (c == '-')
        return 62;
    if (c == '_')
        return 63;
    at = c != '\0' ? strchr(digits, c) : NULL;
    return at != NULL ? (int)(at - digits) : -1;
}

int base64_decode(const char *s, uint8_t **out, size_t *len, struct sw_err *err)
{
    size_t n = strlen(s);
    uint8_t *p = sw_malloc(n / 4 * 3 + 3);
    size_t used = 0;
    uint32_t acc = 0;
    unsigned bits = 0;
    size_t i;

    if (p == NULL)
        return sw_err_set(err, -ENOMEM, "out of memory");
    for (i = 0; i < n && s[i] != '='; i++) {
        int v = value_of(s[i]);

        if (v < 0)
            break;
        acc = acc << 6 | (uint32_t)v;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            p[used++] = (uint8_t)(acc >> bits);
        }
    }
    if ((i < n && s[i] != '=') || n - i > 2 || i % 4 == 1) {
        sw_free(p);
        return sw_err_set(err, SW_E_INVALID, "illegal base64 data at input byte %zu", i);
    }
    if (used == 0) {
        sw_free(p);
        p = NULL;
    }
    *out = p;
    *len = used;
    return 0;
}
