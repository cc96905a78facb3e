/* SPDX-License-Identifier: Apache-2.0
 * SEMANTICS 10: jobs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "proto/pb.h"
#include "tests/sim/model.h"

#define GIB          (1ll << 30)
#define CPU          1000000000ll
#define CONDITION(x) SWARM__V1__RESTART_POLICY__CONDITION__##x

struct fixture {
    struct model m;
};

static int setup(void **state)
{
    static struct fixture f;

    model_init(&f.m, 5);
    (void)model_node(&f.m, "n1", 4 * CPU, 8 * GIB);
    (void)model_node(&f.m, "n2", 4 * CPU, 8 * GIB);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    model_settle(&f->m);
    assert_true(model_is_quiet(&f->m));
    model_fini(&f->m);
    return 0;
}

static uint64_t job(struct fixture *f, uint64_t concurrent, uint64_t total)
{
    Swarm__V1__Service *s = build_job("job", concurrent, total);
    uint64_t key;

    build_restart(s, CONDITION(ANY), 0, 0, 0);
    key = model_create(&f->m, VIEW_SERVICE, s);
    model_run(&f->m);
    return key;
}

/* Ends the oldest running task. */
static void end(struct fixture *f, uint64_t key, Swarm__V1__TaskState how)
{
    sw_list_each(l, &view_service(f->m.view, key)->tasks)
    {
        const struct view_task *vt = sw_list_entry(l, struct view_task, of_service);

        if (status_state(vt->t) == TASK_STATE(RUNNING)) {
            model_report(&f->m, vt->o->key, how);
            break;
        }
    }
    model_run(&f->m);
}

static unsigned in_state(struct fixture *f, uint64_t key, Swarm__V1__TaskState state)
{
    unsigned n = 0;

    sw_list_each(l, &view_service(f->m.view, key)->tasks) n +=
        status_state(sw_list_entry(l, struct view_task, of_service)->t) == state;
    return n;
}

static void it_runs_so_many_at_once_until_all_completed(void **state)
{
    struct fixture *f = *state;
    uint64_t key = job(f, 2, 5);

    assert_int_equal(in_state(f, key, TASK_STATE(RUNNING)), 2);
    assert_int_equal(model_task(&f->m, model_in_slot(&f->m, key, 0))->desired,
                     TASK_STATE(COMPLETE));
    for (unsigned done = 1; done <= 5; done++) {
        end(f, key, TASK_STATE(COMPLETE));
        assert_int_equal(in_state(f, key, TASK_STATE(COMPLETE)), done);
        assert_int_equal(in_state(f, key, TASK_STATE(RUNNING)), done <= 3 ? 2 : 5 - done);
        if (done == 2)
            model_new_leader(&f->m);
    }
    model_advance(&f->m, MODEL_S(100));
    assert_int_equal(view_count(f->m.view, VIEW_TASK), 5);
}

static void a_failed_task_is_tried_again(void **state)
{
    struct fixture *f = *state;
    uint64_t key = job(f, 1, 1);

    end(f, key, TASK_STATE(FAILED));
    assert_int_equal(in_state(f, key, TASK_STATE(RUNNING)), 1);
    end(f, key, TASK_STATE(COMPLETE));
    assert_int_equal(in_state(f, key, TASK_STATE(RUNNING)), 0);
}

static void an_update_runs_it_again_from_the_start(void **state)
{
    struct fixture *f = *state;
    uint64_t key = job(f, 2, 2);
    Swarm__V1__Service *s;

    end(f, key, TASK_STATE(COMPLETE));
    end(f, key, TASK_STATE(COMPLETE));
    s = model_edit(&f->m, key);
    s->spec->task->force_update++;
    model_update(&f->m, s);
    model_run(&f->m);
    assert_int_equal(in_state(f, key, TASK_STATE(RUNNING)), 2);
    assert_int_equal(in_state(f, key, TASK_STATE(COMPLETE)), 0); /* the old ones are removed */
    assert_null(view_service(f->m.view, key)->s->update_status);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(x) cmocka_unit_test_setup_teardown(x, setup, teardown)
        T(it_runs_so_many_at_once_until_all_completed),
        T(a_failed_task_is_tried_again),
        T(an_update_runs_it_again_from_the_start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
