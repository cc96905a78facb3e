/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/client/client.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "cli/render/gojson.h"

#define CONNECT_TIMEOUT_MS 15000
#define ERROR_BODY_MAX     (1u << 20)

struct client {
    CURL *curl;
    char *host;   /* as given, for messages */
    char *socket; /* path of the unix socket, NULL for TCP */
    char *base;   /* "http://localhost" or "http://host:port" */
    char *product;
    char *version; /* negotiated, NULL before */
    char *server_version;
    char *message;
    char curl_error[CURL_ERROR_SIZE];
};

/* One transfer. */
struct transfer {
    struct client *c;
    const struct client_stream *s; /* NULL: collect */
    struct sw_buf body;            /* of an error, or the whole answer when collecting */
    struct sw_err *err;
    bool sink_failed;
};

static int parse_host(struct client *c, const char *host, struct sw_err *err)
{
    if (strncmp(host, "unix://", 7) == 0 && host[7] != '\0') {
        c->socket = cli_strdup(host + 7);
        c->base = cli_strdup("http://localhost");
        return 0;
    }
    if (strncmp(host, "tcp://", 6) == 0 && host[6] != '\0') {
        bool tls = getenv("DOCKER_TLS_VERIFY") != NULL && *getenv("DOCKER_TLS_VERIFY") != '\0';
        const char *slash = strchr(host + 6, '/');
        int n = slash != NULL ? (int)(slash - host - 6) : (int)strlen(host + 6);
        bool port = memchr(host + 6, ':', (size_t)n) != NULL;

        c->base = cli_printf("%s://%.*s%s", tls ? "https" : "http", n, host + 6,
                             port  ? ""
                             : tls ? ":2376"
                                   : ":2375");
        return 0;
    }
    if (strncmp(host, "http://", 7) == 0 || strncmp(host, "https://", 8) == 0) {
        c->base = cli_strdup(host);
        return 0;
    }
    if (strstr(host, "://") == NULL && *host != '\0') {
        SW_CLEANUP(sw_free_ptr) char *as_tcp = cli_printf("tcp://%s", host);

        if (*host == '/') {
            c->socket = cli_strdup(host);
            c->base = cli_strdup("http://localhost");
            return 0;
        }
        return parse_host(c, as_tcp, err);
    }
    return sw_err_set(err, SW_E_INVALID,
                      "unable to parse host \"%s\": use unix:///path or tcp://host:port", host);
}

int client_new(struct client **out, const struct client_options *opt, struct sw_err *err)
{
    SW_CLEANUP(client_free_ptr) struct client *c = cli_alloc(sizeof(*c));

    c->host = cli_strdup(opt->host);
    c->product = cli_strdup(opt->product);
    c->server_version = cli_strdup("");
    c->message = cli_strdup("");
    if (opt->version != NULL && *opt->version != '\0')
        c->version = cli_strdup(opt->version[0] == 'v' ? opt->version + 1 : opt->version);
    if (parse_host(c, opt->host, err) < 0)
        return err->code;
    c->curl = curl_easy_init();
    if (c->curl == NULL)
        return sw_err_set(err, SW_E_INTERNAL, "cannot set up the HTTP client");
    *out = sw_steal(c);
    return 0;
}

int client_clone(struct client **out, const struct client *c, struct sw_err *err)
{
    struct client_options opt = { c->host, c->product, c->version };

    return client_new(out, &opt, err);
}

void client_free(struct client *c)
{
    if (c == NULL)
        return;
    if (c->curl != NULL)
        curl_easy_cleanup(c->curl);
    sw_free(c->host);
    sw_free(c->socket);
    sw_free(c->base);
    sw_free(c->product);
    sw_free(c->version);
    sw_free(c->server_version);
    sw_free(c->message);
    sw_free(c);
}

const char *client_api_version(const struct client *c)
{
    return c->version != NULL ? c->version : CLIENT_API_VERSION;
}

const char *client_server_version(const struct client *c)
{
    return c->server_version;
}

const char *client_message(const struct client *c)
{
    return c->message;
}

/* Keep the whole text beside the bounded one. */
static int fail(struct client *c, struct sw_err *err, int code, char *text)
{
    sw_free(c->message);
    c->message = text;
    return sw_err_set(err, code, "%s", text);
}

static int fail_transport(struct client *c, CURLcode rc, struct sw_err *err)
{
    long os_errno = 0;
    const char *why = c->curl_error[0] != '\0' ? c->curl_error : curl_easy_strerror(rc);

    curl_easy_getinfo(c->curl, CURLINFO_OS_ERRNO, &os_errno);
    if (c->socket != NULL && access(c->socket, F_OK) == 0 && access(c->socket, W_OK) < 0 &&
        errno == EACCES)
        return fail(
            c, err, SW_E_PERMISSION,
            cli_printf("permission denied while trying to connect to the daemon socket at %s: "
                       "run the command as root, or as a member of the socket's group",
                       c->host));
    if (rc != CURLE_COULDNT_CONNECT && rc != CURLE_COULDNT_RESOLVE_HOST)
        return fail(c, err, SW_E_UNAVAILABLE,
                    cli_printf("error during connect to %s: %s", c->host, why));
    if (strcmp(c->product, "docker") == 0)
        return fail(
            c, err, SW_E_UNAVAILABLE,
            cli_printf("Cannot connect to the Docker daemon at %s. Is the docker daemon running?",
                       c->host));
    return fail(c, err, SW_E_UNAVAILABLE,
                cli_printf("Cannot connect to the swarm daemon at %s. Is swarmd running?\n"
                           "Start it with 'systemctl start swarmd', or name another daemon with "
                           "--host or SWARM_HOST.",
                           c->host));
}

static int code_of_status(long status)
{
    switch (status) {
    case 400:
        return SW_E_INVALID;
    case 401:
        return SW_E_UNAUTHORIZED;
    case 403:
        return SW_E_FORBIDDEN;
    case 404:
        return SW_E_NOT_FOUND;
    case 409:
        return SW_E_CONFLICT;
    case 501:
        return SW_E_UNSUPPORTED;
    case 503:
        return SW_E_UNAVAILABLE;
    default:
        return SW_E_INTERNAL;
    }
}

static int fail_status(struct client *c, long status, const struct sw_buf *body, struct sw_err *err)
{
    json_auto_t *j = json_loadb(sw_buf_str(body), body->len, 0, NULL);
    const char *message = js_str(j, "message");

    size_t len = strlen(message);

    while (len > 0 && strchr(" \t\r\n", message[len - 1]) != NULL)
        len--;
    if (len > 0)
        return fail(c, err, code_of_status(status),
                    cli_printf("Error response from daemon: %.*s", (int)len, message));
    if (body->len > 0)
        return fail(c, err, code_of_status(status),
                    cli_printf("Error response from daemon: %.*s", (int)body->len, body->data));
    return fail(
        c, err, code_of_status(status),
        cli_printf(
            "request returned %ld and no message, check if the daemon supports API version %s",
            status, client_api_version(c)));
}

static size_t on_write(char *data, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    long status = 0;

    n *= size;
    curl_easy_getinfo(t->c->curl, CURLINFO_RESPONSE_CODE, &status);
    if (t->s == NULL || t->s->on_data == NULL || status >= 400) {
        if (status < 400 || t->body.len < ERROR_BODY_MAX)
            sw_buf_add(&t->body, data, n);
        return n;
    }
    if (t->s->on_data(t->s->arg, data, n, t->err) < 0) {
        t->sink_failed = true;
        return 0;
    }
    return n;
}

static size_t on_read(char *out, size_t size, size_t n, void *arg)
{
    const int *fd = arg;
    ssize_t r;

    do
        r = read(*fd, out, size * n);
    while (r < 0 && errno == EINTR);
    return r < 0 ? CURL_READFUNC_ABORT : (size_t)r;
}

static size_t on_header(char *line, size_t size, size_t n, void *arg)
{
    struct client *c = arg;
    static const char name[] = "Api-Version:";

    n *= size;
    if (n > sizeof(name) && strncasecmp(line, name, sizeof(name) - 1) == 0) {
        size_t from = sizeof(name) - 1;

        while (from < n && line[from] == ' ')
            from++;
        sw_free(c->server_version);
        c->server_version = cli_strndup(line + from, strcspn(line + from, "\r\n"));
    }
    return n;
}

static void set_tls(struct client *c)
{
    const char *dir = getenv("DOCKER_CERT_PATH");

    if (strncmp(c->base, "https://", 8) != 0 || dir == NULL || *dir == '\0')
        return;
    static const struct {
        const char *file;
        CURLoption option;
    } files[] = { { "ca.pem", CURLOPT_CAINFO },
                  { "cert.pem", CURLOPT_SSLCERT },
                  { "key.pem", CURLOPT_SSLKEY } };
    for (size_t i = 0; i < 3; i++) {
        SW_CLEANUP(sw_free_ptr) char *path = cli_printf("%s/%s", dir, files[i].file);

        curl_easy_setopt(c->curl, files[i].option, path);
    }
}

static void set_common(struct client *c, struct transfer *t, const char *url)
{
    curl_easy_reset(c->curl);
    c->curl_error[0] = '\0';
    curl_easy_setopt(c->curl, CURLOPT_URL, url);
    curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c->curl, CURLOPT_ERRORBUFFER, c->curl_error);
    curl_easy_setopt(c->curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
    curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, on_write);
    curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(c->curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c->curl, CURLOPT_HEADERDATA, c);
    curl_easy_setopt(c->curl, CURLOPT_USERAGENT, "swarm-cli");
    if (c->socket != NULL) {
        curl_easy_setopt(c->curl, CURLOPT_UNIX_SOCKET_PATH, c->socket);
        curl_easy_setopt(c->curl, CURLOPT_NOPROXY, "*");
    }
    set_tls(c);
}

static void set_body(struct client *c, const struct client_stream *s, struct sw_buf *text,
                     struct curl_slist **headers)
{
    *headers = curl_slist_append(*headers, "Expect:");
    if (s->registry_auth != NULL) {
        SW_CLEANUP(sw_free_ptr) char *h = cli_printf("X-Registry-Auth: %s", s->registry_auth);

        *headers = curl_slist_append(*headers, h);
    }
    if (s->upload_fd >= 0 && s->json == NULL) {
        SW_CLEANUP(sw_free_ptr) char *h = cli_printf("Content-Type: %s", s->content_type);

        *headers = curl_slist_append(*headers, h);
        *headers = curl_slist_append(*headers, "Transfer-Encoding: chunked");
        curl_easy_setopt(c->curl, CURLOPT_POST, 1L);
        curl_easy_setopt(c->curl, CURLOPT_READFUNCTION, on_read);
        curl_easy_setopt(c->curl, CURLOPT_READDATA, &s->upload_fd);
    } else if (s->json != NULL) {
        gojson_compact(text, s->json, false);
        *headers = curl_slist_append(*headers, "Content-Type: application/json");
        curl_easy_setopt(c->curl, CURLOPT_POSTFIELDS, sw_buf_str(text));
        curl_easy_setopt(c->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)text->len);
    } else if (strcmp(s->method, "POST") == 0) {
        curl_easy_setopt(c->curl, CURLOPT_POSTFIELDS, "");
        curl_easy_setopt(c->curl, CURLOPT_POSTFIELDSIZE, 0L);
        *headers = curl_slist_append(*headers, "Content-Type:");
    }
    if (strcmp(s->method, "HEAD") == 0)
        curl_easy_setopt(c->curl, CURLOPT_NOBODY, 1L);
    else
        curl_easy_setopt(c->curl, CURLOPT_CUSTOMREQUEST, s->method);
    curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, *headers);
}

static int perform(struct client *c, struct transfer *t, const struct client_stream *s,
                   const char *prefix, struct sw_err *err)
{
    SW_CLEANUP(sw_free_ptr) char *url = cli_printf("%s%s%s", c->base, prefix, s->path);
    SW_CLEANUP(sw_buf_fini) struct sw_buf text = SW_BUF_INIT;
    struct curl_slist *headers = NULL;
    long status = 0;
    CURLcode rc;

    t->c = c;
    t->err = err;
    set_common(c, t, url);
    set_body(c, s, &text, &headers);
    rc = curl_easy_perform(c->curl);
    curl_slist_free_all(headers);
    if (t->sink_failed)
        return err->code;
    curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
    if (rc != CURLE_OK && status < 400)
        return fail_transport(c, rc, err);
    if (status >= 400)
        return fail_status(c, status, &t->body, err);
    return 0;
}

/* "1.41" < "1.44"; a malformed one counts as the oldest. */
static bool version_less(const char *a, const char *b)
{
    char *end_a, *end_b;
    long major_a = strtol(a, &end_a, 10);
    long major_b = strtol(b, &end_b, 10);

    if (major_a != major_b)
        return major_a < major_b;
    return strtol(*end_a == '.' ? end_a + 1 : end_a, NULL, 10) <
           strtol(*end_b == '.' ? end_b + 1 : end_b, NULL, 10);
}

int client_negotiate(struct client *c, struct sw_err *err)
{
    struct client_stream ping = { .method = "HEAD", .path = "/_ping", .upload_fd = -1 };
    struct transfer t = { 0 };
    const char *theirs;
    int r;

    if (c->version != NULL)
        return 0;
    r = perform(c, &t, &ping, "", err);
    sw_buf_fini(&t.body);
    if (r < 0 && c->server_version[0] == '\0')
        return r;
    theirs = c->server_version[0] != '\0' ? c->server_version : "1.24";
    c->version = cli_strdup(version_less(theirs, CLIENT_API_VERSION) ? theirs : CLIENT_API_VERSION);
    return 0;
}

static int request(struct client *c, struct transfer *t, const struct client_stream *s,
                   struct sw_err *err)
{
    SW_CLEANUP(sw_free_ptr) char *prefix = NULL;

    if (client_negotiate(c, err) < 0)
        return err->code;
    prefix = cli_printf("/v%s", c->version);
    return perform(c, t, s, prefix, err);
}

int client_call(struct client *c, const char *method, const char *path, const json_t *body,
                json_t **out, struct sw_err *err)
{
    struct client_stream s = { .method = method, .path = path, .upload_fd = -1, .json = body };
    struct transfer t = { 0 };
    json_error_t at;
    json_t *j = NULL;
    int r = request(c, &t, &s, err);

    if (r == 0 && out != NULL) {
        j = t.body.len == 0 ? json_null()
                            : json_loadb(sw_buf_str(&t.body), t.body.len, JSON_DECODE_ANY, &at);
        if (j == NULL)
            r = fail(c, err, SW_E_PROTOCOL,
                     cli_printf("the daemon's answer is not JSON: %s", at.text));
        else
            *out = j;
    }
    sw_buf_fini(&t.body);
    return r;
}

int client_raw(struct client *c, const char *path, struct sw_buf *out, struct sw_err *err)
{
    struct client_stream s = { .method = "GET", .path = path, .upload_fd = -1 };
    struct transfer t = { 0 };
    int r = request(c, &t, &s, err);

    if (r == 0)
        sw_buf_add(out, t.body.data, t.body.len);
    sw_buf_fini(&t.body);
    return r;
}

int client_stream(struct client *c, const struct client_stream *s, struct sw_err *err)
{
    struct transfer t = { .s = s };
    int r = request(c, &t, s, err);

    sw_buf_fini(&t.body);
    return r;
}
