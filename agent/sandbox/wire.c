/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/sandbox/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define EXIT_FORM "swarm-exit 1 %d %d %d %d %lld %lld\n"

int wire_add(struct sw_buf *b, const ProtobufCMessage *msg)
{
    size_t len = protobuf_c_message_get_packed_size(msg);
    uint8_t *p = sw_buf_reserve(b, WIRE_HEAD + len);

    if (p == NULL)
        return -ENOMEM;
    for (int i = 0; i < WIRE_HEAD; i++)
        p[i] = (uint8_t)(len >> (8 * i));
    (void)protobuf_c_message_pack(msg, p + WIRE_HEAD);
    sw_buf_commit(b, WIRE_HEAD + len);
    return 0;
}

long wire_take(const uint8_t *p, size_t len)
{
    uint32_t n;

    if (len < WIRE_HEAD)
        return 0;
    n = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    if (n == 0 || n > WIRE_FRAME_MAX)
        return -1;
    return len - WIRE_HEAD >= n ? (long)n : 0;
}

void wire_address(int dir, char out[64])
{
    (void)snprintf(out, 64, "/proc/self/fd/%d/" WIRE_SOCKET, dir);
}

int wire_exit_write(int dir, const struct wire_exit *x)
{
    char text[160];
    int len = snprintf(text, sizeof(text), EXIT_FORM, x->code, x->signal, x->oom_killed, x->started,
                       (long long)x->started_ns, (long long)x->finished_ns);
    int fd = openat(dir, WIRE_EXIT ".tmp", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int r = 0;

    if (fd < 0)
        return -errno;
    if (write(fd, text, (size_t)len) != len)
        r = -EIO;
    (void)close(fd);
    if (r == 0 && renameat(dir, WIRE_EXIT ".tmp", dir, WIRE_EXIT) < 0)
        r = -errno;
    return r;
}

int wire_exit_read(int dir, struct wire_exit *x)
{
    int fd = openat(dir, WIRE_EXIT, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    long long started_ns;
    long long finished_ns;
    char text[160];
    int oom;
    int started;
    ssize_t n;

    if (fd < 0)
        return -errno;
    n = read(fd, text, sizeof(text) - 1);
    (void)close(fd);
    if (n < 0)
        return SW_E_CORRUPT;
    text[n] = '\0';
    if (sscanf(text, EXIT_FORM, &x->code, &x->signal, &oom, &started, &started_ns, &finished_ns) !=
        6)
        return SW_E_CORRUPT;
    x->oom_killed = oom != 0;
    x->started = started != 0;
    x->started_ns = started_ns;
    x->finished_ns = finished_ns;
    return 0;
}
