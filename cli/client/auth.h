/* SPDX-License-Identifier: Apache-2.0
 * auth.h - registry credentials that "docker login" left in config.json. */
#ifndef SWARM_CLI_CLIENT_AUTH_H
#define SWARM_CLI_CLIENT_AUTH_H

#include "cli/client/client.h"

/** auth_header() - X-Registry-Auth for the registry of @image: base64url of
 * {"username","password","serveraddress"}; returned. NULL when config.json
 * ($DOCKER_CONFIG or ~/.docker) has nothing for it. Credential helpers are not asked. */
char *auth_header(const char *image);

/** client_call_auth() - client_call() with all fields of @s but on_data. */
int client_call_auth(struct client *c, const struct client_stream *s, json_t **out,
                     struct sw_err *err);

#endif
