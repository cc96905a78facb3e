/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd/names.h"

#include <string.h>

#include "cli/cmd/common.h"

void names_init(struct names *n, struct cli *cli, bool off)
{
    *n = (struct names){ cli, off, json_object() };
}

void names_fini(struct names *n)
{
    json_decref(n->known);
}

static const char *lookup(struct names *n, const char *before, const char *id, const char *path,
                          const char *fallback)
{
    SW_CLEANUP(sw_free_ptr) char *key = cli_printf("%s%s", before, id);
    json_auto_t *object = NULL;
    struct sw_err err;
    const char *name = "";

    if (n->off || *id == '\0')
        return id;
    if (json_object_get(n->known, key) == NULL) {
        if (cmd_get(n->cli, before, id, &object, &err) == 0) {
            name = js_str(object, path);
            if (*name == '\0' && fallback != NULL)
                name = js_str(object, fallback);
        }
        json_object_set_new(n->known, key, js_string(*name != '\0' ? name : id));
    }
    return json_string_value(json_object_get(n->known, key));
}

const char *names_node(struct names *n, const char *id)
{
    return lookup(n, "/nodes/", id, "Spec.Name", "Description.Hostname");
}

const char *names_service(struct names *n, const char *id)
{
    return lookup(n, "/services/", id, "Spec.Name", NULL);
}

int names_self(struct cli *cli, const char *name, char **out, struct sw_err *err)
{
    json_auto_t *info = NULL;

    if (strcmp(name, "self") != 0) {
        *out = cli_strdup(name);
        return 0;
    }
    if (cli_get(cli, "/info", &info, err) < 0)
        return err->code;
    if (*js_str(info, "Swarm.NodeID") == '\0') {
        /* Ask for something only managers answer: its error says what is wrong. */
        json_auto_t *nodes = NULL;

        if (cli_get(cli, "/nodes", &nodes, err) < 0)
            return err->code;
        return sw_err_set(err, SW_E_UNAVAILABLE, "node ID not found in /info");
    }
    *out = cli_strdup(js_str(info, "Swarm.NodeID"));
    return 0;
}
