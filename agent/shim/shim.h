/* SPDX-License-Identifier: Apache-2.0
 * shim.h - the parent process of one container.
 *
 * How it works. One thread, one poll(2) loop, no libraries beyond libc and protobuf-c, linked
 * statically: a node runs one of these per container, so private memory is what counts. The
 * specification is decoded into a mapping that is given back once the container's first process has
 * been forked; a later exec reads the file again, in its own process.
 *
 *   CREATING --child ready--> CREATED --request start--> STARTING --execve--> RUNNING
 *       \                        \                           \                  |
 *        \-- error report --------\--------------------------\--> DYING <------+ child reaped
 *                                                                 |
 *                    output drained, cgroup removed, "exit" written, events sent: process ends
 *
 * stdio.c owns the container's output, ctl.c the socket, child.c and exec.c what runs inside. */
#ifndef SWARM_AGENT_SHIM_SHIM_H
#define SWARM_AGENT_SHIM_SHIM_H

#include <stdbool.h>
#include <stdint.h>
#include <swarm/v1/shim.pb-c.h>
#include <sys/types.h>

#include "agent/sandbox/cgroup.h"
#include "agent/sandbox/logfile.h"
#include "agent/sandbox/wire.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/list.h"

#define SHIM_STALL_MS  10000 /* an attached client that takes nothing for so long is cut off */
#define SHIM_LINGER_MS 10000 /* so long the end waits for attached clients */
#define SHIM_DRAIN_MS  2000  /* so long it waits for output that others hold open */

enum shim_state {
    SHIM_CREATING,
    SHIM_CREATED,
    SHIM_STARTING,
    SHIM_RUNNING,
    SHIM_DYING,
    SHIM_STATES
};

/* One of the container's output streams. */
struct shim_out {
    int fd;          /* -1: at its end */
    unsigned stream; /* 1, 2 */
    size_t len;      /* unfinished line */
    uint8_t *line;   /* LOGFILE_DATA_MAX bytes of static memory */
};

struct shim {
    enum shim_state state;
    int bundle; /* directory */
    int64_t now_ms;

    Swarm__V1__ShimSpec *spec; /* until the child is forked, then NULL */
    void *arena;
    size_t arena_len;
    /* what of it is needed later */
    bool tty, host_pids;
    int stop_signal;
    int64_t stop_grace_ms;
    unsigned setns_flags; /* namespaces an exec has to enter */
    unsigned tty_rows, tty_cols;

    struct cgroup cg;
    pid_t pid;
    int sync; /* socket to the first process until it has executed; -1 */
    bool started, failed;
    struct wire_exit exit;
    struct sw_err failure; /* when failed */
    bool reaped;          /* the first process has ended */
    int64_t kill_at_ms;   /* 0: no stop is running */
    int64_t finish_at_ms; /* DYING: the end waits no longer than this */

    struct logfile log;
    struct shim_out out[2];
    int stdin_fd; /* write end or terminal; -1 when closed */
    int tty_fd;   /* terminal, also in out[0].fd */

    int signal_fd, listen_fd;
    struct sw_list conns; /* struct conn */
    struct sw_list execs; /* struct exec */
};

/* ---- main.c ---- */
void shim_go(struct shim *s, enum shim_state next);
/** shim_fail() - create or start did not work: end it; told when it has ended. */
void shim_fail(struct shim *s, int code, int exit_code, const char *msg);
void shim_start(struct shim *s);
void shim_stop(struct shim *s, int signo, int64_t grace_ms);
int64_t shim_now_ms(void);
/** shim_spec_read() - decode spec.pb into fresh memory that is never freed piece by piece. */
int shim_spec_read(int bundle, Swarm__V1__ShimSpec **out, void **arena, size_t *arena_len,
                   struct sw_err *err);

/* ---- child.c: the first process ---- */
enum child_kind { CHILD_READY = 1, CHILD_ERROR, CHILD_PID };

/* Message from a process inside to the shim; one datagram of a SOCK_SEQPACKET pair. End of file
 * after READY means that execve(2) succeeded. */
struct child_msg {
    int32_t kind;
    int32_t code;
    int32_t exit_code;
    int32_t pid; /* CHILD_PID */
    char text[SW_ERR_MSG_MAX];
};

struct child_args {
    const struct shim *shim;
    int stdio[3]; /* -1: /dev/null, or the terminal */
    int sync;
};

/** child_spawn() - clone the first process. Return: its pid or -errno. */
pid_t child_spawn(struct shim *s, struct child_args *args, struct sw_err *err);
_Noreturn void child_report(int sync, int exit_code, const struct sw_err *err);
/** child_send() - @fd: passed along, -1 for none. Return: 0 or -errno. */
int child_send(int sync, const struct child_msg *msg, int fd);
/** child_recv() - Return: 1 a message (and *@fd, -1 for none); 0 end of file; -errno. */
int child_recv(int sync, struct child_msg *msg, int *fd);
/** child_terminal() - open a new terminal. @pts: devpts root, or -1: /dev/ptmx by name. */
int child_terminal(int pts, unsigned rows, unsigned cols, int *slave, struct sw_err *err);
/** child_stdio() - make the three descriptors 0, 1, 2 and the sync socket 3, close all others. */
void child_stdio(const int fds[3], int terminal, int *sync);
void child_reset_signals(void);
/** child_name() - what ps shows for a process of ours that lives on inside. */
void child_name(const char *name);
void child_name_init(int argc, char **argv);

/* ---- init.c ---- */
/** init_run() - be process 1: fork, let the child return, forward signals, reap, exit with its
 * status. Return: in the child only; negative when fork failed. */
int init_run(int sync, struct sw_err *err);

/* ---- stdio.c ---- */
/** stdio_open() - pipes for the first process; @child: its ends, the caller closes them. */
int stdio_open(struct shim *s, int child[3], struct sw_err *err);
/** stdio_terminal() - the first process made a terminal; owned. */
void stdio_terminal(struct shim *s, int fd);
void stdio_resize(struct shim *s, unsigned rows, unsigned cols);
/** stdio_close_stdin() - end of input for a pipe; a terminal stays open. */
void stdio_close_stdin(struct shim *s);
/** stdio_read() - some output is there. */
void stdio_read(struct shim *s, struct shim_out *out);
/** stdio_drain() - read all that is there now; at the end of life. */
void stdio_drain(struct shim *s);
/** stdio_close() - what is left of unfinished lines goes to the log. */
void stdio_close(struct shim *s);

/* ---- ctl.c ---- */
struct conn;
int ctl_listen(struct shim *s, struct sw_err *err);
void ctl_accept(struct shim *s);
/** ctl_adopt() - the connection the shim was started with; owned. */
int ctl_adopt(struct shim *s, int fd);
void ctl_event(struct shim *s, const Swarm__V1__ShimEvent *event);
/** ctl_output() - give output to attached clients. */
void ctl_output(struct shim *s, unsigned stream, const uint8_t *p, size_t len);
/** ctl_blocked() - does an attached client have to take output first? */
bool ctl_blocked(const struct shim *s);
bool ctl_flushed(const struct shim *s);
/** ctl_sweep() - free what has failed; once a turn of the loop. */
void ctl_sweep(struct shim *s);
void ctl_close_all(struct shim *s);
size_t ctl_conns(const struct shim *s);

struct pollfd;
/** ctl_poll() - fill in what to wait for; returns how many. ctl_handle() gets the same array. */
size_t ctl_poll(struct shim *s, struct pollfd *fds);
void ctl_handle(struct shim *s, const struct pollfd *fds);
/** ctl_deadline_ms() - when a stalled client is cut off; 0: none. */
int64_t ctl_deadline_ms(const struct shim *s);
void ctl_timeout(struct shim *s);

/* ---- exec.c ---- */
/** exec_start() - @fds: owned, three, or one with a tty, or none. */
void exec_start(struct shim *s, const Swarm__V1__ShimExec *req, const int *fds, size_t n_fds);
/** exec_signal() - Return: false when there is no such exec. */
bool exec_signal(struct shim *s, uint64_t id, int signo);
bool exec_knows(const struct shim *s, pid_t pid);
void exec_reaped(struct shim *s, pid_t pid, int status);
/** exec_pid_pending() - reads what has come. Return: true while a process may be ours whose pid we
 * do not know yet: nobody unknown may be reaped then. */
bool exec_pid_pending(struct shim *s);
size_t exec_poll(struct shim *s, struct pollfd *fds);
void exec_handle(struct shim *s, const struct pollfd *fds);
size_t exec_count(const struct shim *s);

#endif
