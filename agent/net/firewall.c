/* SPDX-License-Identifier: Apache-2.0
 * firewall.c - a host firewall that drops what it does not know must not drop ours.
 *
 * Docker and ufw set the policy of iptables' FORWARD chain to DROP, and an accept in our own table
 * does not overrule that. Four rules at its top let our links through; what may pass there is
 * decided by our own forward chain, which drops everything that was not published. Only the
 * iptables program can write them: a host may use either of its two implementations, and neither
 * likes rules it did not make itself. Hosts without an iptables filter table are left alone. */
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/net/kern_priv.h"
#include "agent/net/nft.h"
#include "common/base/alloc.h"
#include "common/log/log.h"

extern char **environ;

static const char *firewall_program(void)
{
    static const char *const places[] = { "/usr/sbin/iptables", "/sbin/iptables",
                                          "/usr/bin/iptables" };

    for (size_t i = 0; i < SW_ARRAY_LEN(places); i++)
        if (access(places[i], X_OK) == 0)
            return places[i];
    return NULL;
}

static bool firewall_legacy(void)
{
    FILE *f = fopen("/proc/thread-self/net/ip_tables_names", "re");
    char line[64];
    bool found = false;

    if (f == NULL)
        return false;
    while (!found && fgets(line, sizeof(line), f) != NULL)
        found = strcmp(line, "filter\n") == 0;
    fclose(f);
    return found;
}

static bool firewall_nft(struct kern *k)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf b = SW_BUF_INIT;
    struct sw_err absent;

    sw_buf_puts(&b, "list chain ip filter FORWARD\n");
    return nft_run(k->nft, &b, &absent) == 0;
}

/* Return: exit status of iptables -w @verb FORWARD @direction @link -j ACCEPT; -errno. */
static int firewall_run(const char *program, const char *verb, const char *direction,
                        const char *link)
{
    const char *args[] = { program,   "-w", "5",  verb,     "FORWARD",
                           direction, link, "-j", "ACCEPT", NULL };
    posix_spawn_file_actions_t files;
    int status = 0;
    pid_t pid;
    int r = posix_spawn_file_actions_init(&files);

    if (r == 0)
        r = posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", 1, 0);
    if (r == 0)
        r = posix_spawn(&pid, program, &files, NULL, (char **)(uintptr_t)args, environ);
    (void)posix_spawn_file_actions_destroy(&files);
    if (r != 0)
        return -r;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -ECHILD;
}

static void firewall_each(const char *program, bool add)
{
    static const char *const rules[][2] = {
        { "-i", KERN_EGRESS_PREFIX "+" },
        { "-o", KERN_EGRESS_PREFIX "+" },
        { "-i", KERN_LEG_NAME },
        { "-o", KERN_LEG_NAME },
    };

    for (size_t i = 0; i < SW_ARRAY_LEN(rules); i++) {
        bool there = firewall_run(program, "-C", rules[i][0], rules[i][1]) == 0;
        int r;

        if (there == add)
            continue;
        r = firewall_run(program, add ? "-I" : "-D", rules[i][0], rules[i][1]);
        if (r != 0)
            log_warn("rule of the host's firewall not changed link=%s status=%d", rules[i][1], r);
        else
            log_info("rule of the host's firewall %s link=%s", add ? "added" : "removed",
                     rules[i][1]);
    }
}

void kern_firewall(struct kern *k, bool add)
{
    const char *program = firewall_program();

    if (program != NULL && (firewall_legacy() || firewall_nft(k)))
        firewall_each(program, add);
}
