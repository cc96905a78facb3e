/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/netd/keyring.h"
#include "agent/netd/netd_client.h"
#include "agent/netd/packet/keymem.h"
#include "common/base/id.h"

enum { WORKERS = 2, PLAIN = 40 };

/* One node: its keyring, its signing key, and the messages that describe it to others. */
struct node {
    uint64_t key;
    struct sw_id id;
    struct sw_sign_key sign;
    struct netd_keyring *ring;
    struct sw_list garbage;
    unsigned no_key;
    char no_key_text[200];
    size_t n_keys;
    Swarm__V1__NodeDataKey keys[NETD_EPOCHS_MAX];
    Swarm__V1__NodeDataKey *key_ptrs[NETD_EPOCHS_MAX];
    uint8_t start[NETD_EPOCHS_MAX][32], signature[NETD_EPOCHS_MAX][64];
    Swarm__V1__DataPeer peer;
};

struct fixture {
    struct node a, b;
    uint8_t secrets[NETD_EPOCHS_MAX + 1][32];
    Swarm__V1__EpochSecret epochs[NETD_EPOCHS_MAX];
    Swarm__V1__EpochSecret *epoch_ptrs[NETD_EPOCHS_MAX];
    struct sw_err err;
};

static void on_retire(void *ctx, struct netd_garbage *g)
{
    sw_list_push_back(&((struct node *)ctx)->garbage, &g->link);
}

static void on_no_key(void *ctx, uint64_t node, const char *text)
{
    struct node *n = ctx;

    (void)node;
    n->no_key++;
    strncpy(n->no_key_text, text, sizeof(n->no_key_text) - 1);
}

static void sweep(struct node *n)
{
    while (!sw_list_empty(&n->garbage)) {
        struct netd_garbage *g = sw_list_entry(n->garbage.next, struct netd_garbage, link);

        sw_list_del(&g->link);
        g->free(g);
    }
}

static void node_init(struct node *n, uint64_t key)
{
    const struct netd_keyring_hooks hooks = { n, on_retire, on_no_key };
    struct sw_err err;

    n->key = key;
    memset(n->id.b, (int)key, sizeof(n->id.b));
    sw_sign_key_make(&n->sign);
    sw_list_init(&n->garbage);
    assert_int_equal(netd_keyring_new(&n->ring, WORKERS, &hooks, &err), 0);
}

static void node_fini(struct node *n)
{
    netd_keyring_free(n->ring);
    sweep(n);
}

static void node_epoch(struct node *n, uint64_t epoch)
{
    size_t i = n->n_keys++;
    uint8_t msg[NETD_KEY_MSG_BYTES];
    struct sw_err err;

    assert_int_equal(netd_keyring_make(n->ring, epoch, n->start[i], &err), 0);
    netd_key_message(&n->id, epoch, n->start[i], sw_aead_suites(), msg);
    assert_int_equal(sw_sign(&n->sign, NETD_KEY_DOMAIN, msg, sizeof(msg), n->signature[i]), 0);
    swarm__v1__node_data_key__init(&n->keys[i]);
    n->keys[i].epoch = epoch;
    n->keys[i].suites = sw_aead_suites();
    n->keys[i].start_key.data = n->start[i];
    n->keys[i].start_key.len = 32;
    n->keys[i].signature.data = n->signature[i];
    n->keys[i].signature.len = 64;
    n->key_ptrs[i] = &n->keys[i];
}

static Swarm__V1__DataPeer *node_peer(struct node *n)
{
    swarm__v1__data_peer__init(&n->peer);
    n->peer.node = n->key;
    n->peer.node_id.data = n->id.b;
    n->peer.node_id.len = 16;
    n->peer.public_key.data = n->sign.public_key;
    n->peer.public_key.len = 32;
    n->peer.data_addr = (char *)(uintptr_t) "192.0.2.1";
    n->peer.data_port = 4789;
    n->peer.workers = WORKERS;
    n->peer.keys = n->key_ptrs;
    n->peer.n_keys = n->n_keys;
    return &n->peer;
}

/* Tell @n of its peers with the epochs from..to. */
static int tell(struct fixture *f, struct node *n, struct node *other, uint64_t from, uint64_t to,
                uint64_t send, int64_t now_ms)
{
    Swarm__V1__NetdSetPeers m = SWARM__V1__NETD_SET_PEERS__INIT;
    Swarm__V1__DataPlaneKeys keys = SWARM__V1__DATA_PLANE_KEYS__INIT;
    Swarm__V1__DataPeer *peers[2] = { node_peer(n) };
    int r;

    keys.peers = peers;
    keys.n_peers = 1; /* oneself is among them, as managers send it */
    if (other != NULL)
        peers[keys.n_peers++] = node_peer(other);
    for (uint64_t e = from; e <= to; e++) {
        size_t i = keys.n_epochs++;

        swarm__v1__epoch_secret__init(&f->epochs[i]);
        memset(f->secrets[i], (int)e, 32);
        f->epochs[i].epoch = e;
        f->epochs[i].secret.data = f->secrets[i];
        f->epochs[i].secret.len = 32;
        f->epoch_ptrs[i] = &f->epochs[i];
    }
    keys.epochs = f->epoch_ptrs;
    keys.send_epoch = send;
    m.node = n->key;
    m.node_id.data = n->id.b;
    m.node_id.len = 16;
    m.keys = &keys;
    r = netd_keyring_set_peers(n->ring, &m, now_ms, &f->err);
    sweep(n);
    return r;
}

static struct vtep_table *table_of(struct node *n)
{
    struct vtep_table *t;
    size_t n_peers, n_rx;

    netd_keyring_sizes(n->ring, &n_peers, &n_rx);
    t = vtep_table_new(0, n_peers, n_rx);
    netd_keyring_fill(n->ring, t);
    return t;
}

/* One packet from @a to @b by @worker. @pkt: PLAIN + 32 bytes, may be NULL. */
static enum vtep_verdict carry(struct node *a, struct node *b, unsigned worker, uint8_t *pkt)
{
    static const uint8_t plain[PLAIN] = { 1, 2, 3 };
    uint8_t own[PLAIN + VTEP_HDR + VTEP_TAG], out[PLAIN];
    struct vtep_table *ta = table_of(a), *tb = table_of(b);
    const struct vtep_peer *p = vtep_table_peer(ta, b->key);
    enum vtep_verdict v = VTEP_NO_KEY;

    pkt = pkt != NULL ? pkt : own;
    if (p != NULL && p->tx != NULL && vtep_seal(&p->tx[worker], 0, plain, PLAIN, pkt)) {
        struct vtep_rx_sa *sa;
        size_t it = 0;

        v = VTEP_UNKNOWN_INDEX;
        while (v != VTEP_OK && (sa = vtep_table_rx(tb, vtep_le32(pkt + 4), &it)) != NULL) {
            v = vtep_open(sa, pkt, PLAIN + VTEP_HDR + VTEP_TAG, out);
            assert_int_equal(sa->node, a->key);
        }
    }
    vtep_table_free(ta);
    vtep_table_free(tb);
    return v;
}

static enum vtep_verdict again(struct node *b, const uint8_t *pkt)
{
    struct vtep_table *t = table_of(b);
    enum vtep_verdict v = VTEP_UNKNOWN_INDEX;
    uint8_t out[PLAIN];
    size_t it = 0;
    struct vtep_rx_sa *sa = vtep_table_rx(t, vtep_le32(pkt + 4), &it);

    if (sa != NULL)
        v = vtep_open(sa, pkt, PLAIN + VTEP_HDR + VTEP_TAG, out);
    vtep_table_free(t);
    return v;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    node_init(&f->a, 1);
    node_init(&f->b, 2);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    node_fini(&f->a);
    node_fini(&f->b);
    assert_int_equal(keymem_used(), 0);
    free(f);
    return 0;
}

static void both_up(struct fixture *f)
{
    node_epoch(&f->a, 1);
    node_epoch(&f->b, 1);
    assert_int_equal(tell(f, &f->a, &f->b, 1, 1, 1, 0), 0);
    assert_int_equal(tell(f, &f->b, &f->a, 1, 1, 1, 0), 0);
}

static void two_nodes_agree_on_a_path_for_each_worker_and_direction(void **state)
{
    struct fixture *f = *state;

    both_up(f);
    for (unsigned w = 0; w < WORKERS; w++) {
        assert_int_equal(carry(&f->a, &f->b, w, NULL), VTEP_OK);
        assert_int_equal(carry(&f->b, &f->a, w, NULL), VTEP_OK);
    }
    assert_int_equal(f->a.no_key + f->b.no_key, 0);
}

static void saying_it_again_changes_nothing(void **state)
{
    struct fixture *f = *state;
    uint8_t pkt[PLAIN + 32], next[PLAIN + 32];

    both_up(f);
    assert_int_equal(carry(&f->a, &f->b, 0, pkt), VTEP_OK);
    assert_int_equal(tell(f, &f->a, &f->b, 1, 1, 1, 0), 0);
    assert_int_equal(tell(f, &f->b, &f->a, 1, 1, 1, 0), 0);
    assert_int_equal(again(&f->b, pkt), VTEP_REPLAYED);
    assert_int_equal(carry(&f->a, &f->b, 0, next), VTEP_OK);
    assert_int_equal(vtep_le64(next + 8), vtep_le64(pkt + 8) + 1);
}

/* The trap this keyring is built around: a peer that is taken away and given back with the same
 * keys must find counters and windows where they were. */
static void a_peer_that_comes_back_with_the_same_keys_goes_on_counting(void **state)
{
    struct fixture *f = *state;
    uint8_t pkt[PLAIN + 32], next[PLAIN + 32];

    both_up(f);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(carry(&f->a, &f->b, 1, pkt), VTEP_OK);
    assert_int_equal(tell(f, &f->a, NULL, 1, 1, 1, 0), 0);
    assert_int_equal(tell(f, &f->b, NULL, 1, 1, 1, 0), 0);
    assert_int_equal(carry(&f->a, &f->b, 1, NULL), VTEP_NO_KEY);
    assert_int_equal(again(&f->b, pkt), VTEP_UNKNOWN_INDEX);
    assert_int_equal(tell(f, &f->a, &f->b, 1, 1, 1, 0), 0);
    assert_int_equal(tell(f, &f->b, &f->a, 1, 1, 1, 0), 0);
    assert_int_equal(again(&f->b, pkt), VTEP_REPLAYED);
    assert_int_equal(carry(&f->a, &f->b, 1, next), VTEP_OK);
    assert_int_equal(vtep_le64(next + 8), 10);
}

static void a_restarted_peer_has_other_keys_and_the_old_ones_are_dead(void **state)
{
    struct fixture *f = *state;
    uint8_t pkt[PLAIN + 32], old[PLAIN + 32];

    both_up(f);
    assert_int_equal(carry(&f->b, &f->a, 0, old), VTEP_OK);
    node_fini(&f->b);
    memset(&f->b, 0, sizeof(f->b));
    node_init(&f->b, 2);
    node_epoch(&f->b, 1);
    assert_int_equal(tell(f, &f->b, &f->a, 1, 1, 1, 0), 0);
    assert_int_equal(carry(&f->a, &f->b, 0, NULL), VTEP_UNKNOWN_INDEX); /* has not heard of it */
    assert_int_equal(tell(f, &f->a, &f->b, 1, 1, 1, 0), 0);
    assert_int_equal(again(&f->a, old), VTEP_UNKNOWN_INDEX);
    assert_int_equal(carry(&f->a, &f->b, 0, pkt), VTEP_OK);
    assert_int_equal(carry(&f->b, &f->a, 0, pkt), VTEP_OK);
    assert_int_equal(vtep_le64(pkt + 8), 0); /* a new key may begin at 0 */
}

static void epochs_change_make_before_break(void **state)
{
    struct fixture *f = *state;
    uint8_t old[PLAIN + 32];

    both_up(f);
    node_epoch(&f->a, 2);
    node_epoch(&f->b, 2);
    assert_int_equal(tell(f, &f->a, &f->b, 1, 2, 1, 0), 0); /* both install receive state */
    assert_int_equal(tell(f, &f->b, &f->a, 1, 2, 1, 0), 0);
    assert_int_equal(carry(&f->a, &f->b, 0, old), VTEP_OK);
    assert_int_equal(tell(f, &f->a, &f->b, 1, 2, 2, 0), 0); /* a sends with 2 already */
    assert_int_equal(carry(&f->a, &f->b, 0, NULL), VTEP_OK);
    assert_int_equal(carry(&f->b, &f->a, 0, NULL), VTEP_OK); /* b still with 1 */
    assert_int_equal(tell(f, &f->b, &f->a, 1, 2, 2, 0), 0);
    assert_int_equal(carry(&f->b, &f->a, 0, NULL), VTEP_OK);
}

static void an_epoch_that_is_over_receives_for_its_grace_and_is_then_erased(void **state)
{
    struct fixture *f = *state;
    struct netd_epoch_key keys[NETD_EPOCHS_MAX];
    size_t before;

    both_up(f);
    node_epoch(&f->a, 2);
    node_epoch(&f->b, 2);
    assert_int_equal(tell(f, &f->a, &f->b, 1, 2, 1, 0), 0);
    assert_int_equal(tell(f, &f->b, &f->a, 2, 2, 2, 1000), 0);
    assert_int_equal(carry(&f->a, &f->b, 0, NULL), VTEP_OK); /* a lags behind with epoch 1 */
    before = keymem_used();
    assert_false(netd_keyring_expire(f->b.ring, 1000 + NETD_EPOCH_GRACE_MS - 1));
    assert_true(netd_keyring_expire(f->b.ring, 1000 + NETD_EPOCH_GRACE_MS));
    sweep(&f->b);
    assert_int_equal(keymem_used(), before - 2); /* private key, the expanded receive key */
    assert_int_equal(netd_keyring_epochs(f->b.ring, keys), 1);
    assert_int_equal(keys[0].epoch, 2);
    assert_int_equal(carry(&f->a, &f->b, 0, NULL), VTEP_UNKNOWN_INDEX);
}

static void a_key_just_made_outlives_managers_that_do_not_know_it_yet(void **state)
{
    struct fixture *f = *state;

    both_up(f);
    node_epoch(&f->a, 2);
    assert_int_equal(tell(f, &f->a, &f->b, 1, 1, 1, 0), 0);
    assert_false(netd_keyring_expire(f->a.ring, 100ll * NETD_EPOCH_GRACE_MS));
}

static void no_more_than_four_epochs_are_kept(void **state)
{
    struct fixture *f = *state;
    struct netd_epoch_key keys[NETD_EPOCHS_MAX];
    uint8_t key[32];

    for (uint64_t e = 1; e <= 10; e++)
        assert_int_equal(netd_keyring_make(f->a.ring, e, key, &f->err), 0);
    assert_int_equal(netd_keyring_epochs(f->a.ring, keys), 4);
    assert_int_equal(keys[0].epoch, 7);
    assert_int_equal(tell(f, &f->a, NULL, 7, 10, 7, 0), 0); /* now all are in use */
    assert_int_equal(netd_keyring_make(f->a.ring, 11, key, &f->err), SW_E_EXHAUSTED);
    sweep(&f->a);
}

static void making_an_epochs_key_twice_gives_the_same(void **state)
{
    struct fixture *f = *state;
    uint8_t one[32], two[32];

    assert_int_equal(netd_keyring_make(f->a.ring, 5, one, &f->err), 0);
    assert_int_equal(netd_keyring_make(f->a.ring, 5, two, &f->err), 0);
    assert_memory_equal(one, two, 32);
    assert_int_equal(netd_keyring_make(f->a.ring, 6, two, &f->err), 0);
    assert_memory_not_equal(one, two, 32);
}

/* Whatever is wrong with a key: nothing is sent to that peer, and nothing in clear. */
static void a_key_that_its_node_did_not_sign_is_not_used(void **state)
{
    for (unsigned what = 0; what < 6; what++) {
        struct fixture *f;

        assert_int_equal(setup(state), 0);
        f = *state;
        node_epoch(&f->a, 1);
        node_epoch(&f->b, 1);
        if (what == 0)
            f->b.signature[0][10] ^= 1;
        else if (what == 1)
            f->b.start[0][10] ^= 1;
        else if (what == 2)
            f->b.keys[0].suites ^= 2; /* a downgrade */
        else if (what == 3)
            f->b.id.b[0] ^= 1;
        else if (what == 4)
            f->b.sign.public_key[0] ^= 1;
        else
            f->b.keys[0].signature.len = 63;
        assert_int_equal(tell(f, &f->a, &f->b, 1, 1, 1, 0), 0);
        assert_int_equal(carry(&f->a, &f->b, 0, NULL), VTEP_NO_KEY);
        assert_int_equal(f->a.no_key, 1);
        assert_string_equal(f->a.no_key_text, "its key is not signed by it");
        assert_int_equal(teardown(state), 0);
    }
    assert_int_equal(setup(state), 0);
}

static void without_an_epoch_in_common_a_peer_is_mute(void **state)
{
    struct fixture *f = *state;

    node_epoch(&f->a, 1);
    node_epoch(&f->b, 2);
    assert_int_equal(tell(f, &f->a, &f->b, 1, 2, 2, 0), 0);
    assert_int_equal(carry(&f->a, &f->b, 0, NULL), VTEP_NO_KEY);
    assert_string_equal(f->a.no_key_text, "it has published no key of an epoch in use");
}

static void malformed_words_change_nothing(void **state)
{
    struct fixture *f = *state;
    Swarm__V1__NetdSetPeers m = SWARM__V1__NETD_SET_PEERS__INIT;
    Swarm__V1__DataPlaneKeys keys = SWARM__V1__DATA_PLANE_KEYS__INIT;

    both_up(f);
    assert_int_equal(netd_keyring_set_peers(f->a.ring, &m, 0, &f->err), SW_E_INVALID);
    m.node = 1;
    m.node_id.data = f->a.id.b;
    m.node_id.len = 16;
    m.keys = &keys;
    f->epochs[0].secret.len = 31;
    keys.epochs = f->epoch_ptrs;
    keys.n_epochs = 1;
    assert_int_equal(netd_keyring_set_peers(f->a.ring, &m, 0, &f->err), SW_E_INVALID);
    assert_int_equal(carry(&f->a, &f->b, 0, NULL), VTEP_OK);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(two_nodes_agree_on_a_path_for_each_worker_and_direction),
        TEST(saying_it_again_changes_nothing),
        TEST(a_peer_that_comes_back_with_the_same_keys_goes_on_counting),
        TEST(a_restarted_peer_has_other_keys_and_the_old_ones_are_dead),
        TEST(epochs_change_make_before_break),
        TEST(an_epoch_that_is_over_receives_for_its_grace_and_is_then_erased),
        TEST(a_key_just_made_outlives_managers_that_do_not_know_it_yet),
        TEST(no_more_than_four_epochs_are_kept),
        TEST(making_an_epochs_key_twice_gives_the_same),
        cmocka_unit_test_teardown(a_key_that_its_node_did_not_sign_is_not_used, teardown),
        TEST(without_an_epoch_in_common_a_peer_is_mute),
        TEST(malformed_words_change_nothing),
    };
    struct sw_err err;

    if (sw_aead_init(&err) < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
