/* SPDX-License-Identifier: Apache-2.0
 * Requests through a router, without sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/base/macro.h"
#include "common/http/exchange.h"
#include "tests/lib/test_heap.h"

struct answer { /* what a transport saw */
    int status;
    enum http_answer kind;
    char headers[1024];
    struct sw_buf body;
    bool started;
    bool reading;
    int ends;
    enum http_end how;
};

static void on_start(void *transport, const struct http_answer_head *head)
{
    struct answer *a = transport;

    assert_false(a->started);
    a->started = true;
    a->status = head->status;
    a->kind = head->kind;
    for (size_t i = 0; i < head->n_headers; i++)
        snprintf(a->headers + strlen(a->headers), sizeof(a->headers) - strlen(a->headers),
                 "%s: %s\n", head->headers[i].name, head->headers[i].value);
    if (head->kind == HTTP_ANSWER_WHOLE) {
        sw_buf_add(&a->body, head->body, head->len);
        sw_free(head->body);
    }
}

static size_t on_write(void *transport, const void *data, size_t len)
{
    struct answer *a = transport;

    sw_buf_add(&a->body, data, len);
    return a->body.len;
}

static void on_read(void *transport, bool on)
{
    ((struct answer *)transport)->reading = on;
}

static void on_end(void *transport, enum http_end how)
{
    struct answer *a = transport;

    a->ends++;
    a->how = how;
}

static const struct http_exchange_ops ops = { on_start, on_write, on_read, on_end };

struct fixture {
    struct test_heap heap;
    struct http_router *router;
    struct answer a;
    struct sw_err err;
    struct http_request *held; /* by hold() */
    int closes;
    char seen[256];
};

static void echo(struct http_request *req, void *arg)
{
    struct fixture *f = arg;
    size_t len;
    const char *body = http_body(req, &len);
    const char *name = http_arg(req, "name");

    snprintf(f->seen, sizeof(f->seen), "%s %s %u %s", http_method(req), http_path(req),
             http_api_version(req), name == NULL ? "-" : name);
    http_reply(req, 200, "text/plain", body, len);
}

static void query(struct http_request *req, void *arg)
{
    struct fixture *f = arg;
    struct sw_err err = { 0 };
    int64_t n = 0;

    if (http_query_int(req, "n", 7, &n, &err) < 0) {
        http_reply_err(req, &err);
        return;
    }
    snprintf(f->seen, sizeof(f->seen), "%d%d%d n=%d x=%s x1=%s", http_query_bool(req, "a", false),
             http_query_bool(req, "b", true), http_query_bool(req, "c", true), (int)n,
             http_query(req, "x"), http_query_nth(req, "x", 1));
    http_set_header(req, "X-Good", "yes");
    http_set_header(req, "X-Bad", "a\r\nSet-Cookie: b");
    http_reply_empty(req, 204);
}

static void on_gone(struct http_request *req, void *arg)
{
    struct fixture *f = arg;

    (void)req;
    f->closes++;
}

static void hold(struct http_request *req, void *arg)
{
    struct fixture *f = arg;

    f->held = req;
    http_on_close(req, on_gone, f);
}

static void stream_body(struct http_request *req, const void *data, size_t len, void *arg)
{
    (void)arg;
    if (len > 0)
        http_stream_write(req, data, len);
    else
        http_stream_end(req);
}

static void stream(struct http_request *req, void *arg)
{
    http_stream_start(req, 200, "application/json");
    http_on_body(req, stream_body, arg);
}

static void fail_409(struct http_request *req, void *arg)
{
    struct sw_err err;

    (void)arg;
    sw_err_set(&err, SW_E_CONFLICT, "name \"x\" \xff taken");
    http_reply_err(req, &err);
}

static const struct http_route routes[] = {
    { "GET", "/images/json", echo, HTTP_BODY_WHOLE, 0 },
    { "GET", "/images/{name:.*}/json", echo, HTTP_BODY_WHOLE, 0 },
    { "GET", "/one/{name}", echo, HTTP_BODY_WHOLE, 0 },
    { "POST", "/echo", echo, HTTP_BODY_WHOLE, 10 },
    { "GET", "/query", query, HTTP_BODY_WHOLE, 0 },
    { "GET", "/hold", hold, HTTP_BODY_WHOLE, 0 },
    { "POST", "/stream", stream, HTTP_BODY_STREAM, 0 },
    { "*", "/any", echo, HTTP_BODY_WHOLE, 0 },
    { "GET", "/409", fail_409, HTTP_BODY_WHOLE, 0 },
};

static int setup(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));
    struct http_router_options opt = { .engine = true, .server = "Docker/1 (linux)" };

    *state = f;
    test_heap_init(&f->heap);
    return http_router_new(&f->router, &opt, &f->err) < 0 ||
           http_router_add(f->router, routes, SW_ARRAY_LEN(routes), f, &f->err) < 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    sw_buf_fini(&f->a.body);
    http_router_free(f->router);
    test_heap_check(&f->heap);
    test_heap_fini(&f->heap);
    test_free(f);
    return 0;
}

static struct http_request *ask(struct fixture *f, const char *method, const char *target,
                                int64_t body_len)
{
    struct http_exchange_head head = { .method = method, .target = target, .body_len = body_len };
    struct http_request *req = NULL;

    sw_buf_fini(&f->a.body);
    memset(&f->a, 0, sizeof(f->a));
    assert_int_equal(http_exchange_new(&req, f->router, &head, &ops, &f->a, &f->err), 0);
    return req;
}

static void expect(struct fixture *f, int status, const char *body)
{
    assert_true(f->a.started);
    assert_int_equal(f->a.status, status);
    assert_string_equal(sw_buf_str(&f->a.body), body);
    assert_int_equal(f->a.ends, 1);
    assert_int_equal(f->a.how, HTTP_END_OK);
}

static void names_with_slashes_and_ports_are_one_argument(void **state)
{
    struct fixture *f = *state;

    ask(f, "GET", "/v1.41/images/127.0.0.1:5000/a/b%3A1/json", 0);
    expect(f, 200, "");
    assert_string_equal(f->seen, "GET /images/127.0.0.1:5000/a/b:1/json 141 127.0.0.1:5000/a/b:1");
    ask(f, "GET", "/images/json", 0);
    assert_string_equal(f->seen, "GET /images/json 144 -");
    ask(f, "GET", "/images/json/json", 0);
    assert_string_equal(f->seen, "GET /images/json/json 144 json");
    ask(f, "GET", "/one/x/y", 0);
    expect(f, 404, "{\"message\":\"page not found\"}\n");
    ask(f, "GET", "/one/", 0);
    assert_int_equal(f->a.status, 404);
}

static void every_answer_carries_the_engine_headers(void **state)
{
    struct fixture *f = *state;

    ask(f, "GET", "/nosuch", 0);
    assert_string_equal(f->a.headers, "Content-Type: application/json\nApi-Version: 1.44\n"
                                      "Docker-Experimental: false\nOstype: linux\n"
                                      "Server: Docker/1 (linux)\n");
}

static void versions_outside_of_the_range_are_refused(void **state)
{
    struct fixture *f = *state;

    ask(f, "GET", "/v1.99/images/json", 0);
    expect(f, 400,
           "{\"message\":\"client version 1.99 is too new. Maximum supported API version "
           "is 1.44\"}\n");
    ask(f, "GET", "/v1.10/images/json", 0);
    expect(f, 400,
           "{\"message\":\"client version 1.10 is too old. Minimum supported API version "
           "is 1.24, please upgrade your client to a newer version\"}\n");
    ask(f, "GET", "/v2.0/images/json", 0);
    assert_int_equal(f->a.status, 400);
    ask(f, "GET", "/v1.24/images/json", 0);
    assert_int_equal(f->a.status, 200);
    ask(f, "GET", "/v1.44", 0);
    assert_int_equal(f->a.status, 404);
    ask(f, "GET", "/v-1.-4/images/json", 0);
    assert_int_equal(f->a.status, 404);
}

static void head_and_options_work_everywhere(void **state)
{
    struct fixture *f = *state;

    ask(f, "HEAD", "/images/json", 0);
    assert_int_equal(f->a.status, 200);
    ask(f, "OPTIONS", "/whatever", 0);
    expect(f, 200, "");
    ask(f, "PUT", "/any", 0);
    assert_string_equal(f->seen, "PUT /any 144 -");
    ask(f, "POST", "/images/json", 0);
    assert_int_equal(f->a.status, 404);
}

static void query_values_follow_dockers_rules(void **state)
{
    struct fixture *f = *state;

    ask(f, "GET", "/query?a=True&b=None&c=0&n=-12&x=a%20b+c&x=2&y", 0);
    assert_string_equal(f->seen, "100 n=-12 x=a b c x1=2");
    assert_int_equal(f->a.status, 204);
    assert_non_null(strstr(f->a.headers, "X-Good: yes\n"));
    assert_null(strstr(f->a.headers, "Cookie")); /* would have split the answer */
    ask(f, "GET", "/query?n=abc", 0);
    expect(f, 400, "{\"message\":\"strconv.Atoi: parsing \\\"abc\\\": invalid syntax\"}\n");
    ask(f, "GET", "/query?n=", 0);
    assert_non_null(strstr(f->seen, "n=7"));
}

static void bad_escapes_are_refused(void **state)
{
    struct fixture *f = *state;
    const char *bad[] = { "/one/%", "/one/%4", "/one/%zz", "/one/%00", "/query?x=%0", "nopath" };

    for (size_t i = 0; i < SW_ARRAY_LEN(bad); i++) {
        ask(f, "GET", bad[i], 0);
        assert_int_equal(f->a.status, 400);
    }
    ask(f, "GET", "http://host:1/one/z", 0); /* absolute form */
    assert_string_equal(f->seen, "GET /one/z 144 z");
}

static void a_body_is_collected_before_the_handler_runs(void **state)
{
    struct fixture *f = *state;
    struct http_request *req = ask(f, "POST", "/echo", -1);

    assert_true(f->a.reading);
    http_exchange_body(req, "hello", 5);
    http_exchange_body(req, "world", 5);
    assert_false(f->a.started);
    http_exchange_body_end(req);
    expect(f, 200, "helloworld");
}

static void a_body_above_the_limit_is_413(void **state)
{
    struct fixture *f = *state;
    struct http_request *req;

    ask(f, "POST", "/echo", 11);
    expect(f, 413, "{\"message\":\"http: request body too large\"}\n");
    req = ask(f, "POST", "/echo", -1);
    http_exchange_body(req, "hello", 5);
    http_exchange_body(req, "world!", 6);
    assert_int_equal(f->a.status, 413);
}

static void a_stream_passes_pieces_on(void **state)
{
    struct fixture *f = *state;
    struct http_request *req = ask(f, "POST", "/stream", -1);

    assert_int_equal(f->a.kind, HTTP_ANSWER_STREAM);
    assert_true(f->a.reading);
    http_exchange_body(req, "ab", 2);
    assert_string_equal(sw_buf_str(&f->a.body), "ab");
    assert_int_equal(f->a.ends, 0);
    http_exchange_body_end(req);
    expect(f, 200, "ab");
}

static void a_handler_may_finish_after_its_client_left(void **state)
{
    struct fixture *f = *state;
    struct http_request *req = ask(f, "GET", "/hold", 0);

    assert_ptr_equal(req, f->held);
    http_exchange_gone(req);
    http_exchange_gone(req);
    assert_int_equal(f->closes, 1);
    assert_true(http_is_gone(f->held));
    assert_int_equal(f->a.ends, 0);
    http_reply(f->held, 200, NULL, "late", 4);
    assert_false(f->a.started);
    assert_int_equal(f->a.ends, 1);
    assert_int_equal(f->a.how, HTTP_END_ABORT);
}

static void a_client_that_leaves_during_its_body_ends_the_request(void **state)
{
    struct fixture *f = *state;
    struct http_request *req = ask(f, "POST", "/echo", -1);

    http_exchange_body(req, "x", 1);
    http_exchange_gone(req);
    assert_int_equal(f->a.ends, 1);
    assert_int_equal(f->a.how, HTTP_END_ABORT);
}

static void error_codes_become_statuses_and_the_text_valid_json(void **state)
{
    struct fixture *f = *state;

    ask(f, "GET", "/409", 0);
    expect(f, 409, "{\"message\":\"name \\\"x\\\" ? taken\"}\n");
    assert_int_equal(http_status_of(SW_E_SEQUENCE), 500);
    assert_int_equal(http_status_of(SW_E_UNAVAILABLE), 503);
    assert_int_equal(http_status_of(SW_E_UNSUPPORTED), 501);
    assert_int_equal(http_status_of(-5), 500);
}

static void malformed_patterns_are_refused(void **state)
{
    struct fixture *f = *state;
    const char *bad[] = { "x", "/{", "/{}", "/{a", "/{a:.+}", "/{a:.*", "/a}", "/{a}{b}{c}{d}{e}" };

    for (size_t i = 0; i < SW_ARRAY_LEN(bad); i++) {
        struct http_route r = { "GET", bad[i], echo, HTTP_BODY_WHOLE, 0 };

        assert_int_equal(http_router_add(f->router, &r, 1, f, &f->err), SW_E_INVALID);
    }
}

/* Fail the 1st, 2nd, ... allocation: the exchange ends in order and nothing leaks. */
static void memory_that_runs_out_ends_the_exchange(void **state)
{
    struct fixture *f = *state;
    bool done = false;

    for (size_t nth = 1; !done; nth++) {
        struct http_header h = { "X-A", "b" };
        struct http_exchange_head head = { .method = "POST",
                                           .target = "/v1.44/echo?a=b",
                                           .headers = &h,
                                           .n_headers = 1,
                                           .body_len = 3 };
        struct http_request *req = NULL;
        int r;

        sw_buf_fini(&f->a.body);
        memset(&f->a, 0, sizeof(f->a));
        test_heap_fail_nth(&f->heap, nth);
        r = http_exchange_new(&req, f->router, &head, &ops, &f->a, &f->err);
        if (r == 0 && req != NULL)
            http_exchange_body(req, "abc", 3);
        if (r == 0 && req != NULL && f->a.ends == 0)
            http_exchange_body_end(req);
        if (r == 0)
            assert_int_equal(f->a.ends, 1);
        done = f->heap.failures < nth; /* all went through */
        test_heap_fail_nth(&f->heap, 0);
        assert_true(nth < 200);
    }
    assert_int_equal(f->a.status, 200);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(names_with_slashes_and_ports_are_one_argument),
        T(every_answer_carries_the_engine_headers),
        T(versions_outside_of_the_range_are_refused),
        T(head_and_options_work_everywhere),
        T(query_values_follow_dockers_rules),
        T(bad_escapes_are_refused),
        T(a_body_is_collected_before_the_handler_runs),
        T(a_body_above_the_limit_is_413),
        T(a_stream_passes_pieces_on),
        T(a_handler_may_finish_after_its_client_left),
        T(a_client_that_leaves_during_its_body_ends_the_request),
        T(error_codes_become_statuses_and_the_text_valid_json),
        T(malformed_patterns_are_refused),
        T(memory_that_runs_out_ends_the_exchange),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
