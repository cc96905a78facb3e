/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/cmd/root.h"
#include "cli/spec/text.h"
#include "common/base/macro.h"

#define EXIT_USAGE 125 /* docker's status for a wrong option */

static const struct option global_options[] = {
    { "host", 'H', OPT_LIST, "string", "Daemon socket to connect to", NULL, NULL, false },
    { "context", 'c', OPT_STRING, NULL, "Accepted for compatibility; only \"default\" exists", NULL,
      NULL, true },
    { "config", 0, OPT_STRING, NULL, "Location of client config files", NULL, NULL, false },
    { "debug", 'D', OPT_BOOL, NULL, "Enable debug mode", NULL, NULL, false },
    { "log-level", 'l', OPT_STRING, NULL, "Accepted for compatibility", NULL, NULL, true },
    { "version", 'v', OPT_BOOL, NULL, "Print version information and quit", NULL, NULL, false },
};

char *command_say(const struct cli *cli, const char *words)
{
    bool swarm = strcmp(cli->program, "swarm") == 0;

    if (swarm && strcmp(words, "swarm") == 0)
        return cli_strdup("swarm");
    if (swarm && text_prefix(words, "swarm "))
        return cli_strdup(words);
    return cli_printf("%s %s", cli->program, words);
}

/* "docker service ls": the words from the root to the command. */
struct path {
    const struct command *step[4];
    size_t n;
};

static char *path_text(const struct cli *cli, const struct path *p)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf b = SW_BUF_INIT;

    sw_buf_puts(&b, cli->program);
    for (size_t i = 0; i < p->n; i++)
        sw_buf_printf(&b, " %s", p->step[i]->name);
    return cli_take(&b);
}

static const struct command *leaf(const struct path *p)
{
    return p->step[p->n - 1];
}

static void help_aliases(struct sw_buf *out, const struct cli *cli, const struct path *p)
{
    SW_CLEANUP(strv_fini) struct strv names = { 0 };
    struct path parent = { .n = p->n - 1 };
    SW_CLEANUP(sw_free_ptr) char *before = NULL;

    if (leaf(p)->aliases == NULL)
        return;
    memcpy(parent.step, p->step, sizeof(parent.step));
    before = path_text(cli, &parent);
    text_split(leaf(p)->aliases, ' ', &names);
    sw_buf_printf(out, "\nAliases:\n  %s %s", before, leaf(p)->name);
    for (size_t i = 0; i < names.n; i++)
        sw_buf_printf(out, ", %s %s", before, names.v[i]);
    sw_buf_putc(out, '\n');
}

static void help_subs(struct sw_buf *out, const struct command *subs, const char *title)
{
    size_t longest = 0;

    for (const struct command *c = subs; c->name != NULL; c++)
        longest = SW_MAX(longest, strlen(c->name));
    longest = SW_MAX(longest, (size_t)11);
    sw_buf_printf(out, "\n%s:\n", title);
    for (const struct command *c = subs; c->name != NULL; c++) {
        if (!c->hidden)
            sw_buf_printf(out, "  %-*s %s\n", (int)longest, c->name, c->summary);
    }
}

static void help_leaf(const struct cli *cli, const struct path *p)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf out = SW_BUF_INIT;
    SW_CLEANUP(sw_free_ptr) char *path = path_text(cli, p);
    const struct command *c = leaf(p);

    if (c->subs != NULL) {
        sw_buf_printf(&out, "Usage:  %s COMMAND\n\n%s\n", path, c->summary);
        help_subs(&out, c->subs, "Commands");
        sw_buf_printf(&out, "\nRun '%s COMMAND --help' for more information on a command.\n", path);
    } else {
        sw_buf_printf(&out, "Usage:  %s%s%s\n\n%s\n", path, *c->usage != '\0' ? " " : "", c->usage,
                      c->summary);
        help_aliases(&out, cli, p);
        if (options_count(c->options) > 0) {
            sw_buf_puts(&out, "\nOptions:\n");
            options_help(&out, c->options, options_count(c->options), cli->width - 1);
        }
    }
    fputs(sw_buf_str(&out), stdout);
}

static void help_root(const struct cli *cli)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf out = SW_BUF_INIT;

    sw_buf_printf(&out,
                  "Usage:  %s [OPTIONS] COMMAND\n\nA cluster of containers, in the manner of "
                  "Docker's swarm mode\n",
                  cli->program);
    help_subs(&out, root_groups, "Management Commands");
    if (strcmp(cli->program, "swarm") == 0)
        help_subs(&out, cmd_swarm, "Swarm Commands");
    help_subs(&out, root_commands, "Commands");
    sw_buf_puts(&out, "\nGlobal Options:\n");
    options_help(&out, global_options, SW_ARRAY_LEN(global_options), cli->width - 1);
    sw_buf_printf(&out, "\nRun '%s COMMAND --help' for more information on a command.\n",
                  cli->program);
    fputs(sw_buf_str(&out), stdout);
}

static bool is_named(const struct command *c, const char *word)
{
    SW_CLEANUP(strv_fini) struct strv names = { 0 };

    if (strcmp(c->name, word) == 0)
        return true;
    if (c->aliases != NULL)
        text_split(c->aliases, ' ', &names);
    return strv_has(&names, word);
}

static const struct command *lookup(const struct command *table, const char *word)
{
    for (const struct command *c = table; c->name != NULL; c++) {
        if (is_named(c, word))
            return c;
    }
    return NULL;
}

static const struct command *lookup_root(const struct cli *cli, const char *word)
{
    const struct command *c = lookup(root_groups, word);

    if (c == NULL && strcmp(cli->program, "swarm") == 0)
        c = lookup(cmd_swarm, word);
    return c != NULL ? c : lookup(root_commands, word);
}

static void usage_hint(const struct cli *cli, const struct path *p, const char *verb)
{
    SW_CLEANUP(sw_free_ptr) char *path = path_text(cli, p);
    const struct command *c = leaf(p);

    fprintf(stderr, "\nUsage:  %s%s%s\n\n%s '%s --help' for more information\n", path,
            c->usage != NULL && *c->usage != '\0' ? " " : "", c->usage != NULL ? c->usage : "",
            verb, path);
}

/* Return: an exit status when the number of operands is wrong, 0 when it is right. */
static int check_count(const struct cli *cli, const struct path *p, size_t n)
{
    const struct command *c = leaf(p);
    size_t min = (size_t)c->min;
    size_t max = c->max == CMD_ANY ? SIZE_MAX : (size_t)c->max;
    SW_CLEANUP(sw_free_ptr) char *path = path_text(cli, p);
    const char *verb = "Run";

    if (n >= min && n <= max)
        return 0;
    fprintf(stderr, "%s: '%s' ", cli->program, path);
    if (max == 0) {
        fputs("accepts no arguments\n", stderr);
    } else if (min == max) {
        fprintf(stderr, "requires %zu argument%s\n", min, min == 1 ? "" : "s");
    } else if (max == SIZE_MAX) {
        fprintf(stderr, "requires at least %zu argument%s\n", min, min == 1 ? "" : "s");
        verb = "See";
    } else if (min == 0) {
        fprintf(stderr, "requires at most %zu argument%s\n", max, max == 1 ? "" : "s");
    } else {
        fprintf(stderr, "requires at least %zu and at most %zu arguments\n", min, max);
    }
    usage_hint(cli, p, verb);
    return 1;
}

void cli_report(const struct cli *cli, const struct sw_err *err)
{
    const char *full = cli->client != NULL ? client_message(cli->client) : "";

    if (strlen(err->msg) + 1 >= SW_ERR_MSG_MAX && text_prefix(full, err->msg))
        fprintf(stderr, "%s\n", full); /* sw_err was too small for it */
    else if (*err->msg != '\0')
        fprintf(stderr, "%s\n", err->msg);
}

static int run_leaf(struct cli *cli, const struct path *p, char **argv, size_t argc)
{
    const struct command *c = leaf(p);
    struct args args;
    struct sw_err err = { 0 };
    int r = args_parse(&args, c->options, options_count(c->options), argv, argc, !c->options_first,
                       &err);

    if (r == ARGS_HELP) {
        help_leaf(cli, p);
        r = 0;
    } else if (r < 0) {
        fprintf(stderr, "%s\n", err.msg);
        usage_hint(cli, p, "Run");
        r = EXIT_USAGE;
    } else {
        r = check_count(cli, p, args.pos.n);
        if (r == 0)
            r = c->run(cli, &args, &err);
        if (r == CMD_HELP) {
            help_leaf(cli, p);
            r = 0;
        }
        fflush(stdout);
        if (r < 0) {
            cli_report(cli, &err);
            r = 1;
        }
    }
    args_fini(&args);
    return r;
}

static int unknown(const struct cli *cli, const struct path *p, const char *word)
{
    SW_CLEANUP(sw_free_ptr) char *path = path_text(cli, p);

    fprintf(stderr, "%s: unknown command: %s %s\n\n", cli->program, path, word);
    if (p->n > 0)
        fprintf(stderr, "Usage:  %s\n\n", path);
    fprintf(stderr, "Run '%s --help' for more information\n", path);
    return 1;
}

/* From the first word on: groups, then the leaf. */
static int dispatch(struct cli *cli, char **argv, size_t argc)
{
    struct path p = { .n = 0 };
    const struct command *c = lookup_root(cli, argv[0]);
    size_t i = 1;

    if (c == NULL)
        return unknown(cli, &p, argv[0]);
    p.step[p.n++] = c;
    while (c->subs != NULL) {
        if (i == argc || strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            help_leaf(cli, &p);
            return 0;
        }
        if (argv[i][0] == '-') {
            fprintf(stderr, "unknown flag: %s\n", argv[i]);
            usage_hint(cli, &p, "Run");
            return EXIT_USAGE;
        }
        c = lookup(c->subs, argv[i]);
        if (c == NULL)
            return unknown(cli, &p, argv[i]);
        p.step[p.n++] = c;
        i++;
    }
    return run_leaf(cli, &p, argv + i, argc - i);
}

static size_t terminal_width(void)
{
    struct winsize ws;

    if (ioctl(STDIN_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_col > 0)
        return ws.ws_col;
    return 80;
}

/* Where the daemon is: option, environment, then the first socket that exists. */
static char *find_host(const struct args *global)
{
    static const char *const sockets[] = { "/run/swarm/swarm.sock", "/var/run/docker.sock" };
    const char *env = getenv("SWARM_HOST");

    if (args_set(global, "host"))
        return cli_strdup(args_str(global, "host"));
    if (env == NULL || *env == '\0')
        env = getenv("DOCKER_HOST");
    if (env != NULL && *env != '\0')
        return cli_strdup(env);
    for (size_t i = 0; i < SW_ARRAY_LEN(sockets); i++) {
        if (access(sockets[i], F_OK) == 0)
            return cli_printf("unix://%s", sockets[i]);
    }
    return cli_printf("unix://%s", sockets[0]);
}

int cli_client(struct cli *cli, struct client **out, struct sw_err *err)
{
    struct client_options opt = { cli->host, cli->program, getenv("DOCKER_API_VERSION") };

    if (cli->client == NULL && client_new(&cli->client, &opt, err) < 0)
        return err->code;
    *out = cli->client;
    return 0;
}

int cli_get(struct cli *cli, const char *path, json_t **out, struct sw_err *err)
{
    struct client *c = NULL;

    if (cli_client(cli, &c, err) < 0)
        return err->code;
    return client_call(c, "GET", path, NULL, out, err);
}

static const char *program_name(const char *argv0)
{
    const char *slash = strrchr(argv0, '/');
    const char *base = slash != NULL ? slash + 1 : argv0;

    return strcmp(base, "docker") == 0 ? "docker" : "swarm";
}

int command_main(int argc, char **argv)
{
    struct cli cli = { .program = program_name(argc > 0 ? argv[0] : "swarm"),
                       .width = terminal_width() };
    struct args global;
    struct sw_err err = { 0 };
    int r;

    js_setup();
    r = args_parse(&global, global_options, SW_ARRAY_LEN(global_options), argv + 1,
                   argc > 0 ? (size_t)argc - 1 : 0, false, &err);
    if (r < 0) {
        fprintf(stderr,
                "%s\n\nUsage:  %s [OPTIONS] COMMAND\n\nRun '%s --help' for more information\n",
                err.msg, cli.program, cli.program);
        r = EXIT_USAGE;
    } else if (args_bool(&global, "version")) {
        printf("swarm version %s, API %s\n", SWARM_VERSION, CLIENT_API_VERSION);
        r = 0;
    } else if (r == ARGS_HELP || global.pos.n == 0 ||
               (global.pos.n == 1 && strcmp(global.pos.v[0], "help") == 0)) {
        help_root(&cli);
        r = 0;
    } else {
        if (args_set(&global, "config"))
            setenv("DOCKER_CONFIG", args_str(&global, "config"), 1);
        cli.host = find_host(&global);
        r = dispatch(&cli, global.pos.v, global.pos.n);
    }
    if (fflush(stdout) != 0 && r == 0)
        r = 1;
    client_free(cli.client);
    sw_free(cli.host);
    args_fini(&global);
    return r;
}
