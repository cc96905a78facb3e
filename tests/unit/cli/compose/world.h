/* SPDX-License-Identifier: Apache-2.0
 * world.h - an environment and files for tests of compose: nothing outside is looked at. */
#ifndef SWARM_TESTS_UNIT_CLI_COMPOSE_WORLD_H
#define SWARM_TESTS_UNIT_CLI_COMPOSE_WORLD_H

#include <string.h>

#include "cli/compose/compose.h"

static const char *world_getenv(void *arg, const char *name)
{
    static const struct {
        const char *name, *value;
    } env[] = { { "SET", "val" },          { "EMPTY", "" },     { "NUM", "5" },
                { "YES", "yes" },          { "RATIO", "0.25" }, { "HOME", "/home/u" },
                { "FROM_CLIENT", "mine" }, { "_u1", "under" } };

    (void)arg;
    for (size_t i = 0; i < sizeof(env) / sizeof(*env); i++) {
        if (strcmp(env[i].name, name) == 0)
            return env[i].value;
    }
    return NULL;
}

static int world_read(void *arg, const char *path, struct sw_buf *out, struct sw_err *err)
{
    static const struct {
        const char *path, *text;
    } files[] = { { "/proj/a.env", "A=1\nB=file\n# c\nFROM_CLIENT\nE=\n" },
                  { "/proj/b.env", "B=second\n" },
                  { "/proj/token.txt", "s3cr3t" },
                  { "/proj/page.html", "<p>" },
                  { "/proj/bad.env", "=x\n" } };

    (void)arg;
    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
        if (strcmp(files[i].path, path) == 0) {
            sw_buf_puts(out, files[i].text);
            return 0;
        }
    }
    return sw_err_set(err, -2, "open %s: no such file or directory", path);
}

static const struct compose_world world = { world_getenv, world_read, NULL, NULL };

static inline int world_load(struct compose *c, struct sw_err *err, size_t n,
                             const char *const *texts)
{
    static const char *const names[] = { "one.yml", "two.yml", "three.yml" };
    struct compose_source s[3];

    for (size_t i = 0; i < n; i++)
        s[i] = (struct compose_source){ names[i], "/proj", texts[i], strlen(texts[i]) };
    return compose_load(c, s, n, true, &world, err);
}

#endif
