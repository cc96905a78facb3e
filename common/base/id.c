/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/id.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#define BASE36_MAX_BYTES 64

void sw_base36(const uint8_t *num, size_t n, char *out, size_t chars)
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
    uint8_t work[BASE36_MAX_BYTES];

    assert(n <= sizeof(work));
    memcpy(work, num, n);
    out[chars] = '\0';
    for (size_t c = chars; c-- > 0;) {
        unsigned rem = 0;

        for (size_t i = 0; i < n; i++) {
            unsigned cur = rem << 8 | work[i];

            work[i] = (uint8_t)(cur / 36);
            rem = cur % 36;
        }
        out[c] = digits[rem];
    }
}

bool sw_base36_parse(const char *s, size_t chars, uint8_t *num, size_t n)
{
    memset(num, 0, n);
    for (size_t c = 0; c < chars; c++) {
        unsigned carry;

        if (s[c] >= '0' && s[c] <= '9')
            carry = (unsigned)(s[c] - '0');
        else if (s[c] >= 'a' && s[c] <= 'z')
            carry = (unsigned)(s[c] - 'a') + 10;
        else
            return false;
        for (size_t i = n; i-- > 0;) {
            unsigned cur = num[i] * 36u + carry;

            num[i] = (uint8_t)cur;
            carry = cur >> 8;
        }
        if (carry != 0)
            return false;
    }
    return true;
}

void sw_id_format(const struct sw_id *id, char out[SW_ID_CHARS + 1])
{
    sw_base36(id->b, SW_ID_BYTES, out, SW_ID_CHARS);
}

bool sw_id_parse(const char *s, struct sw_id *out)
{
    return strlen(s) == SW_ID_CHARS && sw_base36_parse(s, SW_ID_CHARS, out->b, SW_ID_BYTES);
}

bool sw_id_equal(const struct sw_id *a, const struct sw_id *b)
{
    return memcmp(a->b, b->b, SW_ID_BYTES) == 0;
}

bool sw_id_is_zero(const struct sw_id *id)
{
    static const struct sw_id zero;

    return sw_id_equal(id, &zero);
}

void sw_random(void *out, size_t n)
{
    uint8_t *p = out;

    while (n > 0) {
        ssize_t r = getrandom(p, n, 0);

        if (r < 0) {
            assert(errno == EINTR); /* the only failure once the arguments are right */
            continue;
        }
        p += r;
        n -= (size_t)r;
    }
}

void sw_id_random(struct sw_id *out)
{
    sw_random(out->b, sizeof(out->b));
}

void sw_hex(const uint8_t *p, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[p[i] >> 4];
        out[2 * i + 1] = digits[p[i] & 15];
    }
    out[2 * n] = '\0';
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool sw_hex_parse(const char *s, uint8_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int hi = hex_digit(s[2 * i]);
        int lo = hi < 0 ? -1 : hex_digit(s[2 * i + 1]);

        if (lo < 0)
            return false;
        out[i] = (uint8_t)(hi << 4 | lo);
    }
    return true;
}
