/* SPDX-License-Identifier: Apache-2.0
 * main.c - the swarm command line. Called as "docker" it answers in docker's words. */
#include "cli/cmd/command.h"

int main(int argc, char **argv)
{
    return command_main(argc, argv);
}
