/* SPDX-License-Identifier: Apache-2.0
 * names.h - which names are allowed. Pure. Source: SEMANTICS 1.4, SwarmKit controlapi/common.go. */
#ifndef SWARM_MANAGER_CONTROL_NAMES_H
#define SWARM_MANAGER_CONTROL_NAMES_H

#include <stdbool.h>

/** name_is_dns() - services, networks, nodes: letters and digits, inside also - and _; 1..63. */
bool name_is_dns(const char *s);
/** name_is_data() - secrets, configs: also dots inside; 1..64. */
bool name_is_data(const char *s);
/** name_is_image() - a reference "[host[:port]/]path[:tag][@digest]", or an image id. */
bool name_is_image(const char *s);

#endif
