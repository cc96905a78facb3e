/* SPDX-License-Identifier: Apache-2.0
 * raft_bench.c - a log replicated by three processes: entries a second and their latency.
 *
 * uses: manager_consensus swarm_rpc swarm_crypto swarm_io swarm_log swarm_base */
/* Everything as in production: authenticated and encrypted connections on loopback, sealed entries,
 * real log directories. The load is made in the leader's process, a closed loop of N proposals.
 *
 *   raft_bench [--dir DIR] [--port BASE] [--seconds S] [--bytes B] N... */
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "swarm/v1/dispatcher.pb-c.h"

#include "common/base/alloc.h"
#include "common/base/time.h"
#include "common/crypto/identity.h"
#include "common/crypto/seal.h"
#include "common/crypto/secret.h"
#include "common/log/log.h"
#include "manager/consensus/consensus.h"
#include "manager/consensus/peer.h"

#define MEMBERS     3
#define SAMPLES_MAX 2000000

struct bench {
    uv_loop_t loop;
    struct sw_identity *id[MEMBERS];
    struct sw_seal_ring ring;
    char dir[256];
    unsigned port;
    unsigned self;
    struct raft_peers *peers;
    struct sw_rpc_server *server;
    struct sw_rpc_method method;
    struct consensus *c;
    uint64_t applied;

    size_t bytes;
    uint8_t *payload;
    bool running;
    unsigned open;
    uint64_t done;
    float *samples; /* ms */
    size_t n_samples;
    unsigned added;
    bool adding;
};

static struct bench b;

static void die(const char *what, const struct sw_err *err)
{
    (void)fprintf(stderr, "raft_bench: %s: %s\n", what, err == NULL ? "" : err->msg);
    exit(1);
}

/* ---- one member ------------------------------------------------------------------------------ */

static int apply(void *arg, uint64_t index, const uint8_t *data, size_t len)
{
    (void)arg;
    (void)index;
    (void)data;
    (void)len;
    b.applied++;
    return 0;
}

static int snapshot(void *arg, struct consensus_snapshot *out, struct sw_err *err)
{
    static struct consensus_piece piece;

    (void)arg;
    (void)err;
    piece = (struct consensus_piece){ &b.applied, sizeof(b.applied) };
    out->pieces = &piece;
    out->n_pieces = 1;
    return 0;
}

static int restore(void *arg, uint64_t index, const uint8_t *data, size_t len, struct sw_err *err)
{
    (void)arg;
    (void)index;
    (void)err;
    memcpy(&b.applied, data, len < sizeof(b.applied) ? len : sizeof(b.applied));
    return 0;
}

/* The place in the log goes in front of the plain bytes: the ring takes no associated data. */
static int seal(void *arg, const uint8_t *ad, size_t ad_len, const uint8_t *in, size_t len,
                uint8_t *out, size_t *out_len, struct sw_err *err)
{
    uint8_t *plain = sw_malloc(ad_len + len);

    if (plain == NULL)
        return sw_err_set(err, -ENOMEM, "seal");
    memcpy(plain, ad, ad_len);
    memcpy(plain + ad_len, in, len);
    sw_seal(arg, plain, ad_len + len, out);
    *out_len = sw_seal_size(ad_len + len);
    sw_free(plain);
    return 0;
}

static int unseal(void *arg, const uint8_t *ad, size_t ad_len, const uint8_t *in, size_t len,
                  uint8_t *out, size_t *out_len, struct sw_err *err)
{
    uint8_t *plain = sw_malloc(len);
    size_t n = 0;
    int r;

    if (plain == NULL)
        return sw_err_set(err, -ENOMEM, "open");
    r = sw_unseal(arg, in, len, plain, &n, err);
    if (r == 0 && (n < ad_len || memcmp(plain, ad, ad_len) != 0))
        r = sw_err_set(err, SW_E_CRYPTO, "sealed for another place");
    if (r == 0) {
        memcpy(out, plain + ad_len, n - ad_len);
        *out_len = n - ad_len;
    }
    sw_free(plain);
    return r;
}

static struct sw_identity *identity(void *arg)
{
    (void)arg;
    return b.id[b.self];
}

static uint64_t member_of_node(void *arg, const struct sw_id *node_id)
{
    (void)arg;
    for (unsigned i = 0; i < MEMBERS; i++) {
        if (sw_id_equal(&b.id[i]->cert.node_id, node_id))
            return i + 1;
    }
    return 0;
}

static void on_open(struct sw_rpc_stream *s, void *arg)
{
    (void)arg;
    raft_peers_on_open(s, b.peers);
}

static void on_fatal(void *arg, const struct sw_err *err)
{
    (void)arg;
    die("raft", err);
}

static void address_of(unsigned i, char out[64])
{
    (void)snprintf(out, 64, "127.0.0.1:%u", b.port + i);
}

static void start_member(unsigned i)
{
    struct raft_peers_options po = {
        .loop = &b.loop, .member = i + 1, .identity = identity, .member_of_node = member_of_node
    };
    struct consensus_options o = CONSENSUS_OPTIONS_INIT;
    struct sw_rpc_listen l = { .loop = &b.loop, .methods = &b.method, .n_methods = 1 };
    char address[64];
    char dir[300];
    struct sw_err err;

    b.self = i;
    (void)uv_loop_init(&b.loop);
    address_of(i, address);
    (void)snprintf(dir, sizeof(dir), "%s/%u", b.dir, i);
    b.method = (struct sw_rpc_method){ .method = SWARM__V1__METHOD__METHOD_RAFT,
                                       .name = "raft",
                                       .allow = SW_RPC_MANAGER,
                                       .purposes = SW_BIT(SW_RPC_RAFT),
                                       .on_open = on_open };
    if (raft_peers_new(&b.peers, &po, &err) < 0)
        die("peers", &err);
    l.address = address;
    l.identity = b.id[i];
    if (sw_rpc_server_new(&b.server, &l, &err) < 0)
        die("listen", &err);
    if (i == 0 && consensus_bootstrap(dir, 1, address, &err) < 0)
        die("bootstrap", &err);
    o.loop = &b.loop;
    o.dir = dir;
    o.member = i + 1;
    o.address = address;
    o.reserve_bytes = 0;
    o.fsm = (struct consensus_fsm){ NULL, apply, snapshot, restore };
    o.seal = (struct consensus_seal){ &b.ring, SW_SEAL_OVERHEAD + 32, seal, unseal };
    o.transport = raft_peers_transport(b.peers);
    o.events.on_fatal = on_fatal;
    if (consensus_open(&b.c, &o, &err) < 0)
        die("open", &err);
    raft_peers_attach(b.peers, b.c);
}

static struct sw_identity *make_identity(const struct sw_root_key *root)
{
    struct sw_cert_grant grant = { .role = SW_ROLE_MANAGER, .serial = 1, .now_ns = sw_now_ns() };
    struct sw_cert_request req;
    struct sw_identity *keys;
    struct sw_identity *id;
    struct sw_cert cert;
    struct sw_err err;

    sw_id_random(&grant.node_id);
    if (sw_identity_new(&keys, &err) < 0)
        die("identity", &err);
    memcpy(req.public_key, keys->sign.public_key, SW_KEY_BYTES);
    memcpy(req.static_key, keys->dh.public_key, SW_KEY_BYTES);
    if (sw_cert_issue(&cert, root, &req, &grant, &err) < 0 ||
        sw_identity_renew(&id, keys, &cert, &root->root, 1, &err) < 0)
        die("certificate", &err);
    sw_identity_unref(keys);
    return id;
}

/* ---- the cluster ----------------------------------------------------------------------------- */

static void on_added(void *arg, int status, uint64_t index, int result)
{
    (void)arg;
    (void)index;
    (void)result;
    b.adding = false;
    b.added += status == 0;
}

static void form(void)
{
    int64_t end = sw_mono_ns() + 30 * SW_NS_PER_S;
    struct consensus_status s = { 0 };
    struct sw_err err;
    char address[64];

    while (s.n_voters < MEMBERS) {
        (void)uv_run(&b.loop, UV_RUN_ONCE);
        consensus_status(b.c, &s);
        if (sw_mono_ns() > end)
            die("the cluster did not form", NULL);
        if (s.ready && !b.adding && b.added + 1 < MEMBERS && s.n_voters == b.added + 1) {
            address_of(b.added + 1, address);
            b.adding = consensus_member_add(b.c, b.added + 2, address, on_added, NULL, &err) == 0;
        }
    }
}

static pid_t fork_member(unsigned i)
{
    pid_t pid = fork();

    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        start_member(i);
        (void)uv_run(&b.loop, UV_RUN_DEFAULT);
        _exit(0);
    }
    return pid;
}

/* ---- the load -------------------------------------------------------------------------------- */

struct shot {
    int64_t at;
};

static void propose(struct shot *shot);

static void on_done(void *arg, int status, uint64_t index, int result)
{
    struct shot *shot = arg;

    (void)index;
    (void)result;
    b.open--;
    if (status == 0 && b.running) {
        b.done++;
        if (b.n_samples < SAMPLES_MAX)
            b.samples[b.n_samples++] = (float)(sw_mono_ns() - shot->at) / 1e6f;
    }
    if (b.running)
        propose(shot);
}

static void propose(struct shot *shot)
{
    struct sw_err err;

    shot->at = sw_mono_ns();
    if (consensus_propose(b.c, b.payload, b.bytes, on_done, shot, &err) < 0)
        die("propose", &err);
    b.open++;
}

static int by_value(const void *x, const void *y)
{
    float d = *(const float *)x - *(const float *)y;

    return d < 0 ? -1 : d > 0;
}

static void print(const char *metric, unsigned inflight, double value, const char *unit)
{
    (void)printf("{\"bench\":\"raft\",\"metric\":\"%s_%zuB_x%u\",\"value\":%.3f,\"unit\":\"%s\"}\n",
                 metric, b.bytes, inflight, value, unit);
    (void)fflush(stdout);
}

static void on_wake(uv_timer_t *t)
{
    (void)t;
}

static void run(unsigned inflight, double seconds)
{
    struct shot *shots = sw_calloc(inflight, sizeof(*shots));
    int64_t begin = sw_mono_ns();
    int64_t end = begin + (int64_t)(seconds * 1e9);
    double took;
    uv_timer_t wake;

    if (shots == NULL)
        die("out of memory", NULL);
    (void)uv_timer_init(&b.loop, &wake);
    (void)uv_timer_start(&wake, on_wake, 20, 20);
    b.done = 0;
    b.n_samples = 0;
    b.running = true;
    for (unsigned i = 0; i < inflight; i++)
        propose(&shots[i]);
    while (sw_mono_ns() < end)
        (void)uv_run(&b.loop, UV_RUN_ONCE);
    took = (double)(sw_mono_ns() - begin) / 1e9;
    b.running = false;
    while (b.open > 0)
        (void)uv_run(&b.loop, UV_RUN_ONCE);
    (void)uv_timer_stop(&wake);
    uv_close((uv_handle_t *)&wake, NULL);
    (void)uv_run(&b.loop, UV_RUN_NOWAIT);
    qsort(b.samples, b.n_samples, sizeof(*b.samples), by_value);
    print("entries", inflight, (double)b.done / took, "1/s");
    print("p50", inflight, b.n_samples == 0 ? 0 : (double)b.samples[b.n_samples / 2], "ms");
    print("p99", inflight, b.n_samples == 0 ? 0 : (double)b.samples[b.n_samples * 99 / 100], "ms");
    sw_free(shots);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

int main(int argc, char **argv)
{
    const char *parent = "/tmp";
    double seconds = 3;
    unsigned inflight[16];
    unsigned n = 0;
    struct sw_root_key root;
    struct sw_id cluster;
    struct sw_err err;
    pid_t pid[MEMBERS];

    b.port = 21600;
    b.bytes = 256;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--dir") == 0 && i + 1 < argc)
            parent = argv[++i];
        else if (strcmp(argv[i], "--port") == 0 && i + 1 < argc)
            b.port = (unsigned)atoi(argv[++i]);
        else if (strcmp(argv[i], "--seconds") == 0 && i + 1 < argc)
            seconds = atof(argv[++i]);
        else if (strcmp(argv[i], "--bytes") == 0 && i + 1 < argc)
            b.bytes = (size_t)atoi(argv[++i]);
        else if (atoi(argv[i]) > 0 && n < 16)
            inflight[n++] = (unsigned)atoi(argv[i]);
    }
    if (n == 0) {
        inflight[n++] = 1;
        inflight[n++] = 16;
        inflight[n++] = 256;
    }
    sw_log_init("raft_bench", SW_LOG_WARN);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)snprintf(b.dir, sizeof(b.dir), "%s/raft-bench-XXXXXX", parent);
    b.samples = sw_calloc(SAMPLES_MAX, sizeof(*b.samples));
    b.payload = sw_calloc(1, b.bytes);
    if (sw_crypto_init(&err) < 0 || mkdtemp(b.dir) == NULL || b.samples == NULL ||
        b.payload == NULL)
        die("start", NULL);
    sw_id_random(&cluster);
    if (sw_root_key_make(&root, &cluster, sw_now_ns(), &err) < 0)
        die("root", &err);
    sw_seal_ring_init(&b.ring, &cluster);
    sw_seal_ring_rotate(&b.ring);
    for (unsigned i = 0; i < MEMBERS; i++)
        b.id[i] = make_identity(&root);
    for (unsigned i = 1; i < MEMBERS; i++)
        pid[i] = fork_member(i);
    start_member(0);
    form();
    for (unsigned i = 0; i < n; i++)
        run(inflight[i], seconds);
    for (unsigned i = 1; i < MEMBERS; i++) {
        (void)kill(pid[i], SIGKILL);
        (void)waitpid(pid[i], NULL, 0);
    }
    (void)nftw(b.dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return 0;
}
