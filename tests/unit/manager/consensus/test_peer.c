/* SPDX-License-Identifier: Apache-2.0
 * test_peer.c - members over authenticated connections on loopback, with sealed entries. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "swarm/v1/dispatcher.pb-c.h"

#include "cluster.h"
#include "common/base/alloc.h"
#include "common/base/time.h"
#include "common/crypto/seal.h"
#include "common/log/log.h"
#include "manager/consensus/peer.h"

#define MEMBERS 4
#define SECRET  "attack at dawn, attack at dawn"

struct fixture {
    struct cluster cl;
    struct sw_root_key root;
    struct sw_identity *id[MEMBERS];
    struct sw_rpc_server *server[MEMBERS];
    struct raft_peers *peers[MEMBERS];
    struct sw_seal_ring ring;
    bool unknown[MEMBERS]; /* nobody knows this node's member id */
    struct sw_err err;
};

static struct fixture *fx;

/* ---- sealing ------------------------------------------------------------------------------------
 */

/* The ring has no associated data: its digest goes in front of the plain bytes. */
static int seal(void *arg, const uint8_t *ad, size_t ad_len, const uint8_t *in, size_t len,
                uint8_t *out, size_t *out_len, struct sw_err *err)
{
    uint8_t *plain = malloc(len + SW_SHA256_BYTES);

    (void)err;
    sw_sha256(ad, ad_len, plain);
    memcpy(plain + SW_SHA256_BYTES, in, len);
    sw_seal(arg, plain, len + SW_SHA256_BYTES, out);
    *out_len = sw_seal_size(len + SW_SHA256_BYTES);
    free(plain);
    return 0;
}

static int open_sealed(void *arg, const uint8_t *ad, size_t ad_len, const uint8_t *in, size_t len,
                       uint8_t *out, size_t *out_len, struct sw_err *err)
{
    uint8_t *plain = malloc(len);
    uint8_t digest[SW_SHA256_BYTES];
    size_t n = 0;
    int r = sw_unseal(arg, in, len, plain, &n, err);

    sw_sha256(ad, ad_len, digest);
    if (r == 0 && (n < sizeof(digest) || memcmp(plain, digest, sizeof(digest)) != 0))
        r = sw_err_set(err, SW_E_CRYPTO, "sealed for another place");
    if (r == 0) {
        memcpy(out, plain + sizeof(digest), n - sizeof(digest));
        *out_len = n - sizeof(digest);
    }
    free(plain);
    return r;
}

/* ---- members ------------------------------------------------------------------------------------
 */

static struct sw_identity *identity(void *arg)
{
    struct node *n = arg;

    return fx->id[n->id - 1];
}

static uint64_t member_of_node(void *arg, const struct sw_id *node_id)
{
    (void)arg;
    for (unsigned i = 0; i < MEMBERS; i++) {
        if (!fx->unknown[i] && sw_id_equal(&fx->id[i]->cert.node_id, node_id))
            return i + 1;
    }
    return 0;
}

static void on_open(struct sw_rpc_stream *s, void *arg)
{
    struct raft_peers **p = arg;

    if (*p != NULL)
        raft_peers_on_open(s, *p);
    else
        sw_rpc_stream_cancel(s);
}

static struct sw_rpc_method methods[MEMBERS];

static void listen_on(struct fixture *f, unsigned i)
{
    struct sw_rpc_listen l = { .loop = &f->cl.loop,
                               .address = "127.0.0.1:0",
                               .identity = f->id[i],
                               .methods = &methods[i],
                               .n_methods = 1 };

    methods[i] = (struct sw_rpc_method){ .method = SWARM__V1__METHOD__METHOD_RAFT,
                                         .name = "raft",
                                         .allow = SW_RPC_MANAGER,
                                         .purposes = SW_BIT(SW_RPC_RAFT),
                                         .on_open = on_open,
                                         .arg = &f->peers[i] };
    assert_int_equal(sw_rpc_server_new(&f->server[i], &l, &f->err), 0);
    (void)snprintf(f->cl.n[i].address, sizeof(f->cl.n[i].address), "127.0.0.1:%u",
                   sw_rpc_server_port(f->server[i]));
}

static void use_peers(struct node *n, struct consensus_options *o)
{
    unsigned i = (unsigned)n->id - 1;
    struct raft_peers_options po = { .loop = o->loop,
                                     .member = n->id,
                                     .identity = identity,
                                     .member_of_node = member_of_node,
                                     .arg = n };

    assert_int_equal(raft_peers_new(&fx->peers[i], &po, &fx->err), 0);
    o->transport = raft_peers_transport(fx->peers[i]);
    o->seal = (struct consensus_seal){ &fx->ring, SW_SEAL_OVERHEAD + SW_SHA256_BYTES + 8, seal,
                                       open_sealed };
    o->election_ms = 300;
    o->heartbeat_ms = 30;
    o->snapshot_entries = 200;
    o->trailing_entries = 50;
}

static struct sw_identity *make_identity(struct fixture *f)
{
    struct sw_cert_grant grant = { .role = SW_ROLE_MANAGER, .serial = 1, .now_ns = sw_now_ns() };
    struct sw_cert_request req;
    struct sw_identity *keys;
    struct sw_identity *id;
    struct sw_cert cert;

    sw_id_random(&grant.node_id);
    assert_int_equal(sw_identity_new(&keys, &f->err), 0);
    memcpy(req.public_key, keys->sign.public_key, SW_KEY_BYTES);
    memcpy(req.static_key, keys->dh.public_key, SW_KEY_BYTES);
    assert_int_equal(sw_cert_issue(&cert, &f->root, &req, &grant, &f->err), 0);
    assert_int_equal(sw_identity_renew(&id, keys, &cert, &f->root.root, 1, &f->err), 0);
    sw_identity_unref(keys);
    return id;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct sw_id cluster;

    fx = f;
    assert_int_equal(sw_crypto_init(&f->err), 0);
    cluster_init(&f->cl);
    f->cl.tweak_node = use_peers;
    sw_id_random(&cluster);
    assert_int_equal(sw_root_key_make(&f->root, &cluster, sw_now_ns(), &f->err), 0);
    sw_seal_ring_init(&f->ring, &cluster);
    sw_seal_ring_rotate(&f->ring);
    for (unsigned i = 0; i < MEMBERS; i++) {
        f->id[i] = make_identity(f);
        listen_on(f, i);
    }
    *state = f;
    return 0;
}

static void close_member(struct fixture *f, unsigned i)
{
    cluster_close(&f->cl, i);
    raft_peers_free(f->peers[i]);
    f->peers[i] = NULL;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < MEMBERS; i++)
        close_member(f, i);
    for (unsigned i = 0; i < MEMBERS; i++) {
        sw_rpc_server_free(f->server[i]);
        sw_identity_unref(f->id[i]);
    }
    cluster_fini(&f->cl);
    free(f);
    return 0;
}

/* cluster_open() and then the way in for messages. */
static void open_member(struct fixture *f, unsigned i, bool bootstrap)
{
    int r = cluster_open(&f->cl, i, bootstrap, &f->err);

    if (r < 0)
        fail_msg("%s", f->err.msg);
    raft_peers_attach(f->peers[i], f->cl.n[i].c);
}

struct tried {
    unsigned i;
    unsigned voters;
    bool asked;
    bool added;
};

static void on_added(void *arg, int status, uint64_t index, int result)
{
    struct tried *t = arg;

    (void)index;
    (void)result;
    t->asked = false;
    t->added = status == 0;
}

static bool is_voter(struct cluster *cl, void *arg)
{
    struct tried *t = arg;
    struct consensus_status s;
    struct sw_err err;

    if (!t->added && !t->asked)
        t->asked = consensus_member_add(cl->n[0].c, cl->n[t->i].id, cl->n[t->i].address, on_added,
                                        t, &err) == 0;
    consensus_status(cl->n[0].c, &s);
    return s.n_voters == t->voters;
}

static void grow(struct fixture *f, unsigned n)
{
    open_member(f, 0, true);
    assert_int_equal(cluster_leader(&f->cl, 5000), 0);
    for (unsigned i = 1; i < n; i++) {
        struct tried t = { .i = i, .voters = i + 1 };

        open_member(f, i, false);
        assert_true(cluster_until(&f->cl, is_voter, &t, 10000));
    }
}

static void members_speak_over_authenticated_connections(void **state)
{
    struct fixture *f = *state;

    grow(f, 3);
    for (int i = 0; i < 50; i++)
        assert_int_equal(cluster_propose(&f->cl, 0, SECRET, strlen(SECRET), NULL), 0);
    assert_true(cluster_converged(&f->cl, 5000));
    assert_int_equal(f->cl.n[2].m.count, 50);
    for (unsigned i = 1; i < 3; i++)
        assert_true(raft_peers_is_up(f->peers[0], i + 1));
}

static bool file_has(const char *path, const char *text)
{
    FILE *fp = fopen(path, "rb");
    char *buf = malloc(64 << 20);
    size_t n;
    bool r;

    assert_non_null(fp);
    n = fread(buf, 1, 64 << 20, fp);
    (void)fclose(fp);
    r = memmem(buf, n, text, strlen(text)) != NULL;
    free(buf);
    return r;
}

static void nothing_proposed_is_readable_on_disk(void **state)
{
    struct fixture *f = *state;
    struct dirent *e;
    unsigned files = 0;
    char path[512];
    DIR *d;

    f->cl.n[0].m.keep = true; /* so that snapshots hold it, too */
    open_member(f, 0, true);
    assert_int_equal(cluster_leader(&f->cl, 5000), 0);
    for (int i = 0; i < 450; i++)
        assert_int_equal(cluster_propose(&f->cl, 0, SECRET, strlen(SECRET), NULL), 0);
    assert_true(f->cl.n[0].m.snapshots >= 2);
    (void)snprintf(path, sizeof(path), "%s/log", f->cl.n[0].dir);
    d = opendir(path);
    while ((e = readdir(d)) != NULL) {
        if (e->d_name[0] == '.')
            continue;
        (void)snprintf(path, sizeof(path), "%s/log/%s", f->cl.n[0].dir, e->d_name);
        assert_false(file_has(path, SECRET));
        files++;
    }
    closedir(d);
    assert_true(files >= 4);
    close_member(f, 0); /* and it is all readable with the key */
    f->cl.n[0].m.keep = true;
    open_member(f, 0, false);
    assert_int_equal(cluster_leader(&f->cl, 5000), 0);
    assert_int_equal(f->cl.n[0].m.count, 450);
    assert_int_equal(f->cl.n[0].m.state.len, 450 * strlen(SECRET));
}

static void a_lost_key_is_said_at_start(void **state)
{
    struct fixture *f = *state;

    open_member(f, 0, true);
    assert_int_equal(cluster_leader(&f->cl, 5000), 0);
    assert_int_equal(cluster_propose(&f->cl, 0, "x", 1, NULL), 0);
    close_member(f, 0);
    sw_seal_ring_init(&f->ring, &f->ring.cluster_id);
    sw_seal_ring_rotate(&f->ring);
    assert_true(cluster_open(&f->cl, 0, false, &f->err) < 0);
    assert_non_null(strstr(f->err.msg, "raft entry"));
}

static void lost_connections_come_back(void **state)
{
    struct fixture *f = *state;
    struct sw_err why;

    grow(f, 3);
    (void)sw_err_set(&why, SW_E_UNAVAILABLE, "cut by the test");
    for (unsigned round = 0; round < 5; round++) {
        for (unsigned i = 0; i < 3; i++) {
            for (unsigned k = 0; k < 3; k++)
                (void)sw_rpc_server_close_node(f->server[i], &f->id[k]->cert.node_id, &why);
        }
        int leader = cluster_leader(&f->cl, 10000);

        assert_true(leader >= 0);
        while (cluster_propose(&f->cl, (unsigned)leader, "again", 5, NULL) != 0)
            leader = cluster_leader(&f->cl, 10000);
    }
    assert_true(cluster_converged(&f->cl, 10000));
    assert_true(f->cl.n[0].m.count >= 5);
}

static void another_leads_and_the_first_comes_back(void **state)
{
    struct fixture *f = *state;

    grow(f, 3);
    for (unsigned round = 0; round < 4; round++) {
        int leader = cluster_leader(&f->cl, 10000);
        int next;

        assert_true(leader >= 0);
        close_member(f, (unsigned)leader);
        next = cluster_leader(&f->cl, 10000);
        assert_true(next >= 0);
        assert_int_equal(cluster_propose(&f->cl, (unsigned)next, "round", 5, NULL), 0);
        open_member(f, (unsigned)leader, false);
        assert_true(cluster_converged(&f->cl, 10000));
        assert_int_equal(f->cl.n[leader].m.count, round + 1);
    }
}

static void a_snapshot_reaches_a_late_member(void **state)
{
    struct fixture *f = *state;
    static char big[100000];
    struct tried t = { .i = 2, .voters = 3 };

    f->cl.n[0].m.keep = f->cl.n[1].m.keep = f->cl.n[2].m.keep = true;
    grow(f, 2);
    memset(big, 'b', sizeof(big));
    for (int i = 0; i < 300; i++)
        assert_int_equal(cluster_propose(&f->cl, 0, big, i < 60 ? sizeof(big) : 10, NULL), 0);
    assert_true(f->cl.n[0].m.snapshots >= 1);
    open_member(f, 2, false);
    assert_true(cluster_until(&f->cl, is_voter, &t, 20000));
    assert_true(cluster_converged(&f->cl, 10000));
    assert_true(f->cl.n[2].m.restores >= 1);
    assert_int_equal(f->cl.n[2].m.state.len, f->cl.n[0].m.state.len);
}

static bool gets_in(struct cluster *cl, void *arg)
{
    struct tried *t = arg;

    (void)is_voter(cl, t);
    return raft_peers_is_up(fx->peers[0], t->i + 1);
}

static void a_node_that_is_no_member_is_refused(void **state)
{
    struct fixture *f = *state;
    struct tried t = { .i = 1, .voters = 2 };

    f->unknown[1] = true;
    open_member(f, 0, true);
    assert_int_equal(cluster_leader(&f->cl, 5000), 0);
    open_member(f, 1, false);
    assert_false(cluster_until(&f->cl, gets_in, &t, 1500));
    assert_true(t.added);
    f->unknown[1] = false;
    assert_true(cluster_until(&f->cl, is_voter, &t, 10000));
}

static bool third_knows(struct cluster *cl, void *arg)
{
    (void)arg;
    return cl->n[2].removed;
}

static void a_removed_member_is_told_over_its_connection(void **state)
{
    struct fixture *f = *state;

    grow(f, 3);
    assert_int_equal(cluster_remove(&f->cl, 0, 3), 0);
    assert_true(cluster_until(&f->cl, third_knows, NULL, 5000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(members_speak_over_authenticated_connections, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(nothing_proposed_is_readable_on_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(a_lost_key_is_said_at_start, setup, teardown),
        cmocka_unit_test_setup_teardown(lost_connections_come_back, setup, teardown),
        cmocka_unit_test_setup_teardown(another_leads_and_the_first_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(a_snapshot_reaches_a_late_member, setup, teardown),
        cmocka_unit_test_setup_teardown(a_node_that_is_no_member_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_removed_member_is_told_over_its_connection, setup,
                                        teardown),
    };

    sw_log_init("test_peer", getenv("V") != NULL ? SW_LOG_DEBUG : SW_LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
