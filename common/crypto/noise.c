/* SPDX-License-Identifier: Apache-2.0
 *
 * How it works: a pattern is a row of strings, one per message, one character per token:
 *   e s      send a key
 *   E A B S  mix in the shared secret ee, es, se, ss (the first letter is the initiator's key)
 *   p        mix in a pre-shared key
 * Writing and reading walk the same row; only what a token does to the bytes differs. */
#include "common/crypto/noise.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "common/base/macro.h"
#include "common/crypto/noisehash.h"
#include "common/crypto/secret.h"

struct pattern {
    const char *name;
    bool initiator_known; /* pre-message -> s */
    bool responder_known; /* pre-message <- s */
    bool initiator_has_s;
    bool responder_has_s;
    const char *messages[4]; /* NULL-terminated */
};

static const struct pattern patterns[] = {
    { "NN", false, false, false, false, { "e", "eE", NULL } },
    { "NK", false, true, false, true, { "eA", "eE", NULL } },
    { "KK", true, true, true, true, { "eAS", "eEB", NULL } },
    { "XX", false, false, true, true, { "e", "eEsA", "sB", NULL } },
    { "IK", false, true, true, true, { "eAsS", "eEB", NULL } },
};

static void nonce_bytes(uint64_t n, uint8_t out[12])
{
    memset(out, 0, 4);
    for (unsigned i = 0; i < 8; i++)
        out[4 + i] = (uint8_t)(n >> (8 * i));
}

static int seal_ad(struct sw_noise_cipher *c, const struct noise_bytes *ad, const void *plain,
                   size_t n, uint8_t *out)
{
    uint8_t nonce[12];

    if (c->nonce == UINT64_MAX) /* reserved for rekeying */
        return SW_E_CRYPTO;
    nonce_bytes(c->nonce++, nonce);
    (void)crypto_aead_chacha20poly1305_ietf_encrypt(out, NULL, plain, n, ad->p, ad->n, NULL, nonce,
                                                    c->key);
    return 0;
}

static int open_ad(struct sw_noise_cipher *c, const struct noise_bytes *ad, const void *sealed,
                   size_t n, uint8_t *out)
{
    uint8_t nonce[12];

    if (n < SW_NOISE_TAG || c->nonce == UINT64_MAX)
        return SW_E_CRYPTO;
    nonce_bytes(c->nonce, nonce);
    if (crypto_aead_chacha20poly1305_ietf_decrypt(out, NULL, NULL, sealed, n, ad->p, ad->n, nonce,
                                                  c->key) != 0)
        return SW_E_CRYPTO;
    c->nonce++;
    return 0;
}

int sw_noise_seal(struct sw_noise_cipher *c, const void *plain, size_t n, uint8_t *out)
{
    static const struct noise_bytes none;

    return seal_ad(c, &none, plain, n, out);
}

int sw_noise_open(struct sw_noise_cipher *c, const void *sealed, size_t n, uint8_t *out)
{
    static const struct noise_bytes none;

    return open_ad(c, &none, sealed, n, out);
}

void sw_noise_rekey(struct sw_noise_cipher *c)
{
    static const uint8_t zeros[SW_KEY_BYTES];
    uint8_t out[SW_KEY_BYTES + SW_NOISE_TAG];
    uint8_t nonce[12];

    nonce_bytes(UINT64_MAX, nonce);
    (void)crypto_aead_chacha20poly1305_ietf_encrypt(out, NULL, zeros, sizeof(zeros), NULL, 0, NULL,
                                                    nonce, c->key);
    memcpy(c->key, out, SW_KEY_BYTES);
    sw_wipe(out, sizeof(out));
}

/* ------------------------------------------------------------------ symmetric state, section 5.2
 */

static void mix_hash(struct sw_noise *n, const void *p, size_t len)
{
    const struct noise_bytes parts[2] = { { n->h, n->hash_len }, { p, len } };

    sw_noise_digest(n->hash_len, parts, 2, n->h);
}

static void set_key(struct sw_noise *n, const uint8_t *key)
{
    memcpy(n->cipher.key, key, SW_KEY_BYTES);
    n->cipher.nonce = 0;
    n->cipher.has_key = true;
}

static void mix_key(struct sw_noise *n, const uint8_t *ikm)
{
    uint8_t out[3][SW_NOISE_HASH_MAX];

    sw_noise_hkdf(n->hash_len, n->ck, ikm, SW_KEY_BYTES, out);
    memcpy(n->ck, out[0], n->hash_len);
    set_key(n, out[1]);
    sw_wipe(out, sizeof(out));
}

static void mix_key_and_hash(struct sw_noise *n, const uint8_t *ikm)
{
    uint8_t out[3][SW_NOISE_HASH_MAX];

    sw_noise_hkdf(n->hash_len, n->ck, ikm, SW_KEY_BYTES, out);
    memcpy(n->ck, out[0], n->hash_len);
    mix_hash(n, out[1], n->hash_len);
    set_key(n, out[2]);
    sw_wipe(out, sizeof(out));
}

/* Return: bytes written or < 0. */
static ssize_t encrypt_and_hash(struct sw_noise *n, const void *plain, size_t len, uint8_t *out)
{
    const struct noise_bytes ad = { n->h, n->hash_len };
    size_t total = len;

    if (n->cipher.has_key) {
        if (seal_ad(&n->cipher, &ad, plain, len, out) < 0)
            return SW_E_CRYPTO;
        total += SW_NOISE_TAG;
    } else if (len > 0) {
        memmove(out, plain, len);
    }
    mix_hash(n, out, total);
    return (ssize_t)total;
}

/* Return: bytes of plain text or < 0. */
static ssize_t decrypt_and_hash(struct sw_noise *n, const uint8_t *sealed, size_t len, uint8_t *out)
{
    uint8_t h[SW_NOISE_HASH_MAX];
    const struct noise_bytes ad = { h, n->hash_len };

    memcpy(h, n->h, n->hash_len);
    mix_hash(n, sealed, len);
    if (!n->cipher.has_key) {
        if (len > 0)
            memmove(out, sealed, len);
        return (ssize_t)len;
    }
    if (open_ad(&n->cipher, &ad, sealed, len, out) < 0)
        return SW_E_CRYPTO;
    return (ssize_t)(len - SW_NOISE_TAG);
}

/* ------------------------------------------------------------------ handshake state, section 5.3
 */

static bool uses_psk(const struct sw_noise *n)
{
    return n->psk_at[0] >= 0;
}

static int mix_dh(struct sw_noise *n, char token)
{
    bool ours_is_s = token == 'S' || token == (n->initiator ? 'B' : 'A');
    bool theirs_is_s = token == 'S' || token == (n->initiator ? 'A' : 'B');
    uint8_t shared[SW_KEY_BYTES];
    int r;

    r = sw_dh(ours_is_s ? &n->s : &n->e, theirs_is_s ? n->rs : n->re, shared);
    if (r == 0)
        mix_key(n, shared);
    sw_wipe(shared, sizeof(shared));
    return r;
}

static void mix_psk(struct sw_noise *n)
{
    mix_key_and_hash(n, n->psks[n->next_psk++]);
}

static void sent_or_got_e(struct sw_noise *n, const uint8_t *e)
{
    mix_hash(n, e, SW_KEY_BYTES);
    if (uses_psk(n)) /* section 9.2 */
        mix_key(n, e);
}

static ssize_t write_token(struct sw_noise *n, char token, uint8_t *out)
{
    switch (token) {
    case 'e':
        if (!n->fixed_e)
            sw_dh_key_make(&n->e);
        memcpy(out, n->e.public_key, SW_KEY_BYTES);
        sent_or_got_e(n, out);
        return SW_KEY_BYTES;
    case 's':
        return encrypt_and_hash(n, n->s.public_key, SW_KEY_BYTES, out);
    default:
        return mix_dh(n, token);
    }
}

static ssize_t read_token(struct sw_noise *n, char token, const uint8_t *in, size_t left)
{
    size_t want = SW_KEY_BYTES;

    switch (token) {
    case 'e':
        if (left < want)
            return SW_E_CRYPTO;
        memcpy(n->re, in, want);
        sent_or_got_e(n, n->re);
        return (ssize_t)want;
    case 's':
        want += n->cipher.has_key ? SW_NOISE_TAG : 0;
        if (left < want || decrypt_and_hash(n, in, want, n->rs) < 0)
            return SW_E_CRYPTO;
        n->has_rs = true;
        return (ssize_t)want;
    default:
        return mix_dh(n, token);
    }
}

/* psk0 stands before the first message's tokens, pskN behind those of message N. */
static void psk_here(struct sw_noise *n, int place)
{
    for (size_t i = 0; i < SW_NOISE_PSKS_MAX; i++)
        if (n->psk_at[i] == place)
            mix_psk(n);
}

static int fail(struct sw_noise *n, int code, struct sw_err *err)
{
    n->failed = true;
    return sw_err_set(err, code, "handshake message %u %s", n->message + 1,
                      code == SW_E_INVALID ? "is too long" : "does not authenticate");
}

static bool may(const struct sw_noise *n, bool write)
{
    return !n->failed && !sw_noise_is_done(n) && sw_noise_is_our_turn(n) == write;
}

int sw_noise_write(struct sw_noise *n, const void *payload, size_t len, uint8_t *out,
                   size_t *out_len, struct sw_err *err)
{
    size_t at = 0;
    ssize_t r;

    assert(may(n, true));
    if (len > SW_NOISE_MAX - SW_NOISE_OVERHEAD)
        return fail(n, SW_E_INVALID, err);
    if (n->message == 0)
        psk_here(n, 0);
    for (const char *t = *n->pattern; *t != '\0'; t++) {
        r = write_token(n, *t, out + at);
        if (r < 0)
            return fail(n, SW_E_CRYPTO, err);
        at += (size_t)r;
    }
    psk_here(n, (int)n->message + 1);
    r = encrypt_and_hash(n, payload, len, out + at);
    if (r < 0)
        return fail(n, SW_E_CRYPTO, err);
    *out_len = at + (size_t)r;
    n->pattern++;
    n->message++;
    return 0;
}

int sw_noise_read(struct sw_noise *n, const void *msg, size_t len, uint8_t *out, size_t *out_len,
                  struct sw_err *err)
{
    const uint8_t *in = msg;
    ssize_t r;

    assert(may(n, false));
    if (len > SW_NOISE_MAX)
        return fail(n, SW_E_INVALID, err);
    if (n->message == 0)
        psk_here(n, 0);
    for (const char *t = *n->pattern; *t != '\0'; t++) {
        r = read_token(n, *t, in, len);
        if (r < 0)
            return fail(n, SW_E_CRYPTO, err);
        in += r;
        len -= (size_t)r;
    }
    psk_here(n, (int)n->message + 1);
    r = decrypt_and_hash(n, in, len, out);
    if (r < 0)
        return fail(n, SW_E_CRYPTO, err);
    *out_len = (size_t)r;
    n->pattern++;
    n->message++;
    return 0;
}

/* ------------------------------------------------------------------ setting up */

/* "XXpsk3" -> pattern XX and modifier 3; "XXpsk0+psk2". Return: NULL when unknown. */
static const struct pattern *parse_pattern(struct sw_noise *n, const char *s, size_t len)
{
    const struct pattern *found = NULL;
    size_t k = 0;

    for (size_t i = 0; i < SW_ARRAY_LEN(patterns) && len >= 2; i++)
        if (memcmp(patterns[i].name, s, 2) == 0)
            found = &patterns[i];
    for (size_t i = 0; i < SW_NOISE_PSKS_MAX; i++)
        n->psk_at[i] = -1;
    for (size_t at = 2; found != NULL && at < len; at += 4) {
        if (at > 2 && s[at++] != '+')
            return NULL;
        if (len - at < 4 || memcmp(s + at, "psk", 3) != 0 || s[at + 3] < '0' || s[at + 3] > '9' ||
            k == SW_NOISE_PSKS_MAX)
            return NULL;
        n->psk_at[k++] = s[at + 3] - '0';
    }
    return found;
}

static const struct pattern *parse_protocol(struct sw_noise *n, const char *protocol)
{
    const char *name = protocol + strlen("Noise_");
    const char *end;

    if (strncmp(protocol, "Noise_", strlen("Noise_")) != 0)
        return NULL;
    end = strchr(name, '_');
    if (end == NULL)
        return NULL;
    if (strcmp(end, "_25519_ChaChaPoly_BLAKE2b") == 0)
        n->hash_len = 64;
    else if (strcmp(end, "_25519_ChaChaPoly_SHA256") == 0)
        n->hash_len = 32;
    else
        return NULL;
    return parse_pattern(n, name, (size_t)(end - name));
}

static bool take_keys(struct sw_noise *n, const struct pattern *p,
                      const struct sw_noise_options *opt)
{
    size_t psks = 0;

    n->initiator = opt->initiator;
    if (opt->s != NULL) {
        n->s = *opt->s;
        n->has_s = true;
    }
    if (opt->e != NULL) {
        n->e = *opt->e;
        n->fixed_e = true;
    }
    if (opt->initiator ? p->responder_known : p->initiator_known) {
        if (opt->rs == NULL)
            return false;
        memcpy(n->rs, opt->rs, SW_KEY_BYTES);
        n->has_rs = true;
    }
    for (size_t i = 0; i < SW_NOISE_PSKS_MAX; i++)
        psks += n->psk_at[i] >= 0;
    if (opt->n_psks != psks)
        return false;
    for (size_t i = 0; i < psks; i++)
        memcpy(n->psks[i], opt->psks[i], SW_KEY_BYTES);
    return n->has_s || !(opt->initiator ? p->initiator_has_s : p->responder_has_s);
}

int sw_noise_init(struct sw_noise *n, const struct sw_noise_options *opt, struct sw_err *err)
{
    const struct noise_bytes name = { opt->protocol, strlen(opt->protocol) };
    const struct pattern *p;

    memset(n, 0, sizeof(*n));
    p = parse_protocol(n, opt->protocol);
    if (p == NULL)
        return sw_err_set(err, SW_E_INVALID, "unknown handshake protocol '%s'", opt->protocol);
    if (!take_keys(n, p, opt)) {
        sw_noise_fini(n);
        return sw_err_set(err, SW_E_INVALID, "keys missing for '%s'", opt->protocol);
    }
    n->pattern = p->messages;
    if (name.n <= n->hash_len)
        memcpy(n->h, name.p, name.n);
    else
        sw_noise_digest(n->hash_len, &name, 1, n->h);
    memcpy(n->ck, n->h, n->hash_len);
    mix_hash(n, opt->prologue, opt->prologue_len);
    if (p->initiator_known)
        mix_hash(n, opt->initiator ? n->s.public_key : n->rs, SW_KEY_BYTES);
    if (p->responder_known)
        mix_hash(n, opt->initiator ? n->rs : n->s.public_key, SW_KEY_BYTES);
    return 0;
}

void sw_noise_fini(struct sw_noise *n)
{
    sw_wipe(n, sizeof(*n));
    n->failed = true;
}

bool sw_noise_is_our_turn(const struct sw_noise *n)
{
    return (n->message % 2 == 0) == n->initiator;
}

bool sw_noise_is_done(const struct sw_noise *n)
{
    return !n->failed && *n->pattern == NULL;
}

const uint8_t *sw_noise_peer(const struct sw_noise *n)
{
    return n->has_rs ? n->rs : NULL;
}

void sw_noise_split(const struct sw_noise *n, struct sw_noise_cipher *send,
                    struct sw_noise_cipher *recv)
{
    uint8_t out[3][SW_NOISE_HASH_MAX];
    struct sw_noise_cipher *first = n->initiator ? send : recv;
    struct sw_noise_cipher *second = n->initiator ? recv : send;

    assert(sw_noise_is_done(n));
    sw_noise_hkdf(n->hash_len, n->ck, NULL, 0, out);
    *first = (struct sw_noise_cipher){ .has_key = true };
    *second = (struct sw_noise_cipher){ .has_key = true };
    memcpy(first->key, out[0], SW_KEY_BYTES);
    memcpy(second->key, out[1], SW_KEY_BYTES);
    sw_wipe(out, sizeof(out));
}

size_t sw_noise_hash(const struct sw_noise *n, uint8_t out[SW_NOISE_HASH_MAX])
{
    memcpy(out, n->h, n->hash_len);
    return n->hash_len;
}
