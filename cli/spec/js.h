/* SPDX-License-Identifier: Apache-2.0
 * js.h - reading and building JSON by path: "Spec.TaskTemplate.ContainerSpec.Image".
 *
 * A getter answers the zero value when any step is absent or of another type: the Engine API
 * leaves out what is empty. Memory: see mem.h; js_setup() must have been called once. */
#ifndef SWARM_CLI_SPEC_JS_H
#define SWARM_CLI_SPEC_JS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "cli/spec/mem.h"

void js_setup(void); /* makes jansson use the allocator of mem.h; idempotent */

json_t *js_get(const json_t *root, const char *path);     /* borrowed, NULL when absent */
const char *js_str(const json_t *root, const char *path); /* borrowed, "" when absent */
int64_t js_int(const json_t *root, const char *path);
double js_num(const json_t *root, const char *path);
bool js_bool(const json_t *root, const char *path);
size_t js_len(const json_t *root, const char *path); /* of an array or object */

/** js_set() - put @value (owned) at @path, making the objects on the way. */
void js_set(json_t *root, const char *path, json_t *value);
void js_set_str(json_t *root, const char *path, const char *s);
void js_set_int(json_t *root, const char *path, int64_t n);
void js_set_bool(json_t *root, const char *path, bool b);
void js_del(json_t *root, const char *path);
json_t *js_obj(json_t *root,
               const char *path); /* the object at @path, made when absent; borrowed */
json_t *js_arr(json_t *root, const char *path); /* the array at @path, made when absent; borrowed */
/** js_string() - a JSON string; bytes that are not UTF-8 become U+FFFD. */
json_t *js_string(const char *s);
json_t *js_strings(const struct strv *l);
void js_append_str(json_t *array, const char *s);
bool js_array_has(const json_t *array, const char *s);
/** js_map_set() - @array of "K=V" or "K" as members of @object. */
void js_map_set(json_t *object, const char *kv);
/** js_sorted_keys() - keys of @object by bytes; empty for anything else. */
void js_sorted_keys(const json_t *object, struct strv *out);
/** js_sort_strings() - an array of strings, by bytes, in place. */
void js_sort_strings(json_t *array);

#endif
