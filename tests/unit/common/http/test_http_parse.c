/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/macro.h"
#include "common/http/parse.h"

struct seen {
    int status;
    bool hijacked;
    int64_t body_len;
    size_t n_headers;
    char body[512];
    int heads, ends;
};

static void on_head(const struct http_call_head *head, void *arg)
{
    struct seen *s = arg;

    s->heads++;
    s->status = head->status;
    s->hijacked = head->hijacked;
    s->body_len = head->body_len;
    s->n_headers = head->n_headers;
}

static void on_body(const void *data, size_t len, void *arg)
{
    struct seen *s = arg;

    assert_true(strlen(s->body) + len < sizeof(s->body));
    strncat(s->body, data, len);
}

static void on_end(void *arg)
{
    ((struct seen *)arg)->ends++;
}

/* Feed in pieces of @step bytes, then the end of the connection. */
static int run(const char *text, size_t step, bool is_head, struct seen *s)
{
    struct http_parser p;
    struct sw_err err;
    size_t len = strlen(text);
    int r = 0;

    memset(s, 0, sizeof(*s));
    http_parser_init(&p);
    p.is_head = is_head;
    p.on_head = on_head;
    p.on_body = on_body;
    p.on_end = on_end;
    p.arg = s;
    for (size_t i = 0; r == 0 && i < len; i += step)
        r = http_parser_feed(&p, text + i, SW_MIN(step, len - i), &err);
    if (r == 0)
        r = http_parser_eof(&p, &err);
    http_parser_fini(&p);
    return r;
}

#define OK "HTTP/1.1 200 OK\r\n"

static void bodies_of_every_framing_are_read_at_any_cut(void **state)
{
    static const struct {
        const char *text;
        int status;
        int64_t len;
        const char *body;
    } cases[] = {
        { OK "Content-Length: 5\r\n\r\nhello", 200, 5, "hello" },
        { OK "Content-Length: 0\r\nX:  y \r\n\r\n", 200, 0, "" },
        { OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n", 200,
          -1, "hello world" },
        { OK "transfer-encoding: Chunked\r\n\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n", 200,
          -1, "0123456789" },
        { OK "\r\nuntil the end", 200, -1, "until the end" },
        { "HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\nraw bytes", 101, -1, "raw bytes" },
        { "HTTP/1.1 204 No Content\r\n\r\n", 204, -1, "" },
        { "HTTP/1.1 100 Continue\r\n\r\n" OK "Content-Length: 1\r\n\r\nx", 200, 1, "x" },
        { "HTTP/1.0 404 \r\nContent-Length: 2\r\n\r\nno", 404, 2, "no" },
    };

    (void)state;
    for (size_t i = 0; i < SW_ARRAY_LEN(cases); i++) {
        for (size_t step = 1; step <= strlen(cases[i].text); step++) {
            struct seen s;

            assert_int_equal(run(cases[i].text, step, false, &s), 0);
            assert_int_equal(s.heads, 1);
            assert_int_equal(s.ends, 1);
            assert_int_equal(s.status, cases[i].status);
            assert_int_equal(s.body_len, cases[i].len);
            assert_int_equal(s.hijacked, cases[i].status == 101);
            assert_string_equal(s.body, cases[i].body);
        }
    }
}

static void an_answer_to_head_has_no_body(void **state)
{
    struct seen s;

    (void)state;
    assert_int_equal(run(OK "Content-Length: 5\r\n\r\n", 7, true, &s), 0);
    assert_int_equal(s.ends, 1);
    assert_int_equal(s.body_len, 5);
}

static void malformed_answers_are_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "HTTP/1.1",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        OK "no colon\r\n\r\n",
        OK "bad name: x\r\n\r\n",
        OK ": x\r\n\r\n",
        OK " folded: x\r\n\r\n",
        OK "A: b\nC: d\r\n\r\n",
        OK "A: b\rC\r\n\r\n",
        OK "Content-Length: -1\r\n\r\n",
        OK "Content-Length: 5x\r\n\r\nhello",
        OK "Content-Length: 99999999999999999999\r\n\r\n",
        OK "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        OK "Transfer-Encoding: gzip\r\n\r\n",
        OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        OK "Transfer-Encoding: chunked\r\n\r\nx\r\n",
        OK "Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n",
        OK "Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n",
        OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n",
        OK "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\n",
        OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", /* no last chunk */
        OK "Content-Length: 5\r\n\r\nhell",
    };

    (void)state;
    for (size_t i = 0; i < SW_ARRAY_LEN(bad); i++) {
        struct seen s;

        assert_int_equal(run(bad[i], 1, false, &s), SW_E_PROTOCOL);
        assert_int_equal(run(bad[i], 4096, false, &s), SW_E_PROTOCOL);
        assert_int_equal(s.ends, 0);
    }
}

static void heads_are_bounded(void **state)
{
    static char big[HTTP_PARSE_HEAD_MAX + 100];
    struct seen s;

    (void)state;
    memset(big, 'a', sizeof(big) - 1);
    memcpy(big, OK "A: ", strlen(OK "A: "));
    assert_int_equal(run(big, 1000, false, &s), SW_E_PROTOCOL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_of_every_framing_are_read_at_any_cut),
        cmocka_unit_test(an_answer_to_head_has_no_body),
        cmocka_unit_test(malformed_answers_are_refused),
        cmocka_unit_test(heads_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
