/* SPDX-License-Identifier: Apache-2.0
 * Real sockets: the server on a loop in this thread, a blocking client in another. The same
 * requests go once to the server and once through a proxy in front of it. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
#include <uv.h>

#include "common/base/macro.h"
#include "common/http/docker.h"
#include "common/http/proxy.h"
#include "common/http/server.h"

struct fixture {
    uv_loop_t loop;
    struct http_router *router, *front_router;
    struct http_server *server, *front;
    char dir[64];
    char path[96], front_path[96];
    uv_async_t client_done;
    void (*client)(struct fixture *f, const char *path);
    const char *client_path;
    int gone; /* streams whose client left */
    size_t big_left;
};

/* ---- handlers ------------------------------------------------------------------------------- */

static void hello(struct http_request *req, void *arg)
{
    (void)arg;
    http_reply(req, 200, "text/plain", "OK", 2);
}

static void on_later(uv_timer_t *t)
{
    http_reply(t->data, 200, "text/plain", "late", 4);
    uv_close((uv_handle_t *)t, (uv_close_cb)free);
}

static void later(struct http_request *req, void *arg)
{
    struct fixture *f = arg;
    uv_timer_t *t = malloc(sizeof(*t));

    uv_timer_init(&f->loop, t);
    t->data = req;
    uv_timer_start(t, on_later, 10, 0);
}

static void endless_gone(struct http_request *req, void *arg)
{
    struct fixture *f = arg;

    f->gone++;
    http_stream_end(req);
}

static void endless(struct http_request *req, void *arg)
{
    http_stream_start(req, 200, "text/plain");
    http_stream_write(req, "first\n", 6);
    http_on_close(req, endless_gone, arg);
}

static void count_body(struct http_request *req, const void *data, size_t len, void *arg)
{
    size_t *n = arg;

    (void)data;
    *n += len;
    if (len > 0) {
        http_body_pause(req); /* and at once again: the transport must cope */
        http_body_resume(req);
        return;
    }
    http_reply_json(req, 200, json_pack("{s:I}", "bytes", (json_int_t)*n));
    free(n);
}

static void upload_gone(struct http_request *req, void *arg)
{
    free(arg);
    http_abort(req);
}

static void upload(struct http_request *req, void *arg)
{
    size_t *n = calloc(1, sizeof(*n));

    (void)arg;
    http_on_close(req, upload_gone, n);
    http_on_body(req, count_body, n);
}

static void refuse_upload(struct http_request *req, void *arg)
{
    (void)arg;
    http_reply_error(req, 400, "no");
}

static void push(struct http_request *req, void *arg)
{
    static char block[10000];
    struct fixture *f = arg;

    memset(block, 'x', sizeof(block));
    while (f->big_left > 0) {
        size_t n = SW_MIN(f->big_left, sizeof(block));

        f->big_left -= n;
        if (http_stream_write(req, block, n) > HTTP_STREAM_HIGH)
            return;
    }
    http_stream_end(req);
}

static void big(struct http_request *req, void *arg)
{
    struct fixture *f = arg;

    f->big_left = 20 * 1000 * 1000;
    http_stream_start(req, 200, NULL);
    http_on_drain(req, push, f);
    push(req, f);
}

static void echo_raw(struct http_request *req, const void *data, size_t len, void *arg)
{
    (void)arg;
    if (len > 0) {
        http_stream_write(req, data, len);
    } else {
        http_stream_write(req, "bye\n", 4); /* the client has half-closed */
        http_stream_end(req);
    }
}

static void hijack_gone(struct http_request *req, void *arg)
{
    (void)arg;
    http_stream_end(req);
}

static void hijack(struct http_request *req, void *arg)
{
    http_on_close(req, hijack_gone, arg);
    http_hijack(req, "application/vnd.docker.raw-stream");
    http_stream_write(req, "hi\n", 3);
    http_on_body(req, echo_raw, arg);
}

static void to_server(struct http_request *req, void *arg)
{
    struct fixture *f = arg;
    struct http_header add = { "X-Via", "front" };
    struct http_proxy_options opt = { .socket_path = f->path, .add = &add, .n_add = 1 };

    http_proxy(req, &f->loop, &opt);
}

static void to_nobody(struct http_request *req, void *arg)
{
    struct fixture *f = arg;
    struct http_proxy_options opt = { .socket_path = "/nonexistent/socket",
                                      .unavailable = "nobody there" };

    http_proxy(req, &f->loop, &opt);
}

static const struct http_route routes[] = {
    { "GET", "/hello", hello, HTTP_BODY_WHOLE, 0 },
    { "GET", "/later", later, HTTP_BODY_WHOLE, 0 },
    { "GET", "/endless", endless, HTTP_BODY_WHOLE, 0 },
    { "POST", "/upload", upload, HTTP_BODY_STREAM, 0 },
    { "POST", "/refuse", refuse_upload, HTTP_BODY_STREAM, 0 },
    { "GET", "/big", big, HTTP_BODY_WHOLE, 0 },
    { "POST", "/hijack", hijack, HTTP_BODY_WHOLE, 0 },
};
static const struct http_route front_routes[] = {
    { "*", "/nobody", to_nobody, HTTP_BODY_STREAM, 0 },
    { "*", "/{all:.*}", to_server, HTTP_BODY_STREAM, 0 },
};

/* ---- the client's side ------------------------------------------------------------------------
 */

static int dial(const char *path)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    struct timeval limit = { .tv_sec = 10 };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    strcpy(a.sun_path, path);
    if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
        abort();
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    return fd;
}

static void say(int fd, const char *text)
{
    size_t n = strlen(text);

    while (n > 0) {
        ssize_t w = send(fd, text, n, MSG_NOSIGNAL);

        if (w < 0)
            return;
        text += w;
        n -= (size_t)w;
    }
}

/* Until @until was read, or the end. Return: all of it, static. */
static char *hear(int fd, const char *until)
{
    static char text[65536];
    size_t n = 0;

    text[0] = '\0';
    while (n < sizeof(text) - 1) {
        ssize_t r = recv(fd, text + n, sizeof(text) - 1 - n, 0);

        if (r <= 0)
            break;
        n += (size_t)r;
        text[n] = '\0';
        if (until != NULL && strstr(text, until) != NULL)
            break;
    }
    return text;
}

#define CHECK(x)                                                                                   \
    do {                                                                                           \
        if (!(x)) {                                                                                \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);                                \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static void client_keeps_alive(struct fixture *f, const char *path)
{
    int fd = dial(path);

    (void)f;
    for (int i = 0; i < 3; i++) {
        say(fd, "GET /v1.44/hello HTTP/1.1\r\nHost: any/thing\r\n\r\n");
        CHECK(strstr(hear(fd, "\r\n\r\nOK"), "HTTP/1.1 200 OK\r\n") != NULL);
        say(fd, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
        CHECK(strstr(hear(fd, "late"), "Content-Length: 4\r\n") != NULL);
    }
    say(fd, "HEAD /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(strstr(hear(fd, "\r\n\r\n"), "200 OK") != NULL);
    say(fd, "GET /nosuch HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    CHECK(strstr(hear(fd, NULL), "{\"message\":\"page not found\"}\n") != NULL);
    close(fd);
}

static void client_uploads(struct fixture *f, const char *path)
{
    int fd = dial(path);
    char block[1000];

    (void)f;
    memset(block, 'y', sizeof(block) - 1);
    block[sizeof(block) - 1] = '\0';
    say(fd, "POST /upload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 2000; i++) {
        say(fd, "3e7\r\n"); /* 999 */
        say(fd, block);
        say(fd, "\r\n");
    }
    say(fd, "0\r\n\r\n");
    CHECK(strstr(hear(fd, "}\n"), "{\"bytes\":1998000}") != NULL);
    say(fd, "POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
    CHECK(strstr(hear(fd, "}\n"), "{\"bytes\":5}") != NULL);
    say(fd, "POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
    CHECK(strstr(hear(fd, "}\n"), "400 Bad Request") != NULL);
    close(fd);
}

static void client_leaves(struct fixture *f, const char *path)
{
    int fd = dial(path);

    say(fd, "GET /endless HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(strstr(hear(fd, "first\n"), "Transfer-Encoding: chunked\r\n") != NULL);
    close(fd);
    for (int i = 0; i < 1000 && __atomic_load_n(&f->gone, __ATOMIC_SEQ_CST) == 0; i++)
        usleep(5000);
    CHECK(__atomic_load_n(&f->gone, __ATOMIC_SEQ_CST) == 1);
}

static void client_reads_slowly(struct fixture *f, const char *path)
{
    int fd = dial(path);
    static char block[65536];
    size_t got = 0;
    ssize_t n;

    (void)f;
    say(fd, "GET /big HTTP/1.0\r\n\r\n"); /* 1.0: no chunks, until close */
    usleep(100000);
    while ((n = recv(fd, block, sizeof(block), 0)) > 0)
        for (ssize_t i = 0; i < n; i++)
            got += block[i] == 'x';
    CHECK(got >= 20 * 1000 * 1000 && got < 20 * 1000 * 1000 + 100);
    close(fd);
}

static void client_hijacks(struct fixture *f, const char *path)
{
    int fd = dial(path);
    const char *upgrade = "POST /hijack HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
                          "Upgrade: tcp\r\nContent-Length: 0\r\n\r\n";

    say(fd, upgrade);
    CHECK(strstr(hear(fd, "hi\n"), "HTTP/1.1 101 ") != NULL);
    say(fd, "abc");
    CHECK(strcmp(hear(fd, "abc"), "abc") == 0);
    shutdown(fd, SHUT_WR);
    CHECK(strcmp(hear(fd, NULL), "bye\n") == 0); /* output goes on, then the end */
    close(fd);

    if (strcmp(path, f->path) != 0)
        return;
    fd = dial(path); /* without an upgrade: a bare 200 */
    say(fd, "POST /hijack HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    CHECK(strstr(hear(fd, "hi\n"), "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-"
                                   "stream\r\n") != NULL);
    say(fd, "abc");
    CHECK(strcmp(hear(fd, "abc"), "abc") == 0);
    shutdown(fd, SHUT_WR);
    CHECK(strcmp(hear(fd, NULL), "bye\n") == 0);
    close(fd);
}

static void client_finds_nobody(struct fixture *f, const char *path)
{
    int fd = dial(path);

    if (strcmp(path, f->path) != 0) {
        say(fd, "GET /nobody HTTP/1.1\r\nHost: x\r\n\r\n");
        CHECK(strstr(hear(fd, "}\n"), "503 Service Unavailable") != NULL);
    }
    close(fd);
}

/* Open requests of every kind when the server closes: it must neither hang nor crash. */
static void client_stays(struct fixture *f, const char *path)
{
    (void)f;
    for (int i = 0; i < 3; i++) {
        int fd = dial(path); /* leaked on purpose until the process ends */

        say(fd, i == 0   ? "GET /endless HTTP/1.1\r\nHost: x\r\n\r\n"
                : i == 1 ? "POST /hijack HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
                           "Upgrade: tcp\r\nContent-Length: 0\r\n\r\n"
                         : "POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe");
        if (i < 2)
            hear(fd, "i"); /* "first", "hi": it is under way */
    }
}

/* ---- running ----------------------------------------------------------------------------------
 */

static void *client_main(void *arg)
{
    struct fixture *f = arg;

    f->client(f, f->client_path);
    uv_async_send(&f->client_done);
    return NULL;
}

static void on_front_closed(void *arg)
{
    struct fixture *f = arg;

    http_server_close(f->server, NULL, NULL);
}

static void on_client_done(uv_async_t *a)
{
    struct fixture *f = a->data;

    uv_close((uv_handle_t *)a, NULL);
    http_server_close(f->front, on_front_closed, f);
}

static void talk(void (*client)(struct fixture *f, const char *path), bool through_proxy)
{
    struct fixture f = { .dir = "/tmp/swarm-test-http-XXXXXX", .client = client };
    struct http_router_options opt = { .engine = true, .server = "Docker/1 (linux)" };
    struct sw_err err;
    pthread_t thread;
    struct stat st;

    assert_non_null(mkdtemp(f.dir));
    snprintf(f.path, sizeof(f.path), "%s/s", f.dir);
    snprintf(f.front_path, sizeof(f.front_path), "%s/f", f.dir);
    uv_loop_init(&f.loop);
    assert_int_equal(http_router_new(&f.router, &opt, &err), 0);
    assert_int_equal(http_router_new(&f.front_router, &opt, &err), 0);
    http_router_add(f.router, routes, SW_ARRAY_LEN(routes), &f, &err);
    http_router_add(f.front_router, front_routes, SW_ARRAY_LEN(front_routes), &f, &err);
    assert_int_equal(http_server_new(&f.server, &f.loop, f.router, NULL, &err), 0);
    assert_int_equal(http_server_new(&f.front, &f.loop, f.front_router, NULL, &err), 0);
    assert_int_equal(http_server_listen_unix(f.server, f.path, 0660, (gid_t)-1, &err), 0);
    assert_int_equal(http_server_listen_unix(f.front, f.front_path, 0600, (gid_t)-1, &err), 0);
    stat(f.path, &st);
    assert_int_equal(st.st_mode & 0777, 0660);
    uv_async_init(&f.loop, &f.client_done, on_client_done);
    f.client_done.data = &f;
    f.client_path = through_proxy ? f.front_path : f.path;
    pthread_create(&thread, NULL, client_main, &f);
    uv_run(&f.loop, UV_RUN_DEFAULT);
    pthread_join(thread, NULL);
    http_router_free(f.router);
    http_router_free(f.front_router);
    assert_int_equal(uv_loop_close(&f.loop), 0);
    assert_int_equal(access(f.path, F_OK), -1); /* sockets are removed */
    rmdir(f.dir);
}

#define BOTH(name, client)                                                                         \
    static void name(void **state)                                                                 \
    {                                                                                              \
        (void)state;                                                                               \
        talk(client, false);                                                                       \
        talk(client, true);                                                                        \
    }

BOTH(connections_are_kept_alive, client_keeps_alive)
BOTH(bodies_are_streamed_in, client_uploads)
BOTH(a_stream_hears_of_its_client_leaving, client_leaves)
BOTH(a_slow_reader_gets_everything, client_reads_slowly)
BOTH(a_hijacked_connection_is_raw_both_ways, client_hijacks)
BOTH(a_proxy_without_a_daemon_says_so, client_finds_nobody)
BOTH(a_server_closes_with_requests_open, client_stays)

static void a_live_socket_is_not_taken_over(void **state)
{
    struct http_router_options opt = { .engine = false };
    char path[] = "/tmp/swarm-test-http-sock-XXXXXX";
    struct http_router *router;
    struct http_server *a, *b;
    struct sw_err err;
    uint16_t port = 0;
    uv_loop_t loop;

    (void)state;
    close(mkstemp(path));
    unlink(path);
    uv_loop_init(&loop);
    assert_int_equal(http_router_new(&router, &opt, &err), 0);
    assert_int_equal(http_server_new(&a, &loop, router, NULL, &err), 0);
    assert_int_equal(http_server_new(&b, &loop, router, NULL, &err), 0);
    assert_int_equal(http_server_listen_unix(a, path, 0600, (gid_t)-1, &err), 0);
    assert_int_equal(http_server_listen_unix(b, path, 0600, (gid_t)-1, &err), -EADDRINUSE);
    assert_int_equal(http_server_listen_tcp(b, "127.0.0.1:0", &port, &err), 0);
    assert_int_not_equal(port, 0);
    assert_int_equal(http_server_listen_tcp(b, "localhost", NULL, &err), SW_E_INVALID);
    assert_int_equal(http_server_listen_tcp(b, "nohost:80", NULL, &err), SW_E_INVALID);
    http_server_close(a, NULL, NULL);
    http_server_close(b, NULL, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    http_router_free(router);
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connections_are_kept_alive),
        cmocka_unit_test(bodies_are_streamed_in),
        cmocka_unit_test(a_stream_hears_of_its_client_leaving),
        cmocka_unit_test(a_slow_reader_gets_everything),
        cmocka_unit_test(a_hijacked_connection_is_raw_both_ways),
        cmocka_unit_test(a_proxy_without_a_daemon_says_so),
        cmocka_unit_test(a_server_closes_with_requests_open),
        cmocka_unit_test(a_live_socket_is_not_taken_over),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
