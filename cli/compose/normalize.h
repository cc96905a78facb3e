/* SPDX-License-Identifier: Apache-2.0
 * normalize.h - one way to write each thing: short forms become long, lists become maps.
 *
 * Afterwards a service holds only what "stack config" prints: ports, volumes, secrets and configs
 * in long form, environment and labels as maps, commands as lists, sizes in bytes. */
#ifndef SWARM_CLI_COMPOSE_NORMALIZE_H
#define SWARM_CLI_COMPOSE_NORMALIZE_H

#include "cli/compose/tree.h"
#include "cli/spec/parts.h"

/* Where file contents and the environment come from. */
struct compose_world {
    env_lookup getenv;
    /* The content of @path, appended to @out. Return: 0 or < 0 with @err filled. */
    int (*read)(void *arg, const char *path, struct sw_buf *out, struct sw_err *err);
    void (*warn)(void *arg, const char *text); /* NULL: nobody wants to know */
    void *arg;                                 /* for all of them */
};

/** normalize_file() - a whole checked document. @dir: what its relative paths mean. */
int normalize_file(struct yn *root, const char *dir, const struct compose_world *w,
                   struct sw_err *err);
int normalize_service(struct yn *service, const char *name, const char *dir,
                      const struct compose_world *w, struct sw_err *err);
/** normalize_mount() - the short form "src:dst:opts" of a volume as a map. @out: returned. */
int normalize_mount(const struct yn *short_form, const char *dir, const struct compose_world *w,
                    struct yn **out, struct sw_err *err);
/** normalize_path() - @path seen from @dir, cleaned. Returned. */
char *normalize_path(const char *path, const char *dir);

#endif
