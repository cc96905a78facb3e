/* SPDX-License-Identifier: Apache-2.0
 * stdio.c - the container's output: to the log by whole lines, to attached clients as it comes. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "agent/shim/shim.h"
#include "common/base/alloc.h"
#include "common/base/time.h"

/* Touched only as far as lines are long. */
static uint8_t lines[2][LOGFILE_DATA_MAX];

static int make_pipe(int *ours, int *theirs, int our_end)
{
    int p[2];

    if (pipe2(p, O_CLOEXEC) < 0)
        return -errno;
    *ours = p[our_end];
    *theirs = p[1 - our_end];
    (void)fcntl(*ours, F_SETFL, O_NONBLOCK);
    return 0;
}

int stdio_open(struct shim *s, int child[3], struct sw_err *err)
{
    int r = 0;

    child[0] = child[1] = child[2] = -1;
    for (unsigned i = 0; i < 2; i++)
        s->out[i] = (struct shim_out){ .fd = -1, .stream = i + 1, .line = lines[i] };
    s->stdin_fd = s->tty_fd = -1;
    if (s->tty)
        return 0;
    if (s->spec->open_stdin)
        r = make_pipe(&s->stdin_fd, &child[0], 1);
    for (unsigned i = 0; i < 2 && r == 0; i++)
        r = make_pipe(&s->out[i].fd, &child[i + 1], 0);
    return r < 0 ? sw_err_errno(err, -r, "make pipes") : 0;
}

void stdio_terminal(struct shim *s, int fd)
{
    (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    s->tty_fd = s->stdin_fd = s->out[0].fd = fd;
    if (s->tty_rows != 0)
        stdio_resize(s, s->tty_rows, s->tty_cols);
}

void stdio_resize(struct shim *s, unsigned rows, unsigned cols)
{
    struct winsize size = { .ws_row = (unsigned short)rows, .ws_col = (unsigned short)cols };

    s->tty_rows = rows;
    s->tty_cols = cols;
    if (s->tty_fd >= 0)
        (void)ioctl(s->tty_fd, TIOCSWINSZ, &size);
}

/* Writes the whole lines in the buffer, keeps the rest; a full buffer goes out as it is. */
static void log_lines(struct shim *s, struct shim_out *out)
{
    const uint8_t *end = memrchr(out->line, '\n', out->len);
    size_t n = end != NULL ? (size_t)(end - out->line) + 1 : 0;
    unsigned flags = 0;

    if (n == 0 && out->len == LOGFILE_DATA_MAX) {
        n = out->len;
        flags = LOGFILE_PARTIAL;
    }
    if (n == 0)
        return;
    logfile_write(&s->log, out->stream, flags, sw_now_ns(), out->line, n);
    memmove(out->line, out->line + n, out->len - n);
    out->len -= n;
}

static void close_out(struct shim *s, struct shim_out *out)
{
    if (out->fd == s->tty_fd)
        s->tty_fd = s->stdin_fd = -1;
    (void)close(out->fd);
    out->fd = -1;
    if (out->len > 0)
        logfile_write(&s->log, out->stream, 0, sw_now_ns(), out->line, out->len);
    out->len = 0;
}

void stdio_close_stdin(struct shim *s)
{
    if (s->stdin_fd < 0 || s->stdin_fd == s->tty_fd)
        return;
    (void)close(s->stdin_fd);
    s->stdin_fd = -1;
}

void stdio_read(struct shim *s, struct shim_out *out)
{
    ssize_t n = read(out->fd, out->line + out->len, LOGFILE_DATA_MAX - out->len);

    if (n > 0) {
        ctl_output(s, out->stream, out->line + out->len, (size_t)n);
        out->len += (size_t)n;
        log_lines(s, out);
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        close_out(s, out); /* EIO: the last one closed the terminal */
    }
}

void stdio_drain(struct shim *s)
{
    /* bounded by what a pipe can hold, so that nobody who still writes keeps us here */
    for (int i = 0; i < 2; i++)
        for (int left = 80; s->out[i].fd >= 0 && left > 0; left--) {
            size_t before = s->out[i].len;

            errno = 0;
            stdio_read(s, &s->out[i]);
            if (errno == EAGAIN && s->out[i].len == before)
                break;
        }
}

void stdio_close(struct shim *s)
{
    for (int i = 0; i < 2; i++)
        if (s->out[i].fd >= 0)
            close_out(s, &s->out[i]);
    stdio_close_stdin(s);
    logfile_close(&s->log);
}
