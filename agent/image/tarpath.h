/* SPDX-License-Identifier: Apache-2.0
 * tarpath.h - paths of archive entries. Pure. */
#ifndef SWARM_AGENT_IMAGE_TARPATH_H
#define SWARM_AGENT_IMAGE_TARPATH_H

#include <stdbool.h>
#include <stddef.h>

/**
 * tarpath_clean() - relative form without "." and ".." parts; "" is the archive's root
 * @out: @size bytes, also when @in is absolute: the leading slashes go
 *
 * Return: false when the path leads out of the root, or does not fit.
 */
bool tarpath_clean(const char *in, char *out, size_t size);

enum tarpath_kind {
    TARPATH_PLAIN,
    TARPATH_WHITEOUT, /* ".wh.name": name is removed from the layers below */
    TARPATH_OPAQUE,   /* ".wh..wh..opq": the folder hides the layers below */
    TARPATH_IGNORE,   /* other ".wh..wh.*": bookkeeping of aufs */
};

/**
 * tarpath_kind() - what a cleaned path stands for
 * @target: @size bytes; WHITEOUT: the path that is removed, OPAQUE: the folder
 *
 * Source: OCI image specification, layer.md, "Whiteouts".
 */
enum tarpath_kind tarpath_kind(const char *path, char *target, size_t size);

#endif
