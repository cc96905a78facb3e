/* SPDX-License-Identifier: Apache-2.0
 * Reclamation: nothing is freed while a worker may look at it, everything is freed in the end.
 * Best run with -DSWARM_SANITIZE=thread or address. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/netd/netd_open.h"
#include "agent/netd/worker.h"
#include "common/base/alloc.h"
#include "common/crypto/aead.h"

struct thing {
    struct netd_garbage garbage;
    unsigned *freed;
};

static void thing_free(struct netd_garbage *g)
{
    struct thing *t = (struct thing *)(void *)g;

    ++*t->freed;
    sw_free(t);
}

static void retire_one(struct netd_workers *ws, unsigned *freed)
{
    struct thing *t = sw_calloc(1, sizeof(*t));

    t->freed = freed;
    t->garbage.free = thing_free;
    netd_workers_retire(ws, &t->garbage);
}

static void reclaim_all(struct netd_workers *ws)
{
    for (unsigned i = 0; netd_workers_reclaim(ws); i++) {
        assert_true(i < 5000);
        (void)usleep(1000);
    }
}

static void the_number_of_workers_follows_the_processors(void **state)
{
    (void)state;
    assert_int_equal(netd_workers_count(1), 1);
    assert_int_equal(netd_workers_count(2), 2);
    assert_int_equal(netd_workers_count(3), 2);
    assert_int_equal(netd_workers_count(4), 2);
    assert_int_equal(netd_workers_count(6), 3);
    assert_int_equal(netd_workers_count(64), 8);
}

static void what_is_retired_waits_for_the_next_table(void **state)
{
    struct netd_workers *ws = NULL;
    struct sw_err err;
    unsigned freed = 0;

    (void)state;
    assert_int_equal(netd_workers_new(&ws, 2, 2, &err), 0);
    retire_one(ws, &freed);
    (void)netd_workers_reclaim(ws);
    assert_int_equal(freed, 0); /* the table in force may still lead there */
    netd_workers_publish(ws, vtep_table_new(0, 0, 0));
    reclaim_all(ws);
    assert_int_equal(freed, 1);
    retire_one(ws, &freed);
    netd_workers_free(ws);
    assert_int_equal(freed, 2);
}

/* Packets of an unknown index keep the receivers inside the tables while these change. */
static void tables_change_under_traffic(void **state)
{
    struct netd_workers *ws = NULL;
    struct sw_err err;
    int fds[4], out[4];
    unsigned freed = 0, n = 3000;
    uint8_t pkt[200] = { 1 };

    (void)state;
    assert_int_equal(netd_workers_new(&ws, 2, 4, &err), 0);
    assert_false(netd_workers_have_udp(ws));
    assert_int_equal(netd_udp_open("127.0.0.1", 47891, 2, fds, &err), 0);
    assert_int_equal(netd_udp_open("127.0.0.1", 0, 2, out, &err), 0);
    assert_int_equal(netd_workers_set_udp(ws, fds, &err), 0);
    assert_true(netd_workers_have_udp(ws));
    for (unsigned i = 0; i < n; i++) {
        struct sockaddr_storage to;
        socklen_t len = sizeof(to);

        assert_int_equal(getsockname(fds[0], (struct sockaddr *)&to, &len), 0);
        for (unsigned k = 0; k < 4; k++)
            (void)!sendto(out[k], pkt, sizeof(pkt), 0, (struct sockaddr *)&to, len);
        retire_one(ws, &freed);
        netd_workers_publish(ws, vtep_table_new(3, 2, 10));
    }
    reclaim_all(ws);
    assert_int_equal(freed, n);
    assert_true(netd_workers_drops(ws, VTEP_UNKNOWN_INDEX) > 0);
    for (unsigned k = 0; k < 4; k++)
        close(out[k]);
    netd_workers_free(ws);
}

static void sockets_change_under_traffic(void **state)
{
    struct netd_workers *ws = NULL;
    struct sw_err err;
    int fds[4];

    (void)state;
    assert_int_equal(netd_workers_new(&ws, 2, 2, &err), 0);
    for (unsigned i = 0; i < 200; i++) {
        assert_int_equal(netd_udp_open("127.0.0.1", 47892, 2, fds, &err), 0);
        assert_int_equal(netd_workers_set_udp(ws, fds, &err), 0);
    }
    reclaim_all(ws);
    netd_workers_free(ws);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_number_of_workers_follows_the_processors),
        cmocka_unit_test(what_is_retired_waits_for_the_next_table),
        cmocka_unit_test(tables_change_under_traffic),
        cmocka_unit_test(sockets_change_under_traffic),
    };
    struct sw_err err;

    if (sw_aead_init(&err) < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
