/* SPDX-License-Identifier: Apache-2.0
 * changes.h - Dockerfile instructions as "docker import --change" takes them. Pure.
 *
 * Known: CMD ENTRYPOINT ENV EXPOSE LABEL STOPSIGNAL USER VOLUME WORKDIR.
 * Source: moby builder/dockerfile/evaluator.go (validCommitCommands), Dockerfile reference. */
#ifndef SWARM_AGENT_IMAGE_CHANGES_H
#define SWARM_AGENT_IMAGE_CHANGES_H

#include <jansson.h>

#include "common/base/err.h"

/** changes_apply() - set members of the config object. Return: 0; SW_E_INVALID; -ENOMEM. */
int changes_apply(json_t *config, const char *const *changes, size_t n, struct sw_err *err);

#endif
