/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/store/rows.h"

#include "common/base/alloc.h"
#include "proto/pb.h"

int rows_step(sqlite3_stmt *s)
{
    int r = sqlite3_step(s);
    int reset = sqlite3_reset(s);

    return r == SQLITE_ROW ? r : (r == SQLITE_DONE ? r : reset);
}

static int bind_message(sqlite3_stmt *s, int at, const void *msg)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf b = SW_BUF_INIT;

    if (msg == NULL)
        return sqlite3_bind_null(s, at);
    if (pb_pack(msg, &b) < 0)
        return SQLITE_NOMEM;
    return sqlite3_bind_blob64(s, at, b.data != NULL ? b.data : (const uint8_t *)"", b.len,
                               SQLITE_TRANSIENT);
}

static int claim(struct rows *r, sqlite3_stmt *s, uint64_t a, uint64_t b, uint64_t owner,
                 const char *what)
{
    int rc;

    (void)sqlite3_bind_int64(s, 1, (sqlite3_int64)a);
    (void)sqlite3_bind_int64(s, 2, (sqlite3_int64)b);
    if (sqlite3_bind_parameter_count(s) == 3)
        (void)sqlite3_bind_int64(s, 3, (sqlite3_int64)owner);
    rc = rows_step(s);
    if ((rc & 0xff) == SQLITE_CONSTRAINT)
        r->what = what;
    return rc;
}

static int release(sqlite3_stmt *s, uint64_t owner)
{
    (void)sqlite3_bind_int64(s, 1, (sqlite3_int64)owner);
    return rows_step(s);
}

static int claim_addr(struct rows *r, uint64_t network, uint32_t addr, uint64_t owner)
{
    if (addr == 0)
        return SQLITE_DONE;
    return claim(r, r->st->claim_addr, network, addr, owner, "address on a network");
}

static int claims_of_task(struct rows *r, const Swarm__V1__Task *t)
{
    int rc = release(r->st->release_addrs, t->meta->key);

    if (t->status != NULL && t->status->state > SWARM__V1__TASK_STATE__TASK_RUNNING)
        return rc; /* an ended task gives its addresses back */
    for (size_t i = 0; rc == SQLITE_DONE && i < t->n_networks; i++)
        rc = claim_addr(r, t->networks[i]->network, t->networks[i]->addr, t->meta->key);
    return rc;
}

static int claims_of_service(struct rows *r, const Swarm__V1__Service *s)
{
    const Swarm__V1__Endpoint *e = s->endpoint;
    int rc = release(r->st->release_addrs, s->meta->key);

    if (rc == SQLITE_DONE)
        rc = release(r->st->release_ports, s->meta->key);
    for (size_t i = 0; e != NULL && rc == SQLITE_DONE && i < e->n_vips; i++)
        rc = claim_addr(r, e->vips[i]->network, e->vips[i]->addr, s->meta->key);
    for (size_t i = 0; e != NULL && rc == SQLITE_DONE && i < e->n_ports; i++) {
        const Swarm__V1__PortConfig *p = e->ports[i];

        if (p->mode == SWARM__V1__PORT_CONFIG__MODE__INGRESS && p->published != 0)
            rc = claim(r, r->st->claim_port, p->protocol, p->published, s->meta->key,
                       "published port");
    }
    return rc;
}

static int claims_of_node(struct rows *r, const Swarm__V1__Node *n)
{
    int rc = release(r->st->release_addrs, n->meta->key);

    for (size_t i = 0; rc == SQLITE_DONE && i < n->n_network_addrs; i++)
        rc = claim_addr(r, n->network_addrs[i]->network, n->network_addrs[i]->addr, n->meta->key);
    return rc;
}

static int claims_of_network(struct rows *r, const Swarm__V1__Network *n)
{
    int rc = release(r->st->release_addrs, n->meta->key);

    if (rc == SQLITE_DONE)
        rc = release(r->st->release_vni, n->meta->key);
    if (rc == SQLITE_DONE)
        rc = claim_addr(r, n->meta->key, n->gateway, n->meta->key);
    if (rc == SQLITE_DONE && n->vni != 0)
        rc = claim(r, r->st->claim_vni, n->vni, n->meta->key, 0, "VNI");
    return rc;
}

static int claims(struct rows *r, enum view_kind kind, const void *msg)
{
    if (kind == VIEW_TASK)
        return claims_of_task(r, msg);
    if (kind == VIEW_SERVICE)
        return claims_of_service(r, msg);
    if (kind == VIEW_NODE)
        return claims_of_node(r, msg);
    if (kind == VIEW_NETWORK)
        return claims_of_network(r, msg);
    return SQLITE_DONE;
}

int rows_write(struct rows *r, enum view_kind kind, void *msg, bool create)
{
    sqlite3_stmt *s = create ? r->st->insert[kind] : r->st->update[kind];
    const Swarm__V1__Meta *meta = view_meta(msg);
    const Swarm__V1__Annotations *a = view_annotations(kind, msg);
    Swarm__V1__TaskStatus *status = NULL;
    int rc;

    (void)sqlite3_bind_int64(s, 1, (sqlite3_int64)meta->key);
    (void)sqlite3_bind_blob64(s, 2, meta->id.data, meta->id.len, SQLITE_TRANSIENT);
    (void)sqlite3_bind_int64(s, 3, (sqlite3_int64)meta->version);
    (void)sqlite3_bind_int64(s, 4, (sqlite3_int64)meta->updated_ns);
    rc = sqlite3_bind_text(s, 5, a != NULL ? a->name : "", -1, SQLITE_TRANSIENT);
    if (rc == SQLITE_OK && kind == VIEW_TASK) {
        Swarm__V1__Task *t = msg;

        status = t->status;
        t->status = NULL;
        rc = bind_message(s, 6, t);
        t->status = status;
        if (rc == SQLITE_OK)
            rc = bind_message(s, 7, status);
    } else if (rc == SQLITE_OK) {
        rc = bind_message(s, 6, msg);
    }
    if (rc == SQLITE_OK)
        rc = rows_step(s);
    (void)sqlite3_clear_bindings(s);
    if ((rc & 0xff) == SQLITE_CONSTRAINT)
        r->what = view_kind_name(kind);
    return rc == SQLITE_DONE ? claims(r, kind, msg) : rc;
}

int rows_task_status(struct rows *r, uint64_t key, uint64_t version, uint64_t updated,
                     const Swarm__V1__TaskStatus *status)
{
    sqlite3_stmt *s = r->st->task_status;
    int rc;

    (void)sqlite3_bind_int64(s, 1, (sqlite3_int64)key);
    (void)sqlite3_bind_int64(s, 2, (sqlite3_int64)version);
    (void)sqlite3_bind_int64(s, 3, (sqlite3_int64)updated);
    rc = bind_message(s, 4, status);
    if (rc == SQLITE_OK)
        rc = rows_step(s);
    if (rc == SQLITE_DONE && status->state > SWARM__V1__TASK_STATE__TASK_RUNNING)
        rc = release(r->st->release_addrs, key);
    return rc;
}

int rows_delete(struct rows *r, enum view_kind kind, uint64_t key)
{
    int rc;

    (void)sqlite3_bind_int64(r->st->erase[kind], 1, (sqlite3_int64)key);
    rc = rows_step(r->st->erase[kind]);
    if (rc == SQLITE_DONE)
        rc = release(r->st->release_addrs, key);
    if (rc == SQLITE_DONE && kind == VIEW_SERVICE)
        rc = release(r->st->release_ports, key);
    if (rc == SQLITE_DONE && kind == VIEW_NETWORK)
        rc = release(r->st->release_vni, key);
    return rc;
}
