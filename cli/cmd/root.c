/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd/root.h"

#include "cli/cmd/container.h"
#include "cli/cmd/image.h"
#include "cli/cmd/system.h"

#define GROUP(n, text)                                                                             \
    {                                                                                              \
        .name = #n, .summary = (text), .subs = cmd_##n                                             \
    }

const struct command root_groups[] = {
    GROUP(config, "Manage Swarm configs"),
    GROUP(container, "Manage containers"),
    GROUP(image, "Manage images"),
    GROUP(network, "Manage networks"),
    GROUP(node, "Manage Swarm nodes"),
    GROUP(secret, "Manage Swarm secrets"),
    GROUP(service, "Manage Swarm services"),
    GROUP(stack, "Manage Swarm stacks"),
    GROUP(swarm, "Manage Swarm"),
    GROUP(system, "Manage the daemon"),
    GROUP(volume, "Manage volumes"),
    { .name = NULL },
};

const struct command root_commands[] = {
    { .name = "events", .usage = "[OPTIONS]", .summary = "Get real time events from the server",
      .options = system_events_options, .run = system_run_events },
    { .name = "history", .usage = "[OPTIONS] IMAGE", .summary = "Show the history of an image",
      .options = image_history_options, .min = 1, .max = 1, .run = image_run_history },
    { .name = "images", .usage = "[OPTIONS] [REPOSITORY[:TAG]]", .summary = "List images",
      .options = image_ls_options, .max = 1, .run = image_run_ls },
    { .name = "import", .usage = "[OPTIONS] file|URL|- [REPOSITORY[:TAG]]",
      .summary = "Import the contents from a tarball to create a filesystem image",
      .options = image_import_options, .min = 1, .max = 2, .run = image_run_import },
    { .name = "info", .usage = "[OPTIONS]", .summary = "Display system-wide information",
      .options = system_info_options, .run = system_run_info },
    { .name = "inspect", .usage = "[OPTIONS] NAME|ID [NAME|ID...]",
      .summary = "Return low-level information on Docker objects", .options = system_inspect_options, .min = 1,
      .max = CMD_ANY, .run = system_run_inspect },
    { .name = "load", .usage = "[OPTIONS]", .summary = "Load an image from a tar archive or STDIN",
      .options = image_load_options, .run = image_run_load },
    { .name = "logs", .usage = "[OPTIONS] CONTAINER", .summary = "Fetch the logs of a container",
      .options = container_logs_options, .min = 1, .max = 1, .run = container_run_logs },
    { .name = "ps", .usage = "[OPTIONS]", .summary = "List containers", .options = container_ls_options,
      .run = container_run_ls },
    { .name = "pull", .usage = "[OPTIONS] NAME[:TAG|@DIGEST]", .summary = "Download an image from a registry",
      .options = image_pull_options, .min = 1, .max = 1, .run = image_run_pull },
    { .name = "push", .usage = "[OPTIONS] NAME[:TAG]", .summary = "Upload an image to a registry",
      .options = image_push_options, .min = 1, .max = 1, .run = image_run_push },
    { .name = "rm", .usage = "[OPTIONS] CONTAINER [CONTAINER...]", .summary = "Remove one or more containers",
      .options = container_rm_options, .min = 1, .max = CMD_ANY, .run = container_run_rm },
    { .name = "rmi", .usage = "[OPTIONS] IMAGE [IMAGE...]", .summary = "Remove one or more images",
      .options = image_rm_options, .min = 1, .max = CMD_ANY, .run = image_run_rm },
    { .name = "save", .usage = "[OPTIONS] IMAGE [IMAGE...]",
      .summary = "Save one or more images to a tar archive (streamed to STDOUT by default)",
      .options = image_save_options, .min = 1, .max = CMD_ANY, .run = image_run_save },
    { .name = "start", .usage = "CONTAINER [CONTAINER...]", .summary = "Start one or more stopped containers",
      .min = 1, .max = CMD_ANY, .run = container_run_start },
    { .name = "stop", .usage = "[OPTIONS] CONTAINER [CONTAINER...]",
      .summary = "Stop one or more running containers", .options = container_stop_options, .min = 1,
      .max = CMD_ANY, .run = container_run_stop },
    { .name = "tag", .usage = "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
      .summary = "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE", .min = 2, .max = 2,
      .run = image_run_tag },
    { .name = "version", .usage = "[OPTIONS]", .summary = "Show the version information",
      .options = system_info_options, .run = system_run_version },
    { .name = NULL },
};
