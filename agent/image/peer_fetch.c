/* SPDX-License-Identifier: Apache-2.0
 * peer_fetch.c - an image this node lacks, from others.
 *
 *   DIAL --up--> ASK --it has it--> INGEST --committed--> ENDED
 *     \----------- this peer failed ------/ -> DIAL the next, or ENDED when there is none
 *
 * A transfer belongs to a reference; whoever wants the same image waits with it. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include <uv.h>

#include "agent/image/peer.h"
#include "agent/image/store.h"
#include "common/base/alloc.h"
#include "common/base/list.h"
#include "common/base/macro.h"
#include "common/log/log.h"
#include "swarm/v1/dispatcher.pb-c.h"
#include "swarm/v1/node.pb-c.h"

#define STALL_MS 30000

enum transfer_state { TRANSFER_DIAL, TRANSFER_ASK, TRANSFER_INGEST, TRANSFER_ENDED };

struct image_fetcher {
    uv_loop_t *loop;
    struct image_store *store;
    struct sw_identity *identity;
    struct sw_list transfers;
};

struct image_fetch {
    struct sw_list link; /* in transfer.waiters */
    struct transfer *transfer;
    image_done *done;
    void *arg;
};

struct transfer {
    struct sw_list link; /* in image_fetcher.transfers */
    struct image_fetcher *f;
    enum transfer_state state;
    struct image_ref ref;
    char *reference;
    char **addresses;
    size_t n_addresses;
    size_t next;
    struct sw_list waiters;
    struct sw_rpc_conn *conn;
    struct sw_rpc_stream *ask;  /* METHOD_IMAGE_GET under way */
    struct sw_rpc_stream *blob; /* METHOD_BLOB_GET under way */
    bool blob_head;
    uint64_t blob_left;
    struct image_ingest *ingest;
    uv_timer_t timer; /* stall; before the first dial: start */
    uint64_t stall_ms;
    struct sw_err err; /* of the last peer */
    bool last_said_no; /* every peer so far answered that it has no such image */
};

static void transfer_dial(struct transfer *t);

/* ---- ending
 * --------------------------------------------------------------------------------------- */

static void on_timer_closed(uv_handle_t *h)
{
    struct transfer *t = h->data;

    for (size_t i = 0; i < t->n_addresses; i++)
        sw_free(t->addresses[i]);
    sw_free(t->addresses);
    sw_free(t->reference);
    sw_free(t);
}

static void drop_peer(struct transfer *t)
{
    uv_timer_stop(&t->timer);
    if (t->ingest != NULL) {
        struct image_ingest *in = t->ingest;

        t->ingest = NULL;
        image_ingest_cancel(in);
    }
    if (t->ask != NULL)
        sw_rpc_stream_cancel(t->ask);
    t->ask = NULL;
    if (t->blob != NULL)
        sw_rpc_stream_cancel(t->blob);
    t->blob = NULL;
    if (t->conn != NULL) {
        struct sw_rpc_conn *c = t->conn;

        t->conn = NULL;
        sw_rpc_conn_close(c);
    }
}

/* Every ending comes through here. */
static void transfer_end(struct transfer *t, const struct sw_err *err)
{
    struct sw_err copy = { 0 };

    assert(t->state != TRANSFER_ENDED);
    if (err != NULL)
        copy = *err;
    t->state = TRANSFER_ENDED;
    drop_peer(t);
    sw_list_del(&t->link);
    for (struct sw_list *l; (l = sw_list_pop_front(&t->waiters)) != NULL;) {
        struct image_fetch *w = sw_list_entry(l, struct image_fetch, link);
        image_done *done = w->done;
        void *arg = w->arg;

        sw_free(w);
        done(err == NULL ? NULL : &copy, arg);
    }
    uv_close((uv_handle_t *)&t->timer, on_timer_closed);
}

static void peer_failed(struct transfer *t, const struct sw_err *err)
{
    struct sw_err copy = *err;

    log_info("image not fetched image=%s peer=%s: %s", t->reference, t->addresses[t->next - 1],
             copy.msg);
    if (copy.code != SW_E_NOT_FOUND)
        t->last_said_no = false;
    if (copy.code != SW_E_NOT_FOUND || t->err.code == 0)
        t->err = copy;
    drop_peer(t);
    t->state = TRANSFER_DIAL;
    transfer_dial(t);
}

static void on_stall(uv_timer_t *timer)
{
    struct transfer *t = timer->data;
    struct sw_err err;

    sw_err_set(&err, SW_E_DEADLINE, "nothing came for %llu s",
               (unsigned long long)t->stall_ms / 1000);
    peer_failed(t, &err);
}

static void alive(struct transfer *t)
{
    uv_timer_start(&t->timer, on_stall, t->stall_ms, 0);
}

/* ---- blobs
 * ------------------------------------------------------------------------------------------ */

static void blob_ended(struct transfer *t, const struct sw_err *err)
{
    t->blob = NULL;
    uv_timer_stop(&t->timer); /* unpacking takes the time it takes */
    if (t->ingest != NULL)
        image_ingest_end(t->ingest, err);
}

static void blob_refuse(struct transfer *t, const char *text)
{
    struct sw_err err;

    sw_err_set(&err, SW_E_PROTOCOL, "%s", text);
    sw_rpc_stream_cancel(t->blob);
    blob_ended(t, &err);
}

static void blob_on_message(struct sw_rpc_stream *s, const uint8_t *bytes, size_t len, void *arg)
{
    struct transfer *t = arg;

    (void)s;
    alive(t);
    if (!t->blob_head) {
        Swarm__V1__BlobHead *head = swarm__v1__blob_head__unpack(NULL, len, bytes);
        bool good = head != NULL && head->size == t->blob_left;

        if (head != NULL)
            swarm__v1__blob_head__free_unpacked(head, NULL);
        t->blob_head = true;
        if (!good)
            blob_refuse(t, "the peer's blob is not of the size that the manifest says");
        return;
    }
    if (len > t->blob_left) {
        blob_refuse(t, "the peer sent more than the blob");
        return;
    }
    t->blob_left -= len;
    image_ingest_data(t->ingest, bytes, len);
}

static void blob_on_end(struct sw_rpc_stream *s, void *arg)
{
    (void)arg;
    sw_rpc_stream_end(s);
}

static void blob_on_close(struct sw_rpc_stream *s, const struct sw_err *err, void *arg)
{
    struct transfer *t = arg;
    struct sw_err early;

    (void)s;
    if (err == NULL && t->blob_left > 0) {
        sw_err_set(&early, SW_E_PROTOCOL, "the peer sent less than the blob");
        err = &early;
    }
    blob_ended(t, err);
}

static const struct sw_rpc_stream_cb blob_cb = { blob_on_message, blob_on_end, NULL,
                                                 blob_on_close };

static int source_fetch(const char *digest, uint64_t size, void *arg, struct sw_err *err)
{
    struct transfer *t = arg;
    Swarm__V1__BlobGetRequest m = SWARM__V1__BLOB_GET_REQUEST__INIT;
    char copy[IMAGE_DIGEST_LEN + 1];
    struct sw_rpc_open open = { .method = SWARM__V1__METHOD__METHOD_BLOB_GET,
                                .priority = SW_RPC_BULK,
                                .cb = &blob_cb,
                                .arg = t };
    int r;

    if (t->conn == NULL)
        return sw_err_set(err, SW_E_UNAVAILABLE, "the peer is gone");
    if (size == 0) /* nothing to wait for */
        return 0;
    r = sw_rpc_stream_open(&t->blob, t->conn, &open, err);
    if (r < 0) {
        t->blob = NULL;
        return r;
    }
    strcpy(copy, digest);
    m.digest = copy;
    t->blob_head = false;
    t->blob_left = size;
    r = sw_rpc_stream_send_msg(t->blob, &m.base, err);
    if (r < 0) {
        sw_rpc_stream_cancel(t->blob);
        t->blob = NULL;
        return r;
    }
    alive(t);
    return 0;
}

static void source_pause(bool on, void *arg)
{
    struct transfer *t = arg;

    if (t->blob == NULL)
        return;
    if (on) {
        uv_timer_stop(&t->timer); /* it is we who are slow */
        sw_rpc_stream_pause(t->blob);
    } else {
        sw_rpc_stream_resume(t->blob);
        alive(t);
    }
}

static void source_cancel(void *arg)
{
    struct transfer *t = arg;

    if (t->blob != NULL)
        sw_rpc_stream_cancel(t->blob);
    t->blob = NULL;
    uv_timer_stop(&t->timer);
}

static void on_ingested(const struct sw_err *err, void *arg)
{
    struct transfer *t = arg;

    t->ingest = NULL;
    if (err == NULL)
        transfer_end(t, NULL);
    else
        peer_failed(t, err);
}

/* ---- one peer
 * --------------------------------------------------------------------------------------- */

static void ingest(struct transfer *t, const Swarm__V1__ImageGetReply *reply)
{
    struct image_ingest_options opt = { .manifest_size = reply->manifest_size,
                                        .ref = t->ref.digest[0] == '\0' ? &t->ref : NULL,
                                        .source = { source_fetch, source_pause, source_cancel, t },
                                        .done = on_ingested,
                                        .arg = t };
    struct sw_err err = { 0 };
    int r = 0;

    if (!image_digest_is_valid(reply->manifest))
        r = sw_err_set(&err, SW_E_PROTOCOL, "the peer named no valid manifest");
    else if (t->ref.digest[0] != '\0' && strcmp(t->ref.digest, reply->manifest) != 0 &&
             strcmp(t->ref.digest, reply->id) != 0)
        r = sw_err_set(&err, SW_E_PROTOCOL, "the peer offered another digest");
    else
        strcpy(opt.manifest, reply->manifest);
    if (r == 0)
        r = image_ingest(t->f->store, &t->ingest, &opt, &err);
    if (r < 0) {
        t->ingest = NULL;
        peer_failed(t, &err);
        return;
    }
    t->state = TRANSFER_INGEST;
    uv_timer_stop(&t->timer);
}

static void on_answer(const uint8_t *bytes, size_t len, const struct sw_err *err, void *arg)
{
    struct transfer *t = arg;
    Swarm__V1__ImageGetReply *reply;
    struct sw_err bad;

    t->ask = NULL;
    if (err != NULL) {
        peer_failed(t, err);
        return;
    }
    reply = swarm__v1__image_get_reply__unpack(NULL, len, bytes);
    if (reply == NULL) {
        sw_err_set(&bad, SW_E_PROTOCOL, "malformed answer");
        peer_failed(t, &bad);
        return;
    }
    ingest(t, reply);
    swarm__v1__image_get_reply__free_unpacked(reply, NULL);
}

static void on_up(struct sw_rpc_conn *conn, void *arg)
{
    struct transfer *t = arg;
    Swarm__V1__ImageGetRequest m = SWARM__V1__IMAGE_GET_REQUEST__INIT;
    struct sw_rpc_call call = { .method = SWARM__V1__METHOD__METHOD_IMAGE_GET,
                                .msg = &m.base,
                                .done = on_answer,
                                .arg = t,
                                .handle = &t->ask };
    struct sw_err err = { 0 };

    m.reference = t->reference;
    t->state = TRANSFER_ASK;
    alive(t);
    if (sw_rpc_call(conn, &call, &err) < 0) {
        t->ask = NULL;
        peer_failed(t, &err);
    }
}

static void on_down(struct sw_rpc_conn *conn, const struct sw_err *err, void *arg)
{
    struct transfer *t = arg;
    struct sw_err gone;

    (void)conn;
    t->conn = NULL; /* its streams had their on_close */
    if (t->state == TRANSFER_INGEST)
        return; /* what is here already may do; a further fetch fails */
    if (err == NULL)
        sw_err_set(&gone, SW_E_UNAVAILABLE, "the peer closed the connection");
    peer_failed(t, err == NULL ? &gone : err);
}

static void give_up(struct transfer *t)
{
    struct sw_err err;

    if (t->last_said_no)
        sw_err_set(&err, SW_E_NOT_FOUND, "No such image: %s", t->reference);
    else
        sw_err_set(&err, t->err.code, "fetch image %s: %s", t->reference, t->err.msg);
    transfer_end(t, &err);
}

static void transfer_dial(struct transfer *t)
{
    while (t->next < t->n_addresses) {
        const char *address = t->addresses[t->next++];
        bool local = strncmp(address, "unix:", 5) == 0;
        struct sw_rpc_dial dial = { .loop = t->f->loop,
                                    .address = address,
                                    .purpose = local ? SW_RPC_UNIX : SW_RPC_NODE,
                                    .identity = t->f->identity,
                                    .expect = local ? SW_RPC_LOCAL : SW_RPC_MEMBER,
                                    .on_up = on_up,
                                    .on_down = on_down,
                                    .arg = t };

        if (sw_rpc_dial(&t->conn, &dial, &t->err) == 0)
            return;
        t->conn = NULL;
        t->last_said_no = false;
    }
    give_up(t);
}

static void on_start(uv_timer_t *timer)
{
    struct transfer *t = timer->data;
    const struct image *img;
    struct sw_err err;

    if (image_find(t->f->store, t->reference, &img, &err) == 0)
        transfer_end(t, NULL);
    else
        transfer_dial(t);
}

/* ---- fetches
 * ------------------------------------------------------------------------------------------ */

int image_fetcher_new(struct image_fetcher **out, struct uv_loop_s *loop, struct image_store *s,
                      struct sw_identity *identity, struct sw_err *err)
{
    struct image_fetcher *f = sw_calloc(1, sizeof(*f));

    if (f == NULL)
        return sw_err_set(err, -ENOMEM, "create image fetcher");
    f->loop = loop;
    f->store = s;
    sw_list_init(&f->transfers);
    image_fetcher_set_identity(f, identity);
    *out = f;
    return 0;
}

void image_fetcher_set_identity(struct image_fetcher *f, struct sw_identity *identity)
{
    struct sw_identity *old = f->identity;

    f->identity = identity == NULL ? NULL : sw_identity_ref(identity);
    if (old != NULL)
        sw_identity_unref(old);
}

void image_fetcher_free(struct image_fetcher *f)
{
    struct sw_err err;

    if (f == NULL)
        return;
    sw_err_set(&err, SW_E_CANCELED, "the node is shutting down");
    while (!sw_list_empty(&f->transfers))
        transfer_end(sw_list_entry(f->transfers.next, struct transfer, link), &err);
    image_fetcher_set_identity(f, NULL);
    sw_free(f);
}

static struct transfer *transfer_find(struct image_fetcher *f, const struct image_ref *ref)
{
    sw_list_each(l, &f->transfers)
    {
        struct transfer *t = sw_list_entry(l, struct transfer, link);

        if (strcmp(t->ref.name, ref->name) == 0 && strcmp(t->ref.tag, ref->tag) == 0 &&
            strcmp(t->ref.digest, ref->digest) == 0)
            return t;
    }
    return NULL;
}

static struct transfer *transfer_new(struct image_fetcher *f, const struct image_ref *ref,
                                     const struct image_fetch_options *opt)
{
    struct transfer *t = sw_calloc(1, sizeof(*t));
    bool ok;

    if (t == NULL)
        return NULL;
    t->reference = sw_strdup(opt->reference);
    t->addresses = sw_calloc(opt->n_addresses, sizeof(*t->addresses));
    ok = t->reference != NULL && t->addresses != NULL;
    for (size_t i = 0; ok && i < opt->n_addresses; i++) {
        t->addresses[i] = sw_strdup(opt->addresses[i]);
        ok = t->addresses[i] != NULL;
        t->n_addresses += ok;
    }
    if (!ok) {
        for (size_t i = 0; i < t->n_addresses; i++)
            sw_free(t->addresses[i]);
        sw_free(t->addresses);
        sw_free(t->reference);
        sw_free(t);
        return NULL;
    }
    t->f = f;
    t->ref = *ref;
    t->stall_ms = opt->stall_ms > 0 ? opt->stall_ms : STALL_MS;
    t->last_said_no = true;
    sw_list_init(&t->waiters);
    uv_timer_init(f->loop, &t->timer);
    t->timer.data = t;
    uv_timer_start(&t->timer, on_start, 0, 0);
    sw_list_push_back(&f->transfers, &t->link);
    return t;
}

int image_fetch(struct image_fetcher *f, struct image_fetch **out,
                const struct image_fetch_options *opt, struct sw_err *err)
{
    struct image_fetch *w;
    struct image_ref ref;
    struct transfer *t;
    int r = image_ref_parse(&ref, opt->reference, err);

    if (r < 0)
        return r;
    if (opt->n_addresses == 0)
        return sw_err_set(err, SW_E_NOT_FOUND, "No such image: %s", opt->reference);
    image_ref_default_tag(&ref);
    w = sw_calloc(1, sizeof(*w));
    t = w == NULL ? NULL : transfer_find(f, &ref);
    if (w != NULL && t == NULL)
        t = transfer_new(f, &ref, opt);
    if (t == NULL) {
        sw_free(w);
        return sw_err_set(err, -ENOMEM, "fetch image");
    }
    w->transfer = t;
    w->done = opt->done;
    w->arg = opt->arg;
    sw_list_push_back(&t->waiters, &w->link);
    if (out != NULL)
        *out = w;
    return 0;
}

void image_fetch_cancel(struct image_fetch *w)
{
    struct transfer *t;

    if (w == NULL)
        return;
    t = w->transfer;
    sw_list_del(&w->link);
    sw_free(w);
    if (sw_list_empty(&t->waiters) && t->state != TRANSFER_ENDED)
        transfer_end(t, NULL);
}
