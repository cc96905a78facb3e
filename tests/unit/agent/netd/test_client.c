/* SPDX-License-Identifier: Apache-2.0
 * swarmd's end against the real other end, both on one loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <cmocka.h>
#include <uv.h>

#include "agent/netd/control.h"
#include "agent/netd/netd_client.h"
#include "agent/netd/netd_open.h"
#include "common/crypto/aead.h"
#include "common/io/unixsock.h"

struct fixture {
    uv_loop_t loop;
    char dir[64], path[100];
    struct netd_control *control;
    struct netd_client *client;
    unsigned ups, downs, closed;
    uint8_t instance[16];
    uint32_t workers;
    bool udp;
    unsigned replies; /* and the last one: */
    int code;
    bool has_reply;
    uint64_t epoch;
    uint8_t start_key[32];
    struct sw_err err;
};

static void on_up(void *ctx, const Swarm__V1__NetdHelloReply *hello)
{
    struct fixture *f = ctx;

    f->ups++;
    assert_int_equal(hello->instance.len, 16);
    memcpy(f->instance, hello->instance.data, 16);
    f->workers = hello->workers;
    f->udp = hello->udp;
}

static void on_down(void *ctx, const struct sw_err *why)
{
    struct fixture *f = ctx;

    f->downs++;
    assert_true(why->code < 0);
}

static void on_reply(void *ctx, const struct sw_err *status, const Swarm__V1__NetdReply *reply)
{
    struct fixture *f = ctx;

    f->replies++;
    f->code = status->code;
    f->has_reply = reply != NULL;
    if (reply != NULL && reply->what_case == SWARM__V1__NETD_REPLY__WHAT_EPOCH) {
        f->epoch = reply->epoch->epoch;
        memcpy(f->start_key, reply->epoch->start_key.data, 32);
    }
}

static void on_closed(void *ctx)
{
    ((struct fixture *)ctx)->closed++;
}

/* Turn the loop until *count reaches @want, at most 5 s. */
static void turn_until(struct fixture *f, const unsigned *count, unsigned want)
{
    uint64_t end = uv_hrtime() + 5000000000ull;

    while (*count < want && uv_hrtime() < end) {
        (void)uv_run(&f->loop, UV_RUN_NOWAIT);
        (void)usleep(1000);
    }
    assert_int_equal(*count, want);
}

static void netd_start(struct fixture *f)
{
    int fd = -1;

    assert_int_equal(sw_unix_listen(f->path, 0600, &fd, &f->err), 0);
    assert_int_equal(netd_control_new(&f->control, &f->loop, fd, 2, &f->err), 0);
}

static void netd_stop(struct fixture *f)
{
    netd_control_free(f->control);
    f->control = NULL;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    const struct netd_client_watch watch = { f, on_up, on_down, NULL };

    snprintf(f->dir, sizeof(f->dir), "/tmp/netd-test-XXXXXX");
    if (mkdtemp(f->dir) == NULL || uv_loop_init(&f->loop) < 0)
        return -1;
    snprintf(f->path, sizeof(f->path), "%s/sock", f->dir);
    netd_start(f);
    if (netd_client_new(&f->client, &f->loop, f->path, &watch, &f->err) < 0)
        return -1;
    turn_until(f, &f->ups, 1);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    if (f->client != NULL) {
        netd_client_close(f->client, on_closed, f);
        turn_until(f, &f->closed, 1);
    }
    if (f->control != NULL)
        netd_stop(f);
    (void)uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->loop), 0); /* no handle is left */
    (void)unlink(f->path);
    (void)rmdir(f->dir);
    free(f);
    return 0;
}

static int request_epoch(struct fixture *f, uint64_t epoch)
{
    Swarm__V1__NetdNewEpoch m = SWARM__V1__NETD_NEW_EPOCH__INIT;
    Swarm__V1__NetdRequest req = SWARM__V1__NETD_REQUEST__INIT;

    m.epoch = epoch;
    req.what_case = SWARM__V1__NETD_REQUEST__WHAT_NEW_EPOCH;
    req.new_epoch = &m;
    return netd_client_request(f->client, &req, NULL, 0, on_reply, f, &f->err);
}

static int request_udp(struct fixture *f, const int *fds, size_t n)
{
    Swarm__V1__NetdConfigureUdp m = SWARM__V1__NETD_CONFIGURE_UDP__INIT;
    Swarm__V1__NetdRequest req = SWARM__V1__NETD_REQUEST__INIT;

    m.local_addr = (char *)(uintptr_t) "127.0.0.1";
    req.what_case = SWARM__V1__NETD_REQUEST__WHAT_CONFIGURE_UDP;
    req.configure_udp = &m;
    return netd_client_request(f->client, &req, fds, n, on_reply, f, &f->err);
}

static void a_request_is_answered_once_and_later(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(request_epoch(f, 7), 0);
    assert_int_equal(f->replies, 0);
    turn_until(f, &f->replies, 1);
    assert_int_equal(f->code, 0);
    assert_true(f->has_reply);
    assert_int_equal(f->epoch, 7);
}

static void a_refusal_carries_its_code_and_no_reply(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(request_udp(f, NULL, 0), 0); /* none are in place */
    turn_until(f, &f->replies, 1);
    assert_int_equal(f->code, SW_E_NOT_FOUND);
    assert_false(f->has_reply);
}

static unsigned open_fds(void)
{
    unsigned n = 0;

    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static void descriptors_are_passed_and_ours_closed(void **state)
{
    struct fixture *f = *state;
    int fds[2 * NETD_WORKERS_MAX];
    size_t n = 2 * (size_t)f->workers;
    unsigned before = open_fds();

    assert_int_equal(netd_udp_open("127.0.0.1", 0, f->workers, fds, &f->err), 0);
    assert_int_equal(request_udp(f, fds, n), 0);
    turn_until(f, &f->replies, 1);
    assert_int_equal(f->code, 0);
    assert_int_equal(open_fds(), before + n); /* one end has them, not both */
}

static void a_new_netd_is_noticed_and_is_another_instance(void **state)
{
    struct fixture *f = *state;
    uint8_t first[16];

    memcpy(first, f->instance, 16);
    netd_stop(f);
    assert_int_equal(request_epoch(f, 1), 0); /* not noticed yet: answered all the same */
    turn_until(f, &f->downs, 1);
    assert_int_equal(f->replies, 1);
    assert_int_equal(f->code, SW_E_UNAVAILABLE);
    assert_int_equal(request_epoch(f, 1), SW_E_UNAVAILABLE);
    netd_start(f);
    turn_until(f, &f->ups, 2);
    assert_memory_not_equal(f->instance, first, 16);
    assert_false(f->udp);
}

static void a_failed_request_closes_its_descriptors(void **state)
{
    struct fixture *f = *state;
    int fd;

    netd_stop(f);
    turn_until(f, &f->downs, 1);
    fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_int_equal(request_udp(f, &fd, 1), SW_E_UNAVAILABLE);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void closing_answers_what_is_under_way(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(request_epoch(f, 1), 0);
    assert_int_equal(request_epoch(f, 2), 0);
    netd_client_close(f->client, on_closed, f);
    f->client = NULL;
    assert_int_equal(f->replies, 2);
    assert_int_equal(f->code, SW_E_CANCELED);
    turn_until(f, &f->closed, 1);
    assert_int_equal(f->downs, 0);
}

static void state_outlives_the_connection(void **state)
{
    struct fixture *f = *state;
    const struct netd_client_watch watch = { f, on_up, on_down, NULL };
    uint8_t key[32], first[16];

    assert_int_equal(request_epoch(f, 3), 0);
    turn_until(f, &f->replies, 1);
    memcpy(key, f->start_key, 32);
    memcpy(first, f->instance, 16);
    netd_client_close(f->client, on_closed, f);
    turn_until(f, &f->closed, 1);
    f->closed = 0;
    assert_int_equal(netd_client_new(&f->client, &f->loop, f->path, &watch, &f->err), 0);
    turn_until(f, &f->ups, 2);
    assert_memory_equal(f->instance, first, 16);
    assert_int_equal(request_epoch(f, 3), 0);
    turn_until(f, &f->replies, 2);
    assert_memory_equal(f->start_key, key, 32);
}

static void what_is_signed_about_a_key_has_fixed_bytes(void **state)
{
    uint8_t start_key[32], out[NETD_KEY_MSG_BYTES];
    struct sw_id id;

    (void)state;
    memset(id.b, 0xaa, sizeof(id.b));
    memset(start_key, 0xbb, sizeof(start_key));
    netd_key_message(&id, 0x0102, start_key, 3, out);
    assert_int_equal(NETD_KEY_MSG_BYTES, 60);
    assert_memory_equal(out, id.b, 16);
    assert_memory_equal(out + 16, "\2\1\0\0\0\0\0\0", 8);
    assert_memory_equal(out + 24, start_key, 32);
    assert_memory_equal(out + 56, "\3\0\0\0", 4);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_request_is_answered_once_and_later),
        TEST(a_refusal_carries_its_code_and_no_reply),
        TEST(descriptors_are_passed_and_ours_closed),
        TEST(a_new_netd_is_noticed_and_is_another_instance),
        TEST(a_failed_request_closes_its_descriptors),
        TEST(closing_answers_what_is_under_way),
        TEST(state_outlives_the_connection),
        cmocka_unit_test(what_is_signed_about_a_key_has_fixed_bytes),
    };
    struct sw_err err;

    if (sw_aead_init(&err) < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
