/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/crypto/identity.h"
#include "common/crypto/secret.h"
#include "tests/lib/test_heap.h"

#define NOW 1700000000000000000ll

struct fixture {
    char dir[32];
    char sub[64];
    char path[96];
    struct sw_root_key root;
    struct sw_identity *keys; /* without a certificate */
    struct sw_identity *node;
    struct sw_err err;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct sw_cert_grant grant = { .role = SW_ROLE_MANAGER, .serial = 1, .now_ns = NOW };
    struct sw_cert_request req;
    struct sw_cert cert;

    *state = f;
    assert_int_equal(sw_crypto_init(&f->err), 0);
    (void)snprintf(f->dir, sizeof(f->dir), "/tmp/rpc-identity-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    (void)snprintf(f->sub, sizeof(f->sub), "%s/node", f->dir);
    (void)snprintf(f->path, sizeof(f->path), "%s/identity", f->sub);
    sw_id_random(&grant.node_id);
    assert_int_equal(sw_root_key_make(&f->root, &grant.node_id, NOW, &f->err), 0);
    assert_int_equal(sw_identity_new(&f->keys, &f->err), 0);
    memcpy(req.public_key, f->keys->sign.public_key, SW_KEY_BYTES);
    memcpy(req.static_key, f->keys->dh.public_key, SW_KEY_BYTES);
    assert_int_equal(sw_cert_issue(&cert, &f->root, &req, &grant, &f->err), 0);
    assert_int_equal(sw_identity_renew(&f->node, f->keys, &cert, &f->root.root, 1, &f->err), 0);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    sw_identity_unref(f->keys);
    sw_identity_unref(f->node);
    (void)unlink(f->path);
    (void)rmdir(f->sub);
    assert_int_equal(rmdir(f->dir), 0);
    free(f);
    return 0;
}

static void a_saved_identity_is_the_same_when_loaded(void **state)
{
    struct fixture *f = *state;
    struct sw_identity *back;
    struct stat st;

    assert_int_equal(sw_identity_load(&back, f->path, &f->err), SW_IDENTITY_ABSENT);
    assert_int_equal(sw_identity_save(f->node, f->path, &f->err), 0);
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(stat(f->sub, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(sw_identity_load(&back, f->path, &f->err), 0);
    assert_memory_equal(&back->sign, &f->node->sign, sizeof(back->sign));
    assert_memory_equal(&back->dh, &f->node->dh, sizeof(back->dh));
    assert_true(back->has_cert);
    assert_int_equal(back->n_roots, 1);
    assert_int_equal(sw_cert_verify(&back->cert, back->roots, 1, NOW, &f->err), 0);
    sw_identity_unref(back);
}

static void keys_alone_can_be_saved_too(void **state)
{
    struct fixture *f = *state;
    struct sw_identity *back;

    assert_int_equal(sw_identity_save(f->keys, f->path, &f->err), 0);
    assert_int_equal(sw_identity_load(&back, f->path, &f->err), 0);
    assert_false(back->has_cert);
    assert_int_equal(back->n_roots, 0);
    sw_identity_unref(back);
}

static void a_file_that_others_may_read_is_refused(void **state)
{
    struct fixture *f = *state;
    struct sw_identity *back;

    assert_int_equal(sw_identity_save(f->node, f->path, &f->err), 0);
    assert_int_equal(chmod(f->path, 0640), 0);
    assert_int_equal(sw_identity_load(&back, f->path, &f->err), SW_E_PERMISSION);
    assert_non_null(strstr(f->err.msg, "has mode 0640"));
}

static void every_damage_is_noticed_or_harmless(void **state)
{
    struct fixture *f = *state;
    struct sw_buf b = SW_BUF_INIT;
    struct sw_identity *back;

    assert_int_equal(sw_identity_encode(f->node, &b, &f->err), 0);
    for (size_t n = 0; n < b.len; n++)
        if (sw_identity_decode(&back, b.data, n, &f->err) == 0) {
            assert_false(back->has_cert && back->n_roots > 0); /* cut at a field's border */
            sw_identity_unref(back);
        } else {
            assert_int_equal(f->err.code, SW_E_CORRUPT);
        }
    b.data[6] ^= 1; /* in the signing seed: the certificate is then of other keys */
    assert_int_equal(sw_identity_decode(&back, b.data, b.len, &f->err), SW_E_CORRUPT);
    sw_secret_buf_fini(&b);
}

static void a_certificate_for_other_keys_is_refused(void **state)
{
    struct fixture *f = *state;
    struct sw_identity *other;
    struct sw_identity *out;

    assert_int_equal(sw_identity_new(&other, &f->err), 0);
    assert_int_equal(sw_identity_renew(&out, other, &f->node->cert, NULL, 0, &f->err),
                     SW_E_INVALID);
    sw_identity_unref(other);
}

static void a_failed_save_keeps_the_old_file(void **state)
{
    struct fixture *f = *state;
    struct sw_identity *back;
    char tmp[128];

    assert_int_equal(sw_identity_save(f->node, f->path, &f->err), 0);
    (void)snprintf(tmp, sizeof(tmp), "%s.tmp", f->path);
    assert_int_equal(mkdir(tmp, 0700), 0); /* stands in the way of the new file */
    assert_int_equal(sw_identity_save(f->keys, f->path, &f->err), -EEXIST);
    assert_int_equal(rmdir(tmp), 0);
    assert_int_equal(sw_identity_load(&back, f->path, &f->err), 0);
    assert_true(back->has_cert);
    sw_identity_unref(back);
}

static void decoding_survives_any_failing_allocation(void **state)
{
    struct fixture *f = *state;
    struct test_heap heap;
    uint8_t bytes[2048];
    size_t len;
    size_t nth;
    int r = -1;
    struct sw_buf b = SW_BUF_INIT;

    assert_int_equal(sw_identity_encode(f->node, &b, &f->err), 0);
    len = b.len;
    memcpy(bytes, b.data, len);
    sw_secret_buf_fini(&b);
    for (nth = 1; r < 0; nth++) {
        struct sw_identity *back;

        test_heap_init(&heap);
        test_heap_fail_nth(&heap, nth);
        r = sw_identity_decode(&back, bytes, len, &f->err);
        if (r == 0)
            sw_identity_unref(back);
        test_heap_check(&heap);
        test_heap_fini(&heap);
    }
    assert_true(nth > 10);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_saved_identity_is_the_same_when_loaded), T(keys_alone_can_be_saved_too),
        T(a_file_that_others_may_read_is_refused),   T(every_damage_is_noticed_or_harmless),
        T(a_certificate_for_other_keys_is_refused),  T(a_failed_save_keeps_the_old_file),
        T(decoding_survives_any_failing_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
