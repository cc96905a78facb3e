/* SPDX-License-Identifier: Apache-2.0
 * container_codec.c - what a task's container is made from. */
#include <errno.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/http/docker.h"
#include "manager/api/base64.h"
#include "manager/api/part_codec.h"
#include "manager/api/spec_codec.h"
#include "proto/pb.h"
#include "swarm/v1/objects.pb-c.h"

static const struct codec_field dns_fields[] = {
    F_LIST(Swarm__V1__DnsConfig, nameservers, "Nameservers", CODEC_STRINGS),
    F_LIST(Swarm__V1__DnsConfig, search, "Search", CODEC_STRINGS),
    F_LIST(Swarm__V1__DnsConfig, options, "Options", CODEC_STRINGS),
};
static const struct codec codec_dns =
    CODEC("DNSConfig", swarm__v1__dns_config__descriptor, dns_fields);

static const struct codec_field ulimit_fields[] = {
    F(Swarm__V1__Ulimit, name, "Name", CODEC_STRING),
    F_ALWAYS(Swarm__V1__Ulimit, hard, "Hard", CODEC_I64),
    F_ALWAYS(Swarm__V1__Ulimit, soft, "Soft", CODEC_I64),
};
static const struct codec codec_ulimit =
    CODEC("Ulimit", swarm__v1__ulimit__descriptor, ulimit_fields);

/* {"Seccomp":{"Mode","Profile"},"AppArmor":{"Mode"},"NoNewPrivileges"} */
static int read_privileges(void *msg, const json_t *v, struct sw_err *err)
{
    Swarm__V1__ContainerSpec *c = msg;
    const json_t *seccomp = docker_json_get(v, "Seccomp");
    const json_t *apparmor = docker_json_get(v, "AppArmor");
    Swarm__V1__Privileges *p = pb_new(&swarm__v1__privileges__descriptor);
    const char *mode = seccomp != NULL ? docker_json_str(seccomp, "Mode") : NULL;
    const char *profile = seccomp != NULL ? docker_json_str(seccomp, "Profile") : NULL;
    const char *aa = apparmor != NULL ? docker_json_str(apparmor, "Mode") : NULL;

    if (p == NULL)
        return sw_err_set(err, -ENOMEM, "out of memory");
    c->privileges = p;
    p->no_new_privileges = docker_json_bool(v, "NoNewPrivileges", false);
    if (mode != NULL && strcmp(mode, "default") != 0 && strcmp(mode, "unconfined") != 0 &&
        strcmp(mode, "custom") != 0)
        return sw_err_set(err, SW_E_INVALID, "invalid seccomp mode: \"%s\"", mode);
    if (docker_json_get(v, "CredentialSpec") != NULL)
        return sw_err_set(err, SW_E_UNSUPPORTED, "CredentialSpec is not supported by swarmd");
    if (pb_set_string(&p->seccomp_mode, mode != NULL ? mode : "") < 0 ||
        pb_set_string(&p->apparmor_mode, aa != NULL ? aa : "") < 0)
        return sw_err_set(err, -ENOMEM, "out of memory");
    if (profile != NULL)
        return base64_decode(profile, &p->seccomp_profile.data, &p->seccomp_profile.len, err);
    return 0;
}

static int write_privileges(const void *msg, json_t *o, const char *name)
{
    const Swarm__V1__Privileges *p = ((const Swarm__V1__ContainerSpec *)msg)->privileges;
    json_t *v;

    if (p == NULL)
        return 0;
    v = json_pack("{s:n,s:n}", "CredentialSpec", "SELinuxContext");
    if (p->seccomp_mode[0] != '\0')
        (void)json_object_set_new(v, "Seccomp", json_pack("{s:s}", "Mode", p->seccomp_mode));
    if (p->apparmor_mode[0] != '\0')
        (void)json_object_set_new(v, "AppArmor", json_pack("{s:s}", "Mode", p->apparmor_mode));
    if (p->no_new_privileges)
        (void)json_object_set_new(v, "NoNewPrivileges", json_true());
    return json_object_set_new(o, name, v);
}

static int write_isolation(const void *msg, json_t *o, const char *name)
{
    const Swarm__V1__ContainerSpec *c = msg;

    return json_object_set_new(o, name,
                               json_string(c->isolation[0] != '\0' ? c->isolation : "default"));
}

static int read_isolation(void *msg, const json_t *v, struct sw_err *err)
{
    if (!json_is_string(v))
        return codec_type_error(v, "Isolation", "string", err);
    if (strcmp(json_string_value(v), "default") == 0)
        return 0; /* what we show for none: a specification sent back must not differ */
    return pb_set_string(&((Swarm__V1__ContainerSpec *)msg)->isolation, json_string_value(v)) < 0
               ? sw_err_set(err, -ENOMEM, "out of memory")
               : 0;
}

typedef Swarm__V1__ContainerSpec C;
static const struct codec_field container_fields[] = {
    F(C, image, "Image", CODEC_STRING),
    F_LIST(C, labels, "Labels", CODEC_LABELS),
    F_LIST(C, command, "Command", CODEC_STRINGS),
    F_LIST(C, args, "Args", CODEC_STRINGS),
    F(C, hostname, "Hostname", CODEC_STRING),
    F_LIST(C, env, "Env", CODEC_STRINGS),
    F(C, dir, "Dir", CODEC_STRING),
    F(C, user, "User", CODEC_STRING),
    F_LIST(C, groups, "Groups", CODEC_STRINGS),
    F_CUSTOM("Privileges", read_privileges, write_privileges),
    F(C, init, "Init", CODEC_OPT_BOOL),
    F(C, stop_signal, "StopSignal", CODEC_STRING),
    F(C, tty, "TTY", CODEC_BOOL),
    F(C, open_stdin, "OpenStdin", CODEC_BOOL),
    F(C, read_only, "ReadOnly", CODEC_BOOL),
    F_MSGS(C, mounts, "Mounts", codec_mount),
    F(C, stop_grace_ns, "StopGracePeriod", CODEC_OPT_I64),
    F_MSG(C, health, "Healthcheck", codec_health),
    F_LIST(C, hosts, "Hosts", CODEC_STRINGS),
    F_MSG(C, dns, "DNSConfig", codec_dns),
    F_MSGS(C, secrets, "Secrets", codec_secret_ref),
    F_MSGS(C, configs, "Configs", codec_config_ref),
    F_CUSTOM("Isolation", read_isolation, write_isolation),
    F_LIST(C, sysctls, "Sysctls", CODEC_LABELS),
    F_LIST(C, cap_add, "CapabilityAdd", CODEC_STRINGS),
    F_LIST(C, cap_drop, "CapabilityDrop", CODEC_STRINGS),
    F_MSGS(C, ulimits, "Ulimits", codec_ulimit),
    F(C, oom_score_adj, "OomScoreAdj", CODEC_OPT_I64),
};
const struct codec codec_container_spec =
    CODEC("ContainerSpec", swarm__v1__container_spec__descriptor, container_fields);
