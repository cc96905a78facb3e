/* SPDX-License-Identifier: Apache-2.0
 * Connections under attack and in decay: silence, strangers, tampering, expiry, changing keys. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/time.h"
#include "common/crypto/secret.h"
#include "tests/unit/common/rpc/world.h"

/* A man in the middle who forwards, until told to stop. */
struct middle {
    uv_tcp_t listener;
    uv_tcp_t side[2];
    uv_connect_t connect;
    bool mute;
    size_t flip_at; /* change this byte of what the dialer sends; 0 = none */
    size_t passed;
    uint16_t to;
    char address[64];
};

/* A plain TCP client that says @bytes and then waits. */
static int raw_client(struct fixture *f, const void *bytes, size_t n)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in sa;

    assert_int_equal(uv_ip4_addr("127.0.0.1", sw_rpc_server_port(f->server), &sa), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    if (n > 0)
        assert_int_equal(write(fd, bytes, n), n);
    return fd;
}

static bool is_closed(int fd)
{
    char c;
    ssize_t n = recv(fd, &c, 1, MSG_DONTWAIT);

    return n == 0 || (n < 0 && errno != EAGAIN);
}

static void wait_closed(struct fixture *f, int fd)
{
    for (int i = 0; i < 1000 && !is_closed(fd); i++)
        run_for(&f->w, 10);
    assert_true(is_closed(fd));
}

static void a_silent_peer_is_dropped_after_the_handshake_time(void **state)
{
    struct fixture *f = *state;
    const struct sw_rpc_limits limits = { .handshake_ms = 100 };
    uint64_t start;
    int fd;

    f->server = world_listen(&f->w, &(struct sw_rpc_listen){ .limits = &limits }, &f->at_server,
                             f->address);
    start = uv_hrtime();
    fd = raw_client(f, NULL, 0);
    wait_closed(f, fd);
    assert_in_range((uv_hrtime() - start) / 1000000, 99, 5000);
    (void)close(fd);
}

static void a_stranger_to_the_protocol_is_dropped_at_once(void **state)
{
    struct fixture *f = *state;
    static const char http[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    static const uint8_t long_record[4] = { 0xff, 0xff, 's', 'w' };
    int fd[2];

    listen_plain(f);
    fd[0] = raw_client(f, http, sizeof(http) - 1);
    fd[1] = raw_client(f, long_record, sizeof(long_record));
    wait_closed(f, fd[0]);
    wait_closed(f, fd[1]);
    (void)close(fd[0]);
    (void)close(fd[1]);
}

static void half_open_connections_are_bounded_and_the_oldest_goes(void **state)
{
    struct fixture *f = *state;
    const struct sw_rpc_limits limits = { .half_open = 4 };
    struct sw_rpc_conn *c;
    int fd[6];

    f->server = world_listen(&f->w, &(struct sw_rpc_listen){ .limits = &limits }, &f->at_server,
                             f->address);
    for (int i = 0; i < 6; i++) {
        fd[i] = raw_client(f, NULL, 0);
        run_for(&f->w, 10);
    }
    wait_closed(f, fd[1]); /* the last two waited in the kernel for those places */
    for (int i = 0; i < 6; i++)
        assert_int_equal(is_closed(fd[i]), i < 2);
    c = dial_up(f, &(struct sw_rpc_dial){ 0 }); /* an honest one still gets in */
    for (int i = 0; i < 6; i++) {
        assert_int_equal(is_closed(fd[i]), i < 3);
        (void)close(fd[i]);
    }
    sw_rpc_conn_close(c);
}

static void a_herd_of_honest_nodes_gets_in_without_a_loss(void **state)
{
    struct fixture *f = *state;
    const struct sw_rpc_limits limits = { .half_open = 4 };

    f->server = world_listen(&f->w, &(struct sw_rpc_listen){ .limits = &limits }, &f->at_server,
                             f->address);
    for (int i = 0; i < 200; i++)
        (void)world_dial(&f->w, &(struct sw_rpc_dial){ 0 }, &f->at_dialer, f->address);
    run_until(&f->w, &f->at_dialer.ups, 200);
    assert_int_equal(f->at_dialer.downs, 0);
    sw_rpc_server_free(f->server);
    f->server = NULL;
    run_until(&f->w, &f->at_dialer.downs, 200);
}

static void an_idle_connection_is_kept_alive_by_pings(void **state)
{
    struct fixture *f = *state;
    const struct sw_rpc_limits limits = { .ping_ms = 30, .idle_ms = 120 };
    struct sw_rpc_conn *c;

    listen_plain(f);
    c = dial_up(f, &(struct sw_rpc_dial){ .limits = &limits });
    run_for(&f->w, 400);
    assert_int_equal(f->at_dialer.downs, 0);
    sw_rpc_conn_close(c);
}

static void on_alloc(uv_handle_t *h, size_t n, uv_buf_t *buf)
{
    (void)h;
    *buf = uv_buf_init(malloc(n), (unsigned)n);
}

static void on_sent(uv_write_t *req, int status)
{
    (void)status;
    free(req->data);
    free(req);
}

static void on_forward(uv_stream_t *from, ssize_t n, const uv_buf_t *buf)
{
    struct middle *m = from->data;
    int i = from == (uv_stream_t *)&m->side[1];
    uv_write_t *req;
    uv_buf_t out;

    if (n <= 0 || m->mute) {
        free(buf->base);
        if (n < 0 && !uv_is_closing((uv_handle_t *)&m->side[0])) {
            uv_close((uv_handle_t *)&m->side[0], NULL);
            uv_close((uv_handle_t *)&m->side[1], NULL);
        }
        return;
    }
    if (i == 0) {
        if (m->flip_at >= m->passed && m->flip_at < m->passed + (size_t)n && m->flip_at > 0)
            buf->base[m->flip_at - m->passed] ^= 0x10;
        m->passed += (size_t)n;
    }
    req = calloc(1, sizeof(*req));
    req->data = buf->base;
    out = uv_buf_init(buf->base, (unsigned)n);
    assert_int_equal(uv_write(req, (uv_stream_t *)&m->side[1 - i], &out, 1, on_sent), 0);
}

static void on_middle_connected(uv_connect_t *req, int status)
{
    struct middle *m = req->data;

    assert_int_equal(status, 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(uv_read_start((uv_stream_t *)&m->side[i], on_alloc, on_forward), 0);
}

static void on_middle_accept(uv_stream_t *l, int status)
{
    struct middle *m = l->data;
    struct sockaddr_in sa;

    assert_int_equal(status, 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(uv_tcp_init(l->loop, &m->side[i]), 0);
        m->side[i].data = m;
    }
    assert_int_equal(uv_accept(l, (uv_stream_t *)&m->side[0]), 0);
    assert_int_equal(uv_ip4_addr("127.0.0.1", m->to, &sa), 0);
    m->connect.data = m;
    assert_int_equal(
        uv_tcp_connect(&m->connect, &m->side[1], (struct sockaddr *)&sa, on_middle_connected), 0);
}

static struct middle *middle_init(struct fixture *f)
{
    static struct middle it;
    struct middle *m = &it;
    struct sockaddr_in sa;
    int len = sizeof(sa);

    memset(m, 0, sizeof(*m));
    m->to = sw_rpc_server_port(f->server);
    assert_int_equal(uv_tcp_init(&f->w.loop, &m->listener), 0);
    m->listener.data = m;
    assert_int_equal(uv_ip4_addr("127.0.0.1", 0, &sa), 0);
    assert_int_equal(uv_tcp_bind(&m->listener, (struct sockaddr *)&sa, 0), 0);
    assert_int_equal(uv_listen((uv_stream_t *)&m->listener, 8, on_middle_accept), 0);
    assert_int_equal(uv_tcp_getsockname(&m->listener, (struct sockaddr *)&sa, &len), 0);
    (void)snprintf(f->address, sizeof(f->address), "127.0.0.1:%u", ntohs(sa.sin_port));
    return m;
}

static void middle_fini(struct middle *m)
{
    uv_close((uv_handle_t *)&m->listener, NULL);
    for (int i = 0; i < 2; i++)
        if (!uv_is_closing((uv_handle_t *)&m->side[i]))
            uv_close((uv_handle_t *)&m->side[i], NULL);
}

static void a_peer_that_falls_silent_is_given_up(void **state)
{
    struct fixture *f = *state;
    const struct sw_rpc_limits limits = { .ping_ms = 30, .idle_ms = 120 };
    struct middle *m;

    listen_plain(f);
    m = middle_init(f);
    (void)dial_up(f, &(struct sw_rpc_dial){ .limits = &limits });
    m->mute = true;
    run_until(&f->w, &f->at_dialer.downs, 1);
    assert_int_equal(f->at_dialer.down.code, SW_E_UNAVAILABLE);
    assert_non_null(strstr(f->at_dialer.down.msg, "no sign of life from"));
    middle_fini(m);
}

/* Every byte that the dialer sends while it connects, changed in turn. */
static void a_tampered_handshake_never_comes_up(void **state)
{
    struct fixture *f = *state;
    struct middle *m;
    unsigned downs = 0;
    size_t sent;

    listen_plain(f);
    m = middle_init(f);
    sw_rpc_conn_close(dial_up(f, &(struct sw_rpc_dial){ 0 }));
    run_for(&f->w, 10);
    sent = m->passed; /* preamble and e; then s, the certificate */
    assert_in_range(sent, 300, 700);
    f->at_dialer.ups = 0;
    f->at_server.ups = 0;
    for (size_t at = 2; at < sent; at += 13) {
        m->flip_at = at;
        m->passed = 0;
        (void)world_dial(&f->w, &(struct sw_rpc_dial){ .timeout_ms = 400 }, &f->at_dialer,
                         f->address);
        run_until(&f->w, &f->at_dialer.downs, ++downs);
        run_for(&f->w, 1);
    }
    assert_int_equal(f->at_dialer.ups, 0);
    assert_int_equal(f->at_server.ups, 0);
    middle_fini(m);
}

static void a_tampered_record_ends_the_connection(void **state)
{
    struct fixture *f = *state;
    struct middle *m;
    struct answer a = { 0 };
    const struct sw_rpc_call call = {
        .method = METHOD_ECHO, .bytes = "x", .len = 1, .done = answer_done, .arg = &a
    };
    struct sw_rpc_conn *c;

    listen_plain(f);
    m = middle_init(f);
    c = dial_up(f, &(struct sw_rpc_dial){ 0 });
    run_until(&f->w, &f->at_server.ups, 1);
    m->flip_at = m->passed + 20;
    assert_int_equal(sw_rpc_call(c, &call, &f->w.err), 0);
    run_until(&f->w, &f->at_server.downs, 1);
    assert_int_equal(f->at_server.down.code, SW_E_CRYPTO);
    run_until(&f->w, &a.done, 1);
    run_until(&f->w, &f->at_dialer.downs, 1);
    assert_int_equal(a.err.code, SW_E_CRYPTO); /* the server could still say why */
    middle_fini(m);
}

static int64_t fake_now;
static int64_t fake_clock(void)
{
    return fake_now;
}

static void a_connection_does_not_outlive_the_certificate(void **state)
{
    struct fixture *f = *state;
    const struct sw_rpc_limits limits = { .now_ns = fake_clock, .ping_ms = 20 };

    listen_plain(f);
    fake_now = sw_now_ns();
    (void)dial_up(f, &(struct sw_rpc_dial){ .limits = &limits });
    fake_now = f->w.manager->cert.not_after_ns + 1;
    run_until(&f->w, &f->at_dialer.downs, 1);
    assert_int_equal(f->at_dialer.down.code, SW_E_PERMISSION);
    assert_non_null(strstr(f->at_dialer.down.msg, "has expired"));
    run_until(&f->w, &f->at_server.downs, 1);
}

static void keys_change_under_way_without_notice(void **state)
{
    struct fixture *f = *state;
    const struct sw_rpc_limits limits = { .rekey_records = 3 };
    struct answer a;
    struct sw_rpc_conn *c;

    f->server = world_listen(&f->w, &(struct sw_rpc_listen){ .limits = &limits }, &f->at_server,
                             f->address);
    c = dial_up(f, &(struct sw_rpc_dial){ .limits = &limits });
    for (int i = 0; i < 20; i++) {
        ask(&f->w, c, METHOD_ECHO, "again", &a);
        assert_int_equal(a.err.code, 0);
    }
    sw_rpc_conn_close(c);
}

static void a_renewed_identity_serves_the_next_handshake(void **state)
{
    struct fixture *f = *state;
    struct sw_identity *next = world_identity(&f->w, &f->w.root, SW_ROLE_MANAGER, sw_now_ns());
    struct sw_rpc_conn *c;

    listen_plain(f);
    sw_rpc_server_set_identity(f->server, next);
    c = dial_up(f, &(struct sw_rpc_dial){ 0 });
    assert_true(sw_id_equal(&f->at_dialer.peer.node_id, &next->cert.node_id));
    sw_identity_unref(next);
    sw_rpc_conn_close(c);
}

static void a_dial_gives_up_after_its_time(void **state)
{
    struct fixture *f = *state;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); /* listens, says nothing */
    struct sockaddr_in sa;
    socklen_t len = sizeof(sa);

    assert_int_equal(uv_ip4_addr("127.0.0.1", 0, &sa), 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
    (void)snprintf(f->address, sizeof(f->address), "127.0.0.1:%u", ntohs(sa.sin_port));
    dial_fails(f, &(struct sw_rpc_dial){ .timeout_ms = 50 }, SW_E_DEADLINE,
               "no complete handshake within 50 ms");
    (void)close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_silent_peer_is_dropped_after_the_handshake_time),
        T(a_stranger_to_the_protocol_is_dropped_at_once),
        T(half_open_connections_are_bounded_and_the_oldest_goes),
        T(a_herd_of_honest_nodes_gets_in_without_a_loss),
        T(an_idle_connection_is_kept_alive_by_pings),
        T(a_peer_that_falls_silent_is_given_up),
        T(a_tampered_handshake_never_comes_up),
        T(a_tampered_record_ends_the_connection),
        T(a_connection_does_not_outlive_the_certificate),
        T(keys_change_under_way_without_notice),
        T(a_renewed_identity_serves_the_next_handshake),
        T(a_dial_gives_up_after_its_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
