/* SPDX-License-Identifier: Apache-2.0
 *
 * Names in a spec become ids, the image its digest: what a client has to find out beforehand. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/client/auth.h"
#include "cli/cmd/service.h"
#include "cli/spec/imageref.h"
#include "cli/spec/text.h"

#define IMAGE "TaskTemplate.ContainerSpec.Image"

int service_network_id(struct cli *cli, const char *name, char **id, struct sw_err *err)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf url = SW_BUF_INIT;
    json_auto_t *network = NULL;

    url_path(&url, "/networks/", name, "");
    url_query(&url, "scope", "swarm");
    if (cli_get(cli, sw_buf_str(&url), &network, err) < 0)
        return err->code;
    *id =
        cli_strdup(*js_str(network, "Id") != '\0' ? js_str(network, "Id") : js_str(network, "ID"));
    return 0;
}

int service_refs(struct cli *cli, const char *kind, json_t *refs, struct sw_err *err)
{
    bool secret = strcmp(kind, "Secret") == 0;
    const char *name_key = secret ? "SecretName" : "ConfigName";
    json_auto_t *filters = json_object();
    json_auto_t *list = NULL;
    json_auto_t *ids = json_object();
    size_t i;
    json_t *each;

    if (json_array_size(refs) == 0)
        return 0;
    json_array_foreach(refs, i, each)
    {
        filters_set(filters, "name", js_str(each, name_key));
    }
    if (cmd_list(cli, secret ? "/secrets" : "/configs", filters, &list, err) < 0)
        return err->code;
    json_array_foreach(list, i, each)
    {
        json_object_set(ids, js_str(each, "Spec.Name"), js_get(each, "ID"));
    }
    json_array_foreach(refs, i, each)
    {
        json_t *id = json_object_get(ids, js_str(each, name_key));

        if (id == NULL)
            return sw_err_set(err, SW_E_NOT_FOUND, "%s not found: %s", secret ? "secret" : "config",
                              js_str(each, name_key));
        json_object_set(each, secret ? "SecretID" : "ConfigID", id);
    }
    return 0;
}

static json_t *platforms(const json_t *distribution)
{
    json_t *out = json_array();
    size_t i;
    json_t *p;

    json_array_foreach(js_get(distribution, "Platforms"), i, p)
    {
        json_t *o = json_object();
        const char *arch = js_str(p, "architecture");

        /* Manifests say "arm", nodes "armv7l": such an image is not tied to an architecture. */
        if (*arch != '\0' && strcasecmp(arch, "arm") != 0)
            js_set_str(o, "Architecture", arch);
        js_set_str(o, "OS", js_str(p, "os"));
        json_array_append_new(out, o);
    }
    return out;
}

bool service_resolve_image(struct cli *cli, json_t *spec, const char *auth)
{
    SW_CLEANUP(sw_free_ptr) char *image = cli_strdup(js_str(spec, IMAGE));
    SW_CLEANUP(sw_free_ptr) char *pinned = NULL;
    SW_CLEANUP(sw_buf_fini) struct sw_buf url = SW_BUF_INIT;
    struct client_stream s = { .method = "GET", .upload_fd = -1, .registry_auth = auth };
    json_auto_t *answer = NULL;
    struct client *c = NULL;
    struct sw_err err;

    url_path(&url, "/distribution/", image, "/json");
    if (cli_client(cli, &c, &err) < 0)
        return false;
    s.path = sw_buf_str(&url);
    if (client_call_auth(c, &s, &answer, &err) < 0)
        return false;
    pinned = imageref_pinned(image, js_str(answer, "Descriptor.digest"));
    if (pinned != NULL)
        js_set_str(spec, IMAGE, pinned);
    if (js_len(answer, "Platforms") > 0)
        js_set(spec, "TaskTemplate.Placement.Platforms", platforms(answer));
    return true;
}

void service_warn_unresolved(const char *image)
{
    fprintf(stderr,
            "image %s could not be accessed on a registry to record\nits digest. Each node will "
            "access %s "
            "independently,\npossibly leading to different nodes running different\nversions of "
            "the image.\n\n",
            image, image);
}

char *service_auth(const json_t *spec)
{
    return auth_header(js_str(spec, IMAGE));
}

int service_send(struct cli *cli, const char *path, const json_t *spec, const char *auth, char **id,
                 struct sw_err *err)
{
    struct client_stream s = {
        .method = "POST", .path = path, .upload_fd = -1, .json = spec, .registry_auth = auth
    };
    json_auto_t *answer = NULL;
    struct client *c = NULL;

    if (cli_client(cli, &c, err) < 0 || client_call_auth(c, &s, &answer, err) < 0)
        return err->code;
    cmd_warnings(answer);
    if (id != NULL)
        *id = cli_strdup(js_str(answer, "ID"));
    return 0;
}
