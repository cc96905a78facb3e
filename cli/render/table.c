/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/render/table.h"

#include <string.h>

#include "cli/render/tabs.h"
#include "cli/render/template.h"
#include "cli/spec/text.h"

static int parse(struct tmpl **out, const char *text, struct sw_err *err)
{
    SW_CLEANUP(sw_free_ptr) char *plain = tmpl_unescape(text);

    if (tmpl_parse(out, plain, err) < 0)
        return sw_err_wrap(err, "template parsing error");
    return 0;
}

static int header(const struct table *t, const struct tmpl *tm, struct sw_buf *out,
                  struct sw_err *err)
{
    static const struct tmpl_options opt = { .header = true, .lax = true };
    json_auto_t *names = json_object();
    int r;

    for (size_t i = 0; i < t->n_columns; i++) {
        if (t->columns[i].header != NULL)
            js_set_str(names, t->columns[i].field, t->columns[i].header);
    }
    r = tmpl_exec(tm, names, &opt, out, err);
    if (r < 0) /* a template that needs more than text: {{range}}, {{len}} */
        return sw_err_wrap(err, "template parsing error");
    sw_buf_putc(out, '\n');
    return 0;
}

int table_print(struct sw_buf *out, const struct table *t, const json_t *rows, const char *format,
                bool quiet, struct sw_err *err)
{
    static const struct tmpl_options opt = { 0 };
    SW_CLEANUP(sw_buf_fini) struct sw_buf text = SW_BUF_INIT;
    SW_CLEANUP(sw_free_ptr) char *template = NULL;
    SW_CLEANUP(tmpl_free_ptr) struct tmpl *tm = NULL;
    bool is_table = false;
    size_t i;
    json_t *row;

    if (*format == '\0' || strcmp(format, "table") == 0) {
        is_table = !quiet;
        template = quiet ? cli_printf("{{.%s}}", t->id) : cli_strdup(t->standard);
    } else if (text_prefix(format, "table ")) {
        is_table = true;
        template = cli_strdup(format + 6);
    } else {
        template = cli_strdup(strcmp(format, "json") == 0 ? "{{json .}}" : format);
    }
    if (parse(&tm, template, err) < 0 || (is_table && header(t, tm, &text, err) < 0))
        return err->code;
    json_array_foreach(rows, i, row)
    {
        if (tmpl_exec(tm, row, &opt, &text, err) < 0)
            return sw_err_wrap(err, "template parsing error");
        sw_buf_putc(&text, '\n');
    }
    if (is_table)
        tabs_align(out, sw_buf_str(&text), TABS_MIN, TABS_PAD);
    else
        sw_buf_add(out, sw_buf_str(&text), text.len);
    return 0;
}
