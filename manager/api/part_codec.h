/* SPDX-License-Identifier: Apache-2.0
 * part_codec.h - parts that several specifications share. */
#ifndef SWARM_MANAGER_API_PART_CODEC_H
#define SWARM_MANAGER_API_PART_CODEC_H

#include "manager/api/codec.h"

extern const struct codec codec_platform;
extern const struct codec codec_generic;
extern const struct codec codec_mount;
extern const struct codec codec_health;
extern const struct codec codec_secret_ref;
extern const struct codec codec_config_ref;

/* Name and labels stand beside the other members in JSON, in Annotations in the message. */
#define PART_ANNOTATED(kind)                                                                       \
    int part_read_name_##kind(void *msg, const json_t *v, struct sw_err *err);                     \
    int part_write_name_##kind(const void *msg, json_t *o, const char *name);                      \
    int part_read_labels_##kind(void *msg, const json_t *v, struct sw_err *err);                   \
    int part_write_labels_##kind(const void *msg, json_t *o, const char *name)
PART_ANNOTATED(service);
PART_ANNOTATED(node);
PART_ANNOTATED(cluster);
PART_ANNOTATED(secret);
PART_ANNOTATED(config);
PART_ANNOTATED(network);

#endif
