/* SPDX-License-Identifier: Apache-2.0
 * From the text of one value to the member it belongs to. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/time.h"
#include "common/conf/conf.h"

static int parse_bool(const char *s, bool *out)
{
    static const char *const yes[] = { "true", "1", "yes", "on" };
    static const char *const no[] = { "false", "0", "no", "off" };

    for (size_t i = 0; i < 4; i++) {
        if (strcmp(s, yes[i]) == 0) {
            *out = true;
            return 0;
        }
        if (strcmp(s, no[i]) == 0) {
            *out = false;
            return 0;
        }
    }
    return -1;
}

static int parse_int(const char *s, int64_t *out)
{
    char *end;
    long long v;

    if (*s != '-' && (*s < '0' || *s > '9')) /* strtoll would skip white space and take a plus */
        return -1;
    errno = 0;
    v = strtoll(s, &end, 10);
    if (errno != 0 || end == s || *end != '\0')
        return -1;
    *out = v;
    return 0;
}

/* "512", "64k", "64kb", "64KiB", "1.5m": powers of 1024 as Docker has them. */
static int parse_size(const char *s, int64_t *out)
{
    static const char units[] = "bkmgt";
    double factor = 1;
    double v;
    char *end;

    if (*s < '0' || *s > '9')
        return -1;
    v = strtod(s, &end);
    if (*end != '\0') {
        char unit = *end >= 'A' && *end <= 'Z' ? (char)(*end - 'A' + 'a') : *end;
        const char *u = strchr(units, unit);

        if (u == NULL)
            return -1;
        for (; u > units; u--)
            factor *= 1024;
        end++;
        if (unit != 'b' && *end == 'i')
            end++;
        if (unit != 'b' && (*end == 'b' || *end == 'B'))
            end++;
        if (*end != '\0')
            return -1;
    }
    v *= factor;
    if (!(v < 9e18))
        return -1;
    *out = (int64_t)v;
    return 0;
}

static void range_text(const struct sw_opt *row, char *out, size_t room)
{
    char low[SW_DURATION_MAX];
    char high[SW_DURATION_MAX];

    if (row->type == SW_OPT_DURATION) {
        sw_duration_format(row->min, low);
        sw_duration_format(row->max, high);
    } else {
        (void)snprintf(low, sizeof(low), "%lld", (long long)row->min);
        (void)snprintf(high, sizeof(high), "%lld", (long long)row->max);
    }
    (void)snprintf(out, room, "between %s and %s%s%s", low, high, row->unit != NULL ? " " : "",
                   row->unit != NULL ? row->unit : "");
}

static int set_number(const struct sw_opt *row, const char *value, const char *from, int64_t *out,
                      struct sw_err *err)
{
    static const char *const wanted[] = {
        [SW_OPT_INT] = "a whole number",
        [SW_OPT_DURATION] = "a duration such as 90s or 1m30s",
        [SW_OPT_SIZE] = "a size such as 64k or 1g",
    };
    char range[160];
    int64_t v = 0;
    bool ok;

    if (row->type == SW_OPT_INT)
        ok = parse_int(value, &v) == 0;
    else if (row->type == SW_OPT_DURATION)
        ok = sw_duration_parse(value, &v);
    else
        ok = parse_size(value, &v) == 0;
    if (!ok)
        return sw_err_set(err, SW_E_INVALID, "%s: \"%s\" is not %s", from, value,
                          wanted[row->type]);
    if ((row->min != 0 || row->max != 0) && (v < row->min || v > row->max)) {
        range_text(row, range, sizeof(range));
        return sw_err_set(err, SW_E_INVALID, "%s: %s is not %s", from, value, range);
    }
    *out = v;
    return 0;
}

static int set_choice(const struct sw_opt *row, const char *value, const char *from, int64_t *out,
                      struct sw_err *err)
{
    char all[256] = "";

    for (int64_t i = 0; row->choices[i] != NULL; i++) {
        size_t n = strlen(all);

        if (strcmp(row->choices[i], value) == 0) {
            *out = i;
            return 0;
        }
        (void)snprintf(all + n, sizeof(all) - n, "%s%s", i > 0 ? ", " : "", row->choices[i]);
    }
    return sw_err_set(err, SW_E_INVALID, "%s: \"%s\" is none of %s", from, value, all);
}

static int add_item(struct sw_opt_list *list, const char *value, const char *from,
                    struct sw_err *err)
{
    if (list->n == SW_OPT_LIST_MAX)
        return sw_err_set(err, SW_E_INVALID, "%s: given more than %d times", from, SW_OPT_LIST_MAX);
    list->items[list->n++] = value;
    return 0;
}

int sw_conf_set(const struct sw_opt *row, const char *value, const char *from, void *out,
                struct sw_err *err)
{
    void *at = (char *)out + row->at;

    switch (row->type) {
    case SW_OPT_FLAG:
        if (parse_bool(value, at) < 0)
            return sw_err_set(err, SW_E_INVALID, "%s: \"%s\" is neither true nor false", from,
                              value);
        return 0;
    case SW_OPT_STRING:
        memcpy(at, &value, sizeof(value));
        return 0;
    case SW_OPT_LIST:
        return add_item(at, value, from, err);
    case SW_OPT_CHOICE:
        return set_choice(row, value, from, at, err);
    case SW_OPT_INT:
    case SW_OPT_DURATION:
    case SW_OPT_SIZE:
        break;
    }
    return set_number(row, value, from, at, err);
}
