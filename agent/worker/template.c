/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/worker/template.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/buf.h"

#define LABELS ".Service.Labels."

static const char *label(const Swarm__V1__AssignedTask *t, const char *key, size_t n)
{
    for (size_t i = 0; i < t->n_service_labels; i++) {
        if (strlen(t->service_labels[i]->key) == n &&
            memcmp(t->service_labels[i]->key, key, n) == 0)
            return t->service_labels[i]->value;
    }
    return NULL;
}

/* Return: the value, NULL when there is no such field. @slot: room for a number. */
static const char *field(const char *name, size_t n, const Swarm__V1__AssignedTask *t,
                         const struct template_node *node, char slot[24])
{
    const struct {
        const char *name;
        const char *value;
    } fields[] = {
        { ".Service.ID", t->service_id },
        { ".Service.Name", t->service_name },
        { ".Node.ID", t->node_id },
        { ".Node.Hostname", node->hostname },
        { ".Node.Platform.OS", node->os },
        { ".Node.Platform.Architecture", node->arch },
        { ".Task.ID", t->id },
        { ".Task.Name", t->name },
        { ".Task.Slot", slot },
    };

    if (t->slot != 0)
        (void)snprintf(slot, 24, "%llu", (unsigned long long)t->slot);
    else
        slot = t->node_id;
    if (n == 10 && memcmp(name, ".Task.Slot", 10) == 0)
        return slot;
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (strlen(fields[i].name) == n && memcmp(fields[i].name, name, n) == 0)
            return fields[i].value;
    }
    if (n > strlen(LABELS) && memcmp(name, LABELS, strlen(LABELS)) == 0)
        return label(t, name + strlen(LABELS), n - strlen(LABELS));
    return NULL;
}

int template_expand(const char *text, const Swarm__V1__AssignedTask *t,
                    const struct template_node *node, char **out, struct sw_err *err)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf b = SW_BUF_INIT;
    const char *p = text;

    for (;;) {
        const char *open = strstr(p, "{{");
        const char *close;
        const char *value;
        char slot[24];

        if (open == NULL)
            break;
        close = strstr(open, "}}");
        if (close == NULL)
            return sw_err_set(err, SW_E_INVALID, "template \"%s\": \"{{\" is never closed", text);
        sw_buf_add(&b, p, (size_t)(open - p));
        for (open += 2; *open == ' '; open++)
            ;
        p = close + 2;
        while (close > open && close[-1] == ' ')
            close--;
        value = field(open, (size_t)(close - open), t, node, slot);
        if (value == NULL)
            return sw_err_set(err, SW_E_INVALID, "template \"%s\": no value for \"%.*s\"", text,
                              (int)(close - open), open);
        sw_buf_puts(&b, value);
    }
    sw_buf_puts(&b, p);
    *out = sw_buf_steal(&b);
    return *out != NULL ? 0 : sw_err_set(err, -ENOMEM, "out of memory");
}
