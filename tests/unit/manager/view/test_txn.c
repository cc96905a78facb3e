/* SPDX-License-Identifier: Apache-2.0
 * Collections of changes, and what applying them does about late ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "proto/pb.h"
#include "tests/sim/model.h"

struct fixture {
    struct model m;
    uint64_t task;
};

static int setup(void **state)
{
    static struct fixture f;
    uint64_t web;

    model_init(&f.m, 1);
    (void)model_node(&f.m, "n1", 1000000000ll, 1ll << 30);
    web = model_create(&f.m, VIEW_SERVICE, build_service("web", 1));
    model_run(&f.m);
    f.task = model_in_slot(&f.m, web, 1);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    model_fini(&f->m);
    return 0;
}

static void a_later_loop_sees_what_an_earlier_one_decided(void **state)
{
    struct fixture *f = *state;
    struct txn *x = model_begin(&f->m);
    const struct view_task *vt = view_task(f->m.view, f->task);

    assert_null(txn_peek(x, f->task));
    txn_edit_task(x, vt)->desired = TASK_STATE(SHUTDOWN);
    assert_int_equal(((const Swarm__V1__Task *)txn_peek(x, f->task))->desired,
                     TASK_STATE(SHUTDOWN));
    assert_int_equal(txn_len(x), 1);
    assert_ptr_equal(txn_edit_task(x, vt), txn_peek(x, f->task));
    assert_int_equal(txn_len(x), 1);
    txn_free(x);
}

static void deleting_supersedes_an_edit(void **state)
{
    struct fixture *f = *state;
    struct txn *x = model_begin(&f->m);
    const struct view_task *vt = view_task(f->m.view, f->task);

    txn_edit_task(x, vt)->desired = TASK_STATE(REMOVE);
    assert_false(txn_is_deleted(x, f->task));
    txn_delete(x, VIEW_TASK, vt->t);
    txn_delete(x, VIEW_TASK, vt->t);
    assert_true(txn_is_deleted(x, f->task));
    assert_null(txn_peek(x, f->task));
    model_commit(&f->m, x);
    assert_null(model_task(&f->m, f->task));
}

static void a_status_that_would_go_back_is_skipped(void **state)
{
    struct fixture *f = *state;
    struct txn *x = model_begin(&f->m);
    Swarm__V1__TaskStatus *s = pb_new(&swarm__v1__task_status__descriptor);

    s->state = TASK_STATE(STARTING); /* it is RUNNING already */
    txn_task_status(x, f->task, s);
    model_commit(&f->m, x);
    assert_int_equal(status_state(model_task(&f->m, f->task)), TASK_STATE(RUNNING));
}

static void a_group_between_marks_is_never_cut(void **state)
{
    struct fixture *f = *state;
    struct txn *x = model_begin(&f->m);
    Swarm__V1__Transaction *t;
    size_t sizes[3] = { 0, 0, 0 };

    for (unsigned i = 0; i < 3 * 150; i++) {
        Swarm__V1__Task *task = pb_new(&swarm__v1__task__descriptor);

        (void)txn_create(x, VIEW_TASK, task);
        if (i % 150 == 149)
            txn_mark(x);
    }
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(txn_take(x, &t), 0);
        sizes[i] = t->n_changes;
        pb_free(t);
    }
    assert_int_equal(txn_take(x, &t), 1);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(sizes[i], 150);
    txn_free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(x) cmocka_unit_test_setup_teardown(x, setup, teardown)
        T(a_later_loop_sees_what_an_earlier_one_decided),
        T(deleting_supersedes_an_edit),
        T(a_status_that_would_go_back_is_skipped),
        T(a_group_between_marks_is_never_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
