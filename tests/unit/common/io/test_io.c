/* SPDX-License-Identifier: Apache-2.0
 * Timers, turns, back-off, addresses. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>
#include <uv.h>

#include "common/base/macro.h"
#include "common/io/backoff.h"
#include "common/io/hostport.h"
#include "common/io/timer.h"
#include "common/io/turn.h"
#include "tests/lib/test_heap.h"

struct fixture {
    struct test_heap heap;
    uv_loop_t loop;
    struct sw_timer timer;
    struct sw_turn turn;
    unsigned fired;
    unsigned ran;
    unsigned again; /* how often to ask again */
    bool end_inside;
    struct sw_err err;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    test_heap_init(&f->heap);
    assert_int_equal(uv_loop_init(&f->loop), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    sw_timer_fini(&f->timer);
    sw_turn_fini(&f->turn);
    assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    test_heap_check(&f->heap);
    test_heap_fini(&f->heap);
    free(f);
    return 0;
}

static void on_fire(void *arg)
{
    struct fixture *f = arg;

    f->fired++;
    if (f->end_inside)
        sw_timer_fini(&f->timer);
    else if (f->again-- > 0)
        sw_timer_start(&f->timer, 1);
}

static void a_timer_fires_once_for_each_start(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(sw_timer_init(&f->timer, &f->loop, on_fire, f, &f->err), 0);
    assert_false(sw_timer_is_running(&f->timer));
    f->again = 2;
    sw_timer_start(&f->timer, 1);
    assert_true(sw_timer_is_running(&f->timer));
    (void)uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(f->fired, 3);
    assert_false(sw_timer_is_running(&f->timer));
}

static void a_stopped_timer_is_silent_and_a_restart_replaces(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(sw_timer_init(&f->timer, &f->loop, on_fire, f, &f->err), 0);
    sw_timer_start(&f->timer, 1);
    sw_timer_stop(&f->timer);
    (void)uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(f->fired, 0);
    sw_timer_start(&f->timer, 3600000);
    sw_timer_start(&f->timer, 1);
    (void)uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(f->fired, 1);
}

static void a_timer_may_end_inside_its_callback(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(sw_timer_init(&f->timer, &f->loop, on_fire, f, &f->err), 0);
    f->end_inside = true;
    sw_timer_start(&f->timer, 0);
    (void)uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(f->fired, 1);
    sw_timer_fini(&f->timer);
    sw_timer_stop(&f->timer);
}

static void an_unreferenced_timer_does_not_hold_the_loop(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(sw_timer_init(&f->timer, &f->loop, on_fire, f, &f->err), 0);
    sw_timer_start(&f->timer, 3600000);
    sw_timer_unref(&f->timer);
    (void)uv_run(&f->loop, UV_RUN_DEFAULT); /* returns at once */
    assert_int_equal(f->fired, 0);
}

static void on_run(void *arg)
{
    struct fixture *f = arg;

    f->ran++;
    if (f->end_inside)
        sw_turn_fini(&f->turn);
    else if (f->again-- > 0)
        sw_turn_ask(&f->turn);
}

static void a_turn_runs_later_and_once(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(sw_turn_init(&f->turn, &f->loop, on_run, f, &f->err), 0);
    sw_turn_ask(&f->turn);
    sw_turn_ask(&f->turn);
    assert_int_equal(f->ran, 0);
    (void)uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(f->ran, 1);
}

static void a_turn_that_asks_again_lets_others_run_in_between(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(sw_turn_init(&f->turn, &f->loop, on_run, f, &f->err), 0);
    f->again = 1000000;
    sw_turn_ask(&f->turn);
    (void)uv_run(&f->loop, UV_RUN_NOWAIT);
    assert_int_equal(f->ran, 1);
    (void)uv_run(&f->loop, UV_RUN_NOWAIT);
    assert_int_equal(f->ran, 2);
    f->end_inside = true;
    (void)uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(f->ran, 3);
}

static void without_memory_there_is_no_timer(void **state)
{
    struct fixture *f = *state;

    test_heap_fail_nth(&f->heap, 1);
    assert_int_equal(sw_timer_init(&f->timer, &f->loop, on_fire, f, &f->err), -ENOMEM);
    test_heap_fail_nth(&f->heap, 1);
    assert_int_equal(sw_turn_init(&f->turn, &f->loop, on_run, f, &f->err), -ENOMEM);
}

static void backoff_doubles_up_to_its_ceiling(void **state)
{
    static const uint64_t low[] = { 50, 100, 200, 400, 500, 500 };
    struct sw_backoff b;

    (void)state;
    sw_backoff_init(&b, 100, 1000);
    for (size_t i = 0; i < SW_ARRAY_LEN(low); i++)
        assert_int_equal(sw_backoff_next(&b, 0), low[i]);
    for (int i = 0; i < 100; i++)
        assert_in_range(sw_backoff_next(&b, 0.999999), 990, 999);
    sw_backoff_reset(&b);
    assert_int_equal(sw_backoff_next(&b, 0.5), 75);
    for (int i = 0; i < 1000; i++) {
        double r = sw_random_unit();

        assert_true(r >= 0 && r < 1);
    }
}

static void backoff_survives_absurd_ceilings(void **state)
{
    struct sw_backoff b;

    (void)state;
    sw_backoff_init(&b, 1, UINT64_MAX);
    for (int i = 0; i < 200; i++)
        (void)sw_backoff_next(&b, 0);
    assert_true(sw_backoff_next(&b, 0) >= UINT64_MAX / 2);
}

static void addresses_are_split(void **state)
{
    static const struct {
        const char *text;
        uint16_t default_port;
        const char *host;
        uint16_t port;
    } rows[] = {
        { "10.0.0.1:2377", 0, "10.0.0.1", 2377 },
        { "10.0.0.1", 2377, "10.0.0.1", 2377 },
        { "manager.example:80", 2377, "manager.example", 80 },
        { "[fd00::1]:2377", 0, "fd00::1", 2377 },
        { "[fd00::1]", 5, "fd00::1", 5 },
        { "fd00::1", 5, "fd00::1", 5 },
        { ":2377", 0, "", 2377 },
        { "0.0.0.0:0", 0, "0.0.0.0", 0 },
    };
    struct sw_hostport hp;
    struct sw_err err;

    (void)state;
    for (size_t i = 0; i < SW_ARRAY_LEN(rows); i++) {
        assert_int_equal(sw_hostport_parse(rows[i].text, rows[i].default_port, &hp, &err), 0);
        assert_string_equal(hp.host, rows[i].host);
        assert_int_equal(hp.port, rows[i].port);
    }
}

static void what_is_no_address_is_said(void **state)
{
    static const struct {
        const char *text;
        const char *says;
    } rows[] = {
        { "", "'' has no port" },
        { "10.0.0.1", "'10.0.0.1' has no port" },
        { "fd00::1", "'fd00::1' has no port" },
        { "10.0.0.1:", "'10.0.0.1:' has no port number between 0 and 65535" },
        { "10.0.0.1:65536", "'10.0.0.1:65536' has no port number between 0 and 65535" },
        { "10.0.0.1:-1", "'10.0.0.1:-1' has no port number behind its colon" },
        { "10.0.0.1:2377/tcp", "'10.0.0.1:2377/tcp' has no port number behind its colon" },
        { "[fd00::1", "'[fd00::1' is no address: bracket not closed" },
        { "[fd00::1]x", "'[fd00::1]x' is no address: bracket not closed" },
    };
    struct sw_hostport hp;
    struct sw_err err;

    (void)state;
    for (size_t i = 0; i < SW_ARRAY_LEN(rows); i++) {
        assert_int_equal(sw_hostport_parse(rows[i].text, 0, &hp, &err), SW_E_INVALID);
        assert_string_equal(err.msg, rows[i].says);
    }
    assert_int_equal(sw_hostport_parse("", 5, &hp, &err), SW_E_INVALID);
}

static void numeric_hosts_become_socket_addresses(void **state)
{
    struct sw_hostport hp = { "10.0.0.1", 2377 };
    struct sockaddr_storage sa;
    struct sockaddr_in *in = (struct sockaddr_in *)&sa;
    struct sw_err err;

    (void)state;
    assert_int_equal(sw_hostport_numeric(&hp, &sa, &err), 0);
    assert_int_equal(sa.ss_family, AF_INET);
    assert_int_equal(ntohl(in->sin_addr.s_addr), 0x0a000001);
    assert_int_equal(ntohs(in->sin_port), 2377);
    strcpy(hp.host, "fd00::1");
    assert_int_equal(sw_hostport_numeric(&hp, &sa, &err), 0);
    assert_int_equal(sa.ss_family, AF_INET6);
    strcpy(hp.host, "");
    assert_int_equal(sw_hostport_numeric(&hp, &sa, &err), 0);
    assert_int_equal(sa.ss_family, AF_INET6);
    strcpy(hp.host, "manager");
    assert_int_equal(sw_hostport_numeric(&hp, &sa, &err), SW_E_INVALID);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_timer_fires_once_for_each_start),
        T(a_stopped_timer_is_silent_and_a_restart_replaces),
        T(a_timer_may_end_inside_its_callback),
        T(an_unreferenced_timer_does_not_hold_the_loop),
        T(a_turn_runs_later_and_once),
        T(a_turn_that_asks_again_lets_others_run_in_between),
        T(without_memory_there_is_no_timer),
        cmocka_unit_test(backoff_doubles_up_to_its_ceiling),
        cmocka_unit_test(backoff_survives_absurd_ceilings),
        cmocka_unit_test(addresses_are_split),
        cmocka_unit_test(what_is_no_address_is_said),
        cmocka_unit_test(numeric_hosts_become_socket_addresses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
