/* SPDX-License-Identifier: Apache-2.0
 * imageref.h - names of images: [domain/]path[:tag][@digest]. Pure.
 * Source: distribution/reference. */
#ifndef SWARM_CLI_SPEC_IMAGEREF_H
#define SWARM_CLI_SPEC_IMAGEREF_H

#include "cli/spec/mem.h"

struct imageref {
    char *domain; /* "docker.io" when none was written */
    char *path;   /* "library/busybox" */
    char *tag;    /* NULL: none */
    char *digest; /* NULL: none */
};

/** imageref_parse() - Return: false when @s is no image name; @out is then empty. */
bool imageref_parse(const char *s, struct imageref *out);
void imageref_fini(struct imageref *r);
/** imageref_familiar() - as people write it, without docker.io/library. Returned. */
char *imageref_familiar(const struct imageref *r);
char *imageref_familiar_name(const struct imageref *r); /* without tag and digest */
/** imageref_tagged() - @s with ":latest" when it has neither tag nor digest, familiar form.
 * Return: NULL when @s is no image name; returned otherwise. */
char *imageref_tagged(const char *s);
/** imageref_pinned() - @s with @digest added; NULL when @s is no name or has a digest already. */
char *imageref_pinned(const char *s, const char *digest);
/** imageref_undigested() - "web:1@sha256:..." -> "web:1", anything else as it is. Returned. */
char *imageref_undigested(const char *s);

#endif
