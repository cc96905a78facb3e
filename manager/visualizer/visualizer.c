/* SPDX-License-Identifier: Apache-2.0
 * visualizer.c - the page, its state once, and its state again whenever it changed.
 *
 * Server-sent events (HTML standard, 9.2): one event is the whole state; a browser that falls
 * behind skips what it did not read. Changes that come within COALESCE_MS go out together. */
#include "manager/visualizer/visualizer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/http/docker.h"
#include "common/http/server.h"
#include "common/io/timer.h"
#include "common/log/log.h"
#include "manager/visualizer/page.h"
#include "manager/visualizer/state.h"

#define COALESCE_MS 100
#define BEAT_MS     15000 /* a comment now and then: proxies cut silent connections */

struct viewer {
    struct sw_list link;
    struct visualizer *v;
    struct http_request *req;
    bool behind; /* has not read the last event yet */
};

struct visualizer {
    struct view *view;
    struct view_observer observer;
    struct http_router *router;
    struct http_server *http;
    struct sw_timer push;
    struct sw_timer beat;
    struct sw_list viewers;
    uint64_t leader;
    uint16_t port;
};

static void security(struct http_request *req)
{
    http_set_header(req, "Content-Security-Policy",
                    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
                    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    http_set_header(req, "X-Content-Type-Options", "nosniff");
    http_set_header(req, "Referrer-Policy", "no-referrer");
    http_set_header(req, "Cache-Control", "no-store");
}

static void index_page(struct http_request *req, void *arg)
{
    (void)arg;
    security(req);
    http_reply(req, 200, "text/html; charset=utf-8", page_index_html, page_index_html_len);
}

static void style(struct http_request *req, void *arg)
{
    (void)arg;
    security(req);
    http_reply(req, 200, "text/css; charset=utf-8", page_style_css, page_style_css_len);
}

static void script(struct http_request *req, void *arg)
{
    (void)arg;
    security(req);
    http_reply(req, 200, "text/javascript; charset=utf-8", page_app_js, page_app_js_len);
}

static void state(struct http_request *req, void *arg)
{
    struct visualizer *v = arg;

    security(req);
    http_reply_json(req, 200, state_json(v->view, v->leader));
}

/* ---- events
 * ----------------------------------------------------------------------------------------- */

static char *event_text(struct visualizer *v)
{
    json_t *s = state_json(v->view, v->leader);
    char *json = s != NULL ? json_dumps(s, JSON_COMPACT) : NULL;
    char *text = json != NULL ? sw_asprintf("data: %s\n\n", json) : NULL;

    free(json); /* jansson's allocator */
    json_decref(s);
    return text;
}

static void send(struct viewer *w, const char *text)
{
    w->behind = http_stream_write(w->req, text, strlen(text)) > HTTP_STREAM_HIGH;
}

static void on_push(void *arg)
{
    struct visualizer *v = arg;
    SW_CLEANUP(sw_free_ptr) char *text = NULL;

    if (sw_list_empty(&v->viewers))
        return;
    text = event_text(v);
    sw_list_each_safe(l, &v->viewers)
    {
        struct viewer *w = sw_list_entry(l, struct viewer, link);

        if (text != NULL && !w->behind)
            send(w, text);
    }
}

static void on_beat(void *arg)
{
    struct visualizer *v = arg;

    sw_list_each_safe(l, &v->viewers) send(sw_list_entry(l, struct viewer, link), ": beat\n\n");
    sw_timer_start(&v->beat, BEAT_MS);
}

static void viewer_end(struct viewer *w)
{
    sw_list_del(&w->link);
    sw_free(w);
}

static void on_gone(struct http_request *req, void *arg)
{
    viewer_end(arg);
    http_abort(req);
}

static void on_drain(struct http_request *req, void *arg)
{
    struct viewer *w = arg;

    (void)req;
    w->behind = false;
    sw_timer_start(&w->v->push, COALESCE_MS); /* what it missed is in the next whole state */
}

static void events(struct http_request *req, void *arg)
{
    struct visualizer *v = arg;
    struct viewer *w = sw_calloc(1, sizeof(*w));
    SW_CLEANUP(sw_free_ptr) char *text = event_text(v);

    if (w == NULL || text == NULL) {
        sw_free(w);
        http_reply_error(req, 500, "out of memory");
        return;
    }
    w->v = v;
    w->req = req;
    sw_list_push_back(&v->viewers, &w->link);
    security(req);
    http_stream_start(req, 200, "text/event-stream");
    http_on_close(req, on_gone, w);
    http_on_drain(req, on_drain, w);
    send(w, text);
}

static void on_commit(void *arg, const struct view *view)
{
    struct visualizer *v = arg;

    (void)view;
    if (!sw_list_empty(&v->viewers) && !sw_timer_is_running(&v->push))
        sw_timer_start(&v->push, COALESCE_MS);
}

static const struct http_route routes[] = {
    { "GET", "/", index_page, HTTP_BODY_WHOLE, 0 },
    { "GET", "/style.css", style, HTTP_BODY_WHOLE, 0 },
    { "GET", "/app.js", script, HTTP_BODY_WHOLE, 0 },
    { "GET", "/state.json", state, HTTP_BODY_WHOLE, 0 },
    { "GET", "/events", events, HTTP_BODY_WHOLE, 0 },
};

/* ---- life
 * ------------------------------------------------------------------------------------------- */

int visualizer_new(struct visualizer **out, struct uv_loop_s *loop, struct view *view,
                   const char *address, struct sw_err *err)
{
    struct http_router_options o = { .engine = false };
    struct visualizer *v = sw_calloc(1, sizeof(*v));

    if (v == NULL)
        return sw_err_set(err, -ENOMEM, "create the visualizer");
    v->view = view;
    sw_list_init(&v->viewers);
    v->observer.on_commit = on_commit;
    v->observer.on_reset = on_commit;
    v->observer.arg = v;
    view_observe(view, &v->observer);
    if (sw_timer_init(&v->push, loop, on_push, v, err) < 0 ||
        sw_timer_init(&v->beat, loop, on_beat, v, err) < 0 ||
        http_router_new(&v->router, &o, err) < 0 ||
        http_router_add(v->router, routes, SW_ARRAY_LEN(routes), v, err) < 0 ||
        http_server_new(&v->http, loop, v->router, NULL, err) < 0 ||
        http_server_listen_tcp(v->http, address, &v->port, err) < 0) {
        visualizer_free(v);
        return err->code;
    }
    sw_timer_start(&v->beat, BEAT_MS);
    log_info("visualizer listening addr=%s", address);
    *out = v;
    return 0;
}

void visualizer_set_leader(struct visualizer *v, uint64_t raft_id)
{
    if (v == NULL || v->leader == raft_id)
        return;
    v->leader = raft_id;
    on_commit(v, v->view);
}

uint16_t visualizer_port(const struct visualizer *v)
{
    return v->port;
}

static void on_http_closed(void *arg)
{
    struct visualizer *v = arg;

    http_router_free(v->router);
    sw_free(v);
}

void visualizer_free(struct visualizer *v)
{
    if (v == NULL)
        return;
    view_unobserve(&v->observer);
    sw_timer_fini(&v->push);
    sw_timer_fini(&v->beat);
    if (v->http != NULL) {
        http_server_close(v->http, on_http_closed, v);
    } else {
        http_router_free(v->router);
        sw_free(v);
    }
}
