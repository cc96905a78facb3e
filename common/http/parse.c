/* SPDX-License-Identifier: Apache-2.0 */
#include "common/http/parse.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "common/base/macro.h"

void http_parser_init(struct http_parser *p)
{
    memset(p, 0, sizeof(*p));
    sw_buf_init(&p->text);
}

void http_parser_fini(struct http_parser *p)
{
    sw_buf_fini(&p->text);
}

static int bad(struct sw_err *err, const char *what)
{
    return sw_err_set(err, SW_E_PROTOCOL, "malformed HTTP answer: %s", what);
}

static bool is_token(const char *s)
{
    if (*s == '\0')
        return false;
    for (; *s != '\0'; s++)
        if (*s <= ' ' || *s >= 127 || strchr("()<>@,;:\\\"/[]?={}", *s) != NULL)
            return false;
    return true;
}

static bool parse_number(const char *s, uint64_t *out)
{
    uint64_t n = 0;

    if (*s == '\0' || strlen(s) > 18)
        return false;
    for (; *s != '\0'; s++) {
        if (*s < '0' || *s > '9')
            return false;
        n = n * 10 + (uint64_t)(*s - '0');
    }
    *out = n;
    return true;
}

/* "HTTP/1.1 200 OK" */
static int parse_status(const char *line, int *status, struct sw_err *err)
{
    if (strncmp(line, "HTTP/1.1 ", 9) != 0 && strncmp(line, "HTTP/1.0 ", 9) != 0)
        return bad(err, "status line");
    for (int i = 9; i < 12; i++)
        if (line[i] < '0' || line[i] > '9')
            return bad(err, "status code");
    if (line[12] != ' ' && line[12] != '\0')
        return bad(err, "status line");
    *status = (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
    return *status < 100 ? bad(err, "status code") : 0;
}

static int parse_header(char *line, struct http_header *h, struct sw_err *err)
{
    char *colon = strchr(line, ':');
    char *end;

    if (colon == NULL)
        return bad(err, "header without a colon");
    *colon++ = '\0';
    if (!is_token(line))
        return bad(err, "header name");
    while (*colon == ' ' || *colon == '\t')
        colon++;
    end = colon + strlen(colon);
    while (end > colon && (end[-1] == ' ' || end[-1] == '\t'))
        *--end = '\0';
    for (const char *c = colon; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' && *c != '\t')
            return bad(err, "header value");
    h->name = line;
    h->value = colon;
    return 0;
}

/* What follows the head. */
static int parse_framing(struct http_parser *p, struct http_call_head *head, struct sw_err *err)
{
    const char *length = NULL;
    bool chunked = false;

    for (size_t i = 0; i < head->n_headers; i++) {
        const struct http_header *h = &head->headers[i];

        if (strcasecmp(h->name, "Content-Length") == 0) {
            if (length != NULL && strcmp(length, h->value) != 0)
                return bad(err, "two lengths");
            length = h->value;
        } else if (strcasecmp(h->name, "Transfer-Encoding") == 0) {
            if (strcasecmp(h->value, "chunked") != 0 || chunked)
                return bad(err, "transfer encoding");
            chunked = true;
        }
    }
    if (chunked && length != NULL)
        return bad(err, "both a length and chunks");
    p->left = 0;
    head->body_len = -1;
    if (length != NULL) {
        if (!parse_number(length, &p->left))
            return bad(err, "content length");
        head->body_len = (int64_t)p->left;
    }
    if (head->status == 101) {
        head->hijacked = true;
        p->state = PARSE_RAW;
    } else if (p->is_head || head->status == 204 || head->status == 304) {
        p->state = PARSE_DONE;
    } else if (chunked) {
        p->state = PARSE_CHUNK_HEAD;
    } else if (length != NULL) {
        p->state = p->left == 0 ? PARSE_DONE : PARSE_LENGTH;
    } else {
        p->state = PARSE_TO_CLOSE;
    }
    return 0;
}

/* @text is the head without its last empty line. */
static int parse_head(struct http_parser *p, char *text, struct sw_err *err)
{
    struct http_header headers[HTTP_PARSE_HEADERS_MAX];
    struct http_call_head head = { .headers = headers };
    char *line = text;
    int r;

    for (bool first = true; line != NULL && *line != '\0'; first = false) {
        char *next = strstr(line, "\r\n");

        if (next != NULL) {
            *next = '\0';
            next += 2;
        }
        if (strpbrk(line, "\r\n") != NULL)
            return bad(err, "line end");
        if (first) {
            r = parse_status(line, &head.status, err);
        } else if (head.n_headers == HTTP_PARSE_HEADERS_MAX) {
            r = bad(err, "too many headers");
        } else {
            r = parse_header(line, &headers[head.n_headers++], err);
        }
        if (r < 0)
            return r;
        line = next;
    }
    if (head.status >= 100 && head.status < 200 && head.status != 101)
        return 0; /* interim: the real one follows */
    r = parse_framing(p, &head, err);
    if (r < 0)
        return r;
    p->on_head(&head, p->arg);
    return 0;
}

/* Take bytes until "\r\n\r\n". Return: bytes used, or < 0. */
static ssize_t feed_head(struct http_parser *p, const char *data, size_t len, struct sw_err *err)
{
    size_t before = p->text.len;
    size_t from = before > 3 ? before - 3 : 0;
    const char *end;
    int r;

    sw_buf_add(&p->text, data, SW_MIN(len, HTTP_PARSE_HEAD_MAX + 1 - before));
    if (sw_buf_failed(&p->text))
        return sw_err_set(err, -ENOMEM, "read HTTP answer");
    end = memmem(p->text.data + from, p->text.len - from, "\r\n\r\n", 4);
    if (end == NULL && p->text.len > HTTP_PARSE_HEAD_MAX)
        return bad(err, "head too large");
    if (end == NULL)
        return (ssize_t)len;

    size_t head_len = (size_t)(end - (const char *)p->text.data) + 2;

    if (memchr(p->text.data, '\0', head_len) != NULL)
        return bad(err, "zero byte");
    p->text.data[head_len] = '\0';
    struct sw_buf text = p->text; /* a callback may feed nothing but could stop us */

    sw_buf_init(&p->text);
    r = parse_head(p, (char *)text.data, err);
    sw_buf_fini(&text);
    return r < 0 ? r : (ssize_t)(head_len + 2 - before);
}

/* Take bytes until "\r\n". Return: bytes used, or < 0; *line is set when complete. */
static ssize_t feed_line(struct http_parser *p, const char *data, size_t len, char **line,
                         struct sw_err *err)
{
    for (size_t i = 0; i < len; i++) {
        if (p->text.len >= HTTP_PARSE_LINE_MAX)
            return bad(err, "line too long");
        if (data[i] == '\0')
            return bad(err, "zero byte");
        sw_buf_putc(&p->text, data[i]);
        if (sw_buf_failed(&p->text))
            return sw_err_set(err, -ENOMEM, "read HTTP answer");
        if (data[i] != '\n')
            continue;
        if (p->text.len < 2 || p->text.data[p->text.len - 2] != '\r')
            return bad(err, "line end");
        p->text.data[p->text.len - 2] = '\0';
        *line = (char *)p->text.data;
        return (ssize_t)i + 1;
    }
    return (ssize_t)len;
}

static int parse_chunk_head(struct http_parser *p, const char *line, struct sw_err *err)
{
    size_t digits = strspn(line, "0123456789abcdefABCDEF");

    if (digits == 0 || digits > 15 || (line[digits] != '\0' && line[digits] != ';'))
        return bad(err, "chunk size");
    p->left = 0;
    for (size_t i = 0; i < digits; i++) {
        char c = line[i];
        unsigned v = c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 32) - 'a' + 10);

        p->left = p->left << 4 | v;
    }
    p->state = p->left == 0 ? PARSE_TRAILER : PARSE_CHUNK_DATA;
    return 0;
}

static ssize_t feed_framing(struct http_parser *p, const char *data, size_t len, struct sw_err *err)
{
    char *line = NULL;
    ssize_t n = feed_line(p, data, len, &line, err);
    int r = 0;

    if (n < 0 || line == NULL)
        return n;
    if (p->state == PARSE_CHUNK_HEAD) {
        r = parse_chunk_head(p, line, err);
    } else if (p->state == PARSE_CHUNK_END) {
        if (*line != '\0')
            r = bad(err, "chunk end");
        p->state = PARSE_CHUNK_HEAD;
    } else if (*line == '\0') {
        p->state = PARSE_DONE;
    } else if (++p->trailers > HTTP_PARSE_TRAILER_MAX) {
        r = bad(err, "too many trailers");
    }
    sw_buf_clear(&p->text);
    return r < 0 ? r : n;
}

static size_t feed_body(struct http_parser *p, const char *data, size_t len)
{
    bool counted = p->state == PARSE_LENGTH || p->state == PARSE_CHUNK_DATA;
    size_t n = counted && p->left < len ? (size_t)p->left : len;

    if (counted) {
        p->left -= n;
        if (p->left == 0)
            p->state = p->state == PARSE_LENGTH ? PARSE_DONE : PARSE_CHUNK_END;
    }
    p->on_body(data, n, p->arg);
    return n;
}

int http_parser_feed(struct http_parser *p, const void *data, size_t len, struct sw_err *err)
{
    const char *d = data;

    while (len > 0 && p->state != PARSE_DONE) {
        ssize_t n = 0;

        switch (p->state) {
        case PARSE_HEAD:
            n = feed_head(p, d, len, err);
            break;
        case PARSE_CHUNK_HEAD:
        case PARSE_CHUNK_END:
        case PARSE_TRAILER:
            n = feed_framing(p, d, len, err);
            break;
        case PARSE_LENGTH:
        case PARSE_CHUNK_DATA:
        case PARSE_TO_CLOSE:
        case PARSE_RAW:
            n = (ssize_t)feed_body(p, d, len);
            break;
        case PARSE_DONE:
            break;
        }
        if (n < 0)
            return (int)n;
        if (p->stop != NULL && *p->stop)
            return 0;
        d += n;
        len -= (size_t)n;
        if (p->state == PARSE_DONE) {
            p->on_end(p->arg);
            return 0;
        }
    }
    return 0;
}

int http_parser_eof(struct http_parser *p, struct sw_err *err)
{
    if (p->state == PARSE_DONE)
        return 0;
    if (p->state == PARSE_TO_CLOSE || p->state == PARSE_RAW) {
        p->state = PARSE_DONE;
        p->on_end(p->arg);
        return 0;
    }
    return sw_err_set(err, SW_E_PROTOCOL,
                      p->state == PARSE_HEAD && p->text.len == 0
                          ? "connection closed without an answer"
                          : "connection closed in the middle of an answer");
}
