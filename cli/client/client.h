/* SPDX-License-Identifier: Apache-2.0
 * client.h - requests to a Docker Engine API over a unix socket or TCP.
 *
 * The version spoken is the lower of CLIENT_API_VERSION and what the daemon's _ping says; it is
 * asked for once, before the first request. Paths are written without it: "/services/create".
 * Single-threaded and blocking. */
#ifndef SWARM_CLI_CLIENT_CLIENT_H
#define SWARM_CLI_CLIENT_CLIENT_H

#include <stdio.h>

#include "cli/spec/js.h"
#include "common/base/err.h"

#define CLIENT_API_VERSION "1.44"

struct client;

struct client_options {
    const char *host;    /* unix:///path, tcp://host:port; copied */
    const char *product; /* "swarm" or "docker": whose words to use when nobody answers */
    const char *version; /* overrides the negotiation (DOCKER_API_VERSION), or NULL */
};

/** client_new() - connects to nothing yet. @out: returned, release with client_free().
 * Return: 0; SW_E_INVALID for a host of unknown form. */
int client_new(struct client **out, const struct client_options *opt, struct sw_err *err);
/** client_clone() - a second connection to the same daemon, for requests while a stream is open. */
int client_clone(struct client **out, const struct client *c, struct sw_err *err);
void client_free(struct client *c);
SW_DEFINE_CLEANUP(client_free, struct client *);

/** client_negotiate() - ask _ping once. Return: 0; SW_E_UNAVAILABLE when nobody answers. */
int client_negotiate(struct client *c, struct sw_err *err);
const char *client_api_version(const struct client *c);
/** client_server_version() - what the daemon offered, "" before the negotiation. */
const char *client_server_version(const struct client *c);
/** client_message() - the last error in full: sw_err holds its first SW_ERR_MSG_MAX bytes. */
const char *client_message(const struct client *c);

/** client_call() - one request with JSON in and out.
 * @path: with query, already escaped (see url.h)
 * @body: borrowed, NULL for none
 * @out:  returned, release with json_decref(); NULL when not wanted. JSON null for an empty answer
 * Return: 0; the error class of the status (404 SW_E_NOT_FOUND, 409 SW_E_CONFLICT, 503
 * SW_E_UNAVAILABLE ...) with "Error response from daemon: <message>". */
int client_call(struct client *c, const char *method, const char *path, const json_t *body,
                json_t **out, struct sw_err *err);
/** client_raw() - GET @path; the answer's bytes are appended to @out. */
int client_raw(struct client *c, const char *path, struct sw_buf *out, struct sw_err *err);

/* What a streaming request reads and where its answer goes. */
struct client_stream {
    const char *method;
    const char *path;
    int upload_fd; /* body, -1 for none */
    const char *content_type;
    const char *registry_auth; /* X-Registry-Auth, NULL for none */
    const json_t *json;        /* body, instead of upload_fd */
    /* Called for each piece of a successful answer. Return: 0, or < 0 with @err filled to stop. */
    int (*on_data)(void *arg, const char *data, size_t n, struct sw_err *err);
    void *arg;
};

/** client_stream() - Return: 0 when the answer ended; else as client_call(). */
int client_stream(struct client *c, const struct client_stream *s, struct sw_err *err);

#endif
