/* SPDX-License-Identifier: Apache-2.0
 * images.c - /images: list, inspect, history, tag, delete, prune; /distribution. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/api/api_priv.h"
#include "common/base/alloc.h"
#include "common/base/time.h"

static json_t *load_config(const struct agent_api *a, const struct image *img)
{
    SW_CLEANUP(sw_free_ptr) char *text = NULL;
    struct sw_err ignored;
    size_t len = 0;

    if (image_config_json(a->images, img, &text, &len, &ignored) < 0)
        return NULL;
    return json_loadb(text, len, 0, NULL);
}

/* ---- list
 * ------------------------------------------------------------------------------------------ */

static const char *label_of(const void *config, const char *name)
{
    const json_t *labels = json_object_get(json_object_get(config, "config"), "Labels");

    return json_string_value(json_object_get(labels, name));
}

static bool matches_reference(const struct docker_filters *f, const char *full)
{
    const char *familiar = image_name_familiar(full);
    char repo[IMAGE_REF_MAX];
    char *colon;
    size_t n;
    const char *const *v = docker_filters_get(f, "reference", &n);

    snprintf(repo, sizeof(repo), "%s", familiar);
    colon = strrchr(repo, ':');
    if (colon != NULL && strchr(colon, '/') == NULL)
        *colon = '\0';
    for (size_t i = 0; i < n; i++)
        if (image_glob(v[i], familiar) || image_glob(v[i], repo) || image_glob(v[i], full))
            return true;
    return n == 0;
}

/* "before" and "since" name images. Return: 0, or < 0 when one does not exist. */
static int time_of(const struct agent_api *a, const struct docker_filters *f, const char *key,
                   int64_t absent, int64_t *out, struct sw_err *err)
{
    size_t n;
    const char *const *v = docker_filters_get(f, key, &n);
    const struct image *img;

    *out = absent;
    if (n == 0)
        return 0;
    if (image_find(a->images, v[0], &img, err) < 0)
        return err->code;
    *out = img->created_ns;
    return 0;
}

struct list_filter {
    struct docker_filters *f;
    int64_t before_ns;
    int64_t since_ns;
    bool dangling;
    bool has_dangling;
};

static int list_filter_init(struct list_filter *l, const struct agent_api *a,
                            const struct http_request *req, struct sw_err *err)
{
    static const char *const allowed[] = { "dangling", "label",     "before", "since",
                                           "until",    "reference", NULL };
    size_t n;
    int r = docker_filters_of(&l->f, req, allowed, err);

    if (r == 0)
        r = time_of(a, l->f, "before", INT64_MAX, &l->before_ns, err);
    if (r == 0)
        r = time_of(a, l->f, "since", INT64_MIN, &l->since_ns, err);
    if (r == 0)
        r = docker_filters_bool(l->f, "dangling", false, &l->dangling, err);
    if (r < 0)
        return r;
    docker_filters_get(l->f, "dangling", &n);
    l->has_dangling = n > 0;
    return 0;
}

static json_t *image_summary(const struct http_request *req, const struct image *img,
                             const struct docker_filters *f, const json_t *config)
{
    json_t *labels = json_object_get(json_object_get(config, "config"), "Labels");
    json_t *tags = json_array();
    json_t *digests = api_names(img->digests, img->n_digests);
    json_t *o;

    for (size_t i = 0; i < img->n_names; i++)
        if (matches_reference(f, img->names[i]))
            json_array_append_new(tags, json_string(image_name_familiar(img->names[i])));
    if (img->n_names == 0 && http_api_version(req) < 143) {
        json_array_append_new(tags, json_string("<none>:<none>"));
        if (img->n_digests == 0)
            json_array_append_new(digests, json_string("<none>@<none>"));
    }
    o = json_pack("{s:i, s:I, s:s, s:O?, s:s, s:o, s:o, s:i, s:I}", "Containers", -1, "Created",
                  (json_int_t)(img->created_ns / SW_NS_PER_S), "Id", img->id, "Labels",
                  json_object_size(labels) > 0 ? labels : NULL, "ParentId", "", "RepoDigests",
                  digests, "RepoTags", tags, "SharedSize", -1, "Size", (json_int_t)image_size(img));
    if (http_api_version(req) < 144)
        json_object_set_new(o, "VirtualSize", json_integer((json_int_t)image_size(img)));
    return o;
}

static bool list_has(const struct list_filter *l, const struct image *img, const json_t *config)
{
    bool named = img->n_names == 0;
    size_t n;

    docker_filters_get(l->f, "reference", &n);
    if (img->created_ns >= l->before_ns || img->created_ns <= l->since_ns)
        return false;
    if (l->has_dangling && l->dangling != (img->n_names == 0))
        return false;
    for (size_t i = 0; i < img->n_names; i++)
        named = named || matches_reference(l->f, img->names[i]);
    if (n > 0 && (img->n_names == 0 || !named))
        return false;
    return docker_filters_labels(l->f, "label", label_of, config);
}

static void on_list(struct http_request *req, void *arg)
{
    const struct agent_api *a = arg;
    struct list_filter l = { .f = NULL };
    struct sw_err err = { 0 };
    json_t *list;

    if (list_filter_init(&l, a, req, &err) < 0) {
        docker_filters_free(l.f);
        http_reply_err(req, &err);
        return;
    }
    list = json_array();
    for (size_t i = 0; i < image_count(a->images); i++) {
        const struct image *img = image_at(a->images, i);
        json_t *config = load_config(a, img);

        if (list_has(&l, img, config))
            json_array_append_new(list, image_summary(req, img, l.f, config));
        json_decref(config);
    }
    docker_filters_free(l.f);
    http_reply_json(req, 200, list);
}

/* ---- inspect
 * ----------------------------------------------------------------------------------------- */

/* Every member docker's clients find there, with what the image says. */
static json_t *full_config(const json_t *theirs)
{
    json_t *o =
        json_pack("{s:s, s:s, s:s, s:b, s:b, s:b, s:b, s:b, s:b, s:n, s:n, s:s, s:n, s:s, "
                  "s:n, s:n, s:n}",
                  "Hostname", "", "Domainname", "", "User", "", "AttachStdin", 0, "AttachStdout", 0,
                  "AttachStderr", 0, "Tty", 0, "OpenStdin", 0, "StdinOnce", 0, "Env", "Cmd",
                  "Image", "", "Volumes", "WorkingDir", "", "Entrypoint", "OnBuild", "Labels");

    if (json_is_object(theirs))
        json_object_update(o, (json_t *)(uintptr_t)theirs);
    return o;
}

static json_t *text_of(const json_t *config, const char *key)
{
    const char *s = json_string_value(json_object_get(config, key));

    return json_string(s == NULL ? "" : s);
}

static json_t *image_detail(const struct image *img, const json_t *config)
{
    json_t *layers = json_array();
    char created[SW_RFC3339_MAX];
    char tagged[SW_RFC3339_MAX];
    json_t *o;

    for (size_t i = 0; i < img->n_layers; i++)
        json_array_append_new(layers, json_string(img->layers[i].diff_id));
    sw_rfc3339(img->created_ns, created);
    sw_rfc3339(img->tagged_ns, tagged);
    o = json_pack("{s:s, s:o, s:o, s:s, s:s, s:s, s:s, s:o}", "Id", img->id, "RepoTags",
                  api_names(img->names, img->n_names), "RepoDigests",
                  api_names(img->digests, img->n_digests), "Parent", "", "Comment", "", "Created",
                  created, "Container", "", "ContainerConfig", full_config(NULL));
    json_object_set_new(o, "DockerVersion", text_of(config, "docker_version"));
    json_object_set_new(o, "Author", text_of(config, "author"));
    json_object_set_new(o, "Config", full_config(json_object_get(config, "config")));
    json_object_set_new(o, "Architecture", json_string(img->architecture));
    json_object_set_new(o, "Os", json_string(img->os));
    json_object_set_new(o, "Size", json_integer((json_int_t)image_size(img)));
    json_object_set_new(o, "GraphDriver", json_pack("{s:{}, s:s}", "Data", "Name", "overlay2"));
    json_object_set_new(o, "RootFS", json_pack("{s:s, s:o}", "Type", "layers", "Layers", layers));
    json_object_set_new(o, "Metadata", json_pack("{s:s}", "LastTagTime", tagged));
    return o;
}

static void on_inspect(struct http_request *req, void *arg)
{
    const struct agent_api *a = arg;
    const char *name = http_arg(req, "name");
    const struct image *img;
    struct sw_err err = { 0 };
    json_t *config;
    json_t *o;

    if (image_find(a->images, name, &img, &err) < 0) {
        if (err.code == SW_E_NOT_FOUND)
            http_reply_error(req, 404, "no such image: %s: %s", name, err.msg);
        else
            http_reply_err(req, &err);
        return;
    }
    config = load_config(a, img);
    o = image_detail(img, config);
    json_decref(config);
    if (http_api_version(req) < 144)
        json_object_set_new(o, "VirtualSize", json_integer((json_int_t)image_size(img)));
    http_reply_json(req, 200, o);
}

/* ---- history
 * ------------------------------------------------------------------------------------------ */

static json_t *history_entry(const json_t *h, const struct image *img, size_t *layer, bool newest)
{
    bool empty = json_is_true(json_object_get(h, "empty_layer"));
    const char *created = json_string_value(json_object_get(h, "created"));
    const char *by = json_string_value(json_object_get(h, "created_by"));
    const char *comment = json_string_value(json_object_get(h, "comment"));
    int64_t ns = 0;
    json_int_t size = 0;

    if (!empty && *layer < img->n_layers)
        size = (json_int_t)img->layers[(*layer)++].disk_size;
    if (created != NULL && !sw_rfc3339_parse(created, &ns))
        ns = 0;
    return json_pack("{s:s, s:I, s:s, s:o, s:I, s:s}", "Id", newest ? img->id : "<missing>",
                     "Created", (json_int_t)(ns / SW_NS_PER_S), "CreatedBy", by == NULL ? "" : by,
                     "Tags",
                     newest && img->n_names > 0 ? api_names(img->names, img->n_names) : json_null(),
                     "Size", size, "Comment", comment == NULL ? "" : comment);
}

static void on_history(struct http_request *req, void *arg)
{
    const struct agent_api *a = arg;
    const struct image *img;
    struct sw_err err = { 0 };
    json_t *config;
    json_t *history;
    json_t *list;
    size_t layer = 0;

    if (image_find(a->images, http_arg(req, "name"), &img, &err) < 0) {
        http_reply_err(req, &err);
        return;
    }
    config = load_config(a, img);
    history = json_object_get(config, "history");
    list = json_array();
    for (size_t i = 0; i < json_array_size(history); i++) /* oldest first in, newest first out */
        json_array_insert_new(list, 0,
                              history_entry(json_array_get(history, i), img, &layer,
                                            i + 1 == json_array_size(history)));
    json_decref(config);
    http_reply_json(req, 200, list);
}

/* ---- changes: answered when the index is on disk
 * --------------------------------------------------------- */

struct pending {
    struct http_request *req;
    int status;
    json_t *body;
};

static struct pending *pending_new(struct http_request *req, int status)
{
    struct pending *p = sw_calloc(1, sizeof(*p));

    if (p == NULL) {
        http_reply_error(req, 500, "out of memory");
        return NULL;
    }
    p->req = req;
    p->status = status;
    return p;
}

static void on_written(const struct sw_err *err, void *arg)
{
    struct pending *p = arg;

    if (err != NULL) {
        json_decref(p->body);
        http_reply_err(p->req, err);
    } else if (p->body == NULL) {
        http_reply_empty(p->req, p->status);
    } else {
        http_reply_json(p->req, p->status, p->body);
    }
    sw_free(p);
}

static void refuse(struct pending *p, const struct sw_err *err)
{
    http_reply_err(p->req, err);
    sw_free(p);
}

static void on_tag(struct http_request *req, void *arg)
{
    const struct agent_api *a = arg;
    const char *repo = http_query(req, "repo");
    const char *tag = http_query(req, "tag");
    struct pending *p = pending_new(req, 201);
    struct image_ref ref;
    struct sw_err err = { 0 };
    int r;

    if (p == NULL)
        return;
    r = image_ref_parse(&ref, repo == NULL ? "" : repo, &err);
    if (r == 0 && tag != NULL && *tag != '\0')
        r = image_ref_set_tag(&ref, tag, &err);
    if (r == 0)
        r = image_tag(a->images, http_arg(req, "name"), &ref, on_written, p, &err);
    if (r < 0)
        refuse(p, &err);
}

static json_t *removed_json(const struct image_removed *r)
{
    json_t *list = json_array();

    for (size_t i = 0; i < r->n_untagged; i++)
        json_array_append_new(list, json_pack("{s:s}", "Untagged", r->untagged[i]));
    for (size_t i = 0; i < r->n_deleted; i++)
        json_array_append_new(list, json_pack("{s:s}", "Deleted", r->deleted[i]));
    return list;
}

static void on_delete(struct http_request *req, void *arg)
{
    const struct agent_api *a = arg;
    struct pending *p = pending_new(req, 200);
    struct image_removed removed;
    struct sw_err err = { 0 };

    if (p == NULL)
        return;
    if (image_remove(a->images, http_arg(req, "name"), http_query_bool(req, "force", false),
                     &removed, on_written, p, &err) < 0) {
        refuse(p, &err);
        return;
    }
    p->body = removed_json(&removed);
    image_removed_fini(&removed);
}

struct prune {
    const struct agent_api *a;
    const struct docker_filters *f;
    int64_t until_ns;
};

static bool prune_keeps(const struct image *img, void *arg)
{
    const struct prune *p = arg;
    json_t *config;
    bool match;

    if (img->created_ns >= p->until_ns)
        return true;
    config = load_config(p->a, img);
    match = docker_filters_labels(p->f, "label", label_of, config);
    json_decref(config);
    return !match;
}

/* A duration before now, RFC 3339 or Unix seconds. */
static int parse_until(const struct docker_filters *f, int64_t *out, struct sw_err *err)
{
    size_t n;
    const char *const *v = docker_filters_get(f, "until", &n);
    int64_t ns;
    char *end;

    *out = INT64_MAX;
    if (n == 0)
        return 0;
    if (sw_duration_parse(v[0], &ns)) {
        *out = sw_now_ns() - ns;
        return 0;
    }
    if (sw_rfc3339_parse(v[0], out))
        return 0;
    ns = strtoll(v[0], &end, 10);
    if (end == v[0] || *end != '\0' || ns > INT64_MAX / SW_NS_PER_S || ns < 0)
        return sw_err_set(err, SW_E_INVALID, "invalid filter 'until=%.80s'", v[0]);
    *out = ns * SW_NS_PER_S;
    return 0;
}

static void on_prune(struct http_request *req, void *arg)
{
    static const char *const allowed[] = { "dangling", "label", "label!", "until", NULL };
    const struct agent_api *a = arg;
    struct pending *p = pending_new(req, 200);
    struct prune how = { .a = a };
    struct image_removed removed;
    struct docker_filters *f = NULL;
    struct sw_err err = { 0 };
    bool dangling = true;
    int r;

    if (p == NULL)
        return;
    r = docker_filters_of(&f, req, allowed, &err);
    if (r == 0)
        r = docker_filters_bool(f, "dangling", true, &dangling, &err);
    if (r == 0)
        r = parse_until(f, &how.until_ns, &err);
    how.f = f;
    if (r == 0)
        r = image_prune(a->images, !dangling, prune_keeps, &how, &removed, on_written, p, &err);
    docker_filters_free(f);
    if (r < 0) {
        refuse(p, &err);
        return;
    }
    p->body =
        json_pack("{s:o, s:I}", "ImagesDeleted",
                  removed.n_untagged + removed.n_deleted > 0 ? removed_json(&removed) : json_null(),
                  "SpaceReclaimed", (json_int_t)removed.bytes);
    image_removed_fini(&removed);
}

/* The client falls back to the name without a digest and says so. */
static void on_distribution(struct http_request *req, void *arg)
{
    (void)arg;
    http_reply_error(req, 404,
                     "%s: registries are not supported by swarmd; nodes of the swarm "
                     "pass images on to each other",
                     http_arg(req, "name"));
}

static const struct http_route routes[] = {
    { "GET", "/images/json", on_list, HTTP_BODY_WHOLE, 0 },
    { "POST", "/images/prune", on_prune, HTTP_BODY_WHOLE, 0 },
    { "GET", "/images/{name:.*}/json", on_inspect, HTTP_BODY_WHOLE, 0 },
    { "GET", "/images/{name:.*}/history", on_history, HTTP_BODY_WHOLE, 0 },
    { "POST", "/images/{name:.*}/tag", on_tag, HTTP_BODY_WHOLE, 0 },
    { "DELETE", "/images/{name:.*}", on_delete, HTTP_BODY_WHOLE, 0 },
    { "GET", "/distribution/{name:.*}/json", on_distribution, HTTP_BODY_WHOLE, 0 },
};
const struct api_table api_images = { routes, SW_ARRAY_LEN(routes) };
