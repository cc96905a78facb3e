/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd/since.h"

#include <string.h>
#include <time.h>

#include "cli/spec/mem.h"
#include "common/base/time.h"

static char *text_of(int64_t ns)
{
    return cli_printf("%lld.%09lld", (long long)(ns / SW_NS_PER_S), (long long)(ns % SW_NS_PER_S));
}

/* A date, maybe with a time, without zone. */
static bool local_date(const char *s, int64_t *ns)
{
    static const char *const forms[] = { "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H",
                                         "%Y-%m-%d" };

    for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
        struct tm tm = { .tm_isdst = -1 };
        const char *end = strptime(s, forms[i], &tm);

        if (end != NULL && *end == '\0') {
            *ns = (int64_t)mktime(&tm) * SW_NS_PER_S;
            return true;
        }
    }
    return false;
}

int since_format(const char *s, int64_t now_ns, char **out, struct sw_err *err)
{
    int64_t ns;

    if (*s != '\0' && strspn(s, "0123456789.") == strlen(s))
        *out = cli_strdup(s);
    else if (sw_duration_parse(s, &ns))
        *out = text_of(now_ns - ns);
    else if (sw_rfc3339_parse(s, &ns) || local_date(s, &ns))
        *out = text_of(ns);
    else
        return sw_err_set(
            err, SW_E_INVALID,
            "invalid value for \"since\": failed to parse value as time or duration: \"%s\"", s);
    return 0;
}
