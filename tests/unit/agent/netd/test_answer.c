/* SPDX-License-Identifier: Apache-2.0
 * Answers are read back with ldns, so that two implementations must agree on the wire format. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <ldns/ldns.h>

#include "agent/netd/dns/answer.h"
#include "tests/unit/agent/netd/networks.h"

struct fixture {
    struct test_net net[2];
    struct dns_names *names[2];
    struct dns_asker asker;
    struct sw_err err;
    uint8_t query[1024];
    size_t n;
    uint8_t out[65536];
    size_t len;
    ldns_pkt *pkt; /* the answer */
};

static int setup(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));

    net_backend(&f->net[0]);
    net_front(&f->net[1]);
    for (unsigned i = 0; i < 2; i++) {
        if (dns_names_new(&f->names[i], &f->net[i].t, &f->err) != 0)
            return -1;
    }
    f->asker = (struct dns_asker){
        .networks = (const struct dns_names *const *)f->names,
        .n_networks = 2,
        .forward = true,
        .random = 12345,
    };
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    ldns_pkt_free(f->pkt);
    dns_names_free(f->names[0]);
    dns_names_free(f->names[1]);
    test_free(f);
    return 0;
}

static void make_query(struct fixture *f, const char *name, uint16_t type, size_t edns)
{
    uint8_t *p = f->query;

    memcpy(p, "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00", 12);
    f->n = 12;
    for (const char *s = name; *s != 0;) {
        size_t k = strcspn(s, ".");

        p[f->n++] = (uint8_t)k;
        memcpy(p + f->n, s, k);
        f->n += k;
        s += k + (s[k] == '.');
    }
    p[f->n++] = 0;
    p[f->n++] = (uint8_t)(type >> 8);
    p[f->n++] = (uint8_t)type;
    p[f->n++] = 0;
    p[f->n++] = 1;
    if (edns > 0) {
        memcpy(p + f->n, "\0\0\x29\0\0\0\0\0\0\0\0", 11);
        p[f->n + 3] = (uint8_t)(edns >> 8);
        p[f->n + 4] = (uint8_t)edns;
        p[11] = 1;
        f->n += 11;
    }
}

static enum dns_verdict run(struct fixture *f)
{
    enum dns_verdict v;

    f->len = 0;
    v = dns_answer(&f->asker, f->query, f->n, f->out, sizeof(f->out), &f->len);
    ldns_pkt_free(f->pkt);
    f->pkt = NULL;
    if (v == DNS_ANSWER) {
        assert_int_equal(ldns_wire2pkt(&f->pkt, f->out, f->len), LDNS_STATUS_OK);
        assert_int_equal(ldns_pkt_id(f->pkt), 0x1234);
        assert_true(ldns_pkt_qr(f->pkt));
        assert_true(ldns_pkt_ra(f->pkt));
    }
    return v;
}

static enum dns_verdict ask(struct fixture *f, const char *name, uint16_t type)
{
    make_query(f, name, type, 0);
    return run(f);
}

/* The whole answer section as text, sorted records separated by spaces: "600 A 10.90.0.2". */
static const char *answers(struct fixture *f)
{
    static char text[2000];
    ldns_rr_list *l = ldns_pkt_answer(f->pkt);
    size_t at = 0;

    text[0] = 0;
    ldns_rr_list_sort(l);
    for (size_t i = 0; i < ldns_rr_list_rr_count(l); i++) {
        ldns_rr *rr = ldns_rr_list_rr(l, i);
        char *type = ldns_rr_type2str(ldns_rr_get_type(rr));
        char *data = ldns_rdf2str(ldns_rr_rdf(rr, 0));

        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%u %s %s", at > 0 ? ", " : "",
                               ldns_rr_ttl(rr), type, data);
        free(type);
        free(data);
    }
    return text;
}

static void names_of_services_tasks_and_containers_are_answered(void **state)
{
    static const struct {
        const char *name, *want;
    } t[] = {
        { "web", "600 A 10.90.0.2" },
        { "WeB", "600 A 10.90.0.2" },
        { "www", "600 A 10.90.0.2" },
        { "tasks.web", "5 A 10.90.0.11, 5 A 10.90.0.12" },
        { "db", "5 A 10.90.0.21" },
        { "tool", "5 A 10.90.0.31" },
        { "t1", "5 A 10.90.0.31" },
        { "web.1.abc", "5 A 10.90.0.11" },
        { "web.backend", "600 A 10.90.0.2" },
        { "web.front", "600 A 10.91.0.9" },
        { "tasks.web.BACKEND", "5 A 10.90.0.11, 5 A 10.90.0.12" },
        { "tool.front", "5 A 10.91.0.31" },
        { "none", "" },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        assert_int_equal(ask(f, t[i].name, LDNS_RR_TYPE_A), DNS_ANSWER);
        assert_int_equal(ldns_pkt_get_rcode(f->pkt), LDNS_RCODE_NOERROR);
        assert_string_equal(answers(f), t[i].want);
    }
}

static void the_answer_repeats_the_question_letter_by_letter(void **state)
{
    struct fixture *f = *state;

    (void)ask(f, "WeB", LDNS_RR_TYPE_A);
    assert_memory_equal(f->out + 12, "\3WeB\0\0\1\0\1", 9); /* RFC draft dns-0x20 clients check */
}

static void a_known_name_without_the_asked_type_is_empty_not_an_error(void **state)
{
    static const uint16_t types[] = { LDNS_RR_TYPE_AAAA, LDNS_RR_TYPE_MX, LDNS_RR_TYPE_SRV, 65 };
    struct fixture *f = *state;

    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(ask(f, "web", types[i]), DNS_ANSWER);
        assert_int_equal(ldns_pkt_get_rcode(f->pkt), LDNS_RCODE_NOERROR);
        assert_int_equal(ldns_pkt_ancount(f->pkt), 0);
    }
}

static void unknown_names_are_for_others_unless_that_is_forbidden(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(ask(f, "example.com", LDNS_RR_TYPE_A), DNS_FORWARD);
    assert_int_equal(ask(f, "web.elsewhere", LDNS_RR_TYPE_A), DNS_FORWARD);
    assert_int_equal(ask(f, "", LDNS_RR_TYPE_NS), DNS_FORWARD);
    f->asker.forward = false;
    assert_int_equal(ask(f, "example.com", LDNS_RR_TYPE_A), DNS_ANSWER);
    assert_int_equal(ldns_pkt_get_rcode(f->pkt), LDNS_RCODE_NXDOMAIN);
}

static void addresses_are_answered_with_qualified_names(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(ask(f, "11.0.90.10.in-addr.arpa", LDNS_RR_TYPE_PTR), DNS_ANSWER);
    assert_string_equal(answers(f), "5 PTR web.1.abc.backend.");
    assert_int_equal(ask(f, "31.0.91.10.IN-ADDR.ARPA", LDNS_RR_TYPE_PTR), DNS_ANSWER);
    assert_string_equal(answers(f), "5 PTR tool.front.");
    assert_int_equal(ask(f, "2.0.90.10.in-addr.arpa", LDNS_RR_TYPE_PTR), DNS_ANSWER);
    assert_string_equal(answers(f), "5 PTR web.backend.");
    /* Nobody's, but inside: not the world's business. */
    assert_int_equal(ask(f, "99.0.90.10.in-addr.arpa", LDNS_RR_TYPE_PTR), DNS_ANSWER);
    assert_int_equal(ldns_pkt_get_rcode(f->pkt), LDNS_RCODE_NXDOMAIN);
    assert_int_equal(ask(f, "1.2.0.192.in-addr.arpa", LDNS_RR_TYPE_PTR), DNS_FORWARD);
    assert_int_equal(ask(f, "011.0.90.10.in-addr.arpa", LDNS_RR_TYPE_PTR), DNS_FORWARD);
    assert_int_equal(ask(f, "0.90.10.in-addr.arpa", LDNS_RR_TYPE_PTR), DNS_FORWARD);
}

static void a_container_sees_its_own_networks_only(void **state)
{
    struct fixture *f = *state;

    f->asker.n_networks = 1;
    assert_int_equal(ask(f, "web.front", LDNS_RR_TYPE_A), DNS_FORWARD);
    f->asker.networks = (const struct dns_names *const *)&f->names[1];
    assert_int_equal(ask(f, "db", LDNS_RR_TYPE_A), DNS_FORWARD);
    assert_int_equal(ask(f, "web", LDNS_RR_TYPE_A), DNS_ANSWER);
    assert_string_equal(answers(f), "600 A 10.91.0.9");
}

static void the_order_of_addresses_changes_with_the_random_number(void **state)
{
    struct fixture *f = *state;
    unsigned first[2] = { 0 };

    for (unsigned i = 0; i < 200; i++) {
        f->asker.random = 0x9e3779b97f4a7c15ull * (i + 1);
        (void)ask(f, "tasks.web", LDNS_RR_TYPE_A);
        first[f->out[f->len - 16 - 1] == 11]++; /* last byte of the first record */
    }
    assert_in_range(first[0], 60, 140);
    assert_in_range(first[1], 60, 140);
}

/* 300 tasks: 16 bytes each and 12 + 12 for header and question. */
static void answers_are_cut_to_what_the_client_takes(void **state)
{
    static Swarm__V1__NetworkEndpoint e[300];
    static Swarm__V1__NetworkEndpoint *ep[300];
    struct fixture *f = *state;

    for (unsigned i = 0; i < 300; i++) {
        swarm__v1__network_endpoint__init(&e[i]);
        e[i].service = 2;
        e[i].addr = 0x0a5a0100 + i;
        e[i].serving = 1;
        ep[i] = &e[i];
    }
    f->net[0].t.endpoints = ep;
    f->net[0].t.n_endpoints = 300;
    dns_names_free(f->names[0]);
    assert_int_equal(dns_names_new(&f->names[0], &f->net[0].t, &f->err), 0);

    (void)ask(f, "db", LDNS_RR_TYPE_A);
    assert_true(f->len <= 512 && f->len > 480);
    assert_true(ldns_pkt_tc(f->pkt));
    make_query(f, "db", LDNS_RR_TYPE_A, 1232);
    (void)run(f);
    assert_true(f->len <= 1232 && f->len > 1200);
    assert_true(ldns_pkt_tc(f->pkt));
    assert_int_equal(ldns_pkt_arcount(f->pkt), 0); /* ldns counts EDNS apart */
    assert_true(ldns_pkt_edns(f->pkt));
    make_query(f, "db", LDNS_RR_TYPE_A, 65535); /* more than we ever send by UDP */
    (void)run(f);
    assert_true(f->len <= 4096);
    assert_true(ldns_pkt_tc(f->pkt));
    f->asker.tcp = true;
    (void)ask(f, "db", LDNS_RR_TYPE_A);
    assert_false(ldns_pkt_tc(f->pkt));
    assert_int_equal(ldns_pkt_ancount(f->pkt), 300);
}

static void edns_is_answered_with_edns_and_never_unasked(void **state)
{
    struct fixture *f = *state;

    (void)ask(f, "web", LDNS_RR_TYPE_A);
    assert_false(ldns_pkt_edns(f->pkt));
    make_query(f, "web", LDNS_RR_TYPE_A, 100); /* below 512 counts as 512 */
    (void)run(f);
    assert_true(ldns_pkt_edns(f->pkt));
    assert_int_equal(ldns_pkt_ancount(f->pkt), 1);
    f->query[f->n - 5] = 1; /* EDNS version 1 */
    (void)run(f);
    assert_int_equal(ldns_pkt_edns_extended_rcode(f->pkt), 1); /* BADVERS = 16 */
}

static void what_is_no_query_gets_no_answer(void **state)
{
    struct fixture *f = *state;

    make_query(f, "web", LDNS_RR_TYPE_A, 0);
    f->query[2] |= 0x80; /* an answer: answering it could go on for ever */
    assert_int_equal(run(f), DNS_IGNORE);
    f->n = 11;
    assert_int_equal(run(f), DNS_IGNORE);
}

static void malformed_queries_get_an_error(void **state)
{
    struct fixture *f = *state;

    make_query(f, "web", LDNS_RR_TYPE_A, 0);
    f->n -= 3;
    assert_int_equal(run(f), DNS_ANSWER);
    assert_int_equal(ldns_pkt_get_rcode(f->pkt), LDNS_RCODE_FORMERR);
    make_query(f, "web", LDNS_RR_TYPE_A, 0);
    f->query[12] = 0xc0; /* a name that points at itself */
    f->query[13] = 0x0c;
    (void)run(f);
    assert_int_equal(ldns_pkt_get_rcode(f->pkt), LDNS_RCODE_FORMERR);
    make_query(f, "web", LDNS_RR_TYPE_A, 0);
    f->query[5] = 2;
    (void)run(f);
    assert_int_equal(ldns_pkt_get_rcode(f->pkt), LDNS_RCODE_FORMERR);
    make_query(f, "web", LDNS_RR_TYPE_A, 0);
    f->query[2] = 0x28; /* UPDATE */
    (void)run(f);
    assert_int_equal(ldns_pkt_get_rcode(f->pkt), LDNS_RCODE_NOTIMPL);
}

static void names_of_the_greatest_length_fit(void **state)
{
    struct fixture *f = *state;
    char name[300];

    /* 63 + 63 + 63 + 61 and three dots: 253, the most there is */
    memset(name, 'a', sizeof(name));
    name[63] = name[127] = name[191] = '.';
    name[253] = 0;
    assert_int_equal(ask(f, name, LDNS_RR_TYPE_A), DNS_FORWARD);
    name[253] = 'a';
    name[254] = 0;
    assert_int_equal(ask(f, name, LDNS_RR_TYPE_A), DNS_ANSWER);
    assert_int_equal(ldns_pkt_get_rcode(f->pkt), LDNS_RCODE_FORMERR);
}

static void an_answer_belongs_to_the_question_it_repeats(void **state)
{
    struct fixture *f = *state;
    uint8_t other[512];
    size_t n;

    make_query(f, "db", LDNS_RR_TYPE_A, 0);
    (void)run(f);
    assert_true(dns_same_question(f->query, f->n, f->out, f->len));
    f->out[13] = 'D'; /* case does not matter */
    assert_true(dns_same_question(f->query, f->n, f->out, f->len));
    f->out[13] = 'x';
    assert_false(dns_same_question(f->query, f->n, f->out, f->len));
    make_query(f, "db", LDNS_RR_TYPE_MX, 0);
    n = dns_error(f->query, f->n, DNS_SERVFAIL, other, sizeof(other));
    assert_true(dns_same_question(f->query, f->n, other, n));
    make_query(f, "db", LDNS_RR_TYPE_A, 0);
    assert_false(dns_same_question(f->query, f->n, other, n));
    assert_false(dns_same_question(f->query, f->n, f->query, f->n)); /* no answer at all */
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(names_of_services_tasks_and_containers_are_answered),
        TEST(the_answer_repeats_the_question_letter_by_letter),
        TEST(a_known_name_without_the_asked_type_is_empty_not_an_error),
        TEST(unknown_names_are_for_others_unless_that_is_forbidden),
        TEST(addresses_are_answered_with_qualified_names),
        TEST(a_container_sees_its_own_networks_only),
        TEST(the_order_of_addresses_changes_with_the_random_number),
        TEST(answers_are_cut_to_what_the_client_takes),
        TEST(edns_is_answered_with_edns_and_never_unasked),
        TEST(what_is_no_query_gets_no_answer),
        TEST(malformed_queries_get_an_error),
        TEST(names_of_the_greatest_length_fit),
        TEST(an_answer_belongs_to_the_question_it_repeats),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
