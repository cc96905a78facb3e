/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "cli/cmd/names.h"
#include "cli/cmd/service.h"
#include "cli/spec/text.h"

/* Full id, full name, then a unique prefix of an id. Return: 0 with @id NULL when none fits. */
static int choose(const char *arg, const json_t *by_id, const json_t *by_name, const char **id,
                  struct sw_err *err)
{
    size_t i;
    json_t *s;

    *id = NULL;
    json_array_foreach(by_id, i, s)
    {
        if (strcmp(js_str(s, "ID"), arg) == 0) {
            *id = js_str(s, "ID");
            return 0;
        }
    }
    json_array_foreach(by_name, i, s)
    {
        if (strcmp(js_str(s, "Spec.Name"), arg) == 0) {
            *id = js_str(s, "ID");
            return 0;
        }
    }
    json_array_foreach(by_id, i, s)
    {
        if (!text_prefix(js_str(s, "ID"), arg))
            continue;
        if (*id != NULL)
            return sw_err_set(err, SW_E_INVALID, "multiple services found with provided prefix: %s",
                              arg);
        *id = js_str(s, "ID");
    }
    return 0;
}

/* Put the services into @filters; what is missing into @missing. */
static int add_services(struct cli *cli, const struct strv *names, json_t *filters,
                        struct sw_buf *missing, size_t *found, struct sw_err *err)
{
    json_auto_t *id_filter = json_object();
    json_auto_t *name_filter = json_object();
    json_auto_t *by_id = NULL;
    json_auto_t *by_name = NULL;

    for (size_t i = 0; i < names->n; i++) {
        filters_set(id_filter, "id", names->v[i]);
        filters_set(name_filter, "name", names->v[i]);
    }
    if (cmd_list(cli, "/services", id_filter, &by_id, err) < 0 ||
        cmd_list(cli, "/services", name_filter, &by_name, err) < 0)
        return err->code;
    *found = 0;
    for (size_t i = 0; i < names->n; i++) {
        const char *id = NULL;

        if (choose(names->v[i], by_id, by_name, &id, err) < 0)
            return err->code;
        if (id != NULL) {
            filters_set(filters, "service", id);
            (*found)++;
        } else {
            sw_buf_printf(missing,
                          missing->len > 0 ? "\nno such service: %s" : "no such service: %s",
                          names->v[i]);
        }
    }
    return 0;
}

/* --filter node=self */
static int resolve_node_filter(struct cli *cli, json_t *filters, struct sw_err *err)
{
    json_t *nodes = json_object_get(filters, "node");
    SW_CLEANUP(sw_free_ptr) char *id = NULL;

    if (json_object_get(nodes, "self") == NULL)
        return 0;
    if (names_self(cli, "self", &id, err) < 0)
        return err->code;
    json_object_del(nodes, "self");
    json_object_set_new(nodes, id, json_true());
    return 0;
}

int service_run_ps(struct cli *cli, const struct args *args, struct sw_err *err)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf missing = SW_BUF_INIT;
    json_auto_t *filters = NULL;
    json_auto_t *tasks = NULL;
    size_t found = 0;

    if (cmd_filters(args, &filters, err) < 0 ||
        add_services(cli, &args->pos, filters, &missing, &found, err) < 0 ||
        resolve_node_filter(cli, filters, err) < 0)
        return err->code;
    if (found > 0) {
        if (cmd_list(cli, "/tasks", filters, &tasks, err) < 0 ||
            tasks_print(cli, tasks, args, err) < 0)
            return err->code;
    }
    if (missing.len > 0)
        return sw_err_set(err, SW_E_NOT_FOUND, "%s", sw_buf_str(&missing));
    return 0;
}
