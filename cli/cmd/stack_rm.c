/* SPDX-License-Identifier: Apache-2.0
 *
 * stack rm. A network cannot go while tasks of the stack still run on it, hence its removal is
 * tried again until they are gone. */
#include <string.h>
#include <time.h>

#include "cli/cmd/natural.h"
#include "cli/cmd/stack.h"
#include "common/base/time.h"

#define RETRY_MS     250
#define RETRY_MAX_NS (60 * SW_NS_PER_S)

struct removal {
    struct cli *cli;
    struct client *client;
    const char *stack;
    bool failed;
};

static bool is_busy(const char *message)
{
    return strstr(message, "active endpoints") != NULL || strstr(message, "in use") != NULL;
}

/* DELETE until it works or the time is up. Objects that are gone already are gone. */
static int delete_path(struct removal *x, const char *path, struct sw_err *err)
{
    const struct timespec pause = { 0, RETRY_MS * SW_NS_PER_MS };
    int64_t end = sw_mono_ns() + RETRY_MAX_NS;

    for (;;) {
        int r = client_call(x->client, "DELETE", path, NULL, NULL, err);

        if (r == 0 || r == SW_E_NOT_FOUND)
            return 0;
        if (!is_busy(err->msg) || sw_mono_ns() > end)
            return r;
        nanosleep(&pause, NULL);
    }
}

static void remove_list(struct removal *x, json_t *list, const char *before, const char *kind,
                        const char *name_path)
{
    size_t i;
    json_t *o;

    natural_sort(list, name_path);
    json_array_foreach(list, i, o)
    {
        const char *id = *js_str(o, "ID") != '\0' ? js_str(o, "ID") : js_str(o, "Id");
        SW_CLEANUP(sw_buf_fini) struct sw_buf url = SW_BUF_INIT;
        struct sw_err err;

        printf("Removing %s %s\n", kind, js_str(o, name_path));
        fflush(stdout);
        url_path(&url, before, id, "");
        if (delete_path(x, sw_buf_str(&url), &err) < 0) {
            fprintf(stderr, "failed to remove %s %s: %s\n", kind, id, err.msg);
            x->failed = true;
        }
    }
}

/* Wait until no task of the stack runs any more. */
static int wait_tasks(struct removal *x, struct sw_err *err)
{
    const struct timespec pause = { 0, RETRY_MS * SW_NS_PER_MS };
    json_auto_t *filters = NULL;

    if (stack_filter(NULL, x->stack, &filters, err) < 0)
        return err->code;
    for (;;) {
        json_auto_t *tasks = NULL;
        bool running = false;
        size_t i;
        json_t *t;

        if (cmd_list(x->cli, "/tasks", filters, &tasks, err) < 0)
            return err->code;
        json_array_foreach(tasks, i, t)
        {
            const char *s = js_str(t, "Status.State");

            running |= strcmp(s, "complete") != 0 && strcmp(s, "shutdown") != 0 &&
                       strcmp(s, "failed") != 0 && strcmp(s, "rejected") != 0 &&
                       strcmp(s, "orphaned") != 0 && strcmp(s, "remove") != 0;
        }
        if (!running)
            return 0;
        nanosleep(&pause, NULL);
    }
}

static int remove_stack(struct removal *x, bool wait, struct sw_err *err)
{
    json_auto_t *filters = NULL;
    json_auto_t *services = NULL;
    json_auto_t *networks = NULL;
    json_auto_t *secrets = NULL;
    json_auto_t *configs = NULL;

    if (stack_filter(NULL, x->stack, &filters, err) < 0 ||
        cmd_list(x->cli, "/services", filters, &services, err) < 0 ||
        cmd_list(x->cli, "/networks", filters, &networks, err) < 0 ||
        cmd_list(x->cli, "/secrets", filters, &secrets, err) < 0 ||
        cmd_list(x->cli, "/configs", filters, &configs, err) < 0)
        return err->code;
    if (json_array_size(services) + json_array_size(networks) + json_array_size(secrets) +
            json_array_size(configs) ==
        0) {
        fprintf(stderr, "Nothing found in stack: %s\n", x->stack);
        return 0;
    }
    x->failed = false;
    remove_list(x, services, "/services/", "service", "Spec.Name");
    remove_list(x, secrets, "/secrets/", "secret", "Spec.Name");
    remove_list(x, configs, "/configs/", "config", "Spec.Name");
    remove_list(x, networks, "/networks/", "network", "Name");
    if (x->failed)
        return sw_err_set(err, SW_E_INTERNAL, "failed to remove some resources from stack: %s",
                          x->stack);
    return wait ? wait_tasks(x, err) : 0;
}

int stack_run_rm(struct cli *cli, const struct args *args, struct sw_err *err)
{
    struct removal x = { .cli = cli };
    bool wait = args_set(args, "detach") && !args_bool(args, "detach");
    int status = 0;

    if (cli_client(cli, &x.client, err) < 0)
        return err->code;
    for (size_t i = 0; i < args->pos.n; i++) {
        x.stack = args->pos.v[i];
        if (remove_stack(&x, wait, err) < 0) {
            fflush(stdout);
            cli_report(cli, err);
            status = 1;
        }
    }
    return status;
}
