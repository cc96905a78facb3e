/* SPDX-License-Identifier: Apache-2.0
 * tabs.h - elastic tab stops: cells that end in a tab line up under each other.
 *
 * A column is a run of consecutive lines that have a tab-ended cell at the same place, as in Go's
 * text/tabwriter with minimum width 10 and padding 3. Width counts code points. */
#ifndef SWARM_CLI_RENDER_TABS_H
#define SWARM_CLI_RENDER_TABS_H

#include "cli/spec/mem.h"

#define TABS_MIN 10
#define TABS_PAD 3

/** tabs_align() - @text with tabs replaced by spaces. @min, @pad: in characters. */
void tabs_align(struct sw_buf *out, const char *text, size_t min, size_t pad);
size_t tabs_width(const char *s, size_t n); /* code points in @n bytes */

#endif
