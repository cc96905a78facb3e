/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd/common.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/render/human.h"
#include "common/base/time.h"

int cmd_filters(const struct args *args, json_t **out, struct sw_err *err)
{
    const struct strv *given = args_list(args, "filter");
    json_auto_t *filters = json_object();

    for (size_t i = 0; i < given->n; i++) {
        if (filters_add(filters, given->v[i], err) < 0)
            return err->code;
    }
    *out = json_incref(filters);
    return 0;
}

int cmd_list(struct cli *cli, const char *path, const json_t *filters, json_t **out,
             struct sw_err *err)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf url = SW_BUF_INIT;

    sw_buf_puts(&url, path);
    url_filters(&url, filters);
    if (cli_get(cli, sw_buf_str(&url), out, err) < 0)
        return err->code;
    if (json_is_null(*out)) { /* Go servers say null for an empty list */
        json_decref(*out);
        *out = json_array();
    }
    return 0;
}

int cmd_table(const struct table *t, const json_t *rows, const struct args *args,
              struct sw_err *err)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf out = SW_BUF_INIT;

    if (table_print(&out, t, rows, args_str(args, "format"), args_bool(args, "quiet"), err) < 0)
        return err->code;
    fwrite(sw_buf_str(&out), 1, out.len, stdout);
    return 0;
}

int cmd_get(struct cli *cli, const char *before, const char *name, json_t **out, struct sw_err *err)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf url = SW_BUF_INIT;

    url_path(&url, before, name, "");
    return cli_get(cli, sw_buf_str(&url), out, err);
}

int cmd_post(struct cli *cli, const char *path, const json_t *body, struct sw_err *err)
{
    struct client *c = NULL;

    if (cli_client(cli, &c, err) < 0)
        return err->code;
    return client_call(c, "POST", path, body, NULL, err);
}

bool cmd_lost_race(int r, const struct sw_err *err, unsigned *tries)
{
    return r < 0 && strstr(err->msg, "update out of sequence") != NULL && ++*tries < CMD_TRIES;
}

int cmd_each(struct cli *cli, const struct args *args,
             int (*one)(struct cli *cli, const struct args *args, const char *name,
                        struct sw_err *err))
{
    int status = 0;

    for (size_t i = 0; i < args->pos.n; i++) {
        struct sw_err err = { 0 };

        if (one(cli, args, args->pos.v[i], &err) < 0) {
            fflush(stdout);
            cli_report(cli, &err);
            status = 1;
        }
    }
    return status;
}

char *cmd_id(const char *id, bool full)
{
    const char *hex = strncmp(id, "sha256:", 7) == 0 ? id + 7 : id;

    return full ? cli_strdup(id) : cli_strndup(hex, 12);
}

int64_t cmd_time(const json_t *object, const char *path)
{
    const char *s = js_str(object, path);
    int64_t ns;

    if (strncmp(s, "0001-01-01T00:00:00", 19) == 0 || !sw_rfc3339_parse(s, &ns))
        return 0;
    return ns;
}

char *cmd_ago(int64_t then_ns)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf b = SW_BUF_INIT;

    human_ago(&b, sw_now_ns(), then_ns);
    return cli_take(&b);
}

char *cmd_labels(const json_t *labels)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf b = SW_BUF_INIT;
    SW_CLEANUP(strv_fini) struct strv keys = { 0 };

    js_sorted_keys(labels, &keys);
    for (size_t i = 0; i < keys.n; i++)
        sw_buf_printf(&b, i > 0 ? ",%s=%s" : "%s=%s", keys.v[i],
                      json_string_value(json_object_get(labels, keys.v[i])));
    return cli_take(&b);
}

int cmd_read(const char *path, size_t max, struct sw_buf *out, struct sw_err *err)
{
    bool is_stdin = strcmp(path, "-") == 0;
    SW_CLEANUP(sw_close_ptr) int fd = -1;
    ssize_t n;

    if (!is_stdin && (fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
        return sw_err_set(err, -errno, "open %s: %s", path,
                          errno == ENOENT ? "no such file or directory" : strerror(errno));
    do {
        uint8_t *p = sw_buf_reserve(out, 65536);

        if (p == NULL)
            return sw_err_set(err, -ENOMEM, "read %s", path);
        n = read(is_stdin ? STDIN_FILENO : fd, p, 65536);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return sw_err_errno(err, errno, "read %s", path);
        sw_buf_commit(out, (size_t)n);
        if (out->len > max)
            return sw_err_set(err, -EFBIG, "%s is larger than %zu bytes", path, max);
    } while (n != 0);
    return 0;
}

bool cmd_confirm(const char *question)
{
    char answer[16];

    fprintf(stderr, "%s [y/N] ", question);
    return fgets(answer, sizeof(answer), stdin) != NULL && (answer[0] == 'y' || answer[0] == 'Y');
}

const char *cmd_getenv(void *unused, const char *name)
{
    (void)unused;
    return getenv(name);
}

void cmd_warnings(const json_t *answer)
{
    size_t i;
    json_t *w;

    json_array_foreach(js_get(answer, "Warnings"), i, w)
    {
        fprintf(stderr, "%s\n", json_string_value(w));
    }
}
