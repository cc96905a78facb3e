/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/netd/dns/answer.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "common/base/macro.h"

#define TYPE_A   1u
#define TYPE_PTR 12u
#define TYPE_OPT 41u
#define TYPE_ANY 255u
#define CLASS_IN 1u

#define FLAG_QR     0x8000u
#define FLAG_OPCODE 0x7800u
#define FLAG_TC     0x0200u
#define FLAG_RD     0x0100u
#define FLAG_RA     0x0080u

#define OPT_LEN     11u
#define OPT_SIZE    1232u /* what we take ourselves: DNS flag day 2020 */
#define ADDRS_MAX   4096u /* more than any answer holds */
#define REVERSE_END ".in-addr.arpa"

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
    put16(p, v >> 16);
    put16(p + 2, v & 0xffff);
}

/* -------------------------------------------------------------------------------------- queries */

/* The question's name, uncompressed: a query has nothing to point at.
 * Return: offset behind it, 0 when malformed. */
static size_t parse_name(struct dns_query *q, const uint8_t *p, size_t n, size_t at)
{
    size_t len = 0;

    q->plain = true;
    while (at < n && p[at] != 0) {
        size_t label = p[at++];

        if (label > 63 || at + label > n || len + label + 1 > DNS_NAME_MAX)
            return 0;
        if (len > 0)
            q->name[len++] = '.';
        for (size_t i = 0; i < label; i++) {
            char c = (char)p[at + i];

            if (c >= 'A' && c <= 'Z')
                c = (char)(c - 'A' + 'a');
            if (c <= ' ' || c == '.' || c == 0x7f)
                q->plain = false; /* cannot be written as text: not one of ours */
            q->name[len++] = c != 0 ? c : '?';
        }
        at += label;
    }
    q->name[len] = 0;
    return at < n ? at + 1 : 0;
}

/* Skip a name that may be compressed. Return: offset behind it, 0 when malformed. */
static size_t skip_name(const uint8_t *p, size_t n, size_t at)
{
    while (at < n) {
        if (p[at] == 0)
            return at + 1;
        if (p[at] >= 0xc0)
            return at + 2 <= n ? at + 2 : 0;
        if (p[at] > 63)
            return 0;
        at += 1u + p[at];
    }
    return 0;
}

/* Find EDNS among the records behind the question. Return: false when they are malformed. */
static bool parse_opt(struct dns_query *q, const uint8_t *p, size_t n, size_t at)
{
    unsigned records = (unsigned)get16(p + 6) + get16(p + 8) + get16(p + 10);

    for (unsigned i = 0; i < records; i++) {
        at = skip_name(p, n, at);
        if (at == 0 || at + 10 > n || at + 10 + get16(p + at + 8) > n)
            return false;
        if (get16(p + at) == TYPE_OPT) {
            if (q->edns)
                return false; /* RFC 6891 6.1.1: at most one */
            q->edns = true;
            q->edns_size = get16(p + at + 2);
            q->edns_version = p[at + 5];
        }
        at += 10u + get16(p + at + 8);
    }
    return true;
}

int dns_parse(struct dns_query *q, const uint8_t *p, size_t n)
{
    size_t at;

    memset(q, 0, sizeof(*q));
    if (n < DNS_HDR || (get16(p + 2) & FLAG_QR) != 0)
        return -1;
    q->id = get16(p);
    q->rd = (get16(p + 2) & FLAG_RD) != 0;
    if ((get16(p + 2) & FLAG_OPCODE) != 0)
        return DNS_NOTIMP;
    if (get16(p + 4) != 1)
        return DNS_FORMERR;
    at = parse_name(q, p, n, DNS_HDR);
    if (at == 0 || at + 4 > n)
        return DNS_FORMERR;
    q->type = get16(p + at);
    if (get16(p + at + 2) != CLASS_IN)
        q->plain = false;
    if (!parse_opt(q, p, n, at + 4)) {
        q->edns = false;
        return DNS_FORMERR;
    }
    q->question_len = at + 4 - DNS_HDR;
    return DNS_NOERROR;
}

bool dns_same_question(const uint8_t *query, size_t n_query, const uint8_t *answer, size_t n_answer)
{
    struct dns_query a, b;

    if (n_answer < DNS_HDR || (answer[2] & 0x80) == 0 ||
        dns_parse(&a, query, n_query) != DNS_NOERROR || n_answer < DNS_HDR + a.question_len ||
        get16(answer + 4) != 1)
        return false;
    memset(&b, 0, sizeof(b));
    return parse_name(&b, answer, n_answer, DNS_HDR) == DNS_HDR + a.question_len - 4 &&
           strcmp(a.name, b.name) == 0 &&
           memcmp(query + DNS_HDR + a.question_len - 4, answer + DNS_HDR + a.question_len - 4, 4) ==
               0;
}

/* -------------------------------------------------------------------------------------- answers */

struct reply {
    uint8_t *p;
    size_t len, cap;
    const struct dns_query *q;
    uint16_t answers;
    bool truncated;
};

static void reply_begin(struct reply *r, const struct dns_query *q, const uint8_t *query,
                        uint8_t *out, size_t cap)
{
    *r = (struct reply){ .p = out, .cap = cap - (q->edns ? OPT_LEN : 0), .q = q };
    memset(out, 0, DNS_HDR);
    put16(out, q->id);
    r->len = DNS_HDR;
    if (q->question_len > 0) {
        put16(out + 4, 1);
        memcpy(out + DNS_HDR, query + DNS_HDR, q->question_len);
        r->len += q->question_len;
    }
}

/* One record for the name in the question. Return: where its data goes; NULL when it is full. */
static uint8_t *reply_record(struct reply *r, uint16_t type, uint32_t ttl, size_t n)
{
    uint8_t *p = r->p + r->len;

    if (r->len + 12 + n > r->cap) {
        r->truncated = true;
        return NULL;
    }
    put16(p, 0xc000u | DNS_HDR);
    put16(p + 2, type);
    put16(p + 4, CLASS_IN);
    put32(p + 6, ttl);
    put16(p + 10, (uint32_t)n);
    r->len += 12 + n;
    r->answers++;
    return p + 12;
}

static size_t reply_end(struct reply *r, unsigned rcode)
{
    uint32_t flags = FLAG_QR | FLAG_RA | (r->q->rd ? FLAG_RD : 0) | (r->truncated ? FLAG_TC : 0);

    put16(r->p + 2, flags | (rcode & 15));
    put16(r->p + 6, r->answers);
    if (r->q->edns) {
        uint8_t *p = r->p + r->len;

        memset(p, 0, OPT_LEN);
        put16(p + 1, TYPE_OPT);
        put16(p + 3, OPT_SIZE);
        p[5] = (uint8_t)(rcode >> 4);
        put16(r->p + 10, 1);
        r->len += OPT_LEN;
    }
    return r->len;
}

static uint64_t next_random(uint64_t *x)
{
    *x ^= *x << 13; /* xorshift64: spreading load needs no better one */
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return *x;
}

static void answer_addrs(struct reply *r, const struct dns_record *rec, uint64_t random)
{
    uint32_t addrs[ADDRS_MAX];
    size_t n = SW_MIN(rec->n, (size_t)ADDRS_MAX);
    uint64_t x = random | 1;
    size_t from = rec->n > n ? (size_t)(next_random(&x) % rec->n) : 0;

    for (size_t i = 0; i < n; i++)
        addrs[i] = rec->addrs[(from + i) % rec->n];
    for (size_t i = n; i > 1; i--) { /* Fisher and Yates */
        size_t j = (size_t)(next_random(&x) % i);
        uint32_t t = addrs[i - 1];

        addrs[i - 1] = addrs[j];
        addrs[j] = t;
    }
    for (size_t i = 0; i < n; i++) {
        uint8_t *p = reply_record(r, TYPE_A, rec->vip ? DNS_TTL_VIP_S : DNS_TTL_TASK_S, 4);

        if (p == NULL)
            return;
        put32(p, addrs[i]);
    }
}

/* "web.1.x.backend" as labels. Return: false when a label is empty or too long. */
static bool encode_name(const char *a, const char *b, uint8_t *out, size_t cap, size_t *len)
{
    char text[2 * DNS_NAME_MAX + 2];
    size_t at = 0;

    (void)snprintf(text, sizeof(text), "%s.%s", a, b);
    for (const char *s = text; *s != 0;) {
        size_t n = strcspn(s, ".");

        if (n == 0 || n > 63 || at + n + 2 > cap)
            return false;
        out[at++] = (uint8_t)n;
        memcpy(out + at, s, n);
        at += n;
        s += n + (s[n] == '.');
    }
    out[at++] = 0;
    *len = at;
    return true;
}

/* -------------------------------------------------------------------------------------- look-up */

static bool find_in(const struct dns_names *d, const char *name, struct dns_record *rec)
{
    const char *network = dns_names_network(d);
    size_t n = strlen(name), k = strlen(network);
    char head[DNS_NAME_MAX + 1];

    if (dns_names_find(d, name, rec))
        return true;
    if (k == 0 || n < k + 2 || name[n - k - 1] != '.' || strcmp(name + n - k, network) != 0)
        return false;
    memcpy(head, name, n - k - 1);
    head[n - k - 1] = 0;
    return dns_names_find(d, head, rec);
}

static bool find(const struct dns_asker *a, const char *name, struct dns_record *rec)
{
    for (size_t i = 0; i < a->n_networks; i++) {
        if (a->networks[i] != NULL && find_in(a->networks[i], name, rec))
            return true;
    }
    return false;
}

/* "4.3.2.1.in-addr.arpa" -> 1.2.3.4. Return: false when it is no whole address. */
static bool reverse_addr(const char *name, uint32_t *addr)
{
    unsigned b[4];
    int used = 0;
    char canonical[32];
    size_t n = strlen(name), k = strlen(REVERSE_END);

    if (n <= k || n - k >= sizeof(canonical) || strcmp(name + n - k, REVERSE_END) != 0 ||
        sscanf(name, "%3u.%3u.%3u.%3u%n", &b[3], &b[2], &b[1], &b[0], &used) != 4 ||
        (size_t)used != n - k || b[0] > 255 || b[1] > 255 || b[2] > 255 || b[3] > 255)
        return false;
    (void)snprintf(canonical, sizeof(canonical), "%u.%u.%u.%u", b[3], b[2], b[1], b[0]);
    if (strncmp(canonical, name, n - k) != 0)
        return false;
    *addr = b[0] << 24 | b[1] << 16 | b[2] << 8 | b[3];
    return true;
}

/* Return: true when the reply is complete, with its code in *rcode. */
static bool answer_reverse(const struct dns_asker *a, struct reply *r, unsigned *rcode)
{
    bool covered = false;
    uint32_t addr;

    if (!reverse_addr(r->q->name, &addr))
        return false;
    for (size_t i = 0; i < a->n_networks; i++) {
        const struct dns_names *d = a->networks[i];
        const char *text = d != NULL ? dns_names_reverse(d, addr) : NULL;
        uint8_t name[256];
        size_t len;

        covered = covered || (d != NULL && dns_names_covers(d, addr));
        if (text == NULL)
            continue;
        if ((r->q->type == TYPE_PTR || r->q->type == TYPE_ANY) &&
            encode_name(text, dns_names_network(d), name, sizeof(name), &len)) {
            uint8_t *p = reply_record(r, TYPE_PTR, DNS_TTL_TASK_S, len);

            if (p != NULL)
                memcpy(p, name, len);
        }
        *rcode = DNS_NOERROR;
        return true;
    }
    *rcode = DNS_NXDOMAIN;
    return covered;
}

static size_t limit_of(const struct dns_asker *a, const struct dns_query *q, size_t cap)
{
    size_t size = DNS_UDP_MIN;

    if (a->tcp)
        return SW_MIN(cap, (size_t)DNS_TCP_MAX);
    if (q->edns)
        size = SW_MIN(SW_MAX((size_t)q->edns_size, (size_t)DNS_UDP_MIN), (size_t)DNS_UDP_MAX);
    return SW_MIN(cap, size);
}

enum dns_verdict dns_answer(const struct dns_asker *a, const uint8_t *p, size_t n, uint8_t *out,
                            size_t cap, size_t *out_len)
{
    struct dns_query q;
    struct dns_record rec;
    struct reply r;
    unsigned rcode = DNS_NOERROR;
    int parsed = dns_parse(&q, p, n);

    if (parsed < 0)
        return DNS_IGNORE;
    reply_begin(&r, &q, p, out, limit_of(a, &q, cap));
    if (parsed != DNS_NOERROR || (q.edns && q.edns_version != 0)) {
        rcode = parsed != DNS_NOERROR ? (unsigned)parsed : DNS_BADVERS;
    } else if (q.plain && answer_reverse(a, &r, &rcode)) {
        /* answered */
    } else if (q.plain && find(a, q.name, &rec)) {
        rcode = DNS_NOERROR;
        if ((q.type == TYPE_A || q.type == TYPE_ANY) && rec.n > 0)
            answer_addrs(&r, &rec, a->random);
    } else if (a->forward) {
        return DNS_FORWARD;
    } else {
        rcode = DNS_NXDOMAIN;
    }
    *out_len = reply_end(&r, rcode);
    return DNS_ANSWER;
}

size_t dns_error(const uint8_t *p, size_t n, enum dns_rcode rcode, uint8_t *out, size_t cap)
{
    struct dns_query q;
    struct reply r;

    assert(cap >= DNS_UDP_MIN);
    if (dns_parse(&q, p, n) < 0)
        return 0;
    reply_begin(&r, &q, p, out, cap);
    return reply_end(&r, rcode);
}
