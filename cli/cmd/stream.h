/* SPDX-License-Identifier: Apache-2.0
 * stream.h - the progress of pull, push, load and import: one JSON object a line. */
#ifndef SWARM_CLI_CMD_STREAM_H
#define SWARM_CLI_CMD_STREAM_H

#include "cli/cmd/command.h"
#include "cli/render/progress.h"

/* Called with each object that is not progress or an error; may be NULL. */
struct json_lines {
    struct progress progress;
    struct sw_buf pending; /* a line that has not ended */
    int (*on_object)(void *arg, const json_t *object, struct sw_err *err); /* NULL: show messages */
    void *arg;
};

void json_lines_init(struct json_lines *l, bool quiet);
void json_lines_fini(struct json_lines *l);
/** json_lines_push() - a client_stream's on_data with the struct as argument.
 * Return: 0; SW_E_INTERNAL with the text of an error object; SW_E_PROTOCOL. */
int json_lines_push(void *lines, const char *data, size_t n, struct sw_err *err);
/** json_lines_end() - what is left when the answer ended without a newline. */
int json_lines_end(struct json_lines *l, struct sw_err *err);

/** stream_request() - send @s, show its progress. */
int stream_request(struct cli *cli, struct client_stream *s, bool quiet, struct sw_err *err);

#endif
