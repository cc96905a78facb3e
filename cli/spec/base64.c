/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/spec/base64.h"

char *base64_encode(const void *p, size_t n, bool url)
{
    static const char std[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    SW_CLEANUP(sw_buf_fini) struct sw_buf b = SW_BUF_INIT;
    const unsigned char *s = p;

    for (size_t i = 0; i < n; i += 3) {
        size_t left = n - i;
        unsigned v = (unsigned)s[i] << 16 | (left > 1 ? (unsigned)s[i + 1] << 8 : 0) |
                     (left > 2 ? s[i + 2] : 0u);

        for (unsigned k = 0; k < 4; k++) {
            char c = k > left ? '=' : std[(v >> (18 - 6 * k)) & 63];

            if (url && c == '+')
                c = '-';
            else if (url && c == '/')
                c = '_';
            sw_buf_putc(&b, c);
        }
    }
    return cli_take(&b);
}

static int digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

bool base64_decode(const char *s, struct sw_buf *out)
{
    unsigned v = 0;
    unsigned bits = 0;

    for (; *s != '\0' && *s != '='; s++) {
        int d = digit(*s);

        if (*s == '\n' || *s == '\r')
            continue;
        if (d < 0)
            return false;
        v = (v << 6 | (unsigned)d) & 0xffffff;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            sw_buf_putc(out, (char)(v >> bits & 0xff));
        }
    }
    return true;
}
