/* SPDX-License-Identifier: Apache-2.0
 * etcd_bench.c - the peer of raft_bench: puts through etcd's HTTP/JSON gateway, N connections kept
 * alive, one put under way on each.
 *
 * uses: swarm_base PkgConfig::UV */
/*   etcd_bench PORT [--seconds S] [--bytes B] N... */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "common/base/alloc.h"
#include "common/base/time.h"

#define SAMPLES_MAX 2000000

struct client {
    uv_tcp_t tcp;
    uv_connect_t connect;
    uv_write_t write;
    unsigned no;
    unsigned count;
    int64_t at;
    char request[8192];
    char answer[4096];
    size_t len;
    size_t want; /* whole answer, 0: its head is not there yet */
};

static uv_loop_t loop;
static char value64[4096];
static bool running;
static unsigned open_n;
static uint64_t done;
static float *samples;
static size_t n_samples;

static void put(struct client *c);

static void die(const char *what, int r)
{
    (void)fprintf(stderr, "etcd_bench: %s: %s\n", what, r == 0 ? "" : uv_strerror(r));
    exit(1);
}

static void base64(const unsigned char *p, size_t n, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < n; i += 3) {
        unsigned v = (unsigned)p[i] << 16;

        v |= i + 1 < n ? (unsigned)p[i + 1] << 8 : 0;
        v |= i + 2 < n ? p[i + 2] : 0;
        *out++ = digits[v >> 18];
        *out++ = digits[v >> 12 & 63];
        *out++ = i + 1 < n ? digits[v >> 6 & 63] : '=';
        *out++ = i + 2 < n ? digits[v & 63] : '=';
    }
    *out = '\0';
}

static void answered(struct client *c)
{
    if (strncmp(c->answer, "HTTP/1.1 200", 12) != 0)
        die(c->answer, 0);
    c->len = c->want = 0;
    open_n--;
    if (!running)
        return;
    done++;
    if (n_samples < SAMPLES_MAX)
        samples[n_samples++] = (float)(sw_mono_ns() - c->at) / 1e6f;
    put(c);
}

static void on_alloc(uv_handle_t *h, size_t n, uv_buf_t *b)
{
    struct client *c = h->data;

    (void)n;
    *b = uv_buf_init(c->answer + c->len, (unsigned)(sizeof(c->answer) - 1 - c->len));
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
    struct client *c = s->data;
    const char *body;
    const char *length;

    (void)b;
    if (n < 0)
        die("read", (int)n);
    c->len += (size_t)n;
    c->answer[c->len] = '\0';
    body = strstr(c->answer, "\r\n\r\n");
    length = strstr(c->answer, "Content-Length: ");
    if (body == NULL)
        return;
    if (length == NULL)
        die("answer without length", 0);
    c->want = (size_t)(body + 4 - c->answer) + strtoul(length + 16, NULL, 10);
    if (c->len >= c->want)
        answered(c);
}

static void on_write(uv_write_t *req, int status)
{
    (void)req;
    if (status < 0)
        die("write", status);
}

static void put(struct client *c)
{
    char key[32];
    char key64[64];
    char body[6000];
    uv_buf_t buf;
    int n;

    (void)snprintf(key, sizeof(key), "k%u-%u", c->no, c->count++ % 1000);
    base64((const unsigned char *)key, strlen(key), key64);
    n = snprintf(body, sizeof(body), "{\"key\":\"%s\",\"value\":\"%s\"}", key64, value64);
    n = snprintf(c->request, sizeof(c->request),
                 "POST /v3/kv/put HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                 "Content-Length: %d\r\n\r\n%s",
                 n, body);
    c->at = sw_mono_ns();
    open_n++;
    buf = uv_buf_init(c->request, (unsigned)n);
    (void)uv_write(&c->write, (uv_stream_t *)&c->tcp, &buf, 1, on_write);
}

static void on_connect(uv_connect_t *req, int status)
{
    struct client *c = req->data;

    if (status < 0)
        die("connect", status);
    (void)uv_tcp_nodelay(&c->tcp, 1);
    (void)uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
    put(c);
}

static int by_value(const void *x, const void *y)
{
    float d = *(const float *)x - *(const float *)y;

    return d < 0 ? -1 : d > 0;
}

static void print(const char *metric, unsigned bytes, unsigned n, double value, const char *unit)
{
    (void)printf("{\"bench\":\"etcd\",\"metric\":\"%s_%uB_x%u\",\"value\":%.3f,\"unit\":\"%s\"}\n",
                 metric, bytes, n, value, unit);
    (void)fflush(stdout);
}

static void on_wake(uv_timer_t *t)
{
    (void)t;
}

static void run(int port, unsigned bytes, unsigned n, double seconds)
{
    struct client *c = sw_calloc(n, sizeof(*c));
    struct sockaddr_in a;
    int64_t begin = sw_mono_ns();
    int64_t end = begin + (int64_t)(seconds * 1e9);
    double took;

    if (c == NULL)
        die("out of memory", 0);
    done = 0;
    n_samples = 0;
    running = true;
    (void)uv_ip4_addr("127.0.0.1", port, &a);
    for (unsigned i = 0; i < n; i++) {
        c[i].no = i;
        (void)uv_tcp_init(&loop, &c[i].tcp);
        c[i].tcp.data = c[i].connect.data = &c[i];
        (void)uv_tcp_connect(&c[i].connect, &c[i].tcp, (struct sockaddr *)&a, on_connect);
    }
    while (sw_mono_ns() < end)
        (void)uv_run(&loop, UV_RUN_ONCE);
    took = (double)(sw_mono_ns() - begin) / 1e9;
    running = false;
    while (open_n > 0)
        (void)uv_run(&loop, UV_RUN_ONCE);
    for (unsigned i = 0; i < n; i++)
        uv_close((uv_handle_t *)&c[i].tcp, NULL);
    (void)uv_run(&loop, UV_RUN_NOWAIT);
    qsort(samples, n_samples, sizeof(*samples), by_value);
    print("entries", bytes, n, (double)done / took, "1/s");
    print("p50", bytes, n, n_samples == 0 ? 0 : (double)samples[n_samples / 2], "ms");
    print("p99", bytes, n, n_samples == 0 ? 0 : (double)samples[n_samples * 99 / 100], "ms");
    sw_free(c);
}

int main(int argc, char **argv)
{
    unsigned char value[2048] = { 0 };
    unsigned bytes = 256;
    double seconds = 3;
    unsigned inflight[16];
    unsigned n = 0;
    uv_timer_t wake;
    int port = argc > 1 ? atoi(argv[1]) : 0;

    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--seconds") == 0 && i + 1 < argc)
            seconds = atof(argv[++i]);
        else if (strcmp(argv[i], "--bytes") == 0 && i + 1 < argc)
            bytes = (unsigned)atoi(argv[++i]);
        else if (atoi(argv[i]) > 0 && n < 16)
            inflight[n++] = (unsigned)atoi(argv[i]);
    }
    samples = sw_calloc(SAMPLES_MAX, sizeof(*samples));
    if (port == 0 || n == 0 || bytes > sizeof(value) || samples == NULL)
        die("usage: etcd_bench PORT [--seconds S] [--bytes B<=2048] N...", 0);
    base64(value, bytes, value64);
    (void)uv_loop_init(&loop);
    (void)uv_timer_init(&loop, &wake);
    (void)uv_timer_start(&wake, on_wake, 20, 20);
    for (unsigned i = 0; i < n; i++)
        run(port, bytes, inflight[i], seconds);
    return 0;
}
