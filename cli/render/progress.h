/* SPDX-License-Identifier: Apache-2.0
 * progress.h - lines that change in place on a terminal, and plain lines elsewhere.
 *
 * Each line has an id. On a terminal a line with a known id is rewritten; elsewhere each update
 * is a line, except bars, which are left out. Same bytes as docker's jsonmessage. */
#ifndef SWARM_CLI_RENDER_PROGRESS_H
#define SWARM_CLI_RENDER_PROGRESS_H

#include <stdio.h>

#include "cli/spec/mem.h"

struct progress {
    FILE *out;
    bool quiet;
    bool terminal;
    size_t width;     /* of the terminal */
    struct strv ids;  /* lines now on the screen, from the top */
    bool once;        /* outside a terminal: a line only when it says something new */
    struct strv said; /* "id: action", the last of each id; for once */
};

void progress_init(struct progress *p, FILE *out, bool quiet);
void progress_fini(struct progress *p);
/** progress_put() - @total > 0 draws a bar of @current out of @total. */
void progress_put(struct progress *p, const char *id, const char *action, long current, long total);
/** progress_message() - a line that stays; @id may be "". */
void progress_message(struct progress *p, const char *id, const char *text);
/** progress_bar() - "[=====>     ] " of 50 cells. */
void progress_bar(struct sw_buf *out, long current, long total);

#endif
