/* SPDX-License-Identifier: Apache-2.0
 * manifest.h - the JSON documents of image archives and registries. Pure.
 *
 * Source: OCI image specification 1.1 (manifest.md, image-index.md, config.md), Docker image
 * manifest version 2 schema 2, moby image/tarexport (manifest.json). */
#ifndef SWARM_AGENT_IMAGE_MANIFEST_H
#define SWARM_AGENT_IMAGE_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/image/ref.h"
#include "common/base/err.h"

#define MANIFEST_LAYERS_MAX 127
#define MANIFEST_IMAGES_MAX 1024
#define MANIFEST_JSON_MAX   ((size_t)4 << 20) /* bytes of one document */

#define MEDIA_DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"
#define MEDIA_DOCKER_LIST     "application/vnd.docker.distribution.manifest.list.v2+json"
#define MEDIA_DOCKER_CONFIG   "application/vnd.docker.container.image.v1+json"
#define MEDIA_DOCKER_LAYER    "application/vnd.docker.image.rootfs.diff.tar"
#define MEDIA_DOCKER_LAYER_GZ "application/vnd.docker.image.rootfs.diff.tar.gzip"
#define MEDIA_OCI_MANIFEST    "application/vnd.oci.image.manifest.v1+json"
#define MEDIA_OCI_INDEX       "application/vnd.oci.image.index.v1+json"

struct manifest_desc {
    char *media_type; /* "" when not given */
    char digest[IMAGE_DIGEST_LEN + 1];
    uint64_t size;
    char *name; /* annotation that names the image, NULL */
    char *os;   /* platform, NULL when not given */
    char *architecture;
};

/* Either a manifest (config and layers) or an index (manifests). */
struct manifest {
    bool is_index;
    char *media_type;
    struct manifest_desc config;
    struct manifest_desc *items; /* layers, lowest first; or manifests */
    size_t n_items;
};

/** manifest_parse() - Return: 0; SW_E_INVALID naming what is wrong; -ENOMEM. */
int manifest_parse(struct manifest *out, const char *json, size_t len, struct sw_err *err);
void manifest_fini(struct manifest *m);
/** manifest_choose() - the entry of an index for linux on @arch; NULL when there is none. */
const struct manifest_desc *manifest_choose(const struct manifest *index, const char *arch);

/* One row of docker save's manifest.json. */
struct archive_row {
    char *config; /* path in the archive */
    char **tags;  /* "web:1" */
    size_t n_tags;
    char **layers; /* paths, lowest first */
    size_t n_layers;
};

int archive_rows_parse(struct archive_row **out, size_t *n, const char *json, size_t len,
                       struct sw_err *err);
void archive_rows_free(struct archive_row *rows, size_t n);

/* What the store keeps of a config. */
struct config_facts {
    char *architecture;
    char *os;
    int64_t created_ns;
    char (*diff_ids)[IMAGE_DIGEST_LEN + 1];
    size_t n_diff_ids;
};
int config_facts_parse(struct config_facts *out, const char *json, size_t len, struct sw_err *err);
void config_facts_fini(struct config_facts *f);

/** manifest_make() - a Docker manifest for layers of known digest and size. sw_free(). */
char *manifest_make(const struct manifest_desc *config, const struct manifest_desc *layers,
                    size_t n, size_t *len);

#endif
