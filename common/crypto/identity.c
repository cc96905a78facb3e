/* SPDX-License-Identifier: Apache-2.0 */
#include "common/crypto/identity.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "common/crypto/certpb.h"
#include "common/crypto/secret.h"
#include "common/io/file.h"
#include "proto/pb.h"
#include "swarm/v1/identity.pb-c.h"

#define FILE_MAX_BYTES 4096

static struct sw_identity *identity_alloc(struct sw_err *err)
{
    struct sw_identity *id = sw_secret_alloc(sizeof(*id));

    if (id == NULL)
        (void)sw_err_set(err, -ENOMEM, "no memory for a node identity");
    else
        id->refs = 1;
    return id;
}

int sw_identity_new(struct sw_identity **out, struct sw_err *err)
{
    struct sw_identity *id = identity_alloc(err);

    if (id == NULL)
        return err->code;
    sw_sign_key_make(&id->sign);
    sw_dh_key_make(&id->dh);
    *out = id;
    return 0;
}

struct sw_identity *sw_identity_ref(struct sw_identity *id)
{
    assert(id->refs > 0);
    id->refs++;
    return id;
}

void sw_identity_unref(struct sw_identity *id)
{
    if (id == NULL)
        return;
    assert(id->refs > 0);
    if (--id->refs == 0)
        sw_secret_free(id);
}

static bool belongs(const struct sw_identity *id, const struct sw_cert *cert)
{
    return memcmp(id->sign.public_key, cert->public_key, SW_KEY_BYTES) == 0 &&
           memcmp(id->dh.public_key, cert->static_key, SW_KEY_BYTES) == 0;
}

int sw_identity_renew(struct sw_identity **out, const struct sw_identity *old,
                      const struct sw_cert *cert, const struct sw_root *roots, size_t n,
                      struct sw_err *err)
{
    struct sw_identity *id;

    if (cert != NULL && !belongs(old, cert))
        return sw_err_set(err, SW_E_INVALID, "the certificate is not for this node's keys");
    if (n > SW_ROOTS_MAX)
        return sw_err_set(err, SW_E_INVALID, "%zu trusted roots, at most %d", n, SW_ROOTS_MAX);
    id = identity_alloc(err);
    if (id == NULL)
        return err->code;
    *id = *old;
    id->refs = 1;
    if (cert != NULL) {
        id->cert = *cert;
        id->has_cert = true;
    }
    if (n > 0) {
        memcpy(id->roots, roots, n * sizeof(*roots));
        id->n_roots = n;
    }
    *out = id;
    return 0;
}

int sw_identity_encode(const struct sw_identity *id, struct sw_buf *out, struct sw_err *err)
{
    Swarm__V1__IdentityFile f = SWARM__V1__IDENTITY_FILE__INIT;
    ProtobufCBinaryData roots[SW_ROOTS_MAX];
    uint8_t seed[SW_KEY_BYTES];
    int r;

    sw_sign_key_seed(&id->sign, seed);
    f.version = 1;
    f.sign_seed = sw_certpb_field(seed, sizeof(seed));
    f.static_secret = sw_certpb_field(id->dh.secret, SW_KEY_BYTES);
    if (id->has_cert)
        f.certificate = sw_certpb_field(id->cert.bytes, id->cert.len);
    for (size_t i = 0; i < id->n_roots; i++)
        roots[i] = sw_certpb_field(id->roots[i].record, id->roots[i].record_len);
    f.n_roots = id->n_roots;
    f.roots = roots;
    r = pb_pack(&f, out);
    sw_wipe(seed, sizeof(seed));
    return r < 0 ? sw_err_set(err, r, "no memory for a node identity") : 0;
}

static int take_file(struct sw_identity *id, const Swarm__V1__IdentityFile *f, struct sw_err *err)
{
    uint8_t seed[SW_KEY_BYTES];
    uint8_t secret[SW_KEY_BYTES];
    int r;

    if (f->version != 1)
        return sw_err_set(err, SW_E_CORRUPT, "node identity has version %u, only 1 is known",
                          f->version);
    if (!sw_certpb_take(seed, sizeof(seed), &f->sign_seed) ||
        !sw_certpb_take(secret, sizeof(secret), &f->static_secret) || f->n_roots > SW_ROOTS_MAX)
        return sw_err_set(err, SW_E_CORRUPT, "node identity is damaged");
    sw_sign_key_from_seed(&id->sign, seed);
    sw_dh_key_from_secret(&id->dh, secret);
    sw_wipe(seed, sizeof(seed));
    sw_wipe(secret, sizeof(secret));
    for (size_t i = 0; i < f->n_roots; i++, id->n_roots++) {
        r = sw_root_decode(&id->roots[i], f->roots[i].data, f->roots[i].len, err);
        if (r < 0)
            return sw_err_set(err, SW_E_CORRUPT, "a trusted root of the node identity is damaged");
    }
    if (f->certificate.len == 0)
        return 0;
    r = sw_cert_decode(&id->cert, f->certificate.data, f->certificate.len, err);
    if (r < 0 || !belongs(id, &id->cert))
        return sw_err_set(err, SW_E_CORRUPT, "the certificate of the node identity is damaged");
    id->has_cert = true;
    return 0;
}

/* protobuf-c copied the secrets out of the file's bytes: leave none behind. */
static void free_file(Swarm__V1__IdentityFile *f)
{
    if (f->sign_seed.len > 0)
        sw_wipe(f->sign_seed.data, f->sign_seed.len);
    if (f->static_secret.len > 0)
        sw_wipe(f->static_secret.data, f->static_secret.len);
    pb_free(f);
}

int sw_identity_decode(struct sw_identity **out, const void *bytes, size_t len, struct sw_err *err)
{
    SW_CLEANUP(sw_identity_unref_ptr) struct sw_identity *id = NULL;
    Swarm__V1__IdentityFile *f;
    int r;

    id = identity_alloc(err);
    if (id == NULL)
        return err->code;
    if (pb_unpack(&swarm__v1__identity_file__descriptor, bytes, len, &f, err) < 0)
        return sw_err_set(err, SW_E_CORRUPT, "node identity is damaged");
    r = take_file(id, f, err);
    free_file(f);
    if (r < 0)
        return r;
    *out = sw_steal(id);
    return 0;
}

int sw_identity_save(const struct sw_identity *id, const char *path, struct sw_err *err)
{
    SW_CLEANUP(sw_secret_buf_fini) struct sw_buf b = SW_BUF_INIT;
    int r;

    r = sw_dir_make_for(path, 0700, err);
    if (r == 0)
        r = sw_identity_encode(id, &b, err);
    if (r == 0)
        r = sw_file_write(path, b.data, b.len, 0600, err);
    return r < 0 ? sw_err_wrap(err, "save node identity") : 0;
}

int sw_identity_load(struct sw_identity **out, const char *path, struct sw_err *err)
{
    SW_CLEANUP(sw_secret_buf_fini) struct sw_buf b = SW_BUF_INIT;
    struct stat st;
    int r;

    if (sw_buf_reserve(&b, FILE_MAX_BYTES + 1) == NULL)
        return sw_err_set(err, -ENOMEM, "load node identity");
    r = sw_file_read(path, FILE_MAX_BYTES, &b, err);
    if (r == SW_FILE_ABSENT)
        return SW_IDENTITY_ABSENT;
    if (r < 0)
        return sw_err_wrap(err, "load node identity");
    if (stat(path, &st) == 0 && (st.st_mode & 077) != 0)
        return sw_err_set(
            err, SW_E_PERMISSION,
            "node identity '%s' has mode %04o: others may read its keys, expected 0600", path,
            st.st_mode & 07777);
    r = sw_identity_decode(out, b.data, b.len, err);
    return r < 0 ? sw_err_wrap(err, "'%s'", path) : 0;
}
