// uses: agent_sandbox_core
/* SPDX-License-Identifier: Apache-2.0
 * An image's /etc/passwd and /etc/group: the first byte says where one ends. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/sandbox/user.h"

static int root = -1;

static void put(const char *name, const uint8_t *p, size_t n)
{
    int fd = openat(root, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    if (fd < 0 || write(fd, p, n) != (ssize_t)n)
        abort();
    (void)close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const who[] = { "", "0", "app", "app:wheel", "1000:10", ":", "x:y" };
    char *more[] = { (char *)(uintptr_t) "wheel", (char *)(uintptr_t) "7" };
    struct sw_err err;
    struct user u;
    size_t cut;

    if (root < 0) {
        char dir[] = "/dev/shm/swarm-fuzz-XXXXXX";

        if (mkdtemp(dir) == NULL)
            abort();
        root = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (root < 0 || mkdirat(root, "etc", 0755) < 0)
            abort();
    }
    if (size < 2)
        return 0;
    cut = data[0] % size;
    put("etc/passwd", data + 1, cut);
    put("etc/group", data + 1 + cut, size - 1 - cut);
    for (size_t i = 0; i < sizeof(who) / sizeof(who[0]); i++)
        (void)user_resolve(root, who[i], more, i % 3, &u, &err);
    return 0;
}
