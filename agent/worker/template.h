/* SPDX-License-Identifier: Apache-2.0
 * template.h - placeholders in hostnames, environment and mounts. Pure.
 *
 * The subset of Go's text/template that SwarmKit documents: {{.Service.ID}} {{.Service.Name}}
 * {{.Service.Labels.k}} {{.Node.ID}} {{.Node.Hostname}} {{.Node.Platform.OS}}
 * {{.Node.Platform.Architecture}} {{.Task.ID}} {{.Task.Name}} {{.Task.Slot}}. */
#ifndef SWARM_AGENT_WORKER_TEMPLATE_H
#define SWARM_AGENT_WORKER_TEMPLATE_H

#include "common/base/err.h"
#include "swarm/v1/dispatcher.pb-c.h"

struct template_node {
    const char *hostname, *os, *arch;
};

/** template_expand() - @out: sw_free(). Return: 0; SW_E_INVALID naming what is unknown; -ENOMEM. */
int template_expand(const char *text, const Swarm__V1__AssignedTask *t,
                    const struct template_node *node, char **out, struct sw_err *err);

#endif
