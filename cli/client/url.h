/* SPDX-License-Identifier: Apache-2.0
 * url.h - paths and queries of requests. Pure. */
#ifndef SWARM_CLI_CLIENT_URL_H
#define SWARM_CLI_CLIENT_URL_H

#include "cli/spec/js.h"
#include "common/base/err.h"

/** url_path() - "/services/%s/update" with @name escaped; slashes and colons of @name stay. */
void url_path(struct sw_buf *b, const char *before, const char *name, const char *after);
/** url_query() - append "?key=value" or "&key=value", escaped. */
void url_query(struct sw_buf *b, const char *key, const char *value);

/* The filters= parameter: {"label":{"a=b":true}}. */
/** filters_add() - "key=value" as the user wrote it. Return: 0; SW_E_INVALID in Docker's words. */
int filters_add(json_t *filters, const char *kv, struct sw_err *err);
int filters_check(const char *kv, struct sw_err *err);
void filters_set(json_t *filters, const char *key, const char *value);
void url_filters(struct sw_buf *b, const json_t *filters); /* appends nothing when empty */

#endif
