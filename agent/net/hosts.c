/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/net/hosts.h"

#include <stdio.h>
#include <string.h>

#include "agent/net/table.h"
#include "common/base/alloc.h"
#include "common/base/buf.h"

static void put_words(struct sw_buf *b, const char *key, const char *const *words, size_t n)
{
    if (n == 0)
        return;
    sw_buf_puts(b, key);
    for (size_t i = 0; i < n; i++) {
        sw_buf_putc(b, ' ');
        sw_buf_puts(b, words[i]);
    }
    sw_buf_putc(b, '\n');
}

/* Lines of the node's file that begin with @key, as they are. */
static void put_node_lines(struct sw_buf *b, const char *key)
{
    FILE *f = fopen(HOSTS_NODE_RESOLV, "re");
    char line[1024];
    size_t len = strlen(key);

    if (f == NULL)
        return;
    while (fgets(line, sizeof(line), f) != NULL) {
        if (strncmp(line, key, len) != 0 || (line[len] != ' ' && line[len] != '\t'))
            continue;
        line[strcspn(line, "\n")] = '\0';
        sw_buf_puts(b, line);
        sw_buf_putc(b, '\n');
    }
    fclose(f);
}

static bool has_ndots(const struct net_dns *dns)
{
    for (size_t i = 0; i < dns->n_options; i++)
        if (strncmp(dns->options[i], "ndots:", 6) == 0)
            return true;
    return false;
}

char *hosts_resolv_conf(const struct net_dns *dns)
{
    struct sw_buf b = SW_BUF_INIT;

    sw_buf_puts(&b, "nameserver " NET_RESOLVER_ADDR "\n");
    if (dns->n_search > 0)
        put_words(&b, "search", dns->search, dns->n_search);
    else
        put_node_lines(&b, "search");
    put_words(&b, "options", dns->options, dns->n_options);
    if (!has_ndots(dns)) /* a service's name has no dot and must still be asked for as it is */
        sw_buf_puts(&b, "options ndots:0\n");
    return sw_buf_steal(&b);
}

char *hosts_file(const struct net_attach *a, const struct net_result *r)
{
    struct sw_buf b = SW_BUF_INIT;

    sw_buf_puts(&b, "127.0.0.1\tlocalhost\n"
                    "::1\tlocalhost ip6-localhost ip6-loopback\n"
                    "fe00::0\tip6-localnet\n"
                    "ff00::0\tip6-mcastprefix\n"
                    "ff02::1\tip6-allnodes\n"
                    "ff02::2\tip6-allrouters\n");
    for (size_t i = 0; i < a->n_hosts; i++) {
        sw_buf_puts(&b, a->hosts[i]);
        sw_buf_putc(&b, '\n');
    }
    for (size_t i = 0; i < r->n_ifaces; i++) {
        sw_buf_printf(&b, TABLE_IP_FMT "\t", TABLE_IP_ARGS(r->ifaces[i].addr));
        if (a->hostname != NULL && a->hostname[0] != '\0')
            sw_buf_printf(&b, "%s\n", a->hostname);
        else
            sw_buf_printf(&b, "%.12s\n", a->container_id);
    }
    return sw_buf_steal(&b);
}

size_t hosts_node_servers(const char *path, char out[HOSTS_SERVERS_MAX][64])
{
    FILE *f = fopen(path, "re");
    char line[1024];
    size_t n = 0;

    if (f == NULL)
        return 0;
    while (n < HOSTS_SERVERS_MAX && fgets(line, sizeof(line), f) != NULL)
        if (sscanf(line, " nameserver %63s", out[n]) == 1)
            n++;
    fclose(f);
    return n;
}
