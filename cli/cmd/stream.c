/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd/stream.h"

#include <string.h>

#define LINE_MAX_BYTES (8u << 20)

void json_lines_init(struct json_lines *l, bool quiet)
{
    *l = (struct json_lines){ 0 };
    progress_init(&l->progress, stdout, quiet);
}

void json_lines_fini(struct json_lines *l)
{
    progress_fini(&l->progress);
    sw_buf_fini(&l->pending);
}

static void show(struct json_lines *l, const json_t *o)
{
    const char *id = js_str(o, "id");
    const char *status = js_str(o, "status");

    if (js_get(o, "stream") != NULL) {
        if (!l->progress.quiet)
            fputs(js_str(o, "stream"), stdout);
    } else if (*id != '\0' && js_get(o, "progressDetail") != NULL) {
        if (l->progress.terminal) {
            SW_CLEANUP(sw_free_ptr) char *text = cli_printf("%s %s", status, js_str(o, "progress"));

            progress_put(&l->progress, id, text, 0, 0);
        } else if (js_len(o, "progressDetail") == 0) {
            progress_put(&l->progress, id, status, 0, 0);
        }
    } else if (*status != '\0') {
        progress_message(&l->progress, id, status);
    }
}

static int take(struct json_lines *l, const char *line, size_t n, struct sw_err *err)
{
    json_auto_t *o = NULL;
    const char *error;

    while (n > 0 && strchr("\r\n\t ", line[n - 1]) != NULL)
        n--;
    if (n == 0)
        return 0;
    o = json_loadb(line, n, 0, NULL);
    if (o == NULL)
        return sw_err_set(err, SW_E_PROTOCOL, "the daemon's answer is not JSON: %.*s",
                          (int)(n > 100 ? 100 : n), line);
    error = *js_str(o, "errorDetail.message") != '\0' ? js_str(o, "errorDetail.message")
                                                      : js_str(o, "error");
    if (*error != '\0')
        return sw_err_set(err, SW_E_INTERNAL, "%s", error);
    if (l->on_object != NULL)
        return l->on_object(l->arg, o, err);
    show(l, o);
    return 0;
}

int json_lines_push(void *lines, const char *data, size_t n, struct sw_err *err)
{
    struct json_lines *l = lines;
    const char *end;

    sw_buf_add(&l->pending, data, n);
    while ((end = memchr(sw_buf_str(&l->pending), '\n', l->pending.len)) != NULL) {
        size_t len = (size_t)(end - sw_buf_str(&l->pending)) + 1;

        if (take(l, sw_buf_str(&l->pending), len, err) < 0)
            return err->code;
        sw_buf_consume(&l->pending, len);
    }
    if (l->pending.len > LINE_MAX_BYTES)
        return sw_err_set(err, SW_E_PROTOCOL, "a line of the daemon's answer is too long");
    return 0;
}

int json_lines_end(struct json_lines *l, struct sw_err *err)
{
    return take(l, sw_buf_str(&l->pending), l->pending.len, err);
}

int stream_request(struct cli *cli, struct client_stream *s, bool quiet, struct sw_err *err)
{
    struct json_lines l;
    struct client *c = NULL;
    int r;

    if (cli_client(cli, &c, err) < 0)
        return err->code;
    json_lines_init(&l, quiet);
    s->on_data = json_lines_push;
    s->arg = &l;
    r = client_stream(c, s, err);
    if (r == 0)
        r = json_lines_end(&l, err);
    json_lines_fini(&l);
    return r;
}
