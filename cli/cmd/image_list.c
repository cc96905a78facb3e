/* SPDX-License-Identifier: Apache-2.0
 *
 * image ls and image history. */
#include <string.h>

#include "cli/cmd/image.h"
#include "cli/render/human.h"
#include "cli/spec/imageref.h"
#include "cli/spec/text.h"
#include "common/base/macro.h"
#include "common/base/time.h"

static const struct table_column columns[] = {
    { "Repository", "REPOSITORY" },
    { "Tag", "TAG" },
    { "Digest", "DIGEST" },
    { "ID", "IMAGE ID" },
    { "CreatedSince", "CREATED" },
    { "CreatedAt", "CREATED AT" },
    { "Size", "SIZE" },
    { "Containers", "CONTAINERS" },
};
static const struct table image_table = {
    columns,
    SW_ARRAY_LEN(columns),
    "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}",
    "ID",
};
static const struct table digest_table = {
    columns,
    SW_ARRAY_LEN(columns),
    "{{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}",
    "ID",
};

static char *size_text(double bytes, int digits)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf b = SW_BUF_INIT;

    human_size(&b, bytes, digits);
    return cli_take(&b);
}

static json_t *row_of(const json_t *image, const char *repository, const char *tag,
                      const char *digest, bool full)
{
    int64_t created = js_int(image, "Created") * SW_NS_PER_S;
    SW_CLEANUP(sw_free_ptr) char *id = cmd_id(js_str(image, "Id"), full);
    SW_CLEANUP(sw_free_ptr) char *since = cmd_ago(created);
    SW_CLEANUP(sw_free_ptr) char *size = size_text((double)js_int(image, "Size"), 3);
    SW_CLEANUP(sw_free_ptr) char *virtual = size_text((double)js_int(image, "Size"), 4);
    SW_CLEANUP(sw_buf_fini) struct sw_buf at = SW_BUF_INIT;
    json_t *row = json_object();

    human_utc_go(&at, created);
    js_set_str(row, "ID", id);
    js_set_str(row, "Repository", repository);
    js_set_str(row, "Tag", tag);
    js_set_str(row, "Digest", digest);
    js_set_str(row, "CreatedSince", since);
    js_set_str(row, "CreatedAt", sw_buf_str(&at));
    js_set_str(row, "Size", size);
    js_set_str(row, "VirtualSize", virtual);
    js_set_str(row, "SharedSize", "N/A");
    js_set_str(row, "UniqueSize", "N/A");
    js_set_str(row, "Containers", "N/A");
    return row;
}

/* The digest under which @repository has this image, "<none>" when it has none. */
static char *digest_of(const json_t *image, const char *repository)
{
    size_t i;
    json_t *d;

    json_array_foreach(js_get(image, "RepoDigests"), i, d)
    {
        SW_CLEANUP(sw_free_ptr) char *name = NULL;
        const char *digest = text_cut(json_string_value(d), '@', &name);

        if (digest != NULL && strcmp(name, repository) == 0)
            return cli_strdup(digest);
    }
    return cli_strdup("<none>");
}

static void add_rows(json_t *rows, const json_t *image, bool full)
{
    const json_t *tags = js_get(image, "RepoTags");
    size_t i;
    json_t *t;

    json_array_foreach(tags, i, t)
    {
        const char *colon = strrchr(json_string_value(t), ':');
        SW_CLEANUP(sw_free_ptr) char *name = NULL;
        SW_CLEANUP(sw_free_ptr) char *digest = NULL;

        if (colon == NULL)
            continue;
        name = cli_strndup(json_string_value(t), (size_t)(colon - json_string_value(t)));
        digest = digest_of(image, name);
        json_array_append_new(rows, row_of(image, name, colon + 1, digest, full));
    }
    if (json_array_size(tags) == 0) {
        SW_CLEANUP(sw_free_ptr) char *name = NULL;
        const char *digest =
            js_len(image, "RepoDigests") > 0
                ? text_cut(json_string_value(json_array_get(js_get(image, "RepoDigests"), 0)), '@',
                           &name)
                : NULL;

        json_array_append_new(rows, row_of(image, name != NULL ? name : "<none>", "<none>",
                                           digest != NULL ? digest : "<none>", full));
    }
}

int image_run_ls(struct cli *cli, const struct args *args, struct sw_err *err)
{
    const struct table *table = args_bool(args, "digests") ? &digest_table : &image_table;
    json_auto_t *filters = NULL;
    json_auto_t *images = NULL;
    json_auto_t *rows = json_array();
    size_t i;
    json_t *image;

    if (cmd_filters(args, &filters, err) < 0)
        return err->code;
    if (args->pos.n > 0)
        filters_set(filters, "reference", args->pos.v[0]);
    if (cmd_list(cli, args_bool(args, "all") ? "/images/json?all=1" : "/images/json", filters,
                 &images, err) < 0)
        return err->code;
    json_array_foreach(images, i, image)
    {
        add_rows(rows, image, args_bool(args, "no-trunc"));
    }
    return cmd_table(table, rows, args, err);
}

static const struct table_column history_columns[] = {
    { "ID", "IMAGE" },
    { "CreatedSince", "CREATED" },
    { "CreatedAt", "CREATED AT" },
    { "CreatedBy", "CREATED BY" },
    { "Size", "SIZE" },
    { "Comment", "COMMENT" },
};
static const struct table history_human = {
    history_columns,
    SW_ARRAY_LEN(history_columns),
    "{{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}",
    "ID",
};
static const struct table history_exact = {
    history_columns,
    SW_ARRAY_LEN(history_columns),
    "{{.ID}}\t{{.CreatedAt}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}",
    "ID",
};

/* At most @max code points, the last an ellipsis. */
static char *ellipsis(const char *s, size_t max)
{
    size_t n = 0;
    const char *p = s;

    for (; *p != '\0'; p++) {
        if (((unsigned char)*p & 0xc0) != 0x80 && ++n == max && strlen(p) > 1) {
            const char *q = p + 1;

            while (((unsigned char)*q & 0xc0) == 0x80)
                q++;
            if (*q != '\0')
                return cli_printf("%.*s\xe2\x80\xa6", (int)(p - s), s);
        }
    }
    return cli_strdup(s);
}

static json_t *history_row(const json_t *h, bool full, bool human)
{
    int64_t created = js_int(h, "Created") * SW_NS_PER_S;
    SW_CLEANUP(sw_free_ptr) char *id = cmd_id(js_str(h, "Id"), full);
    SW_CLEANUP(sw_free_ptr) char *since = cmd_ago(created);
    SW_CLEANUP(sw_free_ptr) char *by = cli_strdup(js_str(h, "CreatedBy"));
    SW_CLEANUP(sw_free_ptr) char *shown = NULL;
    SW_CLEANUP(sw_free_ptr) char *size = NULL;
    char at[SW_RFC3339_MAX];
    json_t *row = json_object();

    for (char *p = by; *p != '\0'; p++) {
        if (*p == '\t')
            *p = ' ';
    }
    shown = full ? cli_strdup(by) : ellipsis(by, 45);
    size = human ? size_text((double)js_int(h, "Size"), 3)
                 : cli_printf("%lld", (long long)js_int(h, "Size"));
    sw_rfc3339(created, at);
    js_set_str(row, "ID", id);
    js_set_str(row, "CreatedSince", created <= 0 ? "N/A" : since);
    js_set_str(row, "CreatedAt", at);
    js_set_str(row, "CreatedBy", shown);
    js_set_str(row, "Size", size);
    js_set_str(row, "Comment", js_str(h, "Comment"));
    return row;
}

int image_run_history(struct cli *cli, const struct args *args, struct sw_err *err)
{
    bool human = !args_set(args, "human") || args_bool(args, "human");
    SW_CLEANUP(sw_buf_fini) struct sw_buf url = SW_BUF_INIT;
    json_auto_t *history = NULL;
    json_auto_t *rows = json_array();
    size_t i;
    json_t *h;

    url_path(&url, "/images/", args->pos.v[0], "/history");
    if (cmd_list(cli, sw_buf_str(&url), NULL, &history, err) < 0)
        return err->code;
    json_array_foreach(history, i, h)
    {
        json_array_append_new(rows, history_row(h, args_bool(args, "no-trunc"), human));
    }
    return cmd_table(human ? &history_human : &history_exact, rows, args, err);
}
