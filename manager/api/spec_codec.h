/* SPDX-License-Identifier: Apache-2.0
 * spec_codec.h - the tables of what users write: specifications. Engine API 1.44. */
#ifndef SWARM_MANAGER_API_SPEC_CODEC_H
#define SWARM_MANAGER_API_SPEC_CODEC_H

#include "manager/api/codec.h"

extern const struct codec codec_service_spec;
extern const struct codec codec_task_spec;
extern const struct codec codec_container_spec;
extern const struct codec codec_endpoint_spec;
extern const struct codec codec_port;
extern const struct codec codec_node_spec;
extern const struct codec codec_resources;
extern const struct codec codec_cluster_spec;
extern const struct codec codec_secret_spec;
extern const struct codec codec_config_spec;
extern const struct codec codec_network_spec; /* as posted to /networks/create */

/* Rows of a table: FIELD(Type, member, "Json", KIND), ... */
#define F(T, m, js, k)                                                                             \
    {                                                                                              \
        .json = js, .kind = k, .offset = offsetof(T, m)                                            \
    }
#define F_ALWAYS(T, m, js, k)                                                                      \
    {                                                                                              \
        .json = js, .kind = k, .offset = offsetof(T, m), .flags = CODEC_ALWAYS                     \
    }
#define F_LIST(T, m, js, k)                                                                        \
    {                                                                                              \
        .json = js, .kind = k, .offset = offsetof(T, m), .n_offset = offsetof(T, n_##m)            \
    }
#define F_MSG(T, m, js, c)                                                                         \
    {                                                                                              \
        .json = js, .kind = CODEC_MSG, .offset = offsetof(T, m), .sub = &(c)                       \
    }
#define F_MSGS(T, m, js, c)                                                                        \
    {                                                                                              \
        .json = js, .kind = CODEC_MSGS, .offset = offsetof(T, m), .n_offset = offsetof(T, n_##m),  \
        .sub = &(c)                                                                                \
    }
#define F_ENUM(T, m, js, nm, bad)                                                                  \
    {                                                                                              \
        .json = js, .kind = CODEC_ENUM, .offset = offsetof(T, m), .names = nm, .bad_name = bad,    \
        .flags = CODEC_ALWAYS                                                                      \
    }
#define F_CUSTOM(js, r, w)                                                                         \
    {                                                                                              \
        .json = js, .kind = CODEC_CUSTOM, .read = r, .write = w                                    \
    }
#define CODEC(go, descriptor, rows)                                                                \
    {                                                                                              \
        go, &(descriptor), rows, sizeof(rows) / sizeof((rows)[0])                                  \
    }

#endif
