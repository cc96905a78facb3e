/* SPDX-License-Identifier: Apache-2.0
 * net_save.c - the last known tables on disk: a node that boots while no manager can be reached
 * sets its networks up from them.
 *
 * One file <state dir>/net/<key>.table a network, the message as it was. They hold addresses and
 * names, no secrets. Written a while after a change, so that a burst costs one write. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/net/net_priv.h"
#include "common/base/alloc.h"
#include "common/io/file.h"
#include "common/log/log.h"

#define SAVE_PAUSE_MS  200
#define SAVE_BYTES_MAX (16u << 20)

struct save_file {
    uint64_t key;
    uint8_t *data; /* NULL: remove the file */
    size_t len;
};

struct save_job {
    struct net_job job;
    struct save_file *files;
    size_t n;
};

static char *save_path(const struct net *net, uint64_t key)
{
    return sw_asprintf("%s/net/%" PRIu64 ".table", net->state_dir, key);
}

static int save_one(const struct net *net, const struct save_file *f, struct sw_err *err)
{
    SW_CLEANUP(sw_free_ptr) char *path = save_path(net, f->key);

    if (path == NULL)
        return sw_err_set(err, -ENOMEM, "save network table");
    if (f->data == NULL)
        return SW_MIN(sw_file_remove(path, err), 0);
    if (sw_dir_make_for(path, 0700, err) < 0)
        return err->code;
    return sw_file_write(path, f->data, f->len, 0600, err);
}

static void save_run(struct net_job *j)
{
    struct save_job *s = (struct save_job *)j;
    struct sw_err err;

    for (size_t i = 0; i < s->n; i++)
        if (save_one(j->net, &s->files[i], &err) < 0 && j->result == 0) {
            j->result = err.code;
            j->err = err;
        }
}

static void save_done(struct net_job *j)
{
    struct save_job *s = (struct save_job *)j;

    if (j->result < 0)
        log_warn("network tables not saved error=%s", j->err.msg);
    for (size_t i = 0; i < s->n; i++)
        sw_free(s->files[i].data);
    sw_free(s->files);
    sw_free(s);
}

static struct save_job *save_new(size_t n)
{
    struct save_job *s = sw_calloc(1, sizeof(*s));

    if (s == NULL)
        return NULL;
    s->files = sw_calloc(n + 1, sizeof(*s->files));
    if (s->files == NULL) {
        sw_free(s);
        return NULL;
    }
    return s;
}

void net_save_fire(void *arg)
{
    struct net *net = arg;
    struct save_job *s = save_new(net->tables.len);
    struct net_table *t;
    size_t it = 0;

    if (s == NULL)
        return;
    while ((t = sw_map_next(&net->tables, &it)) != NULL) {
        struct save_file *f = &s->files[s->n];

        if (!t->unsaved)
            continue;
        f->key = t->key;
        f->len = swarm__v1__network_table__get_packed_size(t->msg);
        f->data = sw_malloc(f->len + 1);
        if (f->data == NULL)
            continue;
        swarm__v1__network_table__pack(t->msg, f->data);
        t->unsaved = false;
        s->n++;
    }
    net_job_submit(net, &s->job, save_run, save_done);
}

void net_save_soon(struct net *net)
{
    if (!net->closing && !sw_timer_is_running(&net->save))
        sw_timer_start(&net->save, SAVE_PAUSE_MS);
}

void net_save_remove(struct net *net, uint64_t key)
{
    struct save_job *s = save_new(1);

    if (s == NULL)
        return;
    s->files[0].key = key;
    s->n = 1;
    net_job_submit(net, &s->job, save_run, save_done);
}

/* --------------------------------------------------------------------------------------- start */

static void save_load_one(struct net *net, const char *path)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf b = SW_BUF_INIT;
    Swarm__V1__NetworkTable *t = NULL;
    struct net_table *have;
    struct sw_err err;
    int r = sw_file_read(path, SAVE_BYTES_MAX, &b, &err);

    if (r == 0 && b.len > 0) {
        t = swarm__v1__network_table__unpack(NULL, b.len, b.data);
        r = t != NULL ? net_apply_network(net, t, &err)
                      : sw_err_set(&err, SW_E_CORRUPT, "not a network table");
    }
    if (r < 0) {
        log_warn("saved network table not usable path=%s error=%s", path, err.msg);
        (void)sw_file_remove(path, &err);
    } else if (t != NULL && (have = sw_map_get(&net->tables, t->key)) != NULL) {
        have->unsaved = false;
    }
    if (t != NULL)
        swarm__v1__network_table__free_unpacked(t, NULL);
}

void net_save_load(struct net *net)
{
    SW_CLEANUP(sw_free_ptr) char *dir = sw_asprintf("%s/net", net->state_dir);
    DIR *d = dir != NULL ? opendir(dir) : NULL;
    struct dirent *e;

    while (d != NULL && (e = readdir(d)) != NULL) {
        SW_CLEANUP(sw_free_ptr) char *path = NULL;
        const char *dot = strrchr(e->d_name, '.');

        if (dot == NULL || strcmp(dot, ".table") != 0)
            continue;
        path = sw_asprintf("%s/%s", dir, e->d_name);
        if (path != NULL)
            save_load_one(net, path);
    }
    if (d != NULL)
        closedir(d);
}
