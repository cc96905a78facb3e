/* SPDX-License-Identifier: Apache-2.0
 * secret.c - secrets and configs: data is immutable, only labels change. */
#include <errno.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/crypto/secret.h"
#include "manager/control/names.h"
#include "manager/control/submit.h"
#include "proto/pb.h"

#define INVALID          "rpc error: code = InvalidArgument desc = "
#define SECRET_BYTES_MAX (500u * 1024u)  /* exclusive; SEMANTICS 22.1 */
#define CONFIG_BYTES_MAX (1000u * 1024u) /* inclusive */

static int check_new(struct control *c, enum view_kind kind, const Swarm__V1__Annotations *a,
                     size_t len, struct sw_err *err)
{
    const char *what = view_kind_name(kind);

    if (a == NULL || !name_is_data(a->name))
        return sw_err_set(err, SW_E_INVALID,
                          INVALID
                          "invalid name, only 64 [a-zA-Z0-9-_.] characters allowed, and the "
                          "start and end character must be [a-zA-Z0-9]");
    if (kind == VIEW_SECRET && (len == 0 || len >= SECRET_BYTES_MAX))
        return sw_err_set(err, SW_E_INVALID,
                          INVALID "secret data must be larger than 0 and less than %u bytes",
                          SECRET_BYTES_MAX);
    if (kind == VIEW_CONFIG && len > CONFIG_BYTES_MAX)
        return sw_err_set(err, SW_E_INVALID, INVALID "config data must be at most %u bytes",
                          CONFIG_BYTES_MAX);
    if (view_by_name(c->view, kind, a->name) != NULL)
        return sw_err_set(err, SW_E_CONFLICT,
                          "rpc error: code = AlreadyExists desc = %s %s already exists", what,
                          a->name);
    return 0;
}

int control_secret_create(struct control *c, Swarm__V1__SecretSpec *spec, control_done *done,
                          void *arg, struct sw_err *err)
{
    SW_CLEANUP(pb_free_ptr) Swarm__V1__Secret *s = pb_new(&swarm__v1__secret__descriptor);
    int r;

    if (s == NULL) {
        pb_free(spec);
        return sw_err_set(err, -ENOMEM, "out of memory");
    }
    s->spec = spec;
    r = check_new(c, VIEW_SECRET, spec->annotations, spec->data.len, err);
    return r < 0 ? r : control_create(c, VIEW_SECRET, sw_steal(s), done, arg, err);
}

int control_config_create(struct control *c, Swarm__V1__ConfigSpec *spec, control_done *done,
                          void *arg, struct sw_err *err)
{
    SW_CLEANUP(pb_free_ptr) Swarm__V1__Config *s = pb_new(&swarm__v1__config__descriptor);
    int r;

    if (s == NULL) {
        pb_free(spec);
        return sw_err_set(err, -ENOMEM, "out of memory");
    }
    s->spec = spec;
    r = check_new(c, VIEW_CONFIG, spec->annotations, spec->data.len, err);
    return r < 0 ? r : control_create(c, VIEW_CONFIG, sw_steal(s), done, arg, err);
}

static bool changes_more_than_labels(enum view_kind kind, const void *msg,
                                     const Swarm__V1__Annotations *labels,
                                     const ProtobufCBinaryData *data)
{
    const Swarm__V1__Annotations *old = view_annotations(kind, msg);
    const ProtobufCBinaryData *have = kind == VIEW_SECRET
                                          ? &((const Swarm__V1__Secret *)msg)->spec->data
                                          : &((const Swarm__V1__Config *)msg)->spec->data;

    if (strcmp(old->name, labels->name) != 0)
        return true;
    return data != NULL && (data->len != have->len ||
                            (data->len > 0 && !sw_secret_equal(data->data, have->data, data->len)));
}

int control_data_update(struct control *c, enum view_kind kind, const char *what, uint64_t version,
                        Swarm__V1__Annotations *labels, const ProtobufCBinaryData *data,
                        control_done *done, void *arg, struct sw_err *err)
{
    SW_CLEANUP(pb_free_ptr) Swarm__V1__Annotations *next = labels;
    struct view_object *o;
    struct txn *x;
    void *copy;
    int r = view_find(c->view, kind, what, &o, err);

    if (r == 0)
        r = control_version(o, version, err);
    if (r < 0)
        return r;
    if (changes_more_than_labels(kind, o->msg, next, data))
        return sw_err_set(err, SW_E_INVALID, INVALID "only updates to Labels are allowed");
    x = control_txn(c);
    copy = x != NULL ? txn_edit(x, o) : NULL;
    if (copy == NULL) {
        txn_free(x);
        return sw_err_set(err, -ENOMEM, "out of memory");
    }
    if (kind == VIEW_SECRET) {
        pb_free(((Swarm__V1__Secret *)copy)->spec->annotations);
        ((Swarm__V1__Secret *)copy)->spec->annotations = sw_steal(next);
    } else {
        pb_free(((Swarm__V1__Config *)copy)->spec->annotations);
        ((Swarm__V1__Config *)copy)->spec->annotations = sw_steal(next);
    }
    return control_submit(c, x, o->id, done, arg, err);
}

static bool service_uses(const Swarm__V1__Service *s, enum view_kind kind, uint64_t key)
{
    const Swarm__V1__ContainerSpec *cs = s->spec->task != NULL ? s->spec->task->container : NULL;

    for (size_t i = 0; cs != NULL && kind == VIEW_SECRET && i < cs->n_secrets; i++) {
        if (cs->secrets[i]->key == key)
            return true;
    }
    for (size_t i = 0; cs != NULL && kind == VIEW_CONFIG && i < cs->n_configs; i++) {
        if (cs->configs[i]->key == key)
            return true;
    }
    return false;
}

static int check_unused(struct control *c, const struct view_object *o, struct sw_err *err)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf users = SW_BUF_INIT;
    unsigned n = 0;

    sw_list_each(l, view_list(c->view, VIEW_SERVICE))
    {
        const Swarm__V1__Service *s = sw_list_entry(l, struct view_object, link)->msg;

        if (service_uses(s, o->kind, o->key))
            sw_buf_printf(&users, "%s%s", n++ > 0 ? ", " : "", s->spec->annotations->name);
    }
    if (n == 0)
        return 0;
    return sw_err_set(err, SW_E_INVALID, INVALID "%s '%s' is in use by the following service%s: %s",
                      view_kind_name(o->kind), view_annotations(o->kind, o->msg)->name,
                      n > 1 ? "s" : "", sw_buf_str(&users));
}

int control_data_remove(struct control *c, enum view_kind kind, const char *what,
                        control_done *done, void *arg, struct sw_err *err)
{
    struct view_object *o;
    struct txn *x;
    int r = view_find(c->view, kind, what, &o, err);

    if (r == 0)
        r = check_unused(c, o, err);
    if (r < 0)
        return r;
    x = control_txn(c);
    if (x == NULL)
        return sw_err_set(err, -ENOMEM, "out of memory");
    txn_delete(x, kind, o->msg);
    return control_submit(c, x, o->id, done, arg, err);
}
