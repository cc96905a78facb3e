/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/alloc.h"
#include "manager/store/store.h"
#include "manager/view/txn.h"
#include "proto/pb.h"

struct fixture {
    struct view *view;
    struct store *store;
    struct sw_err err;
    struct sw_err result;
    uint64_t index;
    uint8_t seed;
    struct txn_random rnd;
    struct txn *txn;
};

static void fill(void *arg, void *out, size_t n)
{
    memset(out, ++*(uint8_t *)arg, n);
}

static int setup(void **state)
{
    struct fixture *f = sw_calloc(1, sizeof(*f));

    f->view = view_new();
    assert_int_equal(store_new(&f->store, f->view, &f->err), 0);
    f->rnd = (struct txn_random){ fill, &f->seed };
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(store_verify(f->store, &f->err), 0);
    txn_free(f->txn);
    store_free(f->store);
    view_free(f->view);
    sw_free(f);
    return 0;
}

static struct txn *begin(struct fixture *f)
{
    txn_free(f->txn);
    f->txn = txn_new(view_next_key(f->view), 1000 + (int64_t)f->index, &f->rnd);
    return f->txn;
}

/* Apply what was collected; returns the code of the result. */
static int commit(struct fixture *f)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf b = SW_BUF_INIT;
    Swarm__V1__Transaction *t = NULL;

    assert_int_equal(txn_take(f->txn, &t), 0);
    assert_int_equal(pb_pack(t, &b), 0);
    pb_free(t);
    assert_int_equal(store_apply(f->store, ++f->index, b.data, b.len, &f->result, &f->err), 0);
    return f->result.code;
}

static Swarm__V1__Service *new_service(const char *name)
{
    Swarm__V1__Service *s = pb_new(&swarm__v1__service__descriptor);

    s->spec = pb_new(&swarm__v1__service_spec__descriptor);
    s->spec->annotations = pb_new(&swarm__v1__annotations__descriptor);
    assert_int_equal(pb_set_string(&s->spec->annotations->name, name), 0);
    return s;
}

static Swarm__V1__Task *new_task(uint64_t service, uint32_t addr)
{
    Swarm__V1__Task *t = pb_new(&swarm__v1__task__descriptor);
    Swarm__V1__NetworkAttachment *a = pb_new(&swarm__v1__network_attachment__descriptor);

    t->service = service;
    a->network = 77;
    a->addr = addr;
    assert_int_equal(pb_add(&t->n_networks, &t->networks, a), 0);
    return t;
}

static void a_created_object_is_found_by_key_id_and_name(void **state)
{
    struct fixture *f = *state;
    uint64_t key = txn_create(begin(f), VIEW_SERVICE, new_service("Web"));
    struct view_object *o;

    assert_int_equal(commit(f), 0);
    o = view_object(f->view, key);
    assert_non_null(o);
    assert_ptr_equal(view_by_name(f->view, VIEW_SERVICE, "wEB"), o);
    assert_ptr_equal(view_by_id(f->view, VIEW_SERVICE, o->id), o);
    assert_int_equal(view_meta(o->msg)->version, 1);
}

static void a_second_object_of_the_same_name_is_refused(void **state)
{
    struct fixture *f = *state;

    (void)txn_create(begin(f), VIEW_SERVICE, new_service("web"));
    assert_int_equal(commit(f), 0);
    (void)txn_create(begin(f), VIEW_SERVICE, new_service("WEB"));
    assert_int_equal(commit(f), SW_E_CONFLICT);
    assert_string_equal(f->result.msg,
                        "name conflicts with an existing object: service WEB already exists");
    assert_int_equal(view_count(f->view, VIEW_SERVICE), 1);
    assert_int_equal(view_index(f->view), 2);
}

static void an_update_of_an_older_version_is_out_of_sequence(void **state)
{
    struct fixture *f = *state;
    uint64_t key = txn_create(begin(f), VIEW_SERVICE, new_service("web"));
    Swarm__V1__Service *stale;
    Swarm__V1__Service *s;

    assert_int_equal(commit(f), 0);
    stale = pb_clone(view_service(f->view, key)->s);
    s = txn_edit_service(begin(f), view_service(f->view, key));
    s->spec_version = 5;
    assert_int_equal(commit(f), 0);
    assert_int_equal(view_service(f->view, key)->s->spec_version, 5);
    txn_update(begin(f), VIEW_SERVICE, stale);
    assert_int_equal(commit(f), SW_E_SEQUENCE);
    assert_string_equal(f->result.msg, "update out of sequence");
    assert_int_equal(view_service(f->view, key)->s->spec_version, 5);
}

static void two_live_tasks_never_share_an_address(void **state)
{
    struct fixture *f = *state;
    uint64_t svc = txn_create(begin(f), VIEW_SERVICE, new_service("web"));
    uint64_t first = txn_create(f->txn, VIEW_TASK, new_task(svc, 0x0a000005));
    Swarm__V1__TaskStatus *st;

    assert_int_equal(commit(f), 0);
    (void)txn_create(begin(f), VIEW_TASK, new_task(svc, 0x0a000005));
    assert_int_equal(commit(f), SW_E_CONFLICT);
    assert_string_equal(f->result.msg, "address on a network is already in use");
    assert_int_equal(view_count(f->view, VIEW_TASK), 1);

    st = pb_new(&swarm__v1__task_status__descriptor);
    st->state = SWARM__V1__TASK_STATE__TASK_FAILED;
    txn_task_status(begin(f), first, st);
    assert_int_equal(commit(f), 0);
    (void)txn_create(begin(f), VIEW_TASK, new_task(svc, 0x0a000005));
    assert_int_equal(commit(f), 0); /* the first one has ended */
    assert_int_equal(view_service(f->view, svc)->n_tasks, 2);
}

static void a_refused_transaction_leaves_nothing_of_itself(void **state)
{
    struct fixture *f = *state;

    (void)txn_create(begin(f), VIEW_SERVICE, new_service("one"));
    assert_int_equal(commit(f), 0);
    (void)txn_create(begin(f), VIEW_SERVICE, new_service("two"));
    (void)txn_create(f->txn, VIEW_SERVICE, new_service("one"));
    assert_int_equal(commit(f), SW_E_CONFLICT);
    assert_null(view_by_name(f->view, VIEW_SERVICE, "two"));
}

static void a_snapshot_restores_objects_links_and_position(void **state)
{
    struct fixture *f = *state;
    SW_CLEANUP(sw_buf_fini) struct sw_buf snap = SW_BUF_INIT;
    uint64_t svc = txn_create(begin(f), VIEW_SERVICE, new_service("web"));
    uint64_t task = txn_create(f->txn, VIEW_TASK, new_task(svc, 0x0a000005));
    struct view *other = view_new();
    struct store *copy = NULL;

    assert_int_equal(commit(f), 0);
    assert_int_equal(store_snapshot(f->store, &snap, &f->err), 0);
    assert_int_equal(store_new(&copy, other, &f->err), 0);
    assert_int_equal(store_restore(copy, snap.data, snap.len, &f->err), 0);
    assert_int_equal(view_index(other), 1);
    assert_int_equal(view_next_key(other), view_next_key(f->view));
    assert_ptr_equal(view_task(other, task)->service, view_service(other, svc));
    assert_true(pb_equal(view_task(other, task)->t, view_task(f->view, task)->t));
    assert_int_equal(store_verify(copy, &f->err), 0);
    store_free(copy);
    view_free(other);
}

static void bytes_that_are_no_snapshot_are_refused(void **state)
{
    struct fixture *f = *state;
    struct view *other = view_new();
    struct store *copy = NULL;
    char junk[4096];

    memset(junk, 'x', sizeof(junk));
    assert_int_equal(store_new(&copy, other, &f->err), 0);
    assert_true(store_restore(copy, junk, sizeof(junk), &f->err) < 0);
    assert_non_null(strstr(f->err.msg, "restore a snapshot of 4096 bytes"));
    store_free(copy);
    view_free(other);
}

static void a_malformed_entry_is_refused_and_the_log_goes_on(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(store_apply(f->store, ++f->index, "\xff\xff", 2, &f->result, &f->err), 0);
    assert_int_equal(f->result.code, SW_E_PROTOCOL);
    (void)txn_create(begin(f), VIEW_SERVICE, new_service("web"));
    assert_int_equal(commit(f), 0);
}

static void tasks_outlive_their_service(void **state)
{
    struct fixture *f = *state;
    uint64_t svc = txn_create(begin(f), VIEW_SERVICE, new_service("web"));
    uint64_t task = txn_create(f->txn, VIEW_TASK, new_task(svc, 0x0a000005));

    assert_int_equal(commit(f), 0);
    txn_delete(begin(f), VIEW_SERVICE, view_service(f->view, svc)->s);
    assert_int_equal(commit(f), 0);
    assert_null(view_service(f->view, svc));
    assert_null(view_task(f->view, task)->service);
    assert_null(view_task_spec(view_task(f->view, task), NULL));
}

static void a_large_collection_is_cut_at_its_marks(void **state)
{
    struct fixture *f = *state;
    struct txn *x = begin(f);
    Swarm__V1__Transaction *t;
    size_t total = 0;
    unsigned cuts = 0;

    for (unsigned i = 0; i < 1000; i++) {
        (void)txn_create(x, VIEW_TASK, new_task(1, i + 1));
        if (i % 2 == 1)
            txn_mark(x);
    }
    while (txn_take(x, &t) == 0) {
        assert_true(t->n_changes <= TXN_MAX_CHANGES);
        assert_int_equal(t->n_changes % 2, 0);
        total += t->n_changes;
        cuts++;
        pb_free(t);
    }
    assert_int_equal(total, 1000);
    assert_int_equal(cuts, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        T(a_created_object_is_found_by_key_id_and_name),
        T(a_second_object_of_the_same_name_is_refused),
        T(an_update_of_an_older_version_is_out_of_sequence),
        T(two_live_tasks_never_share_an_address),
        T(a_refused_transaction_leaves_nothing_of_itself),
        T(a_snapshot_restores_objects_links_and_position),
        T(bytes_that_are_no_snapshot_are_refused),
        T(a_malformed_entry_is_refused_and_the_log_goes_on),
        T(tasks_outlive_their_service),
        T(a_large_collection_is_cut_at_its_marks),
    };
    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
