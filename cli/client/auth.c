/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/client/auth.h"

#include <stdlib.h>
#include <string.h>

#include "cli/render/gojson.h"
#include "cli/spec/base64.h"
#include "cli/spec/imageref.h"
#include "cli/spec/text.h"

#define HUB "https://index.docker.io/v1/"

static json_t *load_config(void)
{
    const char *dir = getenv("DOCKER_CONFIG");
    const char *home = getenv("HOME");
    SW_CLEANUP(sw_free_ptr) char *path = NULL;

    if (dir != NULL && *dir != '\0')
        path = cli_printf("%s/config.json", dir);
    else
        path = cli_printf("%s/.docker/config.json", home != NULL ? home : "");
    return json_load_file(path, 0, NULL);
}

/* The entry of auths for a host: its name, with or without scheme and path. */
static json_t *entry_of(const json_t *auths, const char *domain)
{
    json_t *o = (json_t *)(uintptr_t)auths;
    json_t *each;
    const char *key;

    if (strcmp(domain, "docker.io") == 0)
        return json_object_get(auths, HUB);
    json_object_foreach(o, key, each)
    {
        const char *host = text_prefix(key, "https://")  ? key + 8
                           : text_prefix(key, "http://") ? key + 7
                                                         : key;
        size_t n = strcspn(host, "/");

        if (n == strlen(domain) && strncmp(host, domain, n) == 0)
            return each;
    }
    return NULL;
}

char *auth_header(const char *image)
{
    SW_CLEANUP(imageref_fini) struct imageref ref = { 0 };
    SW_CLEANUP(sw_buf_fini) struct sw_buf pair = SW_BUF_INIT;
    SW_CLEANUP(sw_buf_fini) struct sw_buf text = SW_BUF_INIT;
    SW_CLEANUP(sw_free_ptr) char *user = NULL;
    json_auto_t *config = load_config();
    json_auto_t *header = json_object();
    const json_t *entry;
    const char *password;

    if (config == NULL || !imageref_parse(image, &ref))
        return NULL;
    entry = entry_of(js_get(config, "auths"), ref.domain);
    if (entry == NULL || !base64_decode(js_str(entry, "auth"), &pair))
        return NULL;
    password = text_cut(sw_buf_str(&pair), ':', &user);
    if (*js_str(entry, "identitytoken") == '\0' && (password == NULL || *user == '\0'))
        return NULL;
    js_set_str(header, "username", user);
    js_set_str(header, "password", password != NULL ? password : "");
    js_set_str(header, "serveraddress", strcmp(ref.domain, "docker.io") == 0 ? HUB : ref.domain);
    if (*js_str(entry, "identitytoken") != '\0')
        js_set_str(header, "identitytoken", js_str(entry, "identitytoken"));
    gojson_compact(&text, header, false);
    return base64_encode(text.data, text.len, true);
}

static int collect(void *arg, const char *data, size_t n, struct sw_err *err)
{
    (void)err;
    sw_buf_add(arg, data, n);
    return 0;
}

int client_call_auth(struct client *c, const struct client_stream *s, json_t **out,
                     struct sw_err *err)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf body = SW_BUF_INIT;
    struct client_stream with = *s;

    with.on_data = collect;
    with.arg = &body;
    if (client_stream(c, &with, err) < 0)
        return err->code;
    *out = body.len == 0 ? json_null()
                         : json_loadb(sw_buf_str(&body), body.len, JSON_DECODE_ANY, NULL);
    if (*out == NULL)
        return sw_err_set(err, SW_E_PROTOCOL, "the daemon's answer is not JSON");
    return 0;
}
