/* SPDX-License-Identifier: Apache-2.0
 * Errors, buffers, maps, lists, the allocator. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/list.h"
#include "common/base/map.h"
#include "tests/lib/test_heap.h"

struct fixture {
    struct test_heap heap;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    test_heap_init(&f->heap);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    test_heap_check(&f->heap);
    test_heap_fini(&f->heap);
    free(f);
    return 0;
}

static void errors_gain_context_layer_by_layer(void **state)
{
    struct sw_err err;

    (void)state;
    assert_int_equal(sw_err_set(&err, SW_E_NOT_FOUND, "no task %d", 7), SW_E_NOT_FOUND);
    assert_string_equal(err.msg, "no task 7");
    assert_int_equal(sw_err_wrap(&err, "service %s", "web"), SW_E_NOT_FOUND);
    assert_string_equal(err.msg, "service web: no task 7");
    assert_int_equal(sw_err_errno(&err, ENOENT, "open '%s'", "/x"), -ENOENT);
    assert_string_equal(err.msg, "open '/x': No such file or directory");
}

static void long_errors_are_cut_and_stay_terminated(void **state)
{
    struct sw_err err;
    char text[2000];

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    (void)sw_err_set(&err, -EIO, "%s", text);
    assert_int_equal(strlen(err.msg), SW_ERR_MSG_MAX - 1);
    (void)sw_err_wrap(&err, "outer");
    assert_int_equal(strlen(err.msg), SW_ERR_MSG_MAX - 1);
    assert_memory_equal(err.msg, "outer: xxx", 10);
    (void)sw_err_wrap(&err, "%s", text);
    assert_int_equal(strlen(err.msg), SW_ERR_MSG_MAX - 1);
    (void)sw_err_errno(&err, EIO, "%s", text);
    assert_non_null(strstr(err.msg, ": Input/output error"));
}

static void codes_have_names(void **state)
{
    (void)state;
    assert_string_equal(sw_err_name(0), "ok");
    assert_string_equal(sw_err_name(SW_E_INVALID), "invalid argument");
    assert_string_equal(sw_err_name(SW_E_UNAUTHORIZED), "unauthorized");
    assert_string_equal(sw_err_name(-EIO), "system error");
    assert_string_equal(sw_err_name(-20000), "system error");
}

static void a_buffer_grows_and_stays_terminated(void **state)
{
    struct sw_buf b = SW_BUF_INIT;

    (void)state;
    assert_string_equal(sw_buf_str(&b), "");
    for (int i = 0; i < 1000; i++)
        sw_buf_printf(&b, "%d,", i % 10);
    assert_int_equal(b.len, 2000);
    assert_int_equal(b.data[b.len], 0);
    assert_memory_equal(b.data + 1990, "5,6,7,8,9,", 10);
    sw_buf_consume(&b, 1990);
    assert_string_equal(sw_buf_str(&b), "5,6,7,8,9,");
    sw_buf_consume(&b, 0);
    sw_buf_clear(&b);
    assert_string_equal(sw_buf_str(&b), "");
    sw_buf_puts(&b, "again");
    sw_buf_putc(&b, '!');
    sw_buf_add(&b, NULL, 0);
    assert_string_equal(sw_buf_str(&b), "again!");
    sw_buf_fini(&b);
    sw_buf_fini(&b);
}

static void a_buffers_failure_sticks_until_cleared(void **state)
{
    struct fixture *f = *state;
    struct sw_buf b = SW_BUF_INIT;

    sw_buf_puts(&b, "kept");
    test_heap_fail_nth(&f->heap, 1);
    assert_null(sw_buf_reserve(&b, 1000));
    assert_true(sw_buf_failed(&b));
    sw_buf_puts(&b, "lost");
    assert_string_equal(sw_buf_str(&b), "kept");
    assert_null(sw_buf_steal(&b));
    sw_buf_clear(&b);
    sw_buf_puts(&b, "new");
    assert_false(sw_buf_failed(&b));
    assert_string_equal(sw_buf_str(&b), "new");
    assert_null(sw_buf_reserve(&b, SIZE_MAX));
    assert_true(sw_buf_failed(&b));
    sw_buf_fini(&b);
}

static void a_buffer_can_be_stolen(void **state)
{
    struct sw_buf b = SW_BUF_INIT;
    char *s;

    (void)state;
    s = sw_buf_steal(&b);
    assert_string_equal(s, "");
    sw_free(s);
    sw_buf_puts(&b, "text");
    s = sw_buf_steal(&b);
    assert_string_equal(s, "text");
    assert_int_equal(b.len, 0);
    sw_free(s);
}

static void a_map_finds_what_was_put_and_only_that(void **state)
{
    static int values[5000];
    struct sw_map m;
    size_t it = 0;
    unsigned n = 0;

    (void)state;
    sw_map_init(&m);
    assert_null(sw_map_get(&m, 1));
    assert_null(sw_map_del(&m, 1));
    for (uint64_t k = 0; k < 5000; k++)
        assert_int_equal(sw_map_put(&m, k * 0x100000000ull, &values[k]), 0);
    assert_int_equal(m.len, 5000);
    for (uint64_t k = 0; k < 5000; k += 2)
        assert_ptr_equal(sw_map_del(&m, k * 0x100000000ull), &values[k]);
    assert_int_equal(m.len, 2500);
    for (uint64_t k = 0; k < 5000; k++)
        assert_ptr_equal(sw_map_get(&m, k * 0x100000000ull), k % 2 != 0 ? &values[k] : NULL);
    while (sw_map_next(&m, &it) != NULL)
        n++;
    assert_int_equal(n, 2500);
    assert_int_equal(sw_map_put(&m, 0x100000000ull, &values[0]), 0); /* replaces */
    assert_int_equal(m.len, 2500);
    assert_ptr_equal(sw_map_get(&m, 0x100000000ull), &values[0]);
    sw_map_fini(&m);
}

/* Long runs of insert and delete must neither fill the table with graves nor make it grow. */
static void a_map_of_passing_keys_stays_small(void **state)
{
    struct sw_map m;
    int v;

    (void)state;
    sw_map_init(&m);
    for (uint64_t k = 0; k < 100000; k++) {
        assert_int_equal(sw_map_put(&m, k, &v), 0);
        if (k >= 10)
            assert_ptr_equal(sw_map_del(&m, k - 10), &v);
    }
    assert_int_equal(m.len, 10);
    assert_true(m.cap <= 64);
    sw_map_fini(&m);
}

static void a_map_is_unchanged_when_it_cannot_grow(void **state)
{
    struct fixture *f = *state;
    struct sw_map m;
    int v;
    uint64_t k = 0;

    sw_map_init(&m);
    test_heap_fail_nth(&f->heap, 2); /* the first growth works */
    while (sw_map_put(&m, k, &v) == 0)
        k++;
    assert_int_equal(k, 12); /* three quarters of 16 */
    assert_int_equal(m.len, 12);
    for (uint64_t i = 0; i < k; i++)
        assert_ptr_equal(sw_map_get(&m, i), &v);
    assert_int_equal(sw_map_put(&m, k, &v), 0);
    sw_map_fini(&m);
}

static void a_string_map_borrows_its_keys(void **state)
{
    char names[200][8];
    struct sw_map m;

    (void)state;
    sw_map_init(&m);
    for (int i = 0; i < 200; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "n%d", i);
        assert_int_equal(sw_strmap_put(&m, names[i], names[i]), 0);
    }
    assert_ptr_equal(sw_strmap_get(&m, "n77"), names[77]);
    assert_null(sw_strmap_get(&m, "n200"));
    assert_null(sw_strmap_get(&m, ""));
    assert_ptr_equal(sw_strmap_del(&m, "n77"), names[77]);
    assert_null(sw_strmap_get(&m, "n77"));
    assert_null(sw_strmap_del(&m, "n77"));
    sw_map_fini(&m);
}

static void entries_may_be_deleted_while_iterating(void **state)
{
    uint64_t values[100];
    struct sw_map m;
    size_t it = 0;
    uint64_t *v;

    (void)state;
    sw_map_init(&m);
    for (uint64_t k = 0; k < 100; k++) {
        values[k] = k;
        assert_int_equal(sw_map_put(&m, k, &values[k]), 0);
    }
    while ((v = sw_map_next(&m, &it)) != NULL)
        assert_ptr_equal(sw_map_del(&m, *v), v);
    assert_int_equal(m.len, 0);
    sw_map_fini(&m);
}

struct node {
    int n;
    struct sw_list link;
};

static void a_list_keeps_order_and_forgives_double_removal(void **state)
{
    struct sw_list head;
    struct node nodes[4] = { { .n = 1 }, { .n = 2 }, { .n = 3 }, { .n = 0 } };
    int seen = 0;

    (void)state;
    sw_list_init(&head);
    assert_true(sw_list_empty(&head));
    assert_null(sw_list_pop_front(&head));
    for (int i = 0; i < 3; i++)
        sw_list_push_back(&head, &nodes[i].link);
    sw_list_push_front(&head, &nodes[3].link);
    sw_list_each(l, &head) assert_int_equal(sw_list_entry(l, struct node, link)->n, seen++);
    sw_list_del(&nodes[1].link);
    sw_list_del(&nodes[1].link);
    sw_list_each_safe(l, &head) if (sw_list_entry(l, struct node, link)->n == 0) sw_list_del(l);
    assert_ptr_equal(sw_list_pop_front(&head), &nodes[0].link);
    assert_ptr_equal(sw_list_pop_front(&head), &nodes[2].link);
    assert_true(sw_list_empty(&head));
}

static void the_allocator_refuses_what_overflows(void **state)
{
    void *p;

    (void)state;
    assert_null(sw_calloc(SIZE_MAX / 2, 3));
    p = sw_malloc(0);
    assert_non_null(p);
    sw_free(p);
    sw_free(NULL);
    assert_null(sw_strdup(NULL));
}

static void strings_are_copied_and_formatted(void **state)
{
    SW_CLEANUP(sw_free_ptr) char *a = sw_strndup("hello", 3);
    SW_CLEANUP(sw_free_ptr) char *b = sw_strndup("hi", 10);
    SW_CLEANUP(sw_free_ptr) char *c = sw_asprintf("%s-%d", "x", 5);
    SW_CLEANUP(sw_free_ptr) char *d = sw_strdup("gone");
    char *stolen = sw_steal(d);

    (void)state;
    assert_string_equal(a, "hel");
    assert_string_equal(b, "hi");
    assert_string_equal(c, "x-5");
    assert_null(d);
    sw_free(stolen);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(errors_gain_context_layer_by_layer),
        T(long_errors_are_cut_and_stay_terminated),
        T(codes_have_names),
        T(a_buffer_grows_and_stays_terminated),
        T(a_buffers_failure_sticks_until_cleared),
        T(a_buffer_can_be_stolen),
        T(a_map_finds_what_was_put_and_only_that),
        T(a_map_of_passing_keys_stays_small),
        T(a_map_is_unchanged_when_it_cannot_grow),
        T(a_string_map_borrows_its_keys),
        T(entries_may_be_deleted_while_iterating),
        T(a_list_keeps_order_and_forgives_double_removal),
        T(the_allocator_refuses_what_overflows),
        T(strings_are_copied_and_formatted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
