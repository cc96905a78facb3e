/* SPDX-License-Identifier: Apache-2.0
 * control.h - what users may ask of the cluster.
 *
 * Leader only. Every function takes what it is given (owned, also on failure), checks it, and
 * proposes one transaction. Return: 0, then @done fires exactly once, later; < 0 with @err when the
 * request is refused at once, then @done never fires. Error texts are Docker's. One loop thread. */
#ifndef SWARM_MANAGER_CONTROL_CONTROL_H
#define SWARM_MANAGER_CONTROL_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "manager/leader/proposer.h"
#include "manager/view/view.h"

struct control {
    struct view *view;         /* borrowed */
    struct proposer *proposer; /* borrowed */
};

/** @id: of the object, "" where there is none; borrowed. @err: code 0 when it is committed. */
typedef void control_done(void *arg, const char *id, const struct sw_err *err);

/* ---- services -------------------------------------------------------------------------------- */

int control_service_create(struct control *c, Swarm__V1__ServiceSpec *spec, control_done *done,
                           void *arg, struct sw_err *err);

struct control_service_update {
    const char *what;             /* id, name or prefix */
    uint64_t version;             /* expected */
    bool rollback;                /* to the previous specification; @spec is ignored */
    Swarm__V1__ServiceSpec *spec; /* owned */
};
int control_service_update(struct control *c, const struct control_service_update *u,
                           control_done *done, void *arg, struct sw_err *err);
int control_service_remove(struct control *c, const char *what, control_done *done, void *arg,
                           struct sw_err *err);

/** control_validate_service() - the whole specification. Pure; part of create and update. */
int control_validate_service(const Swarm__V1__ServiceSpec *spec, struct sw_err *err);

/* ---- nodes ------------------------------------------------------------------------------------
 */

int control_node_update(struct control *c, const char *what, uint64_t version,
                        Swarm__V1__NodeSpec *spec, control_done *done, void *arg,
                        struct sw_err *err);
int control_node_remove(struct control *c, const char *what, bool force, control_done *done,
                        void *arg, struct sw_err *err);

/* ---- networks ---------------------------------------------------------------------------------
 */

int control_network_create(struct control *c, Swarm__V1__NetworkSpec *spec, control_done *done,
                           void *arg, struct sw_err *err);
int control_network_remove(struct control *c, const char *what, control_done *done, void *arg,
                           struct sw_err *err);

/* ---- the swarm --------------------------------------------------------------------------------
 */

struct control_cluster_update {
    uint64_t version;
    Swarm__V1__ClusterSpec *spec; /* owned */
    bool rotate_worker_token;
    bool rotate_manager_token;
    bool rotate_unlock_key;
};
int control_cluster_update(struct control *c, const struct control_cluster_update *u,
                           control_done *done, void *arg, struct sw_err *err);

/* ---- secrets and configs ----------------------------------------------------------------------
 */

int control_secret_create(struct control *c, Swarm__V1__SecretSpec *spec, control_done *done,
                          void *arg, struct sw_err *err);
int control_config_create(struct control *c, Swarm__V1__ConfigSpec *spec, control_done *done,
                          void *arg, struct sw_err *err);
/** control_data_update() - labels only. @labels: owned annotations; @data: what the client sent
 * back (must be the stored bytes), NULL when it sent none. @kind: VIEW_SECRET or VIEW_CONFIG. */
int control_data_update(struct control *c, enum view_kind kind, const char *what, uint64_t version,
                        Swarm__V1__Annotations *labels, const ProtobufCBinaryData *data,
                        control_done *done, void *arg, struct sw_err *err);
int control_data_remove(struct control *c, enum view_kind kind, const char *what,
                        control_done *done, void *arg, struct sw_err *err);

#endif
