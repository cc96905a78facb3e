/* SPDX-License-Identifier: Apache-2.0 */
#include "common/crypto/token.h"

#include <ctype.h>
#include <string.h>

#include <sodium.h>

#include "common/base/id.h"
#include "common/crypto/secret.h"

#define PREFIX       "SWMTKN-1-"
#define DIGEST_CHARS 50
#define SECRET_CHARS 25
#define KEY_PREFIX   "SWMKEY-1-"
#define KEY_CHARS    43

void sw_token_secret_make(uint8_t out[SW_TOKEN_SECRET_BYTES])
{
    sw_random(out, SW_TOKEN_SECRET_BYTES);
}

void sw_token_format(const struct sw_token *token, char out[SW_TOKEN_CHARS + 1])
{
    memcpy(out, PREFIX, sizeof(PREFIX) - 1);
    out += sizeof(PREFIX) - 1;
    sw_base36(token->digest, sizeof(token->digest), out, DIGEST_CHARS);
    out[DIGEST_CHARS] = '-';
    sw_base36(token->secret, sizeof(token->secret), out + DIGEST_CHARS + 1, SECRET_CHARS);
}

/* Leave out white space around the text: tokens are pasted. */
static size_t trim(const char **text)
{
    size_t n;

    while (isspace((unsigned char)**text))
        (*text)++;
    n = strlen(*text);
    while (n > 0 && isspace((unsigned char)(*text)[n - 1]))
        n--;
    return n;
}

/* One part: exactly @chars digits of base 36 that fit into @n bytes. */
static int parse_part(const char *s, size_t len, size_t chars, const char *name, struct sw_err *err)
{
    for (size_t i = 0; i < len; i++)
        if (!(s[i] >= '0' && s[i] <= '9') && !(s[i] >= 'a' && s[i] <= 'z'))
            return sw_err_set(err, SW_E_INVALID,
                              "invalid join token: character %zu of its %s is not in 0-9 a-z",
                              i + 1, name);
    if (len != chars)
        return sw_err_set(err, SW_E_INVALID,
                          "invalid join token: its %s has %zu characters instead of %zu%s", name,
                          len, chars, len < chars ? ", was it cut?" : "");
    return 0;
}

static int check_prefix(const char *s, size_t n, struct sw_err *err)
{
    if (n == 0)
        return sw_err_set(err, SW_E_INVALID, "invalid join token: it is empty");
    if (strncmp(s, "SWMTKN-", 7) == 0 && strncmp(s, PREFIX, sizeof(PREFIX) - 1) != 0)
        return sw_err_set(err, SW_E_INVALID,
                          "invalid join token: only version 1 (SWMTKN-1-...) is known");
    if (strncmp(s, "SWMKEY-", 7) == 0)
        return sw_err_set(err, SW_E_INVALID,
                          "invalid join token: this is an unlock key (SWMKEY-...)");
    if (n < sizeof(PREFIX) - 1 || memcmp(s, PREFIX, sizeof(PREFIX) - 1) != 0)
        return sw_err_set(err, SW_E_INVALID,
                          "invalid join token: it does not start with SWMTKN-1-");
    return 0;
}

int sw_token_parse(const char *text, struct sw_token *out, struct sw_err *err)
{
    const char *s = text;
    size_t n = trim(&s);
    const char *digest = s + sizeof(PREFIX) - 1;
    const char *dash;
    const char *secret;
    struct sw_token t;
    int r;

    r = check_prefix(s, n, err);
    if (r < 0)
        return r;
    dash = memchr(digest, '-', n - (sizeof(PREFIX) - 1));
    if (dash == NULL)
        return sw_err_set(err, SW_E_INVALID,
                          "invalid join token: it has three parts instead of four, was it cut?");
    secret = dash + 1;
    r = parse_part(digest, (size_t)(dash - digest), DIGEST_CHARS, "digest", err);
    if (r == 0)
        r = parse_part(secret, (size_t)(s + n - secret), SECRET_CHARS, "secret", err);
    if (r < 0)
        return r;
    if (!sw_base36_parse(digest, DIGEST_CHARS, t.digest, sizeof(t.digest)) ||
        !sw_base36_parse(secret, SECRET_CHARS, t.secret, sizeof(t.secret)))
        return sw_err_set(err, SW_E_INVALID, "invalid join token: a part of it is out of range");
    *out = t;
    sw_wipe(&t, sizeof(t));
    return 0;
}

bool sw_token_is_for(const struct sw_token *token, const struct sw_root *root)
{
    return sw_secret_equal(token->digest, root->digest, SW_SHA256_BYTES);
}

bool sw_token_secret_equal(const uint8_t a[SW_TOKEN_SECRET_BYTES],
                           const uint8_t b[SW_TOKEN_SECRET_BYTES])
{
    return sw_secret_equal(a, b, SW_TOKEN_SECRET_BYTES);
}

void sw_unlock_key_make(uint8_t out[SW_UNLOCK_KEY_BYTES])
{
    sw_random(out, SW_UNLOCK_KEY_BYTES);
}

void sw_unlock_key_format(const uint8_t key[SW_UNLOCK_KEY_BYTES], char out[SW_UNLOCK_KEY_CHARS + 1])
{
    memcpy(out, KEY_PREFIX, sizeof(KEY_PREFIX) - 1);
    (void)sodium_bin2base64(out + sizeof(KEY_PREFIX) - 1, KEY_CHARS + 1, key, SW_UNLOCK_KEY_BYTES,
                            sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
}

int sw_unlock_key_parse(const char *text, uint8_t out[SW_UNLOCK_KEY_BYTES], struct sw_err *err)
{
    const char *s = text;
    size_t n = trim(&s);
    uint8_t key[SW_UNLOCK_KEY_BYTES];
    const char *end;
    size_t len;

    if (strncmp(s, KEY_PREFIX, sizeof(KEY_PREFIX) - 1) != 0)
        return sw_err_set(err, SW_E_INVALID,
                          "invalid unlock key: it does not start with SWMKEY-1-");
    s += sizeof(KEY_PREFIX) - 1;
    n -= sizeof(KEY_PREFIX) - 1;
    if (n != KEY_CHARS)
        return sw_err_set(err, SW_E_INVALID,
                          "invalid unlock key: %zu characters behind the prefix instead of %d", n,
                          KEY_CHARS);
    if (sodium_base642bin(key, sizeof(key), s, n, NULL, &len, &end,
                          sodium_base64_VARIANT_ORIGINAL_NO_PADDING) != 0 ||
        end != s + n || len != sizeof(key))
        return sw_err_set(err, SW_E_INVALID, "invalid unlock key: not base64");
    memcpy(out, key, sizeof(key));
    sw_wipe(key, sizeof(key));
    return 0;
}
