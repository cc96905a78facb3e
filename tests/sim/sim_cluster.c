/* SPDX-License-Identifier: Apache-2.0
 * sim_cluster - run simulated clusters, one for each seed.
 *
 *   sim_cluster [--seed FIRST] [--seeds COUNT] [--steps USER_ACTIONS] [-v]
 *
 * Each seed runs in a child process, so that a failure says how to repeat it and the rest goes on.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/sim/world.h"

static void run(uint64_t seed, uint64_t steps, bool verbose)
{
    static struct world w;
    int64_t end;

    if (verbose)
        setvbuf(stdout, NULL, _IONBF, 0);

    world_init(&w, seed, verbose);
    world_run(&w, INT64_MAX / 2, steps);
    action_make_peace(&w);
    end = w.m.now_ns + MODEL_S(900); /* long enough for the slowest rolling update */
    world_run(&w, end, UINT64_MAX / 2);
    oracle_quiescent(w.oracle);
    if (verbose)
        printf("seed %lu: %lu actions, %lu rounds, %lu leaders, %lu conflicts, %lu transactions\n",
               (unsigned long)seed, (unsigned long)w.actions, (unsigned long)w.rounds,
               (unsigned long)w.leaders, (unsigned long)w.m.conflicts, (unsigned long)w.m.index);
    world_fini(&w);
}

static bool run_apart(uint64_t seed, uint64_t steps, bool verbose)
{
    int status = 0;
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        run(seed, steps, verbose);
        exit(0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return false;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    fprintf(stderr, "FAILED: sim_cluster --seed %lu --steps %lu -v\n", (unsigned long)seed,
            (unsigned long)steps);
    return false;
}

int main(int argc, char **argv)
{
    uint64_t first = 1;
    uint64_t count = 1;
    uint64_t steps = 60;
    bool verbose = false;
    unsigned failures = 0;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-v") == 0)
            verbose = true;
        else if (i + 1 < argc && strcmp(argv[i], "--seed") == 0)
            first = strtoull(argv[++i], NULL, 10);
        else if (i + 1 < argc && strcmp(argv[i], "--seeds") == 0)
            count = strtoull(argv[++i], NULL, 10);
        else if (i + 1 < argc && strcmp(argv[i], "--steps") == 0)
            steps = strtoull(argv[++i], NULL, 10);
        else
            return fprintf(stderr, "usage: sim_cluster [--seed N] [--seeds COUNT] [--steps M] "
                                   "[-v]\n"),
                   2;
    }
    for (uint64_t seed = first; seed < first + count && failures < 10; seed++)
        failures += !run_apart(seed, steps, verbose);
    printf("%lu seeds of %lu steps, %u failed\n", (unsigned long)count, (unsigned long)steps,
           failures);
    return failures > 0;
}
