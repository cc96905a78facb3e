/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd/swarm.h"

#include <string.h>

#include "cli/cmd/names.h"
#include "cli/spec/text.h"

#define LISTEN "0.0.0.0:2377"

void swarm_settings(json_t *spec, const struct args *args)
{
    if (args_set(args, "task-history-limit"))
        js_set_int(spec, "Orchestration.TaskHistoryRetentionLimit",
                   args_int(args, "task-history-limit"));
    if (args_set(args, "dispatcher-heartbeat"))
        js_set_int(spec, "Dispatcher.HeartbeatPeriod", args_ns(args, "dispatcher-heartbeat"));
    if (args_set(args, "cert-expiry"))
        js_set_int(spec, "CAConfig.NodeCertExpiry", args_ns(args, "cert-expiry"));
    if (args_set(args, "snapshot-interval"))
        js_set_int(spec, "Raft.SnapshotInterval", args_int(args, "snapshot-interval"));
    if (args_set(args, "max-snapshots"))
        js_set_int(spec, "Raft.KeepOldSnapshots", args_int(args, "max-snapshots"));
    if (args_set(args, "autolock"))
        js_set_bool(spec, "EncryptionConfig.AutoLockManagers", args_bool(args, "autolock"));
}

int swarm_inspect(struct cli *cli, json_t **out, struct sw_err *err)
{
    return cli_get(cli, "/swarm", out, err);
}

int swarm_update(struct cli *cli, const json_t *cluster, const char *rotate, struct sw_err *err)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf url = SW_BUF_INIT;
    SW_CLEANUP(sw_free_ptr)
    char *version = cli_printf("%lld", (long long)js_int(cluster, "Version.Index"));

    sw_buf_puts(&url, "/swarm/update");
    url_query(&url, "rotateManagerToken", strcmp(rotate, "Manager") == 0 ? "true" : "false");
    url_query(&url, "rotateManagerUnlockKey", strcmp(rotate, "Key") == 0 ? "true" : "false");
    url_query(&url, "rotateWorkerToken", strcmp(rotate, "Worker") == 0 ? "true" : "false");
    url_query(&url, "version", version);
    return cmd_post(cli, sw_buf_str(&url), js_get(cluster, "Spec"), err);
}

int swarm_say_join(struct cli *cli, const char *node_id, bool worker, bool manager,
                   struct sw_err *err)
{
    SW_CLEANUP(sw_free_ptr) char *join = command_say(cli, "swarm join");
    json_auto_t *node = NULL;
    json_auto_t *cluster = NULL;

    if (cmd_get(cli, "/nodes/", node_id, &node, err) < 0 || swarm_inspect(cli, &cluster, err) < 0)
        return err->code;
    if (js_get(node, "ManagerStatus") == NULL)
        return 0;
    if (worker)
        printf(
            "To add a worker to this swarm, run the following command:\n\n    %s --token %s %s\n\n",
            join, js_str(cluster, "JoinTokens.Worker"), js_str(node, "ManagerStatus.Addr"));
    if (manager)
        printf("To add a manager to this swarm, run the following command:\n\n    %s --token %s "
               "%s\n\n",
               join, js_str(cluster, "JoinTokens.Manager"), js_str(node, "ManagerStatus.Addr"));
    return 0;
}

static json_t *init_body(const struct args *args)
{
    json_t *b = json_object();
    const struct strv *pools = args_list(args, "default-addr-pool");
    json_t *list;

    js_set_str(b, "ListenAddr",
               args_set(args, "listen-addr") ? args_str(args, "listen-addr") : LISTEN);
    js_set_str(b, "AdvertiseAddr", args_str(args, "advertise-addr"));
    js_set_str(b, "DataPathAddr", args_str(args, "data-path-addr"));
    js_set_int(b, "DataPathPort", args_int(args, "data-path-port"));
    js_set_bool(b, "ForceNewCluster", args_bool(args, "force-new-cluster"));
    js_set(b, "Spec.Labels", json_null());
    js_obj(b, "Spec.Orchestration");
    js_set_int(b, "Spec.Raft.ElectionTick", 0);
    js_set_int(b, "Spec.Raft.HeartbeatTick", 0);
    js_obj(b, "Spec.Dispatcher");
    js_obj(b, "Spec.CAConfig");
    js_obj(b, "Spec.TaskDefaults");
    js_set_bool(b, "Spec.EncryptionConfig.AutoLockManagers", false);
    swarm_settings(js_get(b, "Spec"), args);
    js_set_bool(b, "AutoLockManagers", args_bool(args, "autolock"));
    js_set_str(b, "Availability", args_str(args, "availability"));
    list = js_arr(b, "DefaultAddrPool");
    for (size_t i = 0; i < pools->n; i++) {
        SW_CLEANUP(strv_fini) struct strv parts = { 0 };

        text_split(pools->v[i], ',', &parts);
        for (size_t k = 0; k < parts.n; k++)
            js_append_str(list, parts.v[k]);
    }
    js_set_int(b, "SubnetSize",
               args_set(args, "default-addr-pool-mask-length")
                   ? args_int(args, "default-addr-pool-mask-length")
                   : 24);
    return b;
}

static int check_availability(const struct args *args, struct sw_err *err)
{
    const char *a = args_str(args, "availability");

    if (*a == '\0' || strcmp(a, "active") == 0 || strcmp(a, "pause") == 0 ||
        strcmp(a, "drain") == 0)
        return 0;
    return sw_err_set(err, SW_E_INVALID,
                      "invalid availability \"%s\", only active, pause and drain are supported", a);
}

static int run_init(struct cli *cli, const struct args *args, struct sw_err *err)
{
    SW_CLEANUP(sw_free_ptr) char *token_words = command_say(cli, "swarm join-token");
    json_auto_t *body = init_body(args);
    json_auto_t *answer = NULL;
    struct client *c = NULL;
    int r;

    if (check_availability(args, err) < 0 || cli_client(cli, &c, err) < 0)
        return err->code;
    r = client_call(c, "POST", "/swarm/init", body, &answer, err);
    if (r < 0) {
        if (strstr(err->msg, "could not choose an IP address to advertise") != NULL ||
            strstr(err->msg, "could not find the system's IP address") != NULL) {
            struct sw_err why = *err;

            return sw_err_set(err, why.code, "%.400s - specify one with --advertise-addr", why.msg);
        }
        return r;
    }
    printf("Swarm initialized: current node (%s) is now a manager.\n\n", json_string_value(answer));
    if (swarm_say_join(cli, json_string_value(answer), true, false, err) < 0)
        return err->code;
    printf("To add a manager to this swarm, run '%s manager' and follow the instructions.\n",
           token_words);
    if (args_bool(args, "autolock"))
        return swarm_say_unlock_key(cli, err);
    return 0;
}

static int run_join(struct cli *cli, const struct args *args, struct sw_err *err)
{
    json_auto_t *b = json_object();
    json_auto_t *info = NULL;

    if (check_availability(args, err) < 0)
        return err->code;
    js_set_str(b, "ListenAddr",
               args_set(args, "listen-addr") ? args_str(args, "listen-addr") : LISTEN);
    js_set_str(b, "AdvertiseAddr", args_str(args, "advertise-addr"));
    js_set_str(b, "DataPathAddr", args_str(args, "data-path-addr"));
    js_append_str(js_arr(b, "RemoteAddrs"), args->pos.v[0]);
    js_set_str(b, "JoinToken", args_str(args, "token"));
    js_set_str(b, "Availability", args_str(args, "availability"));
    if (cmd_post(cli, "/swarm/join", b, err) < 0 || cli_get(cli, "/info", &info, err) < 0)
        return err->code;
    printf("This node joined a swarm as a %s.\n",
           js_bool(info, "Swarm.ControlAvailable") ? "manager" : "worker");
    return 0;
}

static int run_join_token(struct cli *cli, const struct args *args, struct sw_err *err)
{
    const char *role = args->pos.v[0];
    bool worker = strcmp(role, "worker") == 0;
    bool quiet = args_bool(args, "quiet");
    SW_CLEANUP(sw_free_ptr) char *self = NULL;
    json_auto_t *cluster = NULL;

    if (!worker && strcmp(role, "manager") != 0)
        return sw_err_set(err, SW_E_INVALID, "unknown role %s", role);
    if (args_bool(args, "rotate")) {
        json_auto_t *before = NULL;

        if (swarm_inspect(cli, &before, err) < 0 ||
            swarm_update(cli, before, worker ? "Worker" : "Manager", err) < 0)
            return err->code;
        if (!quiet)
            printf("Successfully rotated %s join token.\n\n", role);
    }
    if (swarm_inspect(cli, &cluster, err) < 0)
        return err->code;
    if (quiet) {
        printf("%s\n", js_str(cluster, worker ? "JoinTokens.Worker" : "JoinTokens.Manager"));
        return 0;
    }
    if (names_self(cli, "self", &self, err) < 0)
        return err->code;
    return swarm_say_join(cli, self, worker, !worker, err);
}

static int run_leave(struct cli *cli, const struct args *args, struct sw_err *err)
{
    if (cmd_post(cli, args_bool(args, "force") ? "/swarm/leave?force=1" : "/swarm/leave", NULL,
                 err) < 0)
        return err->code;
    printf("Node left the swarm.\n");
    return 0;
}

static int run_update(struct cli *cli, const struct args *args, struct sw_err *err)
{
    json_auto_t *cluster = NULL;
    bool given = false;
    bool was_locked;

    for (size_t i = 0; i < args->n_options; i++)
        given |= args->values[i].set;
    if (!given)
        return CMD_HELP;
    if (swarm_inspect(cli, &cluster, err) < 0)
        return err->code;
    was_locked = js_bool(cluster, "Spec.EncryptionConfig.AutoLockManagers");
    swarm_settings(js_obj(cluster, "Spec"), args);
    if (swarm_update(cli, cluster, "", err) < 0)
        return err->code;
    printf("Swarm updated.\n");
    if (js_bool(cluster, "Spec.EncryptionConfig.AutoLockManagers") && !was_locked)
        return swarm_say_unlock_key(cli, err);
    return 0;
}

#define AUTOLOCK_HELP                                                                              \
    "Enable manager autolocking (requiring an unlock key to start a stopped manager)"
static const struct option init_options[] = {
    SWARM_OPTIONS,
    { "advertise-addr", 0, OPT_STRING, NULL,
      "Advertised address (format: \"<ip|interface>[:port]\")", NULL, NULL, false },
    { "availability", 0, OPT_STRING, NULL,
      "Availability of the node (\"active\", \"pause\", \"drain\")", "active", NULL, false },
    { "data-path-addr", 0, OPT_STRING, NULL,
      "Address or interface to use for data path traffic (format: \"<ip|interface>\")", NULL, NULL,
      false },
    { "data-path-port", 0, OPT_UINT, "uint32",
      "Port number to use for data path traffic (1024 - 49151). If no value is set or is set to 0, "
      "the default port (4789) is used.",
      NULL, NULL, false },
    { "default-addr-pool", 0, OPT_LIST, "ipNetSlice", "default address pool in CIDR format", "[]",
      NULL, false },
    { "default-addr-pool-mask-length", 0, OPT_UINT, "uint32",
      "default address pool subnet mask length", "24", NULL, false },
    { "force-new-cluster", 0, OPT_BOOL, NULL, "Force create a new cluster from current state", NULL,
      NULL, false },
    { "listen-addr", 0, OPT_STRING, "node-addr",
      "Listen address (format: \"<ip|interface>[:port]\")", LISTEN, NULL, false },
    OPTION_END,
};
#undef AUTOLOCK_HELP
#define AUTOLOCK_HELP "Change manager autolocking setting (true|false)"
static const struct option update_options[] = { SWARM_OPTIONS, OPTION_END };
static const struct option join_options[] = {
    { "advertise-addr", 0, OPT_STRING, NULL,
      "Advertised address (format: \"<ip|interface>[:port]\")", NULL, NULL, false },
    { "availability", 0, OPT_STRING, NULL,
      "Availability of the node (\"active\", \"pause\", \"drain\")", "active", NULL, false },
    { "data-path-addr", 0, OPT_STRING, NULL,
      "Address or interface to use for data path traffic (format: \"<ip|interface>\")", NULL, NULL,
      false },
    { "listen-addr", 0, OPT_STRING, "node-addr",
      "Listen address (format: \"<ip|interface>[:port]\")", LISTEN, NULL, false },
    { "token", 0, OPT_STRING, NULL, "Token for entry into the swarm", NULL, NULL, false },
    OPTION_END,
};
static const struct option token_options[] = {
    { "quiet", 'q', OPT_BOOL, NULL, "Only display token", NULL, NULL, false },
    { "rotate", 0, OPT_BOOL, NULL, "Rotate join token", NULL, NULL, false },
    OPTION_END,
};
static const struct option key_options[] = {
    { "quiet", 'q', OPT_BOOL, NULL, "Only display token", NULL, NULL, false },
    { "rotate", 0, OPT_BOOL, NULL, "Rotate unlock key", NULL, NULL, false },
    OPTION_END,
};
static const struct option leave_options[] = {
    { "force", 'f', OPT_BOOL, NULL, "Force this node to leave the swarm, ignoring warnings", NULL,
      NULL, false },
    OPTION_END,
};
static const struct option ca_options[] = {
    { "ca-cert", 0, OPT_STRING, "pem-file",
      "Path to the PEM-formatted root CA certificate to use for the new cluster", NULL, NULL,
      false },
    { "ca-key", 0, OPT_STRING, "pem-file",
      "Path to the PEM-formatted root CA key to use for the new cluster", NULL, NULL, false },
    { "cert-expiry", 0, OPT_DURATION, NULL,
      "Validity period for node certificates (ns|us|ms|s|m|h)", "2160h0m0s", NULL, false },
    { "detach", 'd', OPT_BOOL, NULL,
      "Exit immediately instead of waiting for the root rotation to converge", NULL, NULL, false },
    { "quiet", 'q', OPT_BOOL, NULL, "Suppress progress output", NULL, NULL, false },
    { "rotate", 0, OPT_BOOL, NULL,
      "Rotate the swarm CA - if no certificate or key are provided, new ones will be generated",
      NULL, NULL, false },
    OPTION_END,
};

const struct command cmd_swarm[] = {
    { .name = "ca",
      .usage = "[OPTIONS]",
      .summary = "Display and rotate the root CA",
      .options = ca_options,
      .run = swarm_run_ca },
    { .name = "init",
      .usage = "[OPTIONS]",
      .summary = "Initialize a swarm",
      .options = init_options,
      .run = run_init },
    { .name = "join",
      .usage = "[OPTIONS] HOST:PORT",
      .summary = "Join a swarm as a node and/or manager",
      .options = join_options,
      .min = 1,
      .max = 1,
      .run = run_join },
    { .name = "join-token",
      .usage = "[OPTIONS] (worker|manager)",
      .summary = "Manage join tokens",
      .options = token_options,
      .min = 1,
      .max = 1,
      .run = run_join_token },
    { .name = "leave",
      .usage = "[OPTIONS]",
      .summary = "Leave the swarm",
      .options = leave_options,
      .run = run_leave },
    { .name = "unlock", .usage = "", .summary = "Unlock swarm", .run = swarm_run_unlock },
    { .name = "unlock-key",
      .usage = "[OPTIONS]",
      .summary = "Manage the unlock key",
      .options = key_options,
      .run = swarm_run_unlock_key },
    { .name = "update",
      .usage = "[OPTIONS]",
      .summary = "Update the swarm",
      .options = update_options,
      .run = run_update },
    { .name = NULL },
};
