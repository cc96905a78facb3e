/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd/natural.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

int natural_compare(const char *a, const char *b)
{
    while (*a != '\0' && *b != '\0') {
        if (isdigit((unsigned char)*a) && isdigit((unsigned char)*b)) {
            size_t na, nb;
            int r;

            while (*a == '0' && isdigit((unsigned char)a[1]))
                a++;
            while (*b == '0' && isdigit((unsigned char)b[1]))
                b++;
            na = strspn(a, "0123456789");
            nb = strspn(b, "0123456789");
            r = na != nb ? (na < nb ? -1 : 1) : strncmp(a, b, na);
            if (r != 0)
                return r;
            a += na;
            b += nb;
            continue;
        }
        if (*a != *b)
            return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
        a++;
        b++;
    }
    return (*a != '\0') - (*b != '\0');
}

struct entry {
    json_t *value;
    const char *name;
    size_t at;
};

static int by_name(const void *x, const void *y)
{
    const struct entry *a = x, *b = y;
    int r = natural_compare(a->name, b->name);

    return r != 0 ? r : (a->at > b->at) - (a->at < b->at);
}

void natural_sort(json_t *array, const char *path)
{
    size_t n = json_array_size(array);
    struct entry *e = cli_alloc((n + 1) * sizeof(*e));
    size_t i;
    json_t *v;

    json_array_foreach(array, i, v)
    {
        e[i] = (struct entry){ json_incref(v), js_str(v, path), i };
    }
    qsort(e, n, sizeof(*e), by_name);
    for (i = 0; i < n; i++)
        json_array_set_new(array, i, e[i].value);
    sw_free(e);
}
