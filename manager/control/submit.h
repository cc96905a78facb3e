/* SPDX-License-Identifier: Apache-2.0
 * submit.h - from a collection of changes to the caller's done(). Private to the folder. */
#ifndef SWARM_MANAGER_CONTROL_SUBMIT_H
#define SWARM_MANAGER_CONTROL_SUBMIT_H

#include "manager/control/control.h"

/** control_txn() - an empty collection with fresh keys. NULL: memory is gone. */
struct txn *control_txn(struct control *c);
/** control_submit() - propose @x (owned). @id: text handed to done(), copied. */
int control_submit(struct control *c, struct txn *x, const char *id, control_done *done, void *arg,
                   struct sw_err *err);
/** control_create() - the commonest case: one new object @msg (owned). */
int control_create(struct control *c, enum view_kind kind, void *msg, control_done *done, void *arg,
                   struct sw_err *err);
/** control_spec_version() - the same for nodes and services, whose other parts the system changes all
 * the time: @version may be older than the object's as long as the specification, last changed from
 * version @base, has not changed since. */
int control_spec_version(const struct view_object *o, uint64_t version, uint64_t base,
                         struct sw_err *err);
/** control_version() - Return: 0 or SW_E_SEQUENCE with the text clients match. */
int control_version(const struct view_object *o, uint64_t version, struct sw_err *err);

#endif
