/* SPDX-License-Identifier: Apache-2.0
 * ref.h - names of images, as docker reads and shows them. Pure.
 *
 * "web" means docker.io/library/web:latest and is shown as "web:latest" again.
 * Source: github.com/distribution/reference regexp.go, normalize.go. */
#ifndef SWARM_AGENT_IMAGE_REF_H
#define SWARM_AGENT_IMAGE_REF_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/err.h"

#define IMAGE_NAME_MAX   255
#define IMAGE_TAG_MAX    128
#define IMAGE_DIGEST_LEN 71 /* "sha256:" and 64 hex digits */
#define IMAGE_REF_MAX    (IMAGE_NAME_MAX + 1 + IMAGE_TAG_MAX + 1 + IMAGE_DIGEST_LEN + 1)

struct image_ref {
    char name[IMAGE_NAME_MAX + 32];    /* with domain: "docker.io/library/web" */
    char tag[IMAGE_TAG_MAX + 1];       /* "" when not given */
    char digest[IMAGE_DIGEST_LEN + 1]; /* "" when not given */
};

/**
 * image_ref_parse() - read a reference; a missing tag stays missing
 * Return: 0; SW_E_INVALID with docker's text ("invalid reference format", ...).
 */
int image_ref_parse(struct image_ref *out, const char *s, struct sw_err *err);
/** image_ref_default_tag() - "latest" when there is neither tag nor digest. */
void image_ref_default_tag(struct image_ref *r);
/** image_ref_set_tag() - Return: 0; SW_E_INVALID "invalid tag format". */
int image_ref_set_tag(struct image_ref *r, const char *tag, struct sw_err *err);
/** image_ref_full() - "docker.io/library/web:1[@sha256:..]". */
void image_ref_full(const struct image_ref *r, char out[IMAGE_REF_MAX + 32]);
/** image_ref_familiar() - "web:1[@sha256:..]". */
void image_ref_familiar(const struct image_ref *r, char out[IMAGE_REF_MAX + 32]);
/** image_name_familiar() - where the short form of a full name or reference starts. */
const char *image_name_familiar(const char *name);

/** image_digest_is_valid() - exactly "sha256:" and 64 lower-case hex digits. */
bool image_digest_is_valid(const char *s);
/** image_id_prefix() - "sha256:abc", "abc" -> "abc". NULL: not hex, empty or too long. */
const char *image_id_prefix(const char *s);

/**
 * image_glob() - shell pattern as the "reference" filter takes it: '*' and '?' stop at '/'
 * Source: Go path.Match.
 */
bool image_glob(const char *pattern, const char *s);

#endif
