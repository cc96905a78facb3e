/* SPDX-License-Identifier: Apache-2.0
 * cluster_codec.c - specifications of nodes, networks, secrets, configs and the swarm. */
#include <errno.h>

#include "common/http/docker.h"
#include "manager/api/part_codec.h"
#include "manager/api/spec_codec.h"
#include "proto/pb.h"
#include "swarm/v1/objects.pb-c.h"

static const char *const roles[] = { "worker", "manager", NULL };
static const char *const availabilities[] = { "active", "pause", "drain", NULL };

static const struct codec_field node_fields[] = {
    F_CUSTOM("Name", part_read_name_node, part_write_name_node),
    F_CUSTOM("Labels", part_read_labels_node, part_write_labels_node),
    F_ENUM(Swarm__V1__NodeSpec, desired_role, "Role", roles, "invalid Role"),
    F_ENUM(Swarm__V1__NodeSpec, availability, "Availability", availabilities,
           "invalid Availability"),
};
const struct codec codec_node_spec =
    CODEC("NodeSpec", swarm__v1__node_spec__descriptor, node_fields);

static const struct codec_field secret_fields[] = {
    F_CUSTOM("Name", part_read_name_secret, part_write_name_secret),
    F_CUSTOM("Labels", part_read_labels_secret, part_write_labels_secret),
    { .json = "Data",
      .kind = CODEC_BASE64,
      .offset = offsetof(Swarm__V1__SecretSpec, data),
      .flags = CODEC_READ_ONLY },
};
const struct codec codec_secret_spec =
    CODEC("SecretSpec", swarm__v1__secret_spec__descriptor, secret_fields);

static const struct codec_field config_fields[] = {
    F_CUSTOM("Name", part_read_name_config, part_write_name_config),
    F_CUSTOM("Labels", part_read_labels_config, part_write_labels_config),
    F(Swarm__V1__ConfigSpec, data, "Data", CODEC_BASE64),
};
const struct codec codec_config_spec =
    CODEC("ConfigSpec", swarm__v1__config_spec__descriptor, config_fields);

/* ---- networks -----------------------------------------------------------------------------------
 */

static const struct codec_field ipam_config_fields[] = {
    F(Swarm__V1__IpamConfig, subnet, "Subnet", CODEC_STRING),
    F(Swarm__V1__IpamConfig, range, "IPRange", CODEC_STRING),
    F(Swarm__V1__IpamConfig, gateway, "Gateway", CODEC_STRING),
};
static const struct codec codec_ipam_config =
    CODEC("IPAMConfig", swarm__v1__ipam_config__descriptor, ipam_config_fields);

static const struct codec_field ipam_fields[] = {
    F(Swarm__V1__IpamOptions, driver, "Driver", CODEC_STRING),
    F_MSGS(Swarm__V1__IpamOptions, configs, "Config", codec_ipam_config),
};
static const struct codec codec_ipam =
    CODEC("IPAM", swarm__v1__ipam_options__descriptor, ipam_fields);

typedef Swarm__V1__NetworkSpec N;
static const struct codec_field network_fields[] = {
    F_CUSTOM("Name", part_read_name_network, part_write_name_network),
    F_CUSTOM("Labels", part_read_labels_network, part_write_labels_network),
    F(N, driver, "Driver", CODEC_STRING),
    F(N, internal, "Internal", CODEC_BOOL),
    F(N, attachable, "Attachable", CODEC_BOOL),
    F(N, ingress, "Ingress", CODEC_BOOL),
    F(N, ipv6, "EnableIPv6", CODEC_BOOL),
    F_LIST(N, driver_opts, "Options", CODEC_LABELS),
    F_MSG(N, ipam, "IPAM", codec_ipam),
};
const struct codec codec_network_spec =
    CODEC("NetworkCreate", swarm__v1__network_spec__descriptor, network_fields);

/* ---- swarm --------------------------------------------------------------------------------------
 */

typedef Swarm__V1__ClusterSpec S;

static int read_orchestration(void *msg, const json_t *v, struct sw_err *err)
{
    (void)err;
    ((S *)msg)->task_history_limit = (int32_t)docker_json_int(v, "TaskHistoryRetentionLimit", 5);
    return 0;
}

static int write_orchestration(const void *msg, json_t *o, const char *name)
{
    return json_object_set_new(
        o, name,
        json_pack("{s:i}", "TaskHistoryRetentionLimit", (int)((const S *)msg)->task_history_limit));
}

static const struct codec_field raft_fields[] = {
    F_ALWAYS(S, snapshot_interval, "SnapshotInterval", CODEC_U64),
    F_ALWAYS(S, keep_old_snapshots, "KeepOldSnapshots", CODEC_U64),
    F_ALWAYS(S, log_entries_for_slow_followers, "LogEntriesForSlowFollowers", CODEC_U64),
    F_ALWAYS(S, election_tick, "ElectionTick", CODEC_U32),
    F_ALWAYS(S, heartbeat_tick, "HeartbeatTick", CODEC_U32),
};
static const struct codec codec_raft =
    CODEC("RaftConfig", swarm__v1__cluster_spec__descriptor, raft_fields);

static int read_raft(void *msg, const json_t *v, struct sw_err *err)
{
    return codec_read(&codec_raft, msg, v, err);
}

static int write_raft(const void *msg, json_t *o, const char *name)
{
    return json_object_set_new(o, name, codec_write(&codec_raft, msg));
}

static int read_dispatcher(void *msg, const json_t *v, struct sw_err *err)
{
    (void)err;
    ((S *)msg)->heartbeat_period_ns = docker_json_int(v, "HeartbeatPeriod", 0);
    return 0;
}

static int write_dispatcher(const void *msg, json_t *o, const char *name)
{
    return json_object_set_new(
        o, name,
        json_pack("{s:I}", "HeartbeatPeriod", (json_int_t)((const S *)msg)->heartbeat_period_ns));
}

static int read_ca(void *msg, const json_t *v, struct sw_err *err)
{
    if (json_array_size(docker_json_get(v, "ExternalCAs")) > 0)
        return sw_err_set(err, SW_E_UNSUPPORTED, "external CAs are not supported by swarmd");
    ((S *)msg)->node_cert_expiry_ns = docker_json_int(v, "NodeCertExpiry", 0);
    return 0;
}

static int write_ca(const void *msg, json_t *o, const char *name)
{
    return json_object_set_new(
        o, name,
        json_pack("{s:I}", "NodeCertExpiry", (json_int_t)((const S *)msg)->node_cert_expiry_ns));
}

static int read_encryption(void *msg, const json_t *v, struct sw_err *err)
{
    (void)err;
    ((S *)msg)->autolock = docker_json_bool(v, "AutoLockManagers", false);
    return 0;
}

static int write_encryption(const void *msg, json_t *o, const char *name)
{
    return json_object_set_new(
        o, name, json_pack("{s:b}", "AutoLockManagers", (int)((const S *)msg)->autolock));
}

static int write_defaults(const void *msg, json_t *o, const char *name)
{
    (void)msg;
    return json_object_set_new(o, name, json_object());
}

static const struct codec_field cluster_fields[] = {
    F_CUSTOM("Name", part_read_name_cluster, part_write_name_cluster),
    F_CUSTOM("Labels", part_read_labels_cluster, part_write_labels_cluster),
    F_CUSTOM("Orchestration", read_orchestration, write_orchestration),
    F_CUSTOM("Raft", read_raft, write_raft),
    F_CUSTOM("Dispatcher", read_dispatcher, write_dispatcher),
    F_CUSTOM("CAConfig", read_ca, write_ca),
    F_CUSTOM("TaskDefaults", NULL, write_defaults),
    F_CUSTOM("EncryptionConfig", read_encryption, write_encryption),
};
const struct codec codec_cluster_spec =
    CODEC("Spec", swarm__v1__cluster_spec__descriptor, cluster_fields);
