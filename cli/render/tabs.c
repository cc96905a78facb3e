/* SPDX-License-Identifier: Apache-2.0
 *
 * How it works: the text is cut into lines of cells. A cell is closed by a tab; the last cell of
 * a line is not part of a column. block() formats lines [from, to) whose first @depth widths are
 * settled: wherever consecutive lines share a closed cell at @depth it settles that width and
 * recurses with it. */
#include "cli/render/tabs.h"

#include <string.h>

#include "common/base/macro.h"

struct line {
    const char **cell;
    size_t *len;
    size_t n;
};

struct align {
    struct line *lines;
    size_t n;
    size_t *widths; /* settled columns */
    size_t min, pad;
    struct sw_buf *out;
};

size_t tabs_width(const char *s, size_t n)
{
    size_t w = 0;

    for (size_t i = 0; i < n; i++)
        w += ((unsigned char)s[i] & 0xc0) != 0x80;
    return w;
}

static void emit(struct align *a, const struct line *l, size_t depth)
{
    for (size_t c = 0; c < l->n; c++) {
        size_t w = tabs_width(l->cell[c], l->len[c]);

        sw_buf_add(a->out, l->cell[c], l->len[c]);
        if (c + 1 < l->n && c < depth) {
            for (; w < a->widths[c]; w++)
                sw_buf_putc(a->out, ' ');
        }
    }
}

static void block(struct align *a, size_t from, size_t to, size_t depth)
{
    for (size_t i = from; i < to;) {
        size_t end = i;
        size_t width = 0;

        while (end < to && a->lines[end].n > depth + 1) {
            size_t w = tabs_width(a->lines[end].cell[depth], a->lines[end].len[depth]) + a->pad;

            width = SW_MAX(width, SW_MAX(w, a->min));
            end++;
        }
        if (end == i) { /* no closed cell here: the line is settled */
            emit(a, &a->lines[i], depth);
            i++;
            if (i < a->n)
                sw_buf_putc(a->out, '\n');
            continue;
        }
        a->widths[depth] = width;
        block(a, i, end, depth + 1);
        i = end;
    }
}

static size_t cut(const char *text, char sep)
{
    size_t n = 1;

    for (; *text != '\0'; text++)
        n += *text == sep;
    return n;
}

static void cut_line(struct line *l, const char *text, size_t len)
{
    size_t cells = 1;

    for (size_t i = 0; i < len; i++)
        cells += text[i] == '\t';
    l->cell = cli_alloc(cells * sizeof(*l->cell));
    l->len = cli_alloc(cells * sizeof(*l->len));
    for (size_t i = 0, start = 0; i <= len; i++) {
        if (i == len || text[i] == '\t') {
            l->cell[l->n] = text + start;
            l->len[l->n++] = i - start;
            start = i + 1;
        }
    }
}

void tabs_align(struct sw_buf *out, const char *text, size_t min, size_t pad)
{
    struct align a = { .min = min, .pad = pad, .out = out };
    size_t columns = 1;

    a.n = cut(text, '\n');
    a.lines = cli_alloc(a.n * sizeof(*a.lines));
    for (size_t i = 0; i < a.n; i++) {
        size_t len = strcspn(text, "\n");

        cut_line(&a.lines[i], text, len);
        columns = SW_MAX(columns, a.lines[i].n);
        text += len + 1;
    }
    a.widths = cli_alloc(columns * sizeof(*a.widths));
    block(&a, 0, a.n, 0);
    for (size_t i = 0; i < a.n; i++) {
        sw_free(a.lines[i].cell);
        sw_free(a.lines[i].len);
    }
    sw_free(a.lines);
    sw_free(a.widths);
}
