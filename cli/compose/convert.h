/* SPDX-License-Identifier: Apache-2.0
 * convert.h - from the merged file to specs; what the files of the conversion share. */
#ifndef SWARM_CLI_COMPOSE_CONVERT_H
#define SWARM_CLI_COMPOSE_CONVERT_H

#include "cli/compose/compose.h"

struct convert {
    const struct compose *c;
    const char *stack;
    const struct compose_world *world;
    struct sw_err *err;
};

/** convert_service() - one service spec. @out: returned. */
int convert_service(struct convert *x, const char *name, const struct yn *service, json_t **out);
/** convert_mounts() - volumes and tmpfs of a service into @container. */
int convert_mounts(struct convert *x, const char *name, const struct yn *service,
                   json_t *container);
/** convert_deploy() - mode, resources, restart, placement, update and rollback of a service. */
int convert_deploy(struct convert *x, const char *name, const struct yn *service, json_t *spec);
/** convert_labels() - the map @labels and the stack's own label. Returned. */
json_t *convert_labels(const struct convert *x, const struct yn *labels);
/** convert_object_name() - "name:" of a top-level thing, or "<stack>_<key>". Returned. */
char *convert_object_name(const struct convert *x, const char *key, const struct yn *object);
bool convert_is_external(const struct yn *object);
json_t *convert_strings(const struct yn *list); /* NULL becomes [] */
json_t *convert_map(const struct yn *map);      /* sorted, values as text */
bool convert_true(const struct yn *n);
int64_t convert_duration(const struct yn *n); /* of a normalized duration; 0 for NULL */

#endif
