/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/render/progress.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define BAR_CELLS     50
#define WIDTH_FOR_BAR 110 /* narrower terminals get no bar */

void progress_init(struct progress *p, FILE *out, bool quiet)
{
    struct winsize ws;

    *p = (struct progress){ .out = out, .quiet = quiet, .width = 200 };
    p->terminal = isatty(fileno(out)) != 0;
    if (p->terminal && ioctl(fileno(out), TIOCGWINSZ, &ws) == 0 && ws.ws_col > 0)
        p->width = ws.ws_col;
}

void progress_fini(struct progress *p)
{
    strv_fini(&p->ids);
    strv_fini(&p->said);
}

/* Was this the last thing said of @id? Remembers it. */
static bool repeats(struct progress *p, const char *id, const char *action)
{
    size_t n = strlen(id);

    for (size_t i = 0; i < p->said.n; i++) {
        if (strncmp(p->said.v[i], id, n) != 0 || strncmp(p->said.v[i] + n, ": ", 2) != 0)
            continue;
        if (strcmp(p->said.v[i] + n + 2, action) == 0)
            return true;
        sw_free(p->said.v[i]);
        p->said.v[i] = cli_printf("%s: %s", id, action);
        return false;
    }
    strv_take(&p->said, cli_printf("%s: %s", id, action));
    return false;
}

void progress_bar(struct sw_buf *out, long current, long total)
{
    long done = total > 0 ? current * 100 / total / 2 : 0;

    if (done > BAR_CELLS)
        done = BAR_CELLS;
    sw_buf_putc(out, '[');
    for (long i = 0; i < done; i++)
        sw_buf_putc(out, '=');
    sw_buf_putc(out, '>');
    for (long i = done; i < BAR_CELLS; i++)
        sw_buf_putc(out, ' ');
    sw_buf_puts(out, "] ");
}

/* How far above the cursor the line of @id is; a new id gets a line at the bottom. */
static size_t place(struct progress *p, const char *id)
{
    size_t line = 0;

    while (line < p->ids.n && strcmp(p->ids.v[line], id) != 0)
        line++;
    if (line == p->ids.n) {
        strv_add(&p->ids, id);
        if (p->terminal)
            fputc('\n', p->out);
    }
    return p->ids.n - line;
}

void progress_put(struct progress *p, const char *id, const char *action, long current, long total)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf bar = SW_BUF_INIT;
    size_t up;

    if (p->quiet)
        return;
    if (current > 0 && total > 0 && p->width > WIDTH_FOR_BAR)
        progress_bar(&bar, current, total);
    up = place(p, id);
    if (p->terminal)
        fprintf(p->out, "\033[%zuA\033[2K\r%s: %s %s\r\033[%zuB", up, id, action, sw_buf_str(&bar),
                up);
    else if (bar.len == 0 && !(p->once && repeats(p, id, action)))
        fprintf(p->out, "%s: %s\n", id, action);
    fflush(p->out);
}

void progress_message(struct progress *p, const char *id, const char *text)
{
    if (p->quiet)
        return;
    strv_fini(&p->ids);
    fprintf(p->out, *id != '\0' ? "%s: %s\n" : "%s%s\n", id, text);
    fflush(p->out);
}
