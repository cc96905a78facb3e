/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/image/changes.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/base/macro.h"

/* ---- words: separated by blanks, with '..', ".." and backslash
 * ------------------------------------- */

static const char *next_word(const char *s, struct sw_buf *out)
{
    char quote = '\0';

    while (*s == ' ' || *s == '\t')
        s++;
    if (*s == '\0')
        return NULL;
    for (; *s != '\0' && (quote != '\0' || (*s != ' ' && *s != '\t')); s++) {
        if (quote == '\0' && (*s == '"' || *s == '\'')) {
            quote = *s;
        } else if (*s == quote) {
            quote = '\0';
        } else if (*s == '\\' && quote != '\'' && s[1] != '\0') {
            sw_buf_putc(out, *++s);
        } else {
            sw_buf_putc(out, *s);
        }
    }
    return s;
}

static json_t *member(json_t *config, const char *key, json_t *(*make)(void))
{
    json_t *v = json_object_get(config, key);

    if (v == NULL) {
        json_object_set_new(config, key, make());
        v = json_object_get(config, key);
    }
    return v;
}

static int set_string(json_t *config, const char *key, const char *value)
{
    return json_object_set_new(config, key, json_string(value));
}

/* ["a","b"] as it is; anything else goes to the shell. */
static int set_command(json_t *config, const char *key, const char *args)
{
    json_t *v = json_loads(args, 0, NULL);

    if (!json_is_array(v)) {
        json_decref(v);
        v = json_pack("[s,s,s]", "/bin/sh", "-c", args);
    }
    return json_object_set_new(config, key, v);
}

static int set_env(json_t *env, const char *name, size_t name_len, const char *value)
{
    SW_CLEANUP(sw_free_ptr) char *text = sw_asprintf("%.*s=%s", (int)name_len, name, value);
    size_t i;
    json_t *old;

    if (text == NULL)
        return -1;
    json_array_foreach(env, i, old) if (strncmp(json_string_value(old), text, name_len + 1) ==
                                        0) return json_array_set_new(env, i, json_string(text));
    return json_array_append_new(env, json_string(text));
}

static int set_pair(json_t *target, const char *name, size_t name_len, const char *value)
{
    SW_CLEANUP(sw_free_ptr) char *key = sw_strndup(name, name_len);

    if (json_is_array(target))
        return set_env(target, name, name_len, value);
    return key == NULL ? -1 : json_object_set_new(target, key, json_string(value));
}

/* "A=1 B=2" or, as of old, "A 1 and more". */
static int set_pairs(json_t *target, const char *args)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf word = SW_BUF_INIT;
    bool first = true;
    int r = 0;

    for (const char *s = args; r == 0 && (s = next_word(s, &word)) != NULL; first = false) {
        const char *w = sw_buf_str(&word);
        const char *eq = strchr(w, '=');

        if (sw_buf_failed(&word) || eq == w)
            return -1;
        if (eq == NULL) {
            if (!first)
                return -1;
            return set_pair(target, w, word.len, s + strspn(s, " \t"));
        }
        r = set_pair(target, w, (size_t)(eq - w), eq + 1);
        sw_buf_clear(&word);
    }
    return first ? -1 : r;
}

static int set_keys(json_t *target, const char *args, const char *suffix)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf word = SW_BUF_INIT;
    json_t *list = json_loads(args, 0, NULL);
    size_t i;
    json_t *v;
    int r = 0;

    if (json_is_array(list)) {
        json_array_foreach(list, i, v) if (r == 0) r =
            json_is_string(v) ? json_object_set_new(target, json_string_value(v), json_object())
                              : -1;
        json_decref(list);
        return r;
    }
    json_decref(list);
    for (const char *s = args; r == 0 && (s = next_word(s, &word)) != NULL;) {
        if (*suffix != '\0' && strchr(sw_buf_str(&word), '/') == NULL)
            sw_buf_puts(&word, suffix);
        r = sw_buf_failed(&word) ? -1
                                 : json_object_set_new(target, sw_buf_str(&word), json_object());
        sw_buf_clear(&word);
    }
    return r;
}

static int apply(json_t *config, const char *name, const char *args, bool *known)
{
    *known = true;
    if (strcasecmp(name, "CMD") == 0)
        return set_command(config, "Cmd", args);
    if (strcasecmp(name, "ENTRYPOINT") == 0)
        return set_command(config, "Entrypoint", args);
    if (strcasecmp(name, "ENV") == 0)
        return set_pairs(member(config, "Env", json_array), args);
    if (strcasecmp(name, "LABEL") == 0)
        return set_pairs(member(config, "Labels", json_object), args);
    if (strcasecmp(name, "EXPOSE") == 0)
        return set_keys(member(config, "ExposedPorts", json_object), args, "/tcp");
    if (strcasecmp(name, "VOLUME") == 0)
        return set_keys(member(config, "Volumes", json_object), args, "");
    if (strcasecmp(name, "USER") == 0)
        return set_string(config, "User", args);
    if (strcasecmp(name, "WORKDIR") == 0)
        return set_string(config, "WorkingDir", args);
    if (strcasecmp(name, "STOPSIGNAL") == 0)
        return set_string(config, "StopSignal", args);
    *known = false;
    return -1;
}

int changes_apply(json_t *config, const char *const *changes, size_t n, struct sw_err *err)
{
    for (size_t i = 0; i < n; i++) {
        const char *s = changes[i] + strspn(changes[i], " \t");
        size_t len = strcspn(s, " \t");
        SW_CLEANUP(sw_free_ptr) char *name = sw_strndup(s, len);
        bool known;

        if (name == NULL)
            return sw_err_set(err, -ENOMEM, "apply changes");
        if (*name == '\0')
            continue;
        if (apply(config, name, s + len + strspn(s + len, " \t"), &known) == 0)
            continue;
        if (!known)
            return sw_err_set(err, SW_E_INVALID, "%.80s is not a valid change command", name);
        return sw_err_set(err, SW_E_INVALID, "malformed change: %.200s", changes[i]);
    }
    return 0;
}
