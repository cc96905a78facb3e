/* SPDX-License-Identifier: Apache-2.0
 *
 * The keys of a cluster: unlock key and root certificate. */
#include <errno.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "cli/cmd/swarm.h"
#include "cli/render/progress.h"
#include "cli/spec/text.h"
#include "common/base/time.h"

#define PEM_MAX (64u << 10)

static int get_key(struct cli *cli, json_t **out, struct sw_err *err)
{
    if (cli_get(cli, "/swarm/unlockkey", out, err) < 0)
        return sw_err_wrap(err, "could not fetch unlock key");
    return 0;
}

static void say_key(struct cli *cli, const char *key)
{
    SW_CLEANUP(sw_free_ptr) char *unlock = command_say(cli, "swarm unlock");

    printf("To unlock a swarm manager after it restarts, run the `%s`\ncommand and provide the "
           "following key:\n\n"
           "    %s\n\nRemember to store this key in a password manager, since without it you\n"
           "will not be able to restart the manager.\n",
           unlock, key);
}

int swarm_say_unlock_key(struct cli *cli, struct sw_err *err)
{
    json_auto_t *answer = NULL;

    if (get_key(cli, &answer, err) < 0)
        return err->code;
    say_key(cli, js_str(answer, "UnlockKey"));
    return 0;
}

int swarm_run_unlock_key(struct cli *cli, const struct args *args, struct sw_err *err)
{
    bool quiet = args_bool(args, "quiet");
    json_auto_t *answer = NULL;

    if (args_bool(args, "rotate")) {
        json_auto_t *cluster = NULL;

        if (swarm_inspect(cli, &cluster, err) < 0)
            return err->code;
        if (!js_bool(cluster, "Spec.EncryptionConfig.AutoLockManagers"))
            return sw_err_set(err, SW_E_INVALID, "cannot rotate because autolock is not turned on");
        if (swarm_update(cli, cluster, "Key", err) < 0)
            return err->code;
        if (!quiet)
            printf("Successfully rotated manager unlock key.\n");
    }
    if (get_key(cli, &answer, err) < 0)
        return err->code;
    if (*js_str(answer, "UnlockKey") == '\0')
        return sw_err_set(err, SW_E_NOT_FOUND, "no unlock key is set");
    if (quiet)
        printf("%s\n", js_str(answer, "UnlockKey"));
    else
        say_key(cli, js_str(answer, "UnlockKey"));
    return 0;
}

/* One line without echo on a terminal. @line is wiped by the caller. */
static int read_secret(char *line, size_t cap, struct sw_err *err)
{
    struct termios old;
    bool terminal = tcgetattr(STDIN_FILENO, &old) == 0;
    bool got;

    if (terminal) {
        struct termios silent = old;

        printf("Enter unlock key: ");
        fflush(stdout);
        silent.c_lflag &= ~(tcflag_t)ECHO;
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    }
    got = fgets(line, (int)cap, stdin) != NULL;
    if (terminal) {
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
        printf("\n");
    }
    if (!got)
        return sw_err_set(err, -ENODATA, "no key was given");
    line[strcspn(line, "\r\n")] = '\0';
    return 0;
}

int swarm_run_unlock(struct cli *cli, const struct args *args, struct sw_err *err)
{
    json_auto_t *info = NULL;
    json_auto_t *body = json_object();
    char key[256];
    const char *state;
    int r;

    (void)args;
    if (cli_get(cli, "/info", &info, err) < 0)
        return err->code;
    state = js_str(info, "Swarm.LocalNodeState");
    if (strcmp(state, "inactive") == 0)
        return sw_err_set(err, SW_E_PRECONDITION, "Error: This node is not part of a swarm");
    if (strcmp(state, "locked") != 0)
        return sw_err_set(err, SW_E_PRECONDITION, "Error: swarm is not locked");
    r = read_secret(key, sizeof(key), err);
    if (r == 0) {
        js_set_str(body, "UnlockKey", key);
        r = cmd_post(cli, "/swarm/unlock", body, err);
    }
    explicit_bzero(key, sizeof(key));
    return r;
}

static int read_pem(json_t *spec, const struct args *args, const char *option, const char *path,
                    struct sw_err *err)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf pem = SW_BUF_INIT;

    if (!args_set(args, option))
        return 0;
    if (cmd_read(args_str(args, option), PEM_MAX, &pem, err) < 0)
        return err->code;
    js_set_str(spec, path, sw_buf_str(&pem));
    return 0;
}

/* Every node has to be given a certificate of the new root. */
static int wait_rotation(struct cli *cli, bool quiet, struct sw_err *err)
{
    const struct timespec pause = { 0, 200 * SW_NS_PER_MS };
    struct progress p;
    int r = 0;

    progress_init(&p, stdout, quiet);
    for (;;) {
        json_auto_t *cluster = NULL;
        json_auto_t *nodes = NULL;
        SW_CLEANUP(sw_free_ptr) char *text = NULL;
        size_t done = 0;
        size_t i;
        json_t *n;

        if (swarm_inspect(cli, &cluster, err) < 0 ||
            cmd_list(cli, "/nodes", NULL, &nodes, err) < 0) {
            r = err->code;
            break;
        }
        json_array_foreach(nodes, i, n)
        {
            done +=
                json_equal(js_get(n, "Description.TLSInfo"), js_get(cluster, "TLSInfo")) ? 1 : 0;
        }
        text = cli_printf("%zu/%zu nodes", done, json_array_size(nodes));
        progress_put(&p, "rotated TLS certificates", text, 0, 0);
        if (!js_bool(cluster, "RootRotationInProgress"))
            break;
        nanosleep(&pause, NULL);
    }
    progress_fini(&p);
    return r;
}

int swarm_run_ca(struct cli *cli, const struct args *args, struct sw_err *err)
{
    static const char *const needs_rotate[] = { "ca-cert", "ca-key", "cert-expiry" };
    json_auto_t *cluster = NULL;
    json_auto_t *after = NULL;
    json_t *spec;

    if (swarm_inspect(cli, &cluster, err) < 0)
        return err->code;
    if (!args_bool(args, "rotate")) {
        for (size_t i = 0; i < 3; i++) {
            if (args_set(args, needs_rotate[i]))
                return sw_err_set(err, SW_E_INVALID,
                                  "`--%s` flag requires the `--rotate` flag to update the CA",
                                  needs_rotate[i]);
        }
        if (*js_str(cluster, "TLSInfo.TrustRoot") == '\0')
            return sw_err_set(err, SW_E_NOT_FOUND, "No CA information available");
        printf("%s%s", js_str(cluster, "TLSInfo.TrustRoot"),
               text_suffix(js_str(cluster, "TLSInfo.TrustRoot"), "\n") ? "" : "\n");
        return 0;
    }
    spec = js_obj(cluster, "Spec");
    js_set_int(spec, "CAConfig.ForceRotate", js_int(spec, "CAConfig.ForceRotate") + 1);
    if (args_set(args, "cert-expiry"))
        js_set_int(spec, "CAConfig.NodeCertExpiry", args_ns(args, "cert-expiry"));
    js_del(spec, "CAConfig.SigningCACert");
    js_del(spec, "CAConfig.SigningCAKey");
    if (read_pem(spec, args, "ca-cert", "CAConfig.SigningCACert", err) < 0 ||
        read_pem(spec, args, "ca-key", "CAConfig.SigningCAKey", err) < 0 ||
        swarm_update(cli, cluster, "", err) < 0)
        return err->code;
    if (args_bool(args, "detach"))
        return 0;
    if (wait_rotation(cli, args_bool(args, "quiet"), err) < 0 ||
        swarm_inspect(cli, &after, err) < 0)
        return err->code;
    printf("%s\n", js_str(after, "TLSInfo.TrustRoot"));
    return 0;
}
