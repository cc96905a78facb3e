/* SPDX-License-Identifier: Apache-2.0
 *
 * The compose file format 3.13, and the parts of the Compose Specification that mean something
 * here ("name", depends_on with conditions). One table a mapping. */
#include "cli/compose/schema.h"
#include "cli/spec/js.h"
#include "cli/spec/ports.h"
#include "common/base/time.h"

#define END                                                                                        \
    {                                                                                              \
        NULL, NULL                                                                                 \
    }
#define STR  SCH(YN_STRING)
#define INT  SCH(YN_INT)
#define NUM  (SCH(YN_FLOAT) | SCH(YN_INT))
#define BOOL SCH(YN_BOOL)
#define NUL  SCH(YN_NULL)
#define SEQ  SCH(YN_SEQ)
#define MAP  SCH(YN_MAP)

static bool is_duration(const char *s)
{
    int64_t ns;

    return sw_duration_parse(s, &ns);
}

static bool is_port(const char *s)
{
    json_auto_t *scratch = json_array();
    struct sw_err err;

    return ports_parse_short(s, true, scratch, &err) == 0;
}

static bool is_expose(const char *s)
{
    return *s >= '0' && *s <= '9';
}

static const struct schema any = { .types = STR | NUM | BOOL | NUL | SEQ | MAP };
static const struct schema str = { .types = STR };
static const struct schema integer = { .types = INT };
static const struct schema number = { .types = NUM };
static const struct schema boolean = { .types = BOOL };
static const struct schema str_or_num = { .types = STR | NUM };
static const struct schema scalar = { .types = STR | NUM | NUL };
static const struct schema label = { .types = STR | NUM | BOOL | NUL };
static const struct schema duration = { .types = STR,
                                        .format = is_duration,
                                        .format_name = "duration" };

static const struct schema str_list = { .types = SEQ, .items = &str, .unique = true };
static const struct schema str_or_list = { .types = STR | SEQ, .items = &str, .unique = true };
static const struct schema command = { .types = STR | SEQ | NUL, .items = &str };
static const struct schema list_or_map = {
    .types = SEQ | MAP, .values = &scalar, .items = &str, .unique = true
};
static const struct schema labels = {
    .types = SEQ | MAP, .values = &label, .items = &str, .unique = true
};
static const struct schema options = { .types = MAP, .values = &str_or_num };
static const struct schema driver_opts = { .types = MAP, .values = &str_or_num, .named = true };

static const struct schema test_schema = { .types = STR | SEQ, .items = &str };
static const struct schema_key healthcheck_keys[] = {
    { "disable", &boolean },         { "interval", &duration },
    { "retries", &number },          { "test", &test_schema },
    { "start_interval", &duration }, { "start_period", &duration },
    { "timeout", &duration },        END,
};
static const struct schema healthcheck = { .types = MAP, .keys = healthcheck_keys };

static const struct schema_key update_keys[] = {
    { "parallelism", &integer },
    { "delay", &duration },
    { "failure_action", &str },
    { "monitor", &duration },
    { "max_failure_ratio", &number },
    { "order", &str },
    END,
};
static const struct schema update = { .types = MAP, .keys = update_keys };

static const struct schema_key limits_keys[] = {
    { "cpus", &str_or_num },
    { "memory", &str_or_num },
    { "pids", &integer },
    END,
};
static const struct schema limits = { .types = MAP, .keys = limits_keys };
static const struct schema_key discrete_keys[] = { { "kind", &str }, { "value", &number }, END };
static const struct schema discrete = { .types = MAP, .keys = discrete_keys };
static const struct schema_key generic_keys[] = { { "discrete_resource_spec", &discrete }, END };
static const struct schema generic = { .types = MAP, .keys = generic_keys };
static const struct schema generic_list = { .types = SEQ, .items = &generic };
static const struct schema_key reservations_keys[] = {
    { "cpus", &str_or_num },
    { "memory", &str_or_num },
    { "generic_resources", &generic_list },
    END,
};
static const struct schema reservations = { .types = MAP, .keys = reservations_keys };
static const struct schema_key resources_keys[] = {
    { "limits", &limits },
    { "reservations", &reservations },
    END,
};
static const struct schema resources = { .types = MAP, .keys = resources_keys };

static const struct schema_key restart_keys[] = {
    { "condition", &str },
    { "delay", &duration },
    { "max_attempts", &integer },
    { "window", &duration },
    END,
};
static const struct schema restart_policy = { .types = MAP, .keys = restart_keys };

static const struct schema_key pref_keys[] = { { "spread", &str }, END };
static const struct schema pref = { .types = MAP, .keys = pref_keys };
static const struct schema pref_list = { .types = SEQ, .items = &pref };
static const struct schema constraint_list = { .types = SEQ, .items = &str };
static const struct schema_key placement_keys[] = {
    { "constraints", &constraint_list },
    { "preferences", &pref_list },
    { "max_replicas_per_node", &integer },
    END,
};
static const struct schema placement = { .types = MAP, .keys = placement_keys };

static const struct schema_key deploy_keys[] = {
    { "mode", &str },
    { "endpoint_mode", &str },
    { "replicas", &integer },
    { "labels", &labels },
    { "update_config", &update },
    { "rollback_config", &update },
    { "resources", &resources },
    { "restart_policy", &restart_policy },
    { "placement", &placement },
    END,
};
static const struct schema deploy = { .types = MAP | NUL, .keys = deploy_keys };

static const struct schema_key port_keys[] = {
    { "mode", &str }, { "target", &integer }, { "published", &integer }, { "protocol", &str }, END,
};
static const struct schema port = {
    .types = NUM | STR | MAP, .keys = port_keys, .format = is_port, .format_name = "ports"
};
static const struct schema port_list = { .types = SEQ, .items = &port, .unique = true };

static const struct schema_key bind_keys[] = { { "propagation", &str }, END };
static const struct schema bind = { .types = MAP, .keys = bind_keys };
static const struct schema_key volume_opt_keys[] = { { "nocopy", &boolean },
                                                     { "subpath", &str },
                                                     END };
static const struct schema volume_opt = { .types = MAP, .keys = volume_opt_keys };
static const struct schema_key tmpfs_keys[] = { { "size", &str_or_num }, { "mode", &number }, END };
static const struct schema tmpfs = { .types = MAP, .keys = tmpfs_keys };
static const struct schema cluster_volume = { .types = MAP };
static const struct schema_key mount_keys[] = {
    { "type", &str },
    { "source", &str },
    { "target", &str },
    { "read_only", &boolean },
    { "consistency", &str },
    { "bind", &bind },
    { "volume", &volume_opt },
    { "tmpfs", &tmpfs },
    { "cluster", &cluster_volume },
    END,
};
static const struct schema mount = { .types = STR | MAP, .keys = mount_keys };
static const struct schema mount_list = { .types = SEQ, .items = &mount, .unique = true };

static const struct schema_key file_ref_keys[] = {
    { "source", &str }, { "target", &str },  { "uid", &str },
    { "gid", &str },    { "mode", &number }, END,
};
static const struct schema file_ref = { .types = STR | MAP, .keys = file_ref_keys };
static const struct schema file_ref_list = { .types = SEQ, .items = &file_ref };

static const struct schema_key attachment_keys[] = {
    { "aliases", &str_list },
    { "driver_opts", &options },
    { "ipv4_address", &str },
    { "ipv6_address", &str },
    END,
};
static const struct schema attachment = { .types = MAP | NUL, .keys = attachment_keys };
static const struct schema attachments = {
    .types = SEQ | MAP,
    .values = &attachment,
    .items = &str,
    .named = true,
    .unique = true,
};

static const struct schema_key ulimit_keys[] = { { "hard", &integer }, { "soft", &integer }, END };
static const struct schema ulimit = { .types = INT | MAP, .keys = ulimit_keys };
static const struct schema ulimits = { .types = MAP, .values = &ulimit };

static const struct schema log_option = { .types = STR | NUM | NUL };
static const struct schema log_options = { .types = MAP, .values = &log_option };
static const struct schema_key logging_keys[] = { { "driver", &str },
                                                  { "options", &log_options },
                                                  END };
static const struct schema logging = { .types = MAP, .keys = logging_keys };

static const struct schema_key credential_keys[] = {
    { "config", &str }, { "file", &str }, { "registry", &str }, END
};
static const struct schema credential = { .types = MAP, .keys = credential_keys };
static const struct schema depends = { .types = SEQ | MAP, .items = &str, .unique = true };
static const struct schema expose_item = { .types = STR | NUM,
                                           .format = is_expose,
                                           .format_name = "expose" };
static const struct schema expose = { .types = SEQ, .items = &expose_item, .unique = true };
static const struct schema build = { .types = STR | MAP };

/* Keys that are accepted and ignored are listed in compose.c, which says so to the user. */
static const struct schema_key service_keys[] = {
    { "build", &build },
    { "cap_add", &str_list },
    { "cap_drop", &str_list },
    { "cgroupns_mode", &str },
    { "cgroup_parent", &str },
    { "command", &command },
    { "configs", &file_ref_list },
    { "container_name", &str },
    { "credential_spec", &credential },
    { "depends_on", &depends },
    { "deploy", &deploy },
    { "devices", &str_list },
    { "dns", &str_or_list },
    { "dns_search", &str_or_list },
    { "domainname", &str },
    { "entrypoint", &command },
    { "env_file", &str_or_list },
    { "environment", &list_or_map },
    { "expose", &expose },
    { "external_links", &str_list },
    { "extra_hosts", &list_or_map },
    { "healthcheck", &healthcheck },
    { "hostname", &str },
    { "image", &str },
    { "init", &boolean },
    { "ipc", &str },
    { "isolation", &str },
    { "labels", &labels },
    { "links", &str_list },
    { "logging", &logging },
    { "mac_address", &str },
    { "network_mode", &str },
    { "networks", &attachments },
    { "oom_score_adj", &integer },
    { "pid", &scalar },
    { "platform", &str },
    { "ports", &port_list },
    { "privileged", &boolean },
    { "pull_policy", &str },
    { "read_only", &boolean },
    { "restart", &str },
    { "secrets", &file_ref_list },
    { "security_opt", &str_list },
    { "shm_size", &str_or_num },
    { "stdin_open", &boolean },
    { "stop_grace_period", &duration },
    { "stop_signal", &str },
    { "sysctls", &list_or_map },
    { "tmpfs", &str_or_list },
    { "tty", &boolean },
    { "ulimits", &ulimits },
    { "user", &str },
    { "userns_mode", &str },
    { "volumes", &mount_list },
    { "working_dir", &str },
    END,
};
static const struct schema service = { .types = MAP, .keys = service_keys };
static const struct schema services = { .types = MAP, .values = &service, .named = true };

static const struct schema_key external_keys[] = { { "name", &str }, END };
static const struct schema external = { .types = BOOL | MAP, .keys = external_keys };

static const struct schema_key ipam_config_keys[] = {
    { "subnet", &str },
    { "gateway", &str },
    { "ip_range", &str },
    { "aux_addresses", &options },
    END,
};
static const struct schema ipam_config = { .types = MAP, .keys = ipam_config_keys };
static const struct schema ipam_list = { .types = SEQ, .items = &ipam_config };
static const struct schema_key ipam_keys[] = {
    { "driver", &str },
    { "config", &ipam_list },
    { "options", &options },
    END,
};
static const struct schema ipam = { .types = MAP, .keys = ipam_keys };
static const struct schema_key network_keys[] = {
    { "name", &str },
    { "driver", &str },
    { "driver_opts", &driver_opts },
    { "ipam", &ipam },
    { "external", &external },
    { "internal", &boolean },
    { "attachable", &boolean },
    { "labels", &labels },
    { "enable_ipv6", &boolean },
    END,
};
static const struct schema network = { .types = MAP | NUL, .keys = network_keys };
static const struct schema networks = { .types = MAP, .values = &network, .named = true };

static const struct schema_key volume_keys[] = {
    { "name", &str },
    { "driver", &str },
    { "driver_opts", &driver_opts },
    { "external", &external },
    { "labels", &labels },
    { "x-cluster-spec", &any },
    END,
};
static const struct schema volume = { .types = MAP | NUL, .keys = volume_keys };
static const struct schema volumes = { .types = MAP, .values = &volume, .named = true };

static const struct schema_key file_object_keys[] = {
    { "name", &str },
    { "file", &str },
    { "external", &external },
    { "labels", &labels },
    { "driver", &str },
    { "driver_opts", &driver_opts },
    { "template_driver", &str },
    END,
};
static const struct schema file_object = { .types = MAP, .keys = file_object_keys };
static const struct schema file_objects = { .types = MAP, .values = &file_object, .named = true };

static const struct schema_key root_keys[] = {
    { "version", &str_or_num },   { "name", &str },
    { "services", &services },    { "networks", &networks },
    { "volumes", &volumes },      { "secrets", &file_objects },
    { "configs", &file_objects }, END,
};
const struct schema schema_root = { .types = MAP, .keys = root_keys };
