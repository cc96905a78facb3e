/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/macro.h"
#include "common/crypto/cert.h"
#include "common/crypto/secret.h"
#include "tests/lib/test_heap.h"

#define HOUR (3600ll * SW_NS_PER_S)
#define DAY  (24 * HOUR)
#define NOW  1700000000000000000ll /* 2023-11-14T22:13:20Z */

struct fixture {
    struct sw_root_key root;
    struct sw_sign_key sign;
    struct sw_dh_key dh;
    struct sw_cert_request req;
    struct sw_cert_grant grant;
    struct sw_cert cert;
    struct sw_err err;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct sw_id cluster;
    uint8_t bytes[SW_CERT_REQUEST_MAX];
    size_t len;

    *state = f;
    assert_int_equal(sw_crypto_init(&f->err), 0);
    memset(cluster.b, 0, sizeof(cluster.b));
    cluster.b[15] = 35; /* ...0z */
    assert_int_equal(sw_root_key_make(&f->root, &cluster, NOW, &f->err), 0);
    sw_sign_key_make(&f->sign);
    sw_dh_key_make(&f->dh);
    assert_int_equal(sw_cert_request_make(&f->sign, &f->dh, bytes, &len, &f->err), 0);
    assert_int_equal(sw_cert_request_decode(&f->req, bytes, len, &f->err), 0);
    f->grant = (struct sw_cert_grant){ .role = SW_ROLE_WORKER, .serial = 5, .now_ns = NOW };
    f->grant.node_id.b[15] = 1; /* ...01 */
    assert_int_equal(sw_cert_issue(&f->cert, &f->root, &f->req, &f->grant, &f->err), 0);
    return 0;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

static int verify(struct fixture *f, int64_t now)
{
    return sw_cert_verify(&f->cert, &f->root.root, 1, now, &f->err);
}

static void an_issued_certificate_says_what_was_granted(void **state)
{
    struct fixture *f = *state;
    struct sw_cert again;

    assert_int_equal(f->cert.role, SW_ROLE_WORKER);
    assert_int_equal(f->cert.serial, 5);
    assert_int_equal(f->cert.not_before_ns, NOW - HOUR);
    assert_int_equal(f->cert.not_after_ns, NOW + 90 * DAY);
    assert_memory_equal(f->cert.public_key, f->sign.public_key, SW_KEY_BYTES);
    assert_memory_equal(f->cert.static_key, f->dh.public_key, SW_KEY_BYTES);
    assert_memory_equal(f->cert.issuer, f->root.root.digest, SW_SHA256_BYTES);
    assert_true(sw_id_equal(&f->cert.cluster_id, &f->root.root.cluster_id));
    assert_int_equal(verify(f, NOW), 0);
    assert_int_equal(sw_cert_decode(&again, f->cert.bytes, f->cert.len, &f->err), 0);
    assert_int_equal(sw_cert_verify(&again, &f->root.root, 1, NOW, &f->err), 0);
    assert_in_range(f->cert.len, 200, 300);
}

static void the_clock_matters_to_the_nanosecond(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(verify(f, NOW - HOUR), 0);
    assert_int_equal(verify(f, NOW - HOUR - 1), SW_E_PERMISSION);
    assert_string_equal(f->err.msg,
                        "certificate of node 0000000000000000000000001 is not yet valid: is the "
                        "clock of this machine right? certificate valid from 2023-11-14T21:13:20Z "
                        "to 2024-02-12T22:13:20Z, now 2023-11-14T21:13:19.999999999Z");
    assert_int_equal(verify(f, NOW + 90 * DAY), 0);
    assert_int_equal(verify(f, NOW + 90 * DAY + 1), SW_E_PERMISSION);
    assert_int_equal(verify(f, NOW + 730 * DAY), SW_E_PERMISSION);
    assert_string_equal(
        f->err.msg, "certificate of node 0000000000000000000000001 has expired: is the clock of "
                    "this machine right? certificate valid from 2023-11-14T21:13:20Z to "
                    "2024-02-12T22:13:20Z, now 2025-11-13T22:13:20Z");
    assert_int_equal(verify(f, NOW - 730 * DAY), SW_E_PERMISSION);
}

static void another_cluster_is_named(void **state)
{
    struct fixture *f = *state;
    struct sw_root_key other;
    struct sw_id cluster = { { 0 } };

    cluster.b[15] = 2;
    assert_int_equal(sw_root_key_make(&other, &cluster, NOW, &f->err), 0);
    assert_int_equal(sw_cert_verify(&f->cert, &other.root, 1, NOW, &f->err), SW_E_PERMISSION);
    assert_string_equal(f->err.msg, "certificate of node 0000000000000000000000001 is of cluster "
                                    "000000000000000000000000z, this is cluster "
                                    "0000000000000000000000002");
}

static void any_trusted_root_will_do_and_no_other(void **state)
{
    struct fixture *f = *state;
    struct sw_root_key next;
    struct sw_root roots[2];

    assert_int_equal(sw_root_key_make(&next, &f->root.root.cluster_id, NOW + DAY, &f->err), 0);
    roots[0] = next.root;
    roots[1] = f->root.root;
    assert_int_equal(sw_cert_verify(&f->cert, roots, 2, NOW, &f->err), 0);
    assert_int_equal(sw_cert_verify(&f->cert, roots, 1, NOW, &f->err), SW_E_PERMISSION);
    assert_non_null(strstr(f->err.msg, "was issued by an unknown root"));
}

/* Every bit of the encoded certificate: whatever can still be decoded must not verify. */
static void any_changed_bit_is_noticed(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[SW_CERT_MAX];
    unsigned decoded = 0;

    for (size_t bit = 0; bit < f->cert.len * 8; bit++) {
        struct sw_cert cert;

        memcpy(bytes, f->cert.bytes, f->cert.len);
        bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        if (sw_cert_decode(&cert, bytes, f->cert.len, &f->err) < 0) {
            assert_int_equal(f->err.code, SW_E_CRYPTO);
            continue;
        }
        decoded++;
        if (sw_cert_verify(&cert, &f->root.root, 1, NOW, &f->err) == 0)
            fail_msg("bit %zu may be changed", bit);
    }
    assert_true(decoded > 1000);
}

static void a_cut_certificate_is_malformed(void **state)
{
    struct fixture *f = *state;
    struct sw_cert cert;

    for (size_t n = 0; n < f->cert.len; n++)
        assert_int_equal(sw_cert_decode(&cert, f->cert.bytes, n, &f->err), SW_E_CRYPTO);
    assert_int_equal(sw_cert_decode(&cert, f->cert.bytes, SW_CERT_MAX + 1, &f->err), SW_E_CRYPTO);
}

static void a_root_signature_of_another_kind_does_not_count(void **state)
{
    struct fixture *f = *state;
    uint8_t sig[SW_SIGNATURE_BYTES];

    assert_int_equal(sw_sign(&f->root.key, "one thing", "msg", 3, sig), 0);
    assert_int_equal(sw_sign_verify(f->root.key.public_key, "one thing", "msg", 3, sig), 0);
    assert_int_equal(sw_sign_verify(f->root.key.public_key, "other thing", "msg", 3, sig),
                     SW_E_CRYPTO);
    assert_int_equal(sw_sign_verify(f->root.key.public_key, "one thing", "msh", 3, sig),
                     SW_E_CRYPTO);
    /* The zero byte between domain and message keeps their border where it is. */
    assert_int_equal(sw_sign_verify(f->root.key.public_key, "one thingm", "sg", 2, sig),
                     SW_E_CRYPTO);
}

static void a_request_must_be_signed_by_its_own_key(void **state)
{
    struct fixture *f = *state;
    struct sw_sign_key other;
    struct sw_sign_key mixed;
    struct sw_cert_request req;
    uint8_t bytes[SW_CERT_REQUEST_MAX];
    size_t len;

    sw_sign_key_make(&other);
    mixed = other;
    memcpy(mixed.public_key, f->sign.public_key, SW_KEY_BYTES);
    assert_int_equal(sw_cert_request_make(&mixed, &f->dh, bytes, &len, &f->err), 0);
    assert_int_equal(sw_cert_request_decode(&req, bytes, len, &f->err), SW_E_INVALID);
    assert_string_equal(f->err.msg, "certificate request is not signed by the key it is for");
    assert_int_equal(sw_cert_request_decode(&req, bytes, len - 1, &f->err), SW_E_INVALID);
    assert_int_equal(sw_cert_request_decode(&req, bytes, 0, &f->err), SW_E_INVALID);
}

static void senseless_grants_are_refused(void **state)
{
    struct fixture *f = *state;
    struct sw_cert_grant bad[5];
    struct sw_cert cert;

    for (size_t i = 0; i < SW_ARRAY_LEN(bad); i++)
        bad[i] = f->grant;
    bad[0].role = SW_ROLE_NONE;
    memset(&bad[1].node_id, 0, sizeof(bad[1].node_id));
    bad[2].expiry_ns = -1;
    bad[3].now_ns = 0;
    bad[4].expiry_ns = INT64_MAX;
    for (size_t i = 0; i < SW_ARRAY_LEN(bad); i++)
        assert_int_equal(sw_cert_issue(&cert, &f->root, &f->req, &bad[i], &f->err), SW_E_INVALID);
}

static void renewal_lies_between_half_and_four_fifths(void **state)
{
    struct sw_cert cert = { .not_before_ns = 1000, .not_after_ns = 2000 };

    (void)state;
    assert_int_equal(sw_cert_renew_at(&cert, 0), 1500);
    assert_int_equal(sw_cert_renew_at(&cert, 0.5), 1650);
    assert_in_range(sw_cert_renew_at(&cert, 0.999999), 1790, 1800);
}

static void a_root_key_must_belong_to_its_record(void **state)
{
    struct fixture *f = *state;
    struct sw_root_key loaded;
    struct sw_root_key other;
    const struct sw_root *r = &f->root.root;

    assert_int_equal(
        sw_root_key_load(&loaded, r->record, r->record_len, f->root.key.secret, 64, &f->err), 0);
    assert_memory_equal(loaded.root.digest, r->digest, SW_SHA256_BYTES);
    assert_int_equal(sw_root_key_make(&other, &r->cluster_id, NOW, &f->err), 0);
    assert_int_equal(
        sw_root_key_load(&loaded, r->record, r->record_len, other.key.secret, 64, &f->err),
        SW_E_CORRUPT);
    assert_int_equal(
        sw_root_key_load(&loaded, r->record, r->record_len, f->root.key.secret, 63, &f->err),
        SW_E_CORRUPT);
    assert_int_equal(
        sw_root_key_load(&loaded, r->record, r->record_len - 1, f->root.key.secret, 64, &f->err),
        SW_E_CORRUPT);
}

static int all_codecs(struct fixture *f, struct sw_err *err)
{
    struct sw_root root;
    struct sw_cert cert;
    struct sw_cert_request req;
    uint8_t bytes[SW_CERT_REQUEST_MAX];
    size_t len;
    int r;

    r = sw_root_decode(&root, f->root.root.record, f->root.root.record_len, err);
    if (r == 0)
        r = sw_cert_request_make(&f->sign, &f->dh, bytes, &len, err);
    if (r == 0)
        r = sw_cert_request_decode(&req, bytes, len, err);
    if (r == 0)
        r = sw_cert_issue(&cert, &f->root, &req, &f->grant, err);
    if (r == 0)
        r = sw_cert_verify(&cert, &root, 1, NOW, err);
    return r;
}

static void any_allocation_may_fail(void **state)
{
    struct fixture *f = *state;
    struct test_heap heap;
    size_t nth;
    int r = -1;

    for (nth = 1; r < 0; nth++) {
        assert_true(nth < 200);
        test_heap_init(&heap);
        test_heap_fail_nth(&heap, nth);
        r = all_codecs(f, &f->err);
        test_heap_check(&heap);
        test_heap_fini(&heap);
    }
    assert_true(nth > 20);
}

/* RFC 5869, appendix A.1 and A.3. */
static void hkdf_matches_its_specification(void **state)
{
    uint8_t ikm[22];
    uint8_t salt[13];
    uint8_t info[10];
    uint8_t expected[42];
    uint8_t out[42];
    struct sw_hkdf_input in = { salt, sizeof(salt), ikm, sizeof(ikm), info, sizeof(info) };

    (void)state;
    memset(ikm, 0x0b, sizeof(ikm));
    for (size_t i = 0; i < sizeof(salt); i++)
        salt[i] = (uint8_t)i;
    for (size_t i = 0; i < sizeof(info); i++)
        info[i] = (uint8_t)(0xf0 + i);
    assert_true(sw_hex_parse("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
                             "34007208d5b887185865",
                             expected, sizeof(expected)));
    sw_hkdf(&in, out, sizeof(out));
    assert_memory_equal(out, expected, sizeof(out));
    in.salt_len = in.info_len = 0;
    assert_true(sw_hex_parse("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
                             "9d201395faa4b61a96c8",
                             expected, sizeof(expected)));
    sw_hkdf(&in, out, sizeof(out));
    assert_memory_equal(out, expected, sizeof(out));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_issued_certificate_says_what_was_granted),
        T(the_clock_matters_to_the_nanosecond),
        T(another_cluster_is_named),
        T(any_trusted_root_will_do_and_no_other),
        T(any_changed_bit_is_noticed),
        T(a_cut_certificate_is_malformed),
        T(a_root_signature_of_another_kind_does_not_count),
        T(a_request_must_be_signed_by_its_own_key),
        T(senseless_grants_are_refused),
        T(renewal_lies_between_half_and_four_fifths),
        T(a_root_key_must_belong_to_its_record),
        T(any_allocation_may_fail),
        T(hkdf_matches_its_specification),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
