/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/image/frame.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static void put_le(uint8_t *p, uint64_t v, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static uint64_t get_le(const uint8_t *p, unsigned n)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < n; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

static int write_all(int fd, const uint8_t *p, size_t n)
{
    while (n > 0) {
        ssize_t w = write(fd, p, n);

        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0)
            return -errno;
        p += w;
        n -= (size_t)w;
    }
    return 0;
}

int frame_write(int fd, enum frame_type type, const void *payload, size_t len)
{
    uint8_t head[5] = { (uint8_t)type };
    int r;

    if (len > FRAME_MAX)
        len = FRAME_MAX;
    put_le(head + 1, len, 4);
    r = write_all(fd, head, sizeof(head));
    return r < 0 ? r : write_all(fd, payload, len);
}

int frame_head(const uint8_t head[5], enum frame_type *type, size_t *len, struct sw_err *err)
{
    *len = (size_t)get_le(head + 1, 4);
    if (memchr("FDELOZX", head[0], 7) == NULL)
        return sw_err_set(err, SW_E_PROTOCOL, "archive reader sent an unknown frame");
    if (*len > FRAME_MAX)
        return sw_err_set(err, SW_E_PROTOCOL, "archive reader sent a frame that is too long");
    *type = (enum frame_type)head[0];
    return 0;
}

int frame_read_bytes(int fd, int cancel_fd, void *buf, size_t n, struct sw_err *err)
{
    uint8_t *p = buf;

    while (n > 0) {
        struct pollfd fds[2] = { { fd, POLLIN, 0 }, { cancel_fd, POLLIN, 0 } };
        ssize_t r;

        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return sw_err_errno(err, errno, "wait for archive reader");
        if (fds[1].revents != 0)
            return sw_err_set(err, SW_E_CANCELED, "canceled");
        if (fds[0].revents == 0)
            continue;
        r = read(fd, p, n);
        if (r < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (r < 0)
            return sw_err_errno(err, errno, "read from archive reader");
        if (r == 0)
            return sw_err_set(err, SW_E_PROTOCOL, "unexpected end of data");
        p += r;
        n -= (size_t)r;
    }
    return 0;
}

int frame_read(int fd, int cancel_fd, struct frame *out, struct sw_err *err)
{
    uint8_t head[5];
    int r = frame_read_bytes(fd, cancel_fd, head, sizeof(head), err);

    if (r == 0)
        r = frame_head(head, &out->type, &out->len, err);
    if (r == 0)
        r = frame_read_bytes(fd, cancel_fd, out->payload, out->len, err);
    if (r == 0)
        out->payload[out->len] = '\0';
    return r;
}

void frame_pack_totals(const struct frame_totals *t, uint8_t out[48])
{
    memcpy(out, t->sha256, 32);
    put_le(out + 32, t->bytes, 8);
    put_le(out + 40, t->entries, 8);
}

bool frame_unpack_totals(const struct frame *f, struct frame_totals *out)
{
    if (f->type != FRAME_DONE || f->len != 48)
        return false;
    memcpy(out->sha256, f->payload, 32);
    out->bytes = get_le(f->payload + 32, 8);
    out->entries = get_le(f->payload + 40, 8);
    return true;
}
