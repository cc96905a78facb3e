/* SPDX-License-Identifier: Apache-2.0
 * store.h - the replicated state of the cluster on one manager.
 *
 * One thread, the manager's loop. Everything is read through the view given at creation. */
#ifndef SWARM_MANAGER_STORE_STORE_H
#define SWARM_MANAGER_STORE_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "manager/view/view.h"

struct store; /* opaque */

/**
 * store_new() - an empty store
 * @view: borrowed, empty; written by the store alone from now on
 *
 * Return: 0; -ENOMEM; SW_E_INTERNAL when SQLite cannot start.
 */
int store_new(struct store **out, struct view *view, struct sw_err *err);
void store_free(struct store *s);

/**
 * store_apply() - apply one committed entry
 * @index:  its Raft index; entries at or below the current index are skipped
 * @data:   an encoded Transaction
 * @result: code 0 when applied, else why it was refused (versions, names, constraints, malformed);
 *          the same on every manager
 *
 * Return: 0; < 0 when this manager can no longer follow (memory, SQLite): the process must end.
 */
int store_apply(struct store *s, uint64_t index, const void *data, size_t len,
                struct sw_err *result, struct sw_err *err);

/** store_snapshot() - append the whole state to @out. Blocks the loop for about 0.3 us a task. */
int store_snapshot(struct store *s, struct sw_buf *out, struct sw_err *err);

/**
 * store_restore() - replace everything by a snapshot; observers get on_reset
 *
 * Return: 0; SW_E_CORRUPT when the bytes are no snapshot of ours: the store is then empty.
 */
int store_restore(struct store *s, const void *data, size_t len, struct sw_err *err);

/** store_verify() - does SQLite hold exactly what the view holds? Return: 0; SW_E_CORRUPT naming
 * the first difference. Used by tests, and after every entry when built with SWARM_STORE_VERIFY. */
int store_verify(struct store *s, struct sw_err *err);

#endif
