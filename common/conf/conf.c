/* SPDX-License-Identifier: Apache-2.0 */
#include "common/conf/conf.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define HELP_COLUMN 30u /* where explanations begin */
#define HELP_WIDTH  100u

struct parser {
    const struct sw_conf *conf;
    void *out;
    int argc;
    char **argv;
    int at;      /* next word */
    int outcome; /* SW_CONF_HELP, SW_CONF_VERSION */
};

static size_t member_size(enum sw_opt_type type)
{
    switch (type) {
    case SW_OPT_FLAG:
        return sizeof(bool);
    case SW_OPT_STRING:
        return sizeof(const char *);
    case SW_OPT_LIST:
        return sizeof(struct sw_opt_list);
    case SW_OPT_INT:
    case SW_OPT_DURATION:
    case SW_OPT_SIZE:
    case SW_OPT_CHOICE:
        break;
    }
    return sizeof(int64_t);
}

static void set_defaults(const struct sw_conf *conf, void *out)
{
    for (size_t i = 0; i < conf->n_rows; i++) {
        const struct sw_opt *row = &conf->rows[i];
        struct sw_err err;

        memset((char *)out + row->at, 0, member_size(row->type));
        if (row->def != NULL) {
            int r = sw_conf_set(row, row->def, row->name, out, &err);

            assert(r == 0); /* the table is ours */
        }
    }
}

static const struct sw_opt *find_name(const struct sw_conf *conf, const char *name, size_t n)
{
    for (size_t i = 0; i < conf->n_rows; i++)
        if (strlen(conf->rows[i].name) == n && memcmp(conf->rows[i].name, name, n) == 0)
            return &conf->rows[i];
    return NULL;
}

static const struct sw_opt *find_letter(const struct sw_conf *conf, char letter)
{
    for (size_t i = 0; i < conf->n_rows; i++)
        if (conf->rows[i].letter != 0 && conf->rows[i].letter == letter)
            return &conf->rows[i];
    return NULL;
}

static int next_value(struct parser *p, const char *from, const char **value, struct sw_err *err)
{
    if (p->at >= p->argc)
        return sw_err_set(err, SW_E_INVALID, "%s needs a value", from);
    *value = p->argv[p->at++];
    return 0;
}

/* "--name", "--name=value" */
static int long_option(struct parser *p, const char *word, struct sw_err *err)
{
    const char *name = word + 2;
    const char *equals = strchr(name, '=');
    size_t n = equals != NULL ? (size_t)(equals - name) : strlen(name);
    const struct sw_opt *row = find_name(p->conf, name, n);
    const char *value = equals != NULL ? equals + 1 : NULL;
    char from[80];

    (void)snprintf(from, sizeof(from), "--%.*s", (int)n, name);
    if (row == NULL && equals == NULL && strcmp(name, "help") == 0) {
        p->outcome = SW_CONF_HELP;
        return 0;
    }
    if (row == NULL && equals == NULL && strcmp(name, "version") == 0) {
        p->outcome = SW_CONF_VERSION;
        return 0;
    }
    if (row == NULL)
        return sw_err_set(err, SW_E_INVALID, "unknown option %s", from);
    if (value == NULL && row->type == SW_OPT_FLAG)
        value = "true";
    if (value == NULL && next_value(p, from, &value, err) < 0)
        return err->code;
    return sw_conf_set(row, value, from, p->out, err);
}

/* "-n", "-nvalue", "-n value", "-ab" */
static int short_options(struct parser *p, const char *word, struct sw_err *err)
{
    for (const char *c = word + 1; *c != '\0'; c++) {
        const struct sw_opt *row = find_letter(p->conf, *c);
        const char from[] = { '-', *c, '\0' };
        const char *value;

        if (row == NULL && *c == 'h') {
            p->outcome = SW_CONF_HELP;
            return 0;
        }
        if (row == NULL)
            return sw_err_set(err, SW_E_INVALID, "unknown option %s", from);
        if (row->type == SW_OPT_FLAG) {
            if (sw_conf_set(row, "true", from, p->out, err) < 0)
                return err->code;
            continue;
        }
        value = c[1] == '=' ? c + 2 : c + 1;
        if (c[1] == '\0' && next_value(p, from, &value, err) < 0)
            return err->code;
        return sw_conf_set(row, value, from, p->out, err);
    }
    return 0;
}

/* Move the words @from..@to-1, which belong to an option, in front of the @n plain words that stand
 * before them. */
static void rotate(char **argv, int plain, int from, int to)
{
    for (int i = from; i < to; i++) {
        char *word = argv[i];

        memmove(&argv[plain + 1], &argv[plain], (size_t)(i - plain) * sizeof(*argv));
        argv[plain++] = word;
    }
}

int sw_conf_parse(const struct sw_conf *conf, int argc, char **argv, void *out, int *rest,
                  struct sw_err *err)
{
    struct parser p = { .conf = conf, .out = out, .argc = argc, .argv = argv, .at = 1 };
    int plain = 1; /* words before it are options */
    int r = 0;

    set_defaults(conf, out);
    while (p.at < argc) {
        int from = p.at;
        const char *word = argv[p.at++];

        if (word[0] != '-' || word[1] == '\0') {
            if (conf->stop_at_first)
                break;
            continue;
        }
        if (strcmp(word, "--") == 0) {
            rotate(argv, plain, from, p.at);
            plain++;
            break;
        }
        r = word[1] == '-' ? long_option(&p, word, err) : short_options(&p, word, err);
        if (r < 0 || p.outcome != 0)
            return r < 0 ? r : p.outcome;
        rotate(argv, plain, from, p.at);
        plain += p.at - from;
    }
    if (rest != NULL)
        *rest = plain;
    return 0;
}

/* ------------------------------------------------------------------ help */

/* Words of @text from column @column on, lines at most HELP_WIDTH long. */
static void put_wrapped(struct sw_buf *out, const char *text, size_t column)
{
    size_t at = column;

    while (*text != '\0') {
        size_t n = strcspn(text, " ");

        if (at > column && at + 1 + n > HELP_WIDTH) {
            sw_buf_printf(out, "\n%*s", (int)column, "");
            at = column;
        } else if (at > column) {
            sw_buf_putc(out, ' ');
            at++;
        }
        sw_buf_add(out, text, n);
        at += n;
        text += n;
        while (*text == ' ')
            text++;
    }
    sw_buf_putc(out, '\n');
}

static void put_extra(struct sw_buf *text, const struct sw_opt *row)
{
    const char *quote = row->type == SW_OPT_STRING ? "\"" : "";

    if (row->choices != NULL) {
        sw_buf_puts(text, ": ");
        for (size_t i = 0; row->choices[i] != NULL; i++)
            sw_buf_printf(text, "%s%s", i == 0 ? "" : ", ", row->choices[i]);
    }
    if (row->unit != NULL)
        sw_buf_printf(text, ", in %s", row->unit);
    if (row->def != NULL && row->type != SW_OPT_FLAG)
        sw_buf_printf(text, " (default %s%s%s)", quote, row->def, quote);
}

static void put_row(struct sw_buf *out, const struct sw_opt *row)
{
    char left[80];
    char letter[8] = "    ";
    SW_CLEANUP(sw_buf_fini) struct sw_buf text = SW_BUF_INIT;
    int n;

    if (row->letter != 0)
        (void)snprintf(letter, sizeof(letter), "-%c, ", row->letter);
    n = snprintf(left, sizeof(left), "  %s--%s%s%s", letter, row->name,
                 row->type == SW_OPT_FLAG ? "" : " ",
                 row->type == SW_OPT_FLAG ? "" : (row->arg != NULL ? row->arg : "VALUE"));
    sw_buf_puts(out, left);
    if ((size_t)n + 2 > HELP_COLUMN)
        sw_buf_printf(out, "\n%*s", (int)HELP_COLUMN, "");
    else
        sw_buf_printf(out, "%*s", (int)HELP_COLUMN - n, "");
    sw_buf_puts(&text, row->help);
    put_extra(&text, row);
    if (sw_buf_failed(&text))
        out->failed = true;
    put_wrapped(out, sw_buf_str(&text), HELP_COLUMN);
}

void sw_conf_help(const struct sw_conf *conf, struct sw_buf *out)
{
    static const struct sw_opt own[] = {
        { .name = "help", .letter = 'h', .help = "Print this help and exit" },
        { .name = "version", .help = "Print the version and exit" },
    };

    sw_buf_printf(out, "Usage: %s %s\n\n", conf->program, conf->usage);
    if (conf->summary != NULL) {
        put_wrapped(out, conf->summary, 0);
        sw_buf_putc(out, '\n');
    }
    sw_buf_puts(out, "Options:\n");
    for (size_t i = 0; i < conf->n_rows; i++)
        if (!conf->rows[i].hidden)
            put_row(out, &conf->rows[i]);
    for (size_t i = 0; i < 2; i++)
        if (find_name(conf, own[i].name, strlen(own[i].name)) == NULL)
            put_row(out, &own[i]);
}
