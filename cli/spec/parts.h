/* SPDX-License-Identifier: Apache-2.0
 * parts.h - the other small syntaxes of a service: networks, secrets, configs, limits. Pure.
 *
 * Each x_parse() turns one argument into the JSON object that stands for it in a service spec
 * (returned, release with json_decref()); each x_check() is the same for its error alone. */
#ifndef SWARM_CLI_SPEC_PARTS_H
#define SWARM_CLI_SPEC_PARTS_H

#include "cli/spec/js.h"
#include "common/base/err.h"

/** network_parse() - "on1" or "name=on1,alias=web,driver-opt=k=v" -> {Target, Aliases, DriverOpts}.
 */
int network_parse(const char *s, json_t **out, struct sw_err *err);
int network_check(const char *s, struct sw_err *err);

/** file_ref_parse() - a secret or config: "name" or "source=a,target=b,uid=0,gid=0,mode=0400".
 * @kind: "Secret" or "Config" -> {File{Name,UID,GID,Mode}, SecretName}; the id is looked up later
 */
int file_ref_parse(const char *s, const char *kind, json_t **out, struct sw_err *err);
int secret_check(const char *s, struct sw_err *err);
int config_check(const char *s, struct sw_err *err);

/** ulimit_parse() - "nofile=1024:2048" -> {Name, Hard, Soft}. */
int ulimit_parse(const char *s, json_t **out, struct sw_err *err);
int ulimit_check(const char *s, struct sw_err *err);

/** pref_parse() - "spread=node.labels.zone" -> {Spread{SpreadDescriptor}}. */
int pref_parse(const char *s, json_t **out, struct sw_err *err);
int pref_check(const char *s, struct sw_err *err);

/** generic_parse() - "gpu=2" -> {DiscreteResourceSpec{Kind, Value}}. */
int generic_parse(const char *s, json_t **out, struct sw_err *err);
int generic_check(const char *s, struct sw_err *err); /* the form alone: "kind=value" */

/** host_parse() - "name:10.0.0.9" -> "10.0.0.9 name". @out: returned. */
int host_parse(const char *s, char **out, struct sw_err *err);
int host_check(const char *s, struct sw_err *err);

int label_check(const char *s, struct sw_err *err); /* the name must not be empty */
int env_check(const char *s, struct sw_err *err);
int words_check(const char *s, struct sw_err *err);
int ip_check(const char *s, struct sw_err *err);

/* What the environment says for a name; NULL when it is not set. */
typedef const char *(*env_lookup)(void *arg, const char *name);

/** env_resolve() - "K" becomes "K=<value>" when the environment has it; else @s. Returned. */
char *env_resolve(const char *s, env_lookup lookup, void *arg);
/** env_file_parse() - lines "K=V", "#" comments; "K" alone is taken from the environment or
 * left out. @out: appended. @name: for messages. */
int env_file_parse(const char *text, const char *name, env_lookup lookup, void *arg,
                   struct strv *out, struct sw_err *err);
/** env_merge() - @add after @list; a later value of a name replaces the earlier entry. */
void env_merge(struct strv *list, const char *add);

/** caps_effective() - normalise ("net_admin" -> "CAP_NET_ADMIN"), drop duplicates, sort; what is
 * added is not also dropped; "ALL" alone stands for all. Either array is left out when empty. */
void caps_effective(const struct strv *add, const struct strv *drop, json_t *container);

#endif
