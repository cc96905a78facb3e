/* SPDX-License-Identifier: Apache-2.0 */
#include "common/crypto/aead_ipsecmb.h"

#ifdef SWARM_HAVE_IPSEC_MB

#include <assert.h>

#include <intel-ipsec-mb.h>


static_assert(sizeof(struct gcm_key_data) <= SW_AEAD_STATE_BYTES, "ipsec-mb's expanded key");
static_assert(_Alignof(struct gcm_key_data) <= SW_AEAD_STATE_ALIGN, "ipsec-mb's alignment");

/* The manager is 200 KB of queues that one-shot GCM never touches: only its pointers are kept. */
static struct {
    aes_gcm_pre_t pre;
    aes_gcm_enc_dec_t enc, dec;
} mb;

static const struct gcm_key_data *key_of(const struct sw_aead_state *st)
{
    return (const struct gcm_key_data *)(const void *)st->bytes;
}

static void mb_expand(struct sw_aead_state *st, const uint8_t key[SW_AEAD_KEY_BYTES])
{
    mb.pre(key, (struct gcm_key_data *)(void *)st->bytes);
}

static void mb_seal(const struct sw_aead_state *st, const uint8_t *nonce, const uint8_t *aad,
                    size_t aad_len, const uint8_t *in, size_t n, uint8_t *out)
{
    struct gcm_context_data ctx;

    mb.enc(key_of(st), &ctx, out, in, n, nonce, aad, aad_len, out + n, SW_AEAD_TAG_BYTES);
}

/* As sw_secret_equal() does, without a branch on the bytes, but a word at a time. */
static bool same_tag(const uint8_t a[SW_AEAD_TAG_BYTES], const uint8_t b[SW_AEAD_TAG_BYTES])
{
    uint64_t x[2], y[2];

    __builtin_memcpy(x, a, sizeof(x));
    __builtin_memcpy(y, b, sizeof(y));
    return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0;
}

static bool mb_open(const struct sw_aead_state *st, const uint8_t *nonce, const uint8_t *aad,
                    size_t aad_len, const uint8_t *in, size_t n, uint8_t *out)
{
    struct gcm_context_data ctx;
    uint8_t want[SW_AEAD_TAG_BYTES];
    uint8_t got[SW_AEAD_TAG_BYTES];

    n -= SW_AEAD_TAG_BYTES;
    __builtin_memcpy(got, in + n, sizeof(got)); /* before @out may overwrite it */
    mb.dec(key_of(st), &ctx, out, in, n, nonce, aad, aad_len, want, SW_AEAD_TAG_BYTES);
    return same_tag(want, got);
}

static struct sw_aead provider = {
    .suite = SW_AEAD_AES256_GCM,
    .expand = mb_expand,
    .seal = mb_seal,
    .open = mb_open,
};

static const char *name_of(IMB_ARCH arch, uint64_t features)
{
    if (arch == IMB_ARCH_AVX512)
        return (features & IMB_FEATURE_VAES) != 0 ? "aes-256-gcm ipsec-mb avx512 vaes"
                                                  : "aes-256-gcm ipsec-mb avx512";
    if (arch == IMB_ARCH_AVX2)
        return "aes-256-gcm ipsec-mb avx2";
    return arch == IMB_ARCH_AVX ? "aes-256-gcm ipsec-mb avx" : "aes-256-gcm ipsec-mb sse";
}

const struct sw_aead *aead_ipsecmb_gcm(void)
{
    static int tried;
    IMB_ARCH arch = IMB_ARCH_NONE;
    IMB_MGR *m;

    if (tried++ > 0)
        return provider.name != NULL ? &provider : NULL;
    m = alloc_mb_mgr(0);
    if (m == NULL)
        return NULL;
    /* Without AES-NI the library emulates it by table look-ups, open to timing attacks. */
    if ((m->features & IMB_FEATURE_AESNI) != 0 && (m->features & IMB_FEATURE_PCLMULQDQ) != 0)
        init_mb_mgr_auto(m, &arch);
    if (arch != IMB_ARCH_NONE && arch != IMB_ARCH_NOAESNI) {
        mb.pre = m->gcm256_pre;
        mb.enc = m->gcm256_enc;
        mb.dec = m->gcm256_dec;
        provider.name = name_of(arch, m->features);
    }
    free_mb_mgr(m);
    return provider.name != NULL ? &provider : NULL;
}

#else

const struct sw_aead *aead_ipsecmb_gcm(void)
{
    return NULL;
}

#endif
