/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/spec/js.h"

#include <string.h>

#include "cli/spec/text.h"

void js_setup(void)
{
    json_set_alloc_funcs(cli_alloc, sw_free);
    json_object_seed(1); /* order is by insertion; a fixed seed keeps runs alike */
}

/* One step of a path. Return: where the rest begins, NULL at the end. */
static const char *step(const char *path, char *key, size_t cap)
{
    const char *dot = strchr(path, '.');
    size_t n = dot != NULL ? (size_t)(dot - path) : strlen(path);

    if (n >= cap)
        n = cap - 1;
    memcpy(key, path, n);
    key[n] = '\0';
    return dot != NULL ? dot + 1 : NULL;
}

json_t *js_get(const json_t *root, const char *path)
{
    const json_t *at = root;
    char key[128];

    for (const char *p = path; p != NULL && at != NULL;) {
        p = step(p, key, sizeof(key));
        at = json_object_get(at, key);
    }
    return (json_t *)(uintptr_t)at;
}

const char *js_str(const json_t *root, const char *path)
{
    const char *s = json_string_value(js_get(root, path));

    return s != NULL ? s : "";
}

int64_t js_int(const json_t *root, const char *path)
{
    const json_t *v = js_get(root, path);

    if (json_is_real(v))
        return (int64_t)json_real_value(v);
    return json_integer_value(v);
}

double js_num(const json_t *root, const char *path)
{
    return json_number_value(js_get(root, path));
}

bool js_bool(const json_t *root, const char *path)
{
    return json_is_true(js_get(root, path));
}

size_t js_len(const json_t *root, const char *path)
{
    const json_t *v = js_get(root, path);

    return json_is_array(v) ? json_array_size(v) : json_object_size(v);
}

void js_set(json_t *root, const char *path, json_t *value)
{
    json_t *at = root;
    char key[128];
    const char *p = step(path, key, sizeof(key));

    while (p != NULL) {
        json_t *next = json_object_get(at, key);

        if (!json_is_object(next)) {
            next = json_object();
            json_object_set_new(at, key, next);
        }
        at = next;
        p = step(p, key, sizeof(key));
    }
    json_object_set_new(at, key, value);
}

void js_set_str(json_t *root, const char *path, const char *s)
{
    js_set(root, path, js_string(s));
}

void js_set_int(json_t *root, const char *path, int64_t n)
{
    js_set(root, path, json_integer(n));
}

void js_set_bool(json_t *root, const char *path, bool b)
{
    js_set(root, path, json_boolean(b));
}

void js_del(json_t *root, const char *path)
{
    const char *dot = strrchr(path, '.');
    json_t *at = root;

    if (dot != NULL) {
        SW_CLEANUP(sw_free_ptr) char *parent = cli_strndup(path, (size_t)(dot - path));

        at = js_get(root, parent);
    }
    json_object_del(at, dot != NULL ? dot + 1 : path);
}

static json_t *made(json_t *root, const char *path, json_t *fresh)
{
    json_t *v = js_get(root, path);

    if (v != NULL && json_typeof(v) == json_typeof(fresh)) {
        json_decref(fresh);
        return v;
    }
    js_set(root, path, fresh);
    return fresh;
}

json_t *js_obj(json_t *root, const char *path)
{
    return made(root, path, json_object());
}

json_t *js_arr(json_t *root, const char *path)
{
    return made(root, path, json_array());
}

json_t *js_string(const char *s)
{
    json_t *j = json_string(s != NULL ? s : "");
    SW_CLEANUP(sw_buf_fini) struct sw_buf b = SW_BUF_INIT;

    if (j != NULL)
        return j;
    while (*s != '\0') {
        size_t n = text_utf8(s);

        if (n > 0)
            sw_buf_add(&b, s, n);
        else
            sw_buf_puts(&b, "\xef\xbf\xbd");
        s += n > 0 ? n : 1;
    }
    j = json_string(sw_buf_str(&b));
    return j != NULL ? j : json_string("");
}

json_t *js_strings(const struct strv *l)
{
    json_t *a = json_array();

    for (size_t i = 0; i < l->n; i++)
        json_array_append_new(a, js_string(l->v[i]));
    return a;
}

void js_append_str(json_t *array, const char *s)
{
    json_array_append_new(array, js_string(s));
}

bool js_array_has(const json_t *array, const char *s)
{
    size_t i;
    json_t *v;

    json_array_foreach(array, i, v)
    {
        if (json_is_string(v) && strcmp(json_string_value(v), s) == 0)
            return true;
    }
    return false;
}

void js_map_set(json_t *object, const char *kv)
{
    const char *eq = strchr(kv, '=');
    SW_CLEANUP(sw_free_ptr)
    char *key = cli_strndup(kv, eq != NULL ? (size_t)(eq - kv) : strlen(kv));
    json_t *k = js_string(key); /* the key must be UTF-8 too */

    json_object_set_new(object, json_string_value(k), js_string(eq != NULL ? eq + 1 : ""));
    json_decref(k);
}

void js_sorted_keys(const json_t *object, struct strv *out)
{
    const char *key;
    json_t *v;
    json_t *o = (json_t *)(uintptr_t)object;

    json_object_foreach(o, key, v)
    {
        (void)v;
        strv_add(out, key);
    }
    strv_sort(out);
}

void js_sort_strings(json_t *array)
{
    SW_CLEANUP(strv_fini) struct strv l = { 0 };
    size_t i;
    json_t *v;

    json_array_foreach(array, i, v)
    {
        strv_add(&l, json_string_value(v));
    }
    strv_sort(&l);
    json_array_clear(array);
    for (i = 0; i < l.n; i++)
        js_append_str(array, l.v[i]);
}
