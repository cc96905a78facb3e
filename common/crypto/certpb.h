/* SPDX-License-Identifier: Apache-2.0
 * certpb.h - private to crypto: fixed-size fields of identity.proto. */
#ifndef SWARM_COMMON_CRYPTO_CERTPB_H
#define SWARM_COMMON_CRYPTO_CERTPB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

/** sw_certpb_take() - copy a field of exactly @n bytes. Return: false when it has another length.
 */
bool sw_certpb_take(void *out, size_t n, const ProtobufCBinaryData *field);
/** sw_certpb_field() - @p borrowed, for packing only. */
ProtobufCBinaryData sw_certpb_field(const void *p, size_t n);
/** sw_certpb_pack() - into @room bytes, which are known to suffice. Return: length. */
size_t sw_certpb_pack(const void *msg, uint8_t *out, size_t room);

#endif
