/* SPDX-License-Identifier: Apache-2.0
 * parse.h - an HTTP/1.1 response from a byte stream (private to common/http; pure).
 *
 * Strict: CRLF line ends, one framing, bounded head and chunk lines; anything else is an error.
 * Source: RFC 9112 sections 4, 6, 7. */
#ifndef SWARM_COMMON_HTTP_PARSE_H
#define SWARM_COMMON_HTTP_PARSE_H

#include "common/base/buf.h"
#include "common/http/client.h"

#define HTTP_PARSE_HEAD_MAX    ((size_t)64 << 10)
#define HTTP_PARSE_HEADERS_MAX 128
#define HTTP_PARSE_LINE_MAX    256 /* of a chunk head or one trailer field */
#define HTTP_PARSE_TRAILER_MAX 32

enum http_parse_state {
    PARSE_HEAD,
    PARSE_LENGTH, /* body by Content-Length */
    PARSE_CHUNK_HEAD,
    PARSE_CHUNK_DATA,
    PARSE_CHUNK_END, /* the CRLF behind a chunk */
    PARSE_TRAILER,
    PARSE_TO_CLOSE, /* body until the connection ends */
    PARSE_RAW,      /* behind a 101 */
    PARSE_DONE,
};

struct http_parser {
    enum http_parse_state state;
    bool is_head;       /* the request was HEAD: no body whatever the headers say */
    struct sw_buf text; /* head so far, or the line so far */
    uint64_t left;      /* bytes of the body or chunk */
    unsigned trailers;
    /* Borrow their arguments for the call. on_head comes once, on_end once. */
    void (*on_head)(const struct http_call_head *head, void *arg);
    void (*on_body)(const void *data, size_t len, void *arg);
    void (*on_end)(void *arg);
    bool *stop; /* set by a callback: return at once */
    void *arg;
};

void http_parser_init(struct http_parser *p);
void http_parser_fini(struct http_parser *p);
/** http_parser_feed() - more bytes. Return: 0; SW_E_PROTOCOL, -ENOMEM: feed no more. */
int http_parser_feed(struct http_parser *p, const void *data, size_t len, struct sw_err *err);
/** http_parser_eof() - the peer closed. Return: 0 when the answer is complete; SW_E_PROTOCOL. */
int http_parser_eof(struct http_parser *p, struct sw_err *err);

#endif
