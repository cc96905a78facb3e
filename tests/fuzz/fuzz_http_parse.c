// uses: swarm_http
/* SPDX-License-Identifier: Apache-2.0
 * HTTP answers, fed whole and in pieces: both must end the same way. */
#include <stdlib.h>
#include <string.h>

#include "common/http/parse.h"

struct seen {
    int heads, ends;
    size_t body;
};

static void on_head(const struct http_call_head *head, void *arg)
{
    struct seen *s = arg;

    s->heads++;
    for (size_t i = 0; i < head->n_headers; i++)
        if (strlen(head->headers[i].name) == 0 || strpbrk(head->headers[i].value, "\r\n") != NULL)
            abort();
}

static void on_body(const void *data, size_t len, void *arg)
{
    (void)data;
    ((struct seen *)arg)->body += len;
}

static void on_end(void *arg)
{
    ((struct seen *)arg)->ends++;
}

static int run(const uint8_t *data, size_t size, size_t step, bool is_head, struct seen *s)
{
    struct http_parser p;
    struct sw_err err;
    int r = 0;

    memset(s, 0, sizeof(*s));
    http_parser_init(&p);
    p.is_head = is_head;
    p.on_head = on_head;
    p.on_body = on_body;
    p.on_end = on_end;
    p.arg = s;
    for (size_t i = 0; r == 0 && i < size; i += step)
        r = http_parser_feed(&p, data + i, size - i < step ? size - i : step, &err);
    if (r == 0)
        r = http_parser_eof(&p, &err);
    http_parser_fini(&p);
    if (s->heads > 1 || s->ends > 1 || (r == 0) != (s->ends == 1))
        abort();
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seen whole, pieces;
    bool is_head;

    if (size < 2)
        return 0;
    is_head = data[0] == 'H';
    if (run(data + 2, size - 2, size, is_head, &whole) !=
        run(data + 2, size - 2, 1u + data[1] % 16u, is_head, &pieces))
        abort();
    if (whole.ends == 1 && whole.body != pieces.body)
        abort();
    return 0;
}
