/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/macro.h"
#include "common/crypto/seal.h"
#include "common/crypto/secret.h"
#include "tests/lib/test_heap.h"

static struct sw_err err;
static struct sw_seal_ring ring;

static int setup(void **state)
{
    struct sw_id cluster = { { 1, 2, 3 } };

    (void)state;
    assert_int_equal(sw_crypto_init(&err), 0);
    sw_seal_ring_init(&ring, &cluster);
    sw_seal_ring_rotate(&ring);
    return 0;
}

static void entries_of_every_length_come_back(void **state)
{
    uint8_t plain[100];
    uint8_t sealed[200];
    uint8_t out[200];
    size_t n;

    (void)state;
    sw_random(plain, sizeof(plain));
    for (size_t len = 0; len <= sizeof(plain); len++) {
        size_t size = sw_seal_size(len);

        assert_int_equal(size % 8, 0);
        assert_in_range(size, len + 48, len + 55);
        sw_seal(&ring, plain, len, sealed);
        assert_int_equal(sw_unseal(&ring, sealed, size, out, &n, &err), 0);
        assert_int_equal(n, len);
        assert_memory_equal(out, plain, len);
    }
}

static void equal_entries_look_different(void **state)
{
    uint8_t a[64];
    uint8_t b[64];

    (void)state;
    sw_seal(&ring, "hello", 5, a);
    sw_seal(&ring, "hello", 5, b);
    assert_memory_equal(a, b, 8); /* the header */
    assert_memory_not_equal(a + 8, b + 8, 24);
    assert_memory_not_equal(a + 32, b + 32, 8);
}

static void any_changed_bit_of_an_entry_is_noticed(void **state)
{
    uint8_t sealed[64];
    uint8_t out[64];
    size_t size = sw_seal_size(5);
    size_t n;

    (void)state;
    sw_seal(&ring, "hello", 5, sealed);
    for (size_t bit = 0; bit < size * 8; bit++) {
        int r;

        sealed[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        r = sw_unseal(&ring, sealed, size, out, &n, &err);
        assert_int_equal(r, bit / 8 >= 4 && bit / 8 < 8 ? SW_E_NOT_FOUND : SW_E_CORRUPT);
        sealed[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    for (size_t len = 0; len < size; len++)
        assert_int_equal(sw_unseal(&ring, sealed, len, out, &n, &err), SW_E_CORRUPT);
    assert_int_equal(sw_unseal(&ring, sealed, size, out, &n, &err), 0);
}

static void an_entry_of_another_cluster_does_not_open(void **state)
{
    struct sw_seal_ring other = ring;
    uint8_t sealed[64];
    uint8_t out[64];
    size_t n;

    (void)state;
    other.cluster_id.b[0] ^= 1;
    sw_seal(&ring, "hello", 5, sealed);
    assert_int_equal(sw_unseal(&other, sealed, sw_seal_size(5), out, &n, &err), SW_E_CORRUPT);
}

static void old_keys_open_until_they_are_retired(void **state)
{
    uint8_t sealed[64];
    uint8_t out[64];
    size_t n;

    (void)state;
    sw_seal(&ring, "hello", 5, sealed);
    sw_seal_ring_rotate(&ring);
    assert_int_equal(ring.n, 2);
    assert_int_equal(ring.keys[1].id, ring.keys[0].id + 1);
    assert_int_equal(sw_unseal(&ring, sealed, sw_seal_size(5), out, &n, &err), 0);
    sw_seal_ring_retire(&ring);
    assert_int_equal(sw_unseal(&ring, sealed, sw_seal_size(5), out, &n, &err), SW_E_NOT_FOUND);
    assert_string_equal(err.msg, "sealed with data key 1, which is not known here");
}

static void a_ring_keeps_the_newest_eight(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++)
        sw_seal_ring_rotate(&ring);
    assert_int_equal(ring.n, 8);
    assert_int_equal(ring.keys[0].id, 14);
    assert_int_equal(ring.keys[7].id, 21);
    sw_seal_ring_add(&ring, &ring.keys[0]); /* again: becomes the sealing one */
    assert_int_equal(ring.n, 8);
    assert_int_equal(ring.keys[7].id, 14);
}

static void a_ring_survives_encoding(void **state)
{
    struct sw_buf b = SW_BUF_INIT;
    struct sw_seal_ring back;

    (void)state;
    sw_seal_ring_rotate(&ring);
    assert_int_equal(sw_seal_ring_encode(&ring, &b, &err), 0);
    assert_int_equal(b.len, 16 + 2 * 36);
    assert_int_equal(sw_seal_ring_decode(&back, b.data, b.len, &err), 0);
    assert_memory_equal(&back, &ring, sizeof(ring));
    for (size_t n = 0; n < b.len; n++)
        if (n != 16 && n != 16 + 36)
            assert_int_equal(sw_seal_ring_decode(&back, b.data, n, &err), SW_E_CORRUPT);
    memset(b.data + 16, 0, 4); /* no key has the number 0 */
    assert_int_equal(sw_seal_ring_decode(&back, b.data, b.len, &err), SW_E_CORRUPT);
    sw_secret_buf_fini(&b);
}

static void wrapped_keys_open_with_their_key_and_purpose(void **state)
{
    uint8_t kek[SW_KEY_BYTES] = { 9 };
    struct sw_buf wrapped = SW_BUF_INIT;
    struct sw_buf out = SW_BUF_INIT;

    (void)state;
    assert_int_equal(sw_key_wrap(kek, "data keys", "secret", 6, &wrapped, &err), 0);
    assert_int_equal(sw_key_unwrap(kek, "data keys", wrapped.data, wrapped.len, &out, &err), 0);
    assert_int_equal(out.len, 6);
    assert_memory_equal(out.data, "secret", 6);
    assert_int_equal(sw_key_unwrap(kek, "other", wrapped.data, wrapped.len, &out, &err),
                     SW_E_PERMISSION);
    kek[0]++;
    assert_int_equal(sw_key_unwrap(kek, "data keys", wrapped.data, wrapped.len, &out, &err),
                     SW_E_PERMISSION);
    assert_string_equal(err.msg, "invalid key");
    assert_int_equal(sw_key_unwrap(kek, "data keys", wrapped.data, 40, &out, &err), SW_E_CORRUPT);
    sw_secret_buf_fini(&wrapped);
    sw_secret_buf_fini(&out);
}

/* ------------------------------------------------------------------ snapshots */

static void seal_snapshot(const uint8_t *plain, size_t n, size_t step, struct sw_buf *out)
{
    struct sw_seal_writer *w;

    assert_int_equal(sw_seal_writer_new(&w, &ring, out, &err), 0);
    for (size_t at = 0; at < n; at += step)
        assert_int_equal(sw_seal_writer_push(w, plain + at, SW_MIN(step, n - at), false, out, &err),
                         0);
    assert_int_equal(sw_seal_writer_push(w, NULL, 0, true, out, &err), 0);
    sw_seal_writer_free(w);
}

static int open_snapshot(const uint8_t *sealed, size_t n, size_t step, struct sw_buf *out)
{
    struct sw_seal_reader *r;
    int result = 0;

    assert_int_equal(sw_seal_reader_new(&r, &ring, &err), 0);
    for (size_t at = 0; at < n && result == 0; at += step)
        result = sw_seal_reader_push(r, sealed + at, SW_MIN(step, n - at), out, &err);
    if (result == 0)
        result = sw_seal_reader_finish(r, &err);
    sw_seal_reader_free(r);
    return result;
}

static void snapshots_come_back_however_they_are_cut(void **state)
{
    static const size_t lengths[] = { 0, 1, 65535, 65536, 65537, 200000 };
    static const size_t steps[] = { 7, 1000, 65536, 1000000 };
    uint8_t *plain = malloc(200000);

    (void)state;
    sw_random(plain, 200000);
    for (size_t i = 0; i < SW_ARRAY_LEN(lengths); i++) {
        for (size_t k = 0; k < SW_ARRAY_LEN(steps); k++) {
            struct sw_buf sealed = SW_BUF_INIT;
            struct sw_buf out = SW_BUF_INIT;

            seal_snapshot(plain, lengths[i], steps[3 - k], &sealed);
            assert_int_equal(open_snapshot(sealed.data, sealed.len, steps[k], &out), 0);
            assert_int_equal(out.len, lengths[i]);
            if (out.len > 0)
                assert_memory_equal(out.data, plain, out.len);
            sw_buf_fini(&sealed);
            sw_buf_fini(&out);
        }
    }
    free(plain);
}

static void a_cut_or_altered_snapshot_is_noticed(void **state)
{
    uint8_t plain[300];
    struct sw_buf sealed = SW_BUF_INIT;
    struct sw_buf out = SW_BUF_INIT;

    (void)state;
    sw_random(plain, sizeof(plain));
    seal_snapshot(plain, sizeof(plain), 100, &sealed); /* three chunks and the end */
    assert_int_equal(sealed.len, 32 + 3 * (4 + 17 + 100) + 4 + 17);
    for (size_t n = 0; n < sealed.len; n++)
        assert_int_equal(open_snapshot(sealed.data, n, 50, &out), SW_E_CORRUPT);
    for (size_t at = 0; at < sealed.len; at++) {
        int r;

        sealed.data[at] ^= 4;
        r = open_snapshot(sealed.data, sealed.len, 50, &out);
        assert_int_equal(r, at >= 4 && at < 8 ? SW_E_NOT_FOUND : SW_E_CORRUPT);
        sealed.data[at] ^= 4;
    }
    sw_buf_putc(&sealed, 'x'); /* something behind the end */
    assert_int_equal(open_snapshot(sealed.data, sealed.len, 50, &out), SW_E_CORRUPT);
    sw_buf_fini(&sealed);
    sw_buf_fini(&out);
}

static int seal_and_open(struct sw_err *e)
{
    SW_CLEANUP(sw_seal_writer_free_ptr) struct sw_seal_writer *w = NULL;
    SW_CLEANUP(sw_seal_reader_free_ptr) struct sw_seal_reader *r = NULL;
    SW_CLEANUP(sw_buf_fini) struct sw_buf sealed = SW_BUF_INIT;
    SW_CLEANUP(sw_buf_fini) struct sw_buf out = SW_BUF_INIT;
    int result = sw_seal_writer_new(&w, &ring, &sealed, e);

    if (result == 0)
        result = sw_seal_writer_push(w, "hello", 5, true, &sealed, e);
    if (result == 0)
        result = sw_seal_reader_new(&r, &ring, e);
    if (result == 0)
        result = sw_seal_reader_push(r, sealed.data, sealed.len, &out, e);
    return result;
}

static void any_allocation_may_fail(void **state)
{
    struct test_heap heap;
    int r = -ENOMEM;
    size_t nth;

    (void)state;
    for (nth = 1; r == -ENOMEM; nth++) {
        test_heap_init(&heap);
        test_heap_fail_nth(&heap, nth);
        r = seal_and_open(&err);
        test_heap_check(&heap);
        test_heap_fini(&heap);
    }
    assert_int_equal(r, 0);
    assert_true(nth > 4);
}

#define T(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(entries_of_every_length_come_back),
        T(equal_entries_look_different),
        T(any_changed_bit_of_an_entry_is_noticed),
        T(an_entry_of_another_cluster_does_not_open),
        T(old_keys_open_until_they_are_retired),
        T(a_ring_keeps_the_newest_eight),
        T(a_ring_survives_encoding),
        T(wrapped_keys_open_with_their_key_and_purpose),
        T(snapshots_come_back_however_they_are_cut),
        T(a_cut_or_altered_snapshot_is_noticed),
        T(any_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
