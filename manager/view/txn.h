/* SPDX-License-Identifier: Apache-2.0
 * txn.h - collecting changes that a control loop decides on.
 *
 * A loop reads the view and adds changes here; the leader proposes them. Changes between two
 * txn_mark() calls stay in one transaction; at a mark the collection may be cut into several
 * (at most TXN_MAX_CHANGES changes or TXN_MAX_BYTES encoded bytes each).
 *
 * Within one step a loop must see what it decided itself: it keeps its own notes, since the view
 * changes only when transactions commit. At most one collection per leader is under way. */
#ifndef SWARM_MANAGER_VIEW_TXN_H
#define SWARM_MANAGER_VIEW_TXN_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/id.h"
#include "manager/view/view.h"

#define TXN_MAX_CHANGES 200
#define TXN_MAX_BYTES   (1024 * 1024)

/* Where random bytes come from: the kernel's generator, or a seeded one in tests. */
struct txn_random {
    void (*fill)(void *arg, void *out, size_t n);
    void *arg;
};

struct txn; /* opaque */

/**
 * txn_new() - an empty collection
 * @first_key: keys of new objects start here; the leader's counter
 * @rnd:       borrowed
 */
struct txn *txn_new(uint64_t first_key, int64_t now_ns, const struct txn_random *rnd);
void txn_free(struct txn *x);

uint64_t txn_next_key(const struct txn *x); /* the leader's counter afterwards */
size_t txn_len(const struct txn *x);        /* changes so far */
/** txn_failed() - an allocation failed on the way: throw the collection away and try again. */
bool txn_failed(const struct txn *x);
void txn_mark(struct txn *x);

/**
 * txn_create() - add a new object
 * @msg: owned; its meta may be NULL: key, id and created time are filled in here
 *
 * Return: the new key; 0 when memory is gone (see txn_failed()).
 */
uint64_t txn_create(struct txn *x, enum view_kind kind, void *msg);
/** txn_update() - replace an object. @msg: owned, a changed pb_clone() of the stored message, whose
 * meta.version is the version expected. Two updates of one key: the later one wins. */
void txn_update(struct txn *x, enum view_kind kind, void *msg);
/** txn_edit_task() - the copy of a task to change: the one already in this collection, or a clone
 * of the stored one that is added. Borrowed; NULL when memory is gone. */
Swarm__V1__Task *txn_edit_task(struct txn *x, const struct view_task *t);
/** txn_edit_service(), txn_edit_node() - likewise. */
Swarm__V1__Service *txn_edit_service(struct txn *x, const struct view_service *s);
Swarm__V1__Node *txn_edit_node(struct txn *x, const struct view_node *n);
/** txn_edit() - likewise, for any object: node, network, cluster, ... */
void *txn_edit(struct txn *x, const struct view_object *o);
/** txn_peek() - what this collection will make of an object: its new message, borrowed until the next
 * change; NULL when it is untouched or deleted. Lets a loop see what an earlier one of the same
 * round decided. */
const void *txn_peek(const struct txn *x, uint64_t key);
/** txn_is_deleted() - this collection deletes it: do not edit it any more. */
bool txn_is_deleted(const struct txn *x, uint64_t key);
/** txn_task_status() - only the status of a task. @status: owned. Unconditional. */
void txn_task_status(struct txn *x, uint64_t task, Swarm__V1__TaskStatus *status);
void txn_delete(struct txn *x, enum view_kind kind, const void *stored_msg);

/**
 * txn_take() - the next transaction, cut at a mark
 * @out: returned, pb_free()
 *
 * Return: 0; 1 when nothing is left; -ENOMEM.
 */
int txn_take(struct txn *x, Swarm__V1__Transaction **out);

#endif
