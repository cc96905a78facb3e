/* SPDX-License-Identifier: Apache-2.0
 * The engine API of a node, through its router without sockets. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <uv.h>

#include "agent/api/api.h"
#include "agent/image/disk.h"
#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/base/macro.h"
#include "common/http/exchange.h"
#include "common/http/server.h"

struct fixture {
    uv_loop_t loop;
    char dir[64];
    struct image_store *images;
    struct agent_api *api;
    struct agent_api_ops ops;
    struct sw_err err;

    struct http_request *req;
    int status;
    char headers[1024];
    struct sw_buf body;
    bool reading;
    bool ended;

    char manager[96]; /* socket of a stand-in for the manager, "" when there is none */
    struct http_router *manager_router;
    struct http_server *manager_server;
    bool leave_force;
    char joined[64];
};

/* ---- the transport ----------------------------------------------------------------------------
 */

static void on_start(void *t, const struct http_answer_head *head)
{
    struct fixture *f = t;

    f->status = head->status;
    for (size_t i = 0; i < head->n_headers; i++)
        snprintf(f->headers + strlen(f->headers), sizeof(f->headers) - strlen(f->headers),
                 "%s: %s\n", head->headers[i].name, head->headers[i].value);
    sw_buf_add(&f->body, head->body, head->len);
    sw_free(head->body);
}

static size_t on_write(void *t, const void *data, size_t len)
{
    sw_buf_add(&((struct fixture *)t)->body, data, len);
    return 0;
}

static void on_read(void *t, bool on)
{
    ((struct fixture *)t)->reading = on;
}

static void on_end(void *t, enum http_end how)
{
    (void)how;
    ((struct fixture *)t)->ended = true;
}

static const struct http_exchange_ops exchange_ops = { on_start, on_write, on_read, on_end };

/* Ask and wait for the answer. Return: the status. */
static int ask(struct fixture *f, const char *method, const char *target, const char *body,
               size_t len)
{
    struct http_exchange_head head = { .method = method,
                                       .target = target,
                                       .body_len = (int64_t)len };

    sw_buf_clear(&f->body);
    f->headers[0] = '\0';
    f->status = 0;
    f->ended = f->reading = false;
    assert_int_equal(
        http_exchange_new(&f->req, agent_api_router(f->api), &head, &exchange_ops, f, &f->err), 0);
    if (len > 0 && f->reading && !f->ended) {
        http_exchange_body(f->req, body, len);
        if (!f->ended)
            http_exchange_body_end(f->req);
    }
    while (!f->ended)
        uv_run(&f->loop, UV_RUN_ONCE);
    return f->status;
}

static int get(struct fixture *f, const char *target)
{
    return ask(f, "GET", target, NULL, 0);
}

static const char *text(struct fixture *f)
{
    return sw_buf_str(&f->body);
}

static json_t *json(struct fixture *f)
{
    json_t *v = json_loads(text(f), 0, NULL);

    assert_non_null(v);
    return v;
}

/* ---- the rest of the agent
 * ----------------------------------------------------------------------- */

static const char *manager_socket(void *arg, struct sw_err *err)
{
    struct fixture *f = arg;

    if (f->manager[0] != '\0')
        return f->manager;
    sw_err_set(err, SW_E_UNAVAILABLE, "%s", AGENT_API_WORKER);
    return NULL;
}

static void info(json_t *o, void *arg)
{
    (void)arg;
    json_object_set_new(o, "Containers", json_integer(2));
    json_object_set_new(json_object_get(o, "Swarm"), "NodeID", json_string("n1"));
}

static void swarm_join(struct http_request *req, const json_t *body, void *arg)
{
    struct fixture *f = arg;

    snprintf(f->joined, sizeof(f->joined), "%s", docker_json_str(body, "JoinToken"));
    http_reply_empty(req, 200);
}

static void swarm_leave(struct http_request *req, bool force, void *arg)
{
    ((struct fixture *)arg)->leave_force = force;
    http_reply_error(req, 503, AGENT_API_NOT_PART);
}

static json_t *containers(bool all, void *arg)
{
    json_t *list =
        json_pack("[{s:s, s:[s], s:s, s:s, s:{s:s}}]", "Id", "abc123", "Names", "/web.1.x", "State",
                  "running", "Image", "web:1", "Labels", "com.docker.swarm.task.id", "t");

    (void)arg;
    if (all)
        json_array_append_new(list,
                              json_pack("{s:s, s:[s], s:s, s:s, s:{}}", "Id", "def456", "Names",
                                        "/old", "State", "exited", "Image", "db:1", "Labels"));
    return list;
}

/* ---- a manager
 * ------------------------------------------------------------------------------------ */

static void manager_echo(struct http_request *req, void *arg)
{
    char line[256];

    (void)arg;
    snprintf(line, sizeof(line), "%s %s %s", http_method(req), http_target(req),
             http_body(req, NULL));
    http_reply(req, 201, "text/x", line, strlen(line));
}

static void manager_info(struct http_request *req, void *arg)
{
    (void)arg;
    http_reply_json(req, 200, json_pack("{s:{s:i, s:i}}", "Swarm", "Nodes", 3, "Managers", 1));
}

static void manager_networks(struct http_request *req, void *arg)
{
    (void)arg;
    http_reply_json(req, 200, json_pack("[{s:s, s:s}]", "Name", "ingress", "Id", "xyz"));
}

static const struct http_route manager_routes[] = {
    { "GET", "/info", manager_info, HTTP_BODY_WHOLE, 0 },
    { "GET", "/networks", manager_networks, HTTP_BODY_WHOLE, 0 },
    { "*", "/{x:.*}", manager_echo, HTTP_BODY_WHOLE, 0 },
};

static void start_manager(struct fixture *f)
{
    struct http_router_options opt = { .engine = true };

    snprintf(f->manager, sizeof(f->manager), "%s/manager.sock", f->dir);
    assert_int_equal(http_router_new(&f->manager_router, &opt, &f->err), 0);
    http_router_add(f->manager_router, manager_routes, SW_ARRAY_LEN(manager_routes), NULL, &f->err);
    http_server_new(&f->manager_server, &f->loop, f->manager_router, NULL, &f->err);
    assert_int_equal(
        http_server_listen_unix(f->manager_server, f->manager, 0600, (gid_t)-1, &f->err), 0);
}

static int setup(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));
    struct image_store_options images = { 0 };
    struct agent_api_options opt = { 0 };

    *state = f;
    strcpy(f->dir, "/tmp/swarm-test-api-XXXXXX");
    if (mkdtemp(f->dir) == NULL)
        return -1;
    uv_loop_init(&f->loop);
    images.dir = f->dir;
    if (image_store_open(&f->images, &f->loop, &images, &f->err) < 0)
        return -1;
    f->ops.manager_socket = manager_socket;
    opt.loop = &f->loop;
    opt.images = f->images;
    opt.ops = &f->ops;
    opt.arg = f;
    opt.version = "0.1.0";
    opt.data_dir = f->dir;
    return agent_api_new(&f->api, &opt, &f->err);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    struct sw_err err;

    http_server_close(f->manager_server, NULL, NULL);
    image_store_close(f->images, NULL, NULL);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    http_router_free(f->manager_router);
    agent_api_free(f->api);
    sw_buf_fini(&f->body);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    disk_remove_tree(f->dir, &err);
    test_free(f);
    return 0;
}

/* ---- tests
 * ------------------------------------------------------------------------------------------ */

static void ping_says_that_there_is_no_buildkit_and_no_swarm(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(get(f, "/v1.24/_ping"), 200);
    assert_string_equal(text(f), "OK");
    assert_non_null(strstr(f->headers, "Builder-Version: 1\n"));
    assert_non_null(strstr(f->headers, "Swarm: inactive\n"));
    assert_non_null(strstr(f->headers, "Api-Version: 1.44\n"));
    assert_non_null(strstr(f->headers, "Server: Docker/0.1.0 (linux)\n"));
    assert_non_null(strstr(f->headers, "Cache-Control: no-cache, no-store, must-revalidate\n"));
    assert_int_equal(ask(f, "HEAD", "/_ping", NULL, 0), 200);
    assert_string_equal(text(f), "");
}

static void version_has_what_clients_print(void **state)
{
    static const char *const keys[] = { "Version", "ApiVersion",    "MinAPIVersion", "GitCommit",
                                        "Os",      "KernelVersion", "GoVersion",     "Arch" };
    struct fixture *f = *state;
    json_t *v;

    assert_int_equal(get(f, "/version"), 200);
    v = json(f);
    for (size_t i = 0; i < SW_ARRAY_LEN(keys); i++)
        assert_non_null(json_string_value(json_object_get(v, keys[i])));
    assert_string_equal(json_string_value(json_object_get(
                            json_array_get(json_object_get(v, "Components"), 0), "Name")),
                        "Engine");
    json_decref(v);
}

static void info_merges_three_sources(void **state)
{
    struct fixture *f = *state;
    json_t *v, *swarm;

    f->ops.info = info;
    assert_int_equal(get(f, "/info"), 200);
    v = json(f);
    swarm = json_object_get(v, "Swarm");
    assert_string_equal(json_string_value(json_object_get(swarm, "LocalNodeState")), "inactive");
    assert_string_equal(json_string_value(json_object_get(swarm, "NodeID")), "n1");
    assert_true(json_is_null(json_object_get(swarm, "RemoteManagers")));
    assert_int_equal(json_integer_value(json_object_get(v, "Containers")), 2);
    json_decref(v);
    start_manager(f);
    assert_int_equal(get(f, "/info"), 200);
    v = json(f);
    swarm = json_object_get(v, "Swarm");
    assert_int_equal(json_integer_value(json_object_get(swarm, "Nodes")), 3);
    assert_string_equal(json_string_value(json_object_get(swarm, "NodeID")), "n1");
    json_decref(v);
}

static void swarm_routes_need_a_manager(void **state)
{
    static const char *const targets[] = {
        "/swarm",   "/nodes",   "/nodes/x",   "/services",
        "/tasks/y", "/secrets", "/configs/z", "/services/a/logs"
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < SW_ARRAY_LEN(targets); i++) {
        assert_int_equal(get(f, targets[i]), 503);
        assert_non_null(strstr(text(f), "Worker nodes can't be used to view or modify"));
    }
    start_manager(f);
    assert_int_equal(ask(f, "POST", "/v1.44/services/create?x=%20", "{\"a\":1}", 7), 201);
    assert_string_equal(text(f), "POST /v1.44/services/create?x=%20 {\"a\":1}");
    assert_non_null(strstr(f->headers, "Content-Type: text/x\n"));
    assert_int_equal(ask(f, "DELETE", "/nodes/n?force=1", NULL, 0), 201);
    assert_string_equal(text(f), "DELETE /nodes/n?force=1 ");
}

static void joining_and_leaving_are_the_nodes(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(ask(f, "POST", "/swarm/init", "{}", 2), 501);
    f->ops.swarm_join = swarm_join;
    f->ops.swarm_leave = swarm_leave;
    assert_int_equal(ask(f, "POST", "/swarm/join", "{\"JoinToken\":\"t\"}", 17), 200);
    assert_string_equal(f->joined, "t");
    assert_int_equal(ask(f, "POST", "/swarm/join", "{", 1), 400);
    assert_int_equal(ask(f, "POST", "/swarm/leave?force=1", NULL, 0), 503);
    assert_true(f->leave_force);
    assert_string_equal(text(f), "{\"message\":\"This node is not part of a swarm\"}\n");
}

static void networks_are_merged(void **state)
{
    struct fixture *f = *state;
    json_t *v;

    assert_int_equal(get(f, "/networks"), 200);
    v = json(f);
    assert_int_equal(json_array_size(v), 3);
    json_decref(v);
    assert_int_equal(get(f, "/networks?filters=%7B%22name%22%3A%5B%22host%22%5D%7D"), 200);
    v = json(f);
    assert_int_equal(json_array_size(v), 1);
    json_decref(v);
    assert_int_equal(get(f, "/networks/none"), 200);
    assert_int_equal(get(f, "/networks/nosuch"), 404);
    assert_int_equal(ask(f, "DELETE", "/networks/bridge", NULL, 0), 403);
    assert_int_equal(ask(f, "POST", "/networks/create", "{\"Name\":\"x\"}", 12), 501);
    assert_int_equal(
        ask(f, "POST", "/networks/create", "{\"name\":\"x\",\"Driver\":\"overlay\"}", 31), 503);
    start_manager(f);
    assert_int_equal(get(f, "/networks"), 200);
    v = json(f);
    assert_int_equal(json_array_size(v), 4);
    json_decref(v);
    assert_int_equal(
        ask(f, "POST", "/networks/create", "{\"name\":\"x\",\"Driver\":\"overlay\"}", 31), 201);
    assert_string_equal(text(f), "POST /networks/create {\"name\":\"x\",\"Driver\":\"overlay\"}");
}

static void containers_are_filtered(void **state)
{
    static const struct {
        const char *target;
        size_t n;
    } cases[] = {
        { "/containers/json", 1 },
        { "/containers/json?all=1", 2 },
        { "/containers/json?all=1&limit=1", 1 },
        { "/containers/json?limit=-1&all=1&size=0&trunc_cmd=0", 2 },
        { "/containers/json?all=1&filters=%7B%22name%22%3A%5B%22%5Eweb%22%5D%7D", 1 },
        { "/containers/json?filters=%7B%22status%22%3A%5B%22exited%22%5D%7D", 1 },
        { "/containers/json?all=1&filters=%7B%22id%22%3A%5B%22def%22%5D%7D", 1 },
        { "/containers/json?all=1&filters=%7B%22is-task%22%3A%5B%22true%22%5D%7D", 1 },
        { "/containers/json?all=1&filters=%7B%22ancestor%22%3A%5B%22db:1%22%5D%7D", 1 },
        { "/containers/json?all=1&filters=%7B%22label%22%3A%5B%22nope%22%5D%7D", 0 },
    };
    struct fixture *f = *state;

    assert_int_equal(get(f, "/containers/json"), 200);
    assert_string_equal(text(f), "[]\n");
    f->ops.containers = containers;
    for (size_t i = 0; i < SW_ARRAY_LEN(cases); i++) {
        json_t *v;

        assert_int_equal(get(f, cases[i].target), 200);
        v = json(f);
        assert_int_equal(json_array_size(v), cases[i].n);
        json_decref(v);
    }
    assert_int_equal(get(f, "/containers/json?filters=%7B%22foo%22%3A%5B%22x%22%5D%7D"), 400);
    assert_string_equal(text(f), "{\"message\":\"Invalid filter 'foo'\"}\n");
    assert_int_equal(get(f, "/containers/nosuch/json"), 404);
    assert_string_equal(text(f), "{\"message\":\"No such container: nosuch\"}\n");
}

static void what_is_known_but_absent_names_itself(void **state)
{
    static const struct {
        const char *method, *target, *what;
    } cases[] = {
        { "POST", "/v1.44/containers/create", "creating containers" },
        { "POST", "/containers/x/start", "this operation on containers" },
        { "DELETE", "/containers/x", "removing containers" },
        { "POST", "/exec/x/start", "exec" },
        { "POST", "/build", "building images" },
        { "POST", "/session", "BuildKit" },
        { "POST", "/images/a/b/push", "pushing images to a registry" },
        { "POST", "/images/create?fromImage=x", "pulling images from a registry" },
        { "POST", "/volumes/create", "creating volumes by hand" },
        { "POST", "/plugins/pull", "plugins" },
        { "GET", "/events", "events" },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < SW_ARRAY_LEN(cases); i++) {
        assert_int_equal(ask(f, cases[i].method, cases[i].target, NULL, 0), 501);
        assert_non_null(strstr(text(f), cases[i].what));
        assert_non_null(strstr(text(f), "not supported by swarmd"));
    }
    assert_int_equal(get(f, "/nosuch"), 404);
    assert_int_equal(ask(f, "PATCH", "/info", NULL, 0), 404);
    /* docker inspect walks these and must get on */
    assert_int_equal(get(f, "/volumes/x"), 404);
    assert_string_equal(text(f), "{\"message\":\"get x: no such volume\"}\n");
    assert_int_equal(get(f, "/plugins/x/json"), 404);
    assert_int_equal(get(f, "/volumes"), 200);
    assert_int_equal(get(f, "/distribution/a/b:1/json"), 404);
}

static void images_that_are_not_there(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(get(f, "/images/json"), 200);
    assert_string_equal(text(f), "[]\n");
    assert_int_equal(get(f, "/images/nosuch/json"), 404);
    assert_string_equal(text(f),
                        "{\"message\":\"no such image: nosuch: No such image: nosuch:latest\"}\n");
    assert_int_equal(ask(f, "DELETE", "/images/only:1?force=1", NULL, 0), 404);
    assert_string_equal(text(f), "{\"message\":\"No such image: only:1\"}\n");
    assert_int_equal(
        ask(f, "POST", "/images/nosuch/tag?repo=docker.io%2Flibrary%2Fx&tag=1", NULL, 0), 404);
    assert_int_equal(ask(f, "POST", "/images/prune", NULL, 0), 200);
    assert_string_equal(text(f), "{\"ImagesDeleted\":null,\"SpaceReclaimed\":0}\n");
    assert_int_equal(get(f, "/images/json?filters=foo"), 400);
}

static void a_bad_archive_is_told_with_status_200(void **state)
{
    struct fixture *f = *state;

    if (geteuid() != 0)
        skip(); /* needs root to confine the archive reader */
    assert_int_equal(ask(f, "POST", "/v1.44/images/load?quiet=1", "hello", 5), 200);
    assert_non_null(strstr(text(f), "{\"errorDetail\":{\"message\":\""));
    assert_non_null(strstr(text(f), "\"error\":\""));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(ping_says_that_there_is_no_buildkit_and_no_swarm),
        T(version_has_what_clients_print),
        T(info_merges_three_sources),
        T(swarm_routes_need_a_manager),
        T(joining_and_leaving_are_the_nodes),
        T(networks_are_merged),
        T(containers_are_filtered),
        T(what_is_known_but_absent_names_itself),
        T(images_that_are_not_there),
        T(a_bad_archive_is_told_with_status_200),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
