/* SPDX-License-Identifier: Apache-2.0
 * A container asks anything, and a nameserver answers anything: query, 0xff 0xff, answer. */
// uses: agent_netd_dns
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "agent/netd/dns/answer.h"
#include "tests/unit/agent/netd/networks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct dns_names *names[2];
    static struct test_net net[2];
    struct dns_asker a = { .networks = (const struct dns_names *const *)names, .n_networks = 2 };
    const uint8_t *mark = memmem(data, size, "\xff\xff", 2);
    size_t n = mark != NULL ? (size_t)(mark - data) : size;
    uint8_t *query = malloc(n + 1);
    uint8_t *out = malloc(DNS_UDP_MAX);
    size_t len = 0;
    struct sw_err err;

    if (names[0] == NULL) {
        net_backend(&net[0]);
        net_front(&net[1]);
        if (dns_names_new(&names[0], &net[0].t, &err) < 0 ||
            dns_names_new(&names[1], &net[1].t, &err) < 0)
            abort();
    }
    memcpy(query, data, n);
    a.random = n;
    if (dns_answer(&a, query, n, out, DNS_UDP_MAX, &len) == DNS_ANSWER)
        assert(len >= DNS_HDR && len <= DNS_UDP_MAX);
    len = dns_error(query, n, DNS_SERVFAIL, out, DNS_UDP_MAX);
    assert(len <= DNS_UDP_MAX);
    if (mark != NULL)
        (void)dns_same_question(query, n, mark + 2, size - n - 2);
    free(query);
    free(out);
    return 0;
}
