/* SPDX-License-Identifier: Apache-2.0
 * identity.h - what makes a node this node: its keys, its certificate, the roots it trusts.
 *
 * Immutable once shared and counted: connections hold a reference while they use it, a renewal
 * makes a new one (sw_identity_renew) that is handed to the servers and dialers. Not thread-safe:
 * the references of one identity belong to one loop thread. */
#ifndef SWARM_COMMON_CRYPTO_IDENTITY_H
#define SWARM_COMMON_CRYPTO_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/crypto/cert.h"
#include "common/crypto/keys.h"

struct sw_identity {
    struct sw_sign_key sign; /* secret */
    struct sw_dh_key dh;     /* secret */
    bool has_cert;           /* false: keys only, not admitted yet */
    struct sw_cert cert;
    size_t n_roots;
    struct sw_root roots[SW_ROOTS_MAX];
    unsigned refs; /* private */
};

#define SW_IDENTITY_ABSENT 1

/** sw_identity_new() - fresh keys, no certificate. @out: returned with one reference.
 * Return: 0, -ENOMEM. */
int sw_identity_new(struct sw_identity **out, struct sw_err *err);
/** sw_identity_ref() - Return: @id, with one more reference. */
struct sw_identity *sw_identity_ref(struct sw_identity *id);
/** sw_identity_unref() - the last one wipes and frees; NULL is legal. */
void sw_identity_unref(struct sw_identity *id);
SW_DEFINE_CLEANUP(sw_identity_unref, struct sw_identity *);

/**
 * sw_identity_renew() - a copy of @old's keys with another certificate and other trusted roots
 * @out:   returned with one reference
 * @cert:  copied; NULL keeps the old one
 * @roots: copied, @n of them, at most SW_ROOTS_MAX; 0 keeps the old ones
 *
 * Return: 0; SW_E_INVALID when the certificate is for other keys or too many roots; -ENOMEM.
 */
int sw_identity_renew(struct sw_identity **out, const struct sw_identity *old,
                      const struct sw_cert *cert, const struct sw_root *roots, size_t n,
                      struct sw_err *err);

/**
 * sw_identity_save() - write the file (mode 0600) so that a crash leaves the old or the new one
 * @path: its folder is created with mode 0700 when missing
 *
 * syscalls: open, write, fsync, rename. Blocks for the length of two fsyncs.
 * Return: 0 or the failing call's -errno; the old file is then intact.
 */
int sw_identity_save(const struct sw_identity *id, const char *path, struct sw_err *err);
/**
 * sw_identity_load() - read and check the file
 *
 * Validity of the certificate is not checked here: an expired one must still be shown to the user.
 * Return: 0; SW_IDENTITY_ABSENT; SW_E_CORRUPT when the file does not check out; SW_E_PERMISSION
 * when others may read it; -errno.
 */
int sw_identity_load(struct sw_identity **out, const char *path, struct sw_err *err);

/** sw_identity_encode() - the file's bytes (secret!) appended to @out, to hand an identity to
 * another process; wipe the buffer afterwards. Return: 0, -ENOMEM. */
int sw_identity_encode(const struct sw_identity *id, struct sw_buf *out, struct sw_err *err);
/** sw_identity_decode() - Return: 0; SW_E_CORRUPT; -ENOMEM. */
int sw_identity_decode(struct sw_identity **out, const void *bytes, size_t len, struct sw_err *err);

#endif
