/* SPDX-License-Identifier: Apache-2.0
 * aead_ipsecmb.h - AES-256-GCM from libipsec-mb, when the build has it. Private to common/crypto.
 */
#ifndef SWARM_COMMON_CRYPTO_AEAD_IPSECMB_H
#define SWARM_COMMON_CRYPTO_AEAD_IPSECMB_H

#include "common/crypto/aead.h"

/** aead_ipsecmb_gcm() - Return: the provider, static; NULL when this build or processor has none.
 * Not thread-safe on its first call. */
const struct sw_aead *aead_ipsecmb_gcm(void);

#endif
