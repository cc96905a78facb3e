/* SPDX-License-Identifier: Apache-2.0 */
#include "common/rpc/handshake.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "common/crypto/secret.h"
#include "proto/pb.h"
#include "swarm/v1/rpc.pb-c.h"

#define HELLO_MAX 2048u

static const uint8_t magic[6] = { 's', 'w', 'a', 'r', 'm', 1 };

struct handshake {
    struct sw_noise noise;
    bool dialer;
    bool started; /* server: the preamble was read */
    bool keyed;
    bool allow_join;
    enum sw_rpc_purpose purpose;
    struct sw_identity *identity;
    struct sw_token token;
    bool has_expect_node;
    struct sw_id expect_node;
    unsigned expect;
    int64_t now_ns;
    size_t received;
    struct sw_cert peer; /* zero for a joiner */
    bool peer_has_cert;
    struct sw_root root; /* joiner: what matched the token */
};

int rpc_handshake_new(struct handshake **out, const struct handshake_options *opt,
                      struct sw_err *err)
{
    struct handshake *h;
    bool joins = opt->dialer && opt->purpose == SW_RPC_JOIN;

    if (joins ? opt->token == NULL
              : opt->identity == NULL || !opt->identity->has_cert || opt->identity->n_roots == 0)
        return sw_err_set(err, SW_E_INVALID, "%s",
                          joins ? "joining takes a token" : "this node has no certificate yet");
    h = sw_secret_alloc(sizeof(*h));
    if (h == NULL)
        return sw_err_set(err, -ENOMEM, "no memory for a handshake");
    h->dialer = opt->dialer;
    h->purpose = opt->purpose;
    h->allow_join = opt->allow_join;
    h->expect = opt->expect;
    h->now_ns = opt->now_ns;
    if (opt->identity != NULL && !joins)
        h->identity = sw_identity_ref(opt->identity);
    if (joins)
        h->token = *opt->token;
    if (opt->expect_node != NULL) {
        h->has_expect_node = true;
        h->expect_node = *opt->expect_node;
    }
    *out = h;
    return 0;
}

void rpc_handshake_free(struct handshake *h)
{
    if (h == NULL)
        return;
    sw_identity_unref(h->identity);
    sw_secret_free(h);
}

static int start_noise(struct handshake *h, const uint8_t *preamble, struct sw_err *err)
{
    struct sw_dh_key made_up;
    struct sw_noise_options opt = { .protocol = SW_NOISE_XX,
                                    .initiator = h->dialer,
                                    .prologue = preamble,
                                    .prologue_len = HANDSHAKE_PREAMBLE };
    int r;

    if (h->identity == NULL)
        sw_dh_key_make(&made_up);
    opt.s = h->identity != NULL ? &h->identity->dh : &made_up;
    r = sw_noise_init(&h->noise, &opt, err);
    sw_wipe(&made_up, sizeof(made_up));
    h->started = true;
    return r;
}

int rpc_handshake_start(struct handshake *h, struct sw_buf *out, struct sw_err *err)
{
    uint8_t msg[HANDSHAKE_PREAMBLE + SW_NOISE_OVERHEAD];
    size_t n;
    int r;

    assert(h->dialer && !h->started);
    memset(msg, 0, sizeof(msg));
    memcpy(msg, magic, sizeof(magic));
    msg[6] = (uint8_t)h->purpose;
    if (h->identity != NULL)
        memcpy(msg + 8, h->identity->cert.cluster_id.b, SW_ID_BYTES);
    r = start_noise(h, msg, err);
    if (r == 0)
        r = sw_noise_write(&h->noise, NULL, 0, msg + HANDSHAKE_PREAMBLE, &n, err);
    if (r < 0)
        return r;
    rpc_record_put(out, msg, HANDSHAKE_PREAMBLE + n);
    return sw_buf_failed(out) ? sw_err_set(err, -ENOMEM, "no memory for a handshake") : 0;
}

/* Write the next message with our certificate, and to joiners our roots, inside. */
static int send_hello(struct handshake *h, struct sw_buf *out, struct sw_err *err)
{
    Swarm__V1__RpcHello hello = SWARM__V1__RPC_HELLO__INIT;
    ProtobufCBinaryData roots[SW_ROOTS_MAX];
    uint8_t payload[HELLO_MAX];
    uint8_t msg[HELLO_MAX + SW_NOISE_OVERHEAD];
    struct sw_identity *id = h->identity;
    size_t n;
    int r;

    if (id != NULL)
        hello.certificate = (ProtobufCBinaryData){ id->cert.len, id->cert.bytes };
    if (!h->dialer && h->purpose == SW_RPC_JOIN) {
        for (size_t i = 0; i < id->n_roots; i++)
            roots[i] = (ProtobufCBinaryData){ id->roots[i].record_len, id->roots[i].record };
        hello.n_roots = id->n_roots;
        hello.roots = roots;
    }
    n = protobuf_c_message_get_packed_size(&hello.base);
    assert(n <= sizeof(payload)); /* certificates and roots are bounded */
    (void)protobuf_c_message_pack(&hello.base, payload);
    r = sw_noise_write(&h->noise, payload, n, msg, &n, err);
    if (r < 0)
        return r;
    rpc_record_put(out, msg, n);
    return sw_buf_failed(out) ? sw_err_set(err, -ENOMEM, "no memory for a handshake") : 0;
}

/* The static key of the handshake must be the one that the certificate names. */
static int check_cert(struct handshake *h, const Swarm__V1__RpcHello *hello,
                      const struct sw_root *roots, size_t n, struct sw_err *err)
{
    int r = sw_cert_decode(&h->peer, hello->certificate.data, hello->certificate.len, err);

    if (r == 0)
        r = sw_cert_verify(&h->peer, roots, n, h->now_ns, err);
    if (r < 0)
        return r;
    if (memcmp(h->peer.static_key, sw_noise_peer(&h->noise), SW_KEY_BYTES) != 0)
        return sw_err_set(err, SW_E_CRYPTO, "the certificate belongs to another key");
    h->peer_has_cert = true;
    return 0;
}

static int check_expected(const struct handshake *h, struct sw_err *err)
{
    char want[SW_ID_CHARS + 1];
    char got[SW_ID_CHARS + 1];

    if ((h->expect & SW_BIT(h->peer.role)) == 0)
        return sw_err_set(err, SW_E_PERMISSION, "that node is a %s", sw_role_name(h->peer.role));
    if (h->has_expect_node && !sw_id_equal(&h->expect_node, &h->peer.node_id)) {
        sw_id_format(&h->expect_node, want);
        sw_id_format(&h->peer.node_id, got);
        return sw_err_set(err, SW_E_PERMISSION, "node %s answered instead of node %s", got, want);
    }
    return 0;
}

/* A joiner: which of the offered roots does the token name? */
static int find_root(struct handshake *h, const Swarm__V1__RpcHello *hello, struct sw_err *err)
{
    for (size_t i = 0; i < hello->n_roots && i < SW_ROOTS_MAX; i++) {
        int r = sw_root_decode(&h->root, hello->roots[i].data, hello->roots[i].len, err);

        if (r < 0)
            return r;
        if (sw_token_is_for(&h->token, &h->root))
            return 0;
    }
    return sw_err_set(err, SW_E_PERMISSION,
                      "the join token is not for this cluster (or is from before its root was "
                      "changed); nothing secret was sent");
}

/* Dialer: message 2 came; on success message 3 goes out. */
static int take_server(struct handshake *h, const Swarm__V1__RpcHello *hello, struct sw_err *err)
{
    int r;

    if (h->purpose == SW_RPC_JOIN) {
        r = find_root(h, hello, err);
        if (r == 0)
            r = check_cert(h, hello, &h->root, 1, err);
    } else {
        r = check_cert(h, hello, h->identity->roots, h->identity->n_roots, err);
    }
    return r < 0 ? r : check_expected(h, err);
}

static int take_dialer(struct handshake *h, const Swarm__V1__RpcHello *hello, struct sw_err *err)
{
    int r;

    if (h->purpose == SW_RPC_JOIN)
        return 0; /* anonymous; methods decide what that is good for */
    r = check_cert(h, hello, h->identity->roots, h->identity->n_roots, err);
    if (r < 0)
        return r;
    if (h->purpose == SW_RPC_RAFT && h->peer.role != SW_ROLE_MANAGER)
        return sw_err_set(err, SW_E_PERMISSION, "this node is no manager");
    return 0;
}

static int take_preamble(struct handshake *h, const uint8_t **record, size_t *len,
                         struct sw_err *err)
{
    const uint8_t *p = *record;

    if (*len < HANDSHAKE_PREAMBLE || memcmp(p, magic, sizeof(magic) - 1) != 0)
        return sw_err_set(err, SW_E_PROTOCOL, "the peer does not speak this protocol");
    if (p[5] != magic[5])
        return sw_err_set(err, SW_E_PROTOCOL, "the peer speaks version %u of the protocol, we 1",
                          p[5]);
    if (p[6] != SW_RPC_NODE && p[6] != SW_RPC_RAFT && p[6] != SW_RPC_JOIN)
        return sw_err_set(err, SW_E_PROTOCOL, "connection of unknown purpose %u", p[6]);
    if (p[6] == SW_RPC_JOIN && !h->allow_join)
        return sw_err_set(err, SW_E_PERMISSION, "this node takes no joiners: it is no manager");
    h->purpose = (enum sw_rpc_purpose)p[6];
    *record += HANDSHAKE_PREAMBLE;
    *len -= HANDSHAKE_PREAMBLE;
    return start_noise(h, p, err);
}

static int take_hello(struct handshake *h, const uint8_t *payload, size_t n, struct sw_err *err)
{
    Swarm__V1__RpcHello *hello;
    int r = pb_unpack(&swarm__v1__rpc_hello__descriptor, payload, n, &hello, err);

    if (r < 0)
        return r;
    r = h->dialer ? take_server(h, hello, err) : take_dialer(h, hello, err);
    pb_free(hello);
    return r;
}

int rpc_handshake_take(struct handshake *h, const uint8_t *record, size_t len, struct sw_buf *out,
                       struct sw_err *err)
{
    uint8_t payload[HANDSHAKE_MAX_BYTES];
    size_t n;
    int r;

    h->received += len;
    if (h->received > HANDSHAKE_MAX_BYTES)
        return sw_err_set(err, SW_E_PROTOCOL, "handshake longer than %u bytes",
                          HANDSHAKE_MAX_BYTES);
    if (!h->started) {
        r = take_preamble(h, &record, &len, err);
        if (r < 0)
            return r;
    }
    r = sw_noise_read(&h->noise, record, len, payload, &n, err);
    if (r < 0)
        return r;
    if (!h->dialer && !sw_noise_is_done(&h->noise)) /* message 1 says nothing */
        return send_hello(h, out, err);
    h->keyed = !h->dialer;
    r = take_hello(h, payload, n, err);
    if (r < 0 || !h->dialer)
        return r < 0 ? r : HANDSHAKE_DONE;
    r = send_hello(h, out, err);
    if (r < 0)
        return r;
    h->keyed = true;
    return HANDSHAKE_DONE;
}

bool rpc_handshake_is_keyed(const struct handshake *h)
{
    return h->keyed;
}

void rpc_handshake_peer(const struct handshake *h, struct sw_rpc_peer *peer)
{
    const struct sw_cert *c = &h->peer;

    peer->purpose = h->purpose;
    if (!h->peer_has_cert) {
        peer->role = SW_ROLE_NONE;
        peer->kind = SW_RPC_ANONYMOUS;
        return;
    }
    peer->role = c->role;
    peer->kind = SW_BIT(c->role);
    peer->node_id = c->node_id;
    peer->cluster_id = c->cluster_id;
    peer->serial = c->serial;
    peer->not_after_ns = c->not_after_ns;
    memcpy(peer->public_key, c->public_key, SW_KEY_BYTES);
    memcpy(peer->issuer, c->issuer, SW_SHA256_BYTES);
}

const struct sw_root *rpc_handshake_root(const struct handshake *h)
{
    return &h->root;
}

void rpc_handshake_channel(const struct handshake *h, struct channel *c)
{
    assert(h->keyed);
    sw_noise_split(&h->noise, &c->send, &c->recv);
    c->sealed = true;
}
