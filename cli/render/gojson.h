/* SPDX-License-Identifier: Apache-2.0
 * gojson.h - JSON written the way Docker's client writes it, so that scripts see the same bytes. */
#ifndef SWARM_CLI_RENDER_GOJSON_H
#define SWARM_CLI_RENDER_GOJSON_H

#include "cli/spec/js.h"

/** gojson_compact() - one line, keys in order, '<', '>' and '&' escaped as Go's encoder does.
 * @sort: order the keys of objects by bytes (Go's maps) instead of by insertion (Go's structs) */
void gojson_compact(struct sw_buf *out, const json_t *v, bool sort);
/** gojson_number() - Go's "%v" of a float64: shortest text that reads back alike. */
void gojson_number(struct sw_buf *out, double d);
/** gojson_indent() - re-indent the JSON text @raw as it is: numbers, escapes and order stay.
 * @prefix: put before each line but the first; @indent: one level. @raw must be valid JSON. */
void gojson_indent(struct sw_buf *out, const char *raw, size_t n, const char *prefix,
                   const char *indent);

#endif
