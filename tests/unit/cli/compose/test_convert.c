/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/cli/compose/world.h"

#define TOP                                                                                        \
    "networks: {n: , ext: {external: true}, named: {name: my-net}, host: {external: {name: "       \
    "host}}}\n"                                                                                    \
    "volumes: {v: , lv: {labels: {k: l}, driver: d, driver_opts: {o: 1}}, ev: {external: true}, "  \
    "nv: {name: my-vol}}\n"                                                                        \
    "secrets: {s: {file: ./token.txt}, es: {external: true, name: real}}\n"                        \
    "configs: {c: {file: page.html}}\n"

static json_t *converted(const char *body)
{
    char *text = cli_printf("services:\n  web:\n    image: app:1\n%s%s", body, TOP);
    const char *texts[] = { text };
    struct compose c;
    struct sw_err err;
    json_t *all = NULL;

    if (world_load(&c, &err, 1, texts) < 0 || compose_convert(&c, "st", &world, &all, &err) < 0)
        fail_msg("%s: %s", body, err.msg);
    compose_fini(&c);
    sw_free(text);
    return all;
}

/* @body: lines of the service; @path: in the spec; @want: JSON, "-" when nothing is there. */
static void expect(const char *body, const char *path, const char *want)
{
    json_auto_t *all = converted(body);
    const json_t *v = js_get(json_array_get(js_get(all, "services"), 0), path);
    char *got = v != NULL ? json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY) : cli_strdup("-");

    if (strcmp(got, want) != 0)
        fail_msg("%s%s:\n got %s\nwant %s", body, path, got, want);
    sw_free(got);
}

#define C "TaskTemplate.ContainerSpec."
#define T "TaskTemplate."

static void identity(void **state)
{
    (void)state;
    expect("", "Name", "\"st_web\"");
    expect("", C "Image", "\"app:1\"");
    expect("", "Labels",
           "{\"com.docker.stack.image\":\"app:1\",\"com.docker.stack.namespace\":\"st\"}");
    expect("    deploy: {labels: [tier=web]}\n", "Labels",
           "{\"com.docker.stack.image\":\"app:1\",\"com.docker.stack.namespace\":\"st\",\"tier\":"
           "\"web\"}");
    expect("    labels: {a: 1, b: }\n", C "Labels",
           "{\"a\":\"1\",\"b\":\"\",\"com.docker.stack.namespace\":\"st\"}");
}

static void command_and_entrypoint(void **state)
{
    (void)state;
    expect("    command: sh -c 'a b'\n", C "Args", "[\"sh\",\"-c\",\"a b\"]");
    expect("    command: [\"sleep\", \"1\"]\n", C "Args", "[\"sleep\",\"1\"]");
    expect("    entrypoint: /x y\n", C "Command", "[\"/x\",\"y\"]");
    expect("", C "Args", "-");
}

static void environment(void **state)
{
    (void)state;
    expect("    environment: {B: 2, A: x, F: 0.5}\n", C "Env", "[\"A=x\",\"B=2\",\"F=0.5\"]");
    expect("    environment: [Z, A=1, FROM_CLIENT, E=]\n", C "Env",
           "[\"A=1\",\"E=\",\"FROM_CLIENT=mine\",\"Z\"]");
    expect("    environment: {FROM_CLIENT: '', SET: own}\n", C "Env",
           "[\"FROM_CLIENT=mine\",\"SET=own\"]");
    expect("    env_file: a.env\n", C "Env", "[\"A=1\",\"B=file\",\"E=\",\"FROM_CLIENT=mine\"]");
    expect("    env_file: [a.env, ./b.env]\n    environment: {A: mine}\n", C "Env",
           "[\"A=mine\",\"B=second\",\"E=\",\"FROM_CLIENT=mine\"]");
}

static void plain_fields(void **state)
{
    (void)state;
    expect("    hostname: h\n", C "Hostname", "\"h\"");
    expect("    user: u\n", C "User", "\"u\"");
    expect("    working_dir: /w\n", C "Dir", "\"/w\"");
    expect("    tty: true\n", C "TTY", "true");
    expect("    stdin_open: true\n", C "OpenStdin", "true");
    expect("    read_only: true\n", C "ReadOnly", "true");
    expect("    init: false\n", C "Init", "false");
    expect("", C "Init", "-");
    expect("    isolation: process\n", C "Isolation", "\"process\"");
    expect("    stop_signal: SIGINT\n", C "StopSignal", "\"SIGINT\"");
    expect("    stop_grace_period: 1m30s\n", C "StopGracePeriod", "90000000000");
    expect("", C "StopGracePeriod", "-");
    expect("    extra_hosts: ['h:1.2.3.4', 'i:::1']\n", C "Hosts", "[\"1.2.3.4 h\",\"::1 i\"]");
    expect("    extra_hosts: {h: 1.2.3.4}\n", C "Hosts", "[\"1.2.3.4 h\"]");
    expect("    dns: 8.8.8.8\n    dns_search: [a, b]\n", C "DNSConfig",
           "{\"Nameservers\":[\"8.8.8.8\"],\"Search\":[\"a\",\"b\"]}");
    expect("    cap_add: [net_admin, ALL]\n", C "CapabilityAdd", "[\"ALL\"]");
    expect("    cap_add: [b]\n    cap_drop: [b, a]\n", C "CapabilityDrop", "[\"CAP_A\"]");
    expect("    sysctls: [b=1, a=2]\n", C "Sysctls", "{\"a\":\"2\",\"b\":\"1\"}");
    expect("    sysctls: {net.core.somaxconn: 1024}\n", C "Sysctls",
           "{\"net.core.somaxconn\":\"1024\"}");
    expect(
        "    ulimits: {nproc: 5, nofile: {soft: 1, hard: 2}}\n", C "Ulimits",
        "[{\"Name\":\"nofile\",\"Hard\":2,\"Soft\":1},{\"Name\":\"nproc\",\"Hard\":5,\"Soft\":5}]");
    expect("    oom_score_adj: -500\n", C "OomScoreAdj", "-500");
    expect("    logging: {driver: json-file, options: {max-size: 1m, max-file: 3}}\n",
           T "LogDriver",
           "{\"Name\":\"json-file\",\"Options\":{\"max-file\":\"3\",\"max-size\":\"1m\"}}");
    expect("", C "Privileges",
           "{\"CredentialSpec\":null,\"SELinuxContext\":null,\"NoNewPrivileges\":false}");
    expect("    credential_spec: {file: f}\n", C "Privileges.CredentialSpec", "{\"File\":\"f\"}");
}

static void healthcheck(void **state)
{
    (void)state;
    expect("    healthcheck: {test: exit 0, interval: 1s, timeout: 2s, retries: 3, start_period: "
           "4s, start_interval: 5s}\n",
           C "Healthcheck",
           "{\"Test\":[\"CMD-SHELL\",\"exit "
           "0\"],\"Interval\":1000000000,\"Timeout\":2000000000,\"StartPeriod\":4000000000,"
           "\"StartInterval\":5000000000,\"Retries\":3}");
    expect("    healthcheck: {test: [CMD, x]}\n", C "Healthcheck", "{\"Test\":[\"CMD\",\"x\"]}");
    expect("    healthcheck: {disable: true}\n", C "Healthcheck", "{\"Test\":[\"NONE\"]}");
}

static void ports(void **state)
{
    (void)state;
    expect(
        "    ports: ['9000:90', '127.0.0.1:8001:81/udp', {target: 80, published: 8000, mode: "
        "host}]\n",
        "EndpointSpec.Ports",
        "[{\"Protocol\":\"tcp\",\"TargetPort\":80,\"PublishedPort\":8000,\"PublishMode\":\"host\"},"
        "{\"Protocol\":\"udp\",\"TargetPort\":81,\"PublishedPort\":8001,\"PublishMode\":"
        "\"ingress\"},"
        "{\"Protocol\":\"tcp\",\"TargetPort\":90,\"PublishedPort\":9000,\"PublishMode\":"
        "\"ingress\"}]");
    expect("    ports: [80]\n", "EndpointSpec.Ports",
           "[{\"Protocol\":\"tcp\",\"TargetPort\":80,\"PublishMode\":\"ingress\"}]");
    expect("    deploy: {endpoint_mode: dnsrr}\n", "EndpointSpec", "{\"Mode\":\"dnsrr\"}");
    expect("", "EndpointSpec", "{}");
}

static void networks(void **state)
{
    json_auto_t *all = NULL;
    char *s;

    (void)state;
    expect("", T "Networks", "[{\"Target\":\"st_default\",\"Aliases\":[\"web\"]}]");
    expect("    networks: [n, named]\n", T "Networks",
           "[{\"Target\":\"my-net\",\"Aliases\":[\"web\"]},{\"Target\":\"st_n\",\"Aliases\":["
           "\"web\"]}]");
    expect("    networks: {n: {aliases: [a], driver_opts: {k: v}, ipv4_address: 10.0.0.9}}\n",
           T "Networks",
           "[{\"Target\":\"st_n\",\"Aliases\":[\"a\",\"web\"],\"DriverOpts\":{\"k\":\"v\"}}]");
    expect("    networks: [host]\n", T "Networks", "[{\"Target\":\"host\"}]");
    /* Only those in use are made. */
    all = converted("    networks: [n, ext]\n");
    assert_int_equal(js_len(all, "networks"), 1);
    s = json_dumps(js_get(all, "external"), JSON_COMPACT);
    assert_string_equal(s, "[\"ext\"]");
    sw_free(s);
    s = json_dumps(json_array_get(js_get(all, "networks"), 0), JSON_COMPACT);
    assert_string_equal(s, "{\"Driver\":\"overlay\",\"Scope\":\"\",\"IPAM\":null,\"Internal\":"
                           "false,\"Attachable\":false,\"Ingress\":false,"
                           "\"ConfigOnly\":false,\"ConfigFrom\":null,\"Options\":null,\"Labels\":{"
                           "\"com.docker.stack.namespace\":\"st\"},"
                           "\"Name\":\"st_n\",\"CheckDuplicate\":true}");
    sw_free(s);
}

static void volumes(void **state)
{
    (void)state;
    expect("    volumes: ['v:/d']\n", C "Mounts",
           "[{\"Type\":\"volume\",\"Source\":\"st_v\",\"Target\":\"/"
           "d\",\"VolumeOptions\":{\"Labels\":{\"com.docker.stack.namespace\":\"st\"}}}]");
    expect("    volumes: ['lv:/d:nocopy,ro']\n", C "Mounts",
           "[{\"Type\":\"volume\",\"Source\":\"st_lv\",\"Target\":\"/"
           "d\",\"ReadOnly\":true,\"VolumeOptions\":{\"NoCopy\":true,"
           "\"Labels\":{\"com.docker.stack.namespace\":\"st\",\"k\":\"l\"},\"DriverConfig\":{"
           "\"Name\":\"d\",\"Options\":{\"o\":\"1\"}}}}]");
    expect("    volumes: ['ev:/d', 'nv:/e']\n", C "Mounts",
           "[{\"Type\":\"volume\",\"Source\":\"ev\",\"Target\":\"/d\",\"VolumeOptions\":{}},"
           "{\"Type\":\"volume\",\"Source\":\"my-vol\",\"Target\":\"/"
           "e\",\"VolumeOptions\":{\"Labels\":{\"com.docker.stack.namespace\":\"st\"}}}]");
    expect("    volumes: ['./a:/x', '../b:/y', '~/c:/z', '/d:/w:rshared']\n", C "Mounts",
           "[{\"Type\":\"bind\",\"Source\":\"/proj/a\",\"Target\":\"/"
           "x\"},{\"Type\":\"bind\",\"Source\":\"/b\",\"Target\":\"/y\"},"
           "{\"Type\":\"bind\",\"Source\":\"/home/u/c\",\"Target\":\"/z\"},"
           "{\"Type\":\"bind\",\"Source\":\"/d\",\"Target\":\"/"
           "w\",\"BindOptions\":{\"Propagation\":\"rshared\"}}]");
    expect("    volumes: ['/anon']\n", C "Mounts", "[{\"Type\":\"volume\",\"Target\":\"/anon\"}]");
    expect("    volumes: [{type: tmpfs, target: /t, tmpfs: {size: 1m}}]\n", C "Mounts",
           "[{\"Type\":\"tmpfs\",\"Target\":\"/t\",\"TmpfsOptions\":{\"SizeBytes\":1048576}}]");
    expect("    volumes: [{type: volume, source: v, target: /d, volume: {subpath: s}, consistency: "
           "cached}]\n",
           C "Mounts",
           "[{\"Type\":\"volume\",\"Source\":\"st_v\",\"Target\":\"/"
           "d\",\"Consistency\":\"cached\",\"VolumeOptions\":"
           "{\"Labels\":{\"com.docker.stack.namespace\":\"st\"},\"Subpath\":\"s\"}}]");
    expect("    tmpfs: [/run, '/tmp:size=1k,mode=1777']\n", C "Mounts",
           "[{\"Type\":\"tmpfs\",\"Target\":\"/run\"},{\"Type\":\"tmpfs\",\"Target\":\"/"
           "tmp\",\"TmpfsOptions\":{\"SizeBytes\":1024,\"Mode\":1023}}]");
}

static void secrets_and_configs(void **state)
{
    json_auto_t *all = NULL;
    char *s;

    (void)state;
    expect("    secrets: [s, {source: es, target: t, uid: '1', gid: '2', mode: 0400}]\n",
           C "Secrets",
           "[{\"File\":{\"Name\":\"t\",\"UID\":\"1\",\"GID\":\"2\",\"Mode\":256},\"SecretName\":"
           "\"real\"},"
           "{\"File\":{\"Name\":\"s\",\"UID\":\"0\",\"GID\":\"0\",\"Mode\":292},\"SecretName\":"
           "\"st_s\"}]");
    expect("    configs: [{source: c, target: /p}]\n", C "Configs",
           "[{\"File\":{\"Name\":\"/"
           "p\",\"UID\":\"0\",\"GID\":\"0\",\"Mode\":292},\"ConfigName\":\"st_c\"}]");
    all = converted("");
    s = json_dumps(js_get(all, "secrets"), JSON_COMPACT);
    assert_string_equal(s, "[{\"Name\":\"st_s\",\"Labels\":{\"com.docker.stack.namespace\":\"st\"},"
                           "\"Data\":\"czNjcjN0\"}]");
    sw_free(s);
    s = json_dumps(js_get(all, "configs"), JSON_COMPACT);
    assert_string_equal(s, "[{\"Name\":\"st_c\",\"Labels\":{\"com.docker.stack.namespace\":\"st\"},"
                           "\"Data\":\"PHA+\"}]");
    sw_free(s);
}

static void deploy(void **state)
{
    (void)state;
    expect("", "Mode", "{\"Replicated\":{}}");
    expect("    deploy: {replicas: 0}\n", "Mode", "{\"Replicated\":{\"Replicas\":0}}");
    expect("    deploy: {mode: global}\n", "Mode", "{\"Global\":{}}");
    expect("    deploy: {mode: global-job}\n", "Mode", "{\"GlobalJob\":{}}");
    expect("    deploy: {mode: replicated-job, replicas: 3}\n", "Mode",
           "{\"ReplicatedJob\":{\"MaxConcurrent\":3,\"TotalCompletions\":3}}");
    expect("    deploy: {placement: {constraints: [a==b], preferences: [{spread: x}], "
           "max_replicas_per_node: 2}}\n",
           T "Placement",
           "{\"Constraints\":[\"a==b\"],\"Preferences\":[{\"Spread\":{\"SpreadDescriptor\":\"x\"}}]"
           ",\"MaxReplicas\":2}");
    expect("    deploy: {resources: {limits: {cpus: '0.5', memory: 1M, pids: 9}, reservations: "
           "{cpus: 0.25, memory: 1024,"
           " generic_resources: [{discrete_resource_spec: {kind: gpu, value: 2}}]}}}\n",
           T "Resources",
           "{\"Limits\":{\"NanoCPUs\":500000000,\"MemoryBytes\":1048576,\"Pids\":9},"
           "\"Reservations\":{\"NanoCPUs\":250000000,"
           "\"MemoryBytes\":1024,\"GenericResources\":[{\"DiscreteResourceSpec\":{\"Kind\":\"gpu\","
           "\"Value\":2}}]}}");
    expect("    deploy: {restart_policy: {condition: on-failure, delay: 1s, max_attempts: 2, "
           "window: 3s}}\n",
           T "RestartPolicy",
           "{\"Condition\":\"on-failure\",\"Delay\":1000000000,\"MaxAttempts\":2,\"Window\":"
           "3000000000}");
    expect("    deploy: {update_config: {delay: 1s, failure_action: rollback, monitor: 2s, "
           "max_failure_ratio: 0.5, order: start-first}}\n",
           "UpdateConfig",
           "{\"Parallelism\":1,\"Delay\":1000000000,\"FailureAction\":\"rollback\",\"Monitor\":"
           "2000000000,\"MaxFailureRatio\":0.5,\"Order\":\"start-first\"}");
    expect("    deploy: {rollback_config: {parallelism: 0}}\n", "RollbackConfig",
           "{\"Parallelism\":0,\"MaxFailureRatio\":0,\"Order\":\"\"}");
    expect("", "UpdateConfig", "-");
}

static void restart_speaks_when_deploy_does_not(void **state)
{
    (void)state;
    expect("    restart: always\n", T "RestartPolicy", "{\"Condition\":\"any\"}");
    expect("    restart: unless-stopped\n", T "RestartPolicy", "{\"Condition\":\"any\"}");
    expect("    restart: on-failure:3\n", T "RestartPolicy",
           "{\"Condition\":\"on-failure\",\"MaxAttempts\":3}");
    expect("    restart: \"no\"\n", T "RestartPolicy", "-");
    expect("    restart: always\n    deploy: {restart_policy: {condition: none}}\n",
           T "RestartPolicy", "{\"Condition\":\"none\"}");
}

static void ignored_options_are_reported_once(void **state)
{
    const char *texts[] = {
        "services:\n  a: {image: x, build: ., privileged: true, depends_on: {b: {condition: c}}}\n"
        "  b: {image: y, build: ., container_name: n, expose: ['80']}\n"
    };
    struct compose c;
    struct sw_err err;

    (void)state;
    assert_int_equal(world_load(&c, &err, 1, texts), 0);
    assert_int_equal(c.unsupported.n, 2);
    assert_string_equal(c.unsupported.v[0], "build");
    assert_string_equal(c.unsupported.v[1], "privileged");
    assert_int_equal(c.deprecated.n, 2);
    assert_string_equal(c.deprecated.v[0],
                        "container_name: Setting the container name is not supported.");
    compose_fini(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(identity),
        cmocka_unit_test(command_and_entrypoint),
        cmocka_unit_test(environment),
        cmocka_unit_test(plain_fields),
        cmocka_unit_test(healthcheck),
        cmocka_unit_test(ports),
        cmocka_unit_test(networks),
        cmocka_unit_test(volumes),
        cmocka_unit_test(secrets_and_configs),
        cmocka_unit_test(deploy),
        cmocka_unit_test(restart_speaks_when_deploy_does_not),
        cmocka_unit_test(ignored_options_are_reported_once),
    };

    js_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
