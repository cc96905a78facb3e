/* SPDX-License-Identifier: Apache-2.0
 * container.h - run, watch and remove containers, seen from the node agent's loop.
 *
 * How it works. Every container has a parent process of its own, swarm-shim, which builds the
 * sandbox and keeps stdio, log file and exit status. This module writes the specification into
 * the container's bundle directory, starts the shim and speaks to it over a Unix socket in that
 * directory. The shim outlives us: after a restart of the agent container_adopt() finds it again.
 *
 *   container_create()  -> CREATING --created--> CREATED --container_start()--> STARTING
 *                              \--failed--> DEAD             \                     |  \--failed-->
 * DEAD
 *                                                             \--exited--> DEAD    started
 *                                                                                  v
 *                                              DEAD <--exited-- RUNNING <----------+
 *
 * CREATED means: namespaces and mounts exist, the process waits before execve(2). That is the
 * moment to attach networks: /proc/<pid>/ns/net. A DEAD container may be created again with the
 * same bundle (restart); its log is continued.
 *
 * The bundle directory belongs to the caller (path, lifetime); files inside belong to this module:
 *   spec.pb shim.sock log log.1 ... exit hostname hosts resolv.conf merged/
 * Nothing is ever mounted in the host's mount namespace: all mounts die with the container.
 *
 * All functions run on the loop thread unless they say otherwise; callbacks too, never from inside
 * the call that asked for them. */
#ifndef SWARM_AGENT_SANDBOX_CONTAINER_H
#define SWARM_AGENT_SANDBOX_CONTAINER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/err.h"

struct uv_loop_s;
struct container;        /* one container; opaque */
struct container_host;   /* what all containers of a node share; opaque */
struct container_stream; /* an attached client; opaque */
struct container_exec;   /* a further process inside a container; opaque */
struct container_log;    /* a reader of a container's log; opaque */

#define CONTAINER_ID_CHARS       64
#define CONTAINER_GRACE_MS       10000      /* SEMANTICS 23.1: stop grace when none is given */
#define CONTAINER_SHM_BYTES      67108864   /* Docker's 64 MiB of /dev/shm */
#define CONTAINER_LOG_BYTES      (10 << 20) /* one log file, when the specification has no limit */
#define CONTAINER_LOG_FILES      3
#define CONTAINER_EXIT_NOT_FOUND 127 /* executable or interpreter missing */
#define CONTAINER_EXIT_CANNOT    126 /* not executable */
#define CONTAINER_EXIT_LOST      255 /* the shim died without telling an exit status */

/* ---- specification ------------------------------------------------------------------------ */

/* Lists of strings end with NULL; a NULL list is empty. Everything in a specification is borrowed
 * for the duration of the call. Zero is the default of every field unless it says otherwise. */

enum container_ns {
    CONTAINER_NS_PRIVATE, /* a new one */
    CONTAINER_NS_HOST,
    CONTAINER_NS_JOIN, /* that of the process container_spec.join_pid */
};

enum container_seccomp {
    CONTAINER_SECCOMP_DEFAULT, /* Docker's allow-list, adapted to the capabilities */
    CONTAINER_SECCOMP_UNCONFINED,
    CONTAINER_SECCOMP_CUSTOM, /* container_spec.seccomp_profile */
};

enum container_mount_type {
    CONTAINER_MOUNT_BIND, /* also volumes, images, secrets, configs: a source directory or file */
    CONTAINER_MOUNT_TMPFS,
};

struct container_mount {
    enum container_mount_type type;
    const char *source;        /* bind: absolute host path, symbolic links are followed */
    const char *target;        /* absolute; resolved inside the container's root */
    bool read_only;            /* recursive unless @non_recursive */
    bool non_recursive;        /* bind: without what is mounted below the source */
    bool create_source;        /* bind: make the directory when it is missing (docker run -v) */
    bool copy_up;              /* bind of an empty directory: first fill it with what the image has
                                  at the target (a fresh volume without nocopy) */
    const char *propagation;   /* bind: NULL "rprivate", private rslave slave rshared shared */
    uint64_t tmpfs_bytes;      /* 0: half the memory, as the kernel has it */
    uint32_t tmpfs_mode;       /* 0: 01777 */
    const char *tmpfs_options; /* NULL or "exec,uid=5,size=1m": as of docker run --tmpfs */
};

struct container_resources {
    int64_t nano_cpus;         /* 0: no limit; 1e9 is one CPU */
    int64_t memory_bytes;      /* 0: no limit */
    int64_t memory_swap_bytes; /* memory + swap; 0: twice the memory, -1: no limit */
    int64_t memory_low_bytes;  /* soft limit (reservation); 0: none */
    bool swappiness_set;
    int64_t swappiness;      /* 0 .. 100; v1 only */
    int64_t pids;            /* 0 and -1: no limit */
    uint64_t cpu_shares;     /* 0: 1024 */
    uint64_t cpu_period_us;  /* with cpu_quota_us, instead of nano_cpus; 0: 100000 */
    int64_t cpu_quota_us;    /* 0 and -1: no limit */
    const char *cpuset_cpus; /* "0-1,3" or NULL */
    const char *cpuset_mems;
    bool oom_kill_disable; /* v1 only */
};

struct container_ulimit {
    const char *name; /* "nofile", as in setrlimit(2) without RLIMIT_, lower case */
    int64_t soft;     /* -1: unlimited */
    int64_t hard;
};

struct container_pair {
    const char *key;
    const char *value;
};

struct container_device {
    const char *source;      /* host path of a device node */
    const char *target;      /* path inside; NULL: the same */
    const char *permissions; /* of "rwm"; NULL: "rwm" */
};

struct container_spec {
    const char *id;     /* 64 lower-case hex digits; names the cgroup */
    const char *bundle; /* existing directory, absolute */

    /* root file system: overlayfs of the layers, lowest first in @lower */
    const char *const *lower;
    const char *upper; /* made when missing; must be on one file system with @work */
    const char *work;  /* made when missing */
    bool read_only;    /* the root only; mounts have their own flag */
    bool sync_upper;   /* honour fsync(2) of the container in its upper layer and write it out at
                          the end: for containers that are started again after a power failure.
                          false: overlayfs "volatile"; nothing changes for mounts and volumes */

    /* process */
    const char *const *argv;   /* at least one */
    const char *const *env;    /* "K=V"; PATH, HOSTNAME, TERM (with tty) and HOME are added when
                                  missing, in Docker's order */
    const char *cwd;           /* NULL: "/"; made when missing */
    const char *user;          /* NULL or "": root; "uid", "name", "uid:gid", "name:group" by the
                                  image's /etc/passwd and /etc/group */
    const char *const *groups; /* additional, names or numbers */
    bool tty;
    bool open_stdin;       /* false: /dev/null */
    bool init;             /* a small process 1 that forwards signals and reaps */
    int stop_signal;       /* 0: SIGTERM */
    int64_t stop_grace_ms; /* -1: CONTAINER_GRACE_MS; 0 kills at once */
    unsigned tty_rows, tty_cols;

    /* names */
    const char *hostname;   /* NULL: the first 12 digits of the id */
    const char *domainname; /* NULL: none */
    const char *hosts;      /* whole text of /etc/hosts; NULL: none is put over the image's */
    const char *resolv_conf;
    const char *hostname_file; /* NULL: "<hostname>\n"; "" puts none over the image's */

    const struct container_mount *mounts;
    size_t mounts_len;
    uint64_t shm_bytes; /* 0: CONTAINER_SHM_BYTES */

    /* confinement */
    const char *const *cap_add; /* "NET_ADMIN", "CAP_NET_ADMIN" or "ALL" */
    const char *const *cap_drop;
    bool privileged; /* all capabilities and devices, no seccomp, nothing masked */
    bool no_new_privs;
    enum container_seccomp seccomp;
    const char *seccomp_profile; /* custom: JSON text in Docker's form */
    bool unmask; /* leave /proc and /sys paths unmasked and writable (systempaths) */
    const struct container_device *devices;
    size_t devices_len;
    const char *const *device_rules; /* "c 1:3 rwm", added to the policy */
    struct container_resources resources;
    const struct container_ulimit *ulimits;
    size_t ulimits_len;
    const struct container_pair *sysctls; /* "net.core.somaxconn" = "99" */
    size_t sysctls_len;
    bool oom_score_adj_set;
    int oom_score_adj;

    enum container_ns net_ns, pid_ns, ipc_ns, uts_ns, cgroup_ns;
    pid_t join_pid; /* for CONTAINER_NS_JOIN */

    uint64_t log_bytes; /* of one file; 0: CONTAINER_LOG_BYTES */
    unsigned log_files; /* 0: CONTAINER_LOG_FILES */
    bool log_none;      /* keep no log (driver "none") */
};

/** container_spec_init() - all defaults, including those that are not zero. */
void container_spec_init(struct container_spec *spec);

/* ---- the node's shared part ------------------------------------------------------------------ */

struct container_host_options {
    const char *shim_path;     /* the program swarm-shim; NULL: beside our own program */
    const char *cgroup_parent; /* NULL: "swarm"; containers get <parent>/<id> in every hierarchy */
    const char *cgroup_root;   /* NULL: "/sys/fs/cgroup" (tests point elsewhere) */
};

/**
 * container_host_new() - look at the machine: cgroup layout, seccomp, the shim program
 * @loop: borrowed, must outlive the host
 * @opts: copied
 * Return: 0; -ENOENT when the shim program or a needed cgroup controller is missing; -ENOMEM.
 */
int container_host_new(struct container_host **out, struct uv_loop_s *loop,
                       const struct container_host_options *opts, struct sw_err *err);
/** container_host_free() - all containers and logs of it must have been freed before. */
void container_host_free(struct container_host *host);

/** container_host_cgroup_version() - 1 (also hybrid) or 2, for `docker info`. */
int container_host_cgroup_version(const struct container_host *host);

/**
 * container_host_sweep() - end what is left of containers the caller does not know
 * @known: says whether a container id is still wanted; called inside this call
 * @done:  fires once, with the number of containers ended
 *
 * For the agent's start, after all container_adopt(): kills processes in unknown cgroups below the
 * parent and removes those cgroups. Directories are the caller's: it knows where bundles are.
 */
int container_host_sweep(struct container_host *host, bool (*known)(const char *id, void *data),
                         void (*done)(unsigned ended, void *data), void *data, struct sw_err *err);

/* ---- life ----------------------------------------------------------------------------------- */

enum container_state {
    CONTAINER_CREATING,
    CONTAINER_CREATED,
    CONTAINER_STARTING,
    CONTAINER_RUNNING,
    CONTAINER_DEAD,
    CONTAINER_STATES
};

struct container_exit {
    int code;           /* 0 .. 255; 128 + signal when a signal ended it; CONTAINER_EXIT_LOST */
    int signal;         /* 0 or the signal */
    bool oom_killed;    /* the kernel killed a process of the container for want of memory */
    bool started;       /* false: it ended between created and started */
    int64_t started_ns; /* CLOCK_REALTIME; 0: never */
    int64_t finished_ns;
};

/* Every callback may be NULL. The last one to come is failed or exited, exactly one of them; it may
 * call container_free(). */
struct container_events {
    void (*created)(struct container *c, pid_t pid, void *data);
    void (*started)(struct container *c, pid_t pid, int64_t started_ns, void *data);
    /* Create or start did not work. @exit_code is what a Docker client expects for it: 127, 126,
     * 128 for anything before execve(2). The text of failed starts has Docker's inner form:
     *   exec: "x": executable file not found in $PATH           (127)
     *   exec: "/etc": permission denied                          (126)
     *   exec: "/nosuch": stat /nosuch: no such file or directory (127) */
    void (*failed)(struct container *c, int exit_code, const struct sw_err *err, void *data);
    void (*exited)(struct container *c, const struct container_exit *exit, void *data);
    void *data;
};

/**
 * container_create() - build the sandbox; the process then waits before execve(2)
 * @out:    returned, set on success only; release with container_free()
 * @spec:   borrowed for the call
 * @events: copied; created or failed follows
 *
 * Writes some kilobytes into the bundle, without fsync.
 * Return: 0; SW_E_INVALID for a specification that cannot work, e.g. `invalid mount config for type
 * "bind": bind source path does not exist: /x`, `invalid capability: "FOO"`; SW_E_CONFLICT when a
 * shim still lives in this bundle; negative errno.
 */
int container_create(struct container **out, struct container_host *host,
                     const struct container_spec *spec, const struct container_events *events,
                     struct sw_err *err);

/** container_start() - let it execute. CREATED only, else SW_E_CONFLICT. started or failed follows.
 */
int container_start(struct container *c, struct sw_err *err);

/**
 * container_adopt() - after a restart of the agent: find the container of a bundle again
 * @id: copied
 *
 * Tells what it finds through @events, in the order of life: created; started when it runs;
 * exited when it ended meanwhile or its shim is gone (CONTAINER_EXIT_LOST; what is left of its
 * processes has been killed then).
 * Return: 0; SW_E_NOT_FOUND when no container was ever created in this bundle; negative errno.
 */
int container_adopt(struct container **out, struct container_host *host, const char *id,
                    const char *bundle, const struct container_events *events, struct sw_err *err);

/** container_free() - forget it; the container itself lives on. Streams and execs are closed. */
void container_free(struct container *c);

enum container_state container_state(const struct container *c);
const char *container_id(const struct container *c);
pid_t container_pid(const struct container *c); /* in the host's pid namespace; 0 when dead */

/**
 * container_signal() - send @signo to the container's first process
 * Return: 0; SW_E_CONFLICT "Container <id> is not running".
 */
int container_signal(struct container *c, int signo, struct sw_err *err);

/**
 * container_stop() - stop signal, after the grace period SIGKILL; exited follows
 * @signo:    0: the specification's
 * @grace_ms: -1: the specification's
 *
 * The shim keeps the time, so that a stop survives a restart of the agent. Of two stops the
 * shorter remaining grace wins. A CREATED container is ended at once (exited, started = false).
 * Return: 0; SW_E_NOT_MODIFIED when it is dead already.
 */
int container_stop(struct container *c, int signo, int64_t grace_ms, struct sw_err *err);

int container_resize(struct container *c, unsigned rows, unsigned cols, struct sw_err *err);

/** container_pause() - freeze or thaw; @done fires once. SW_E_CONFLICT unless RUNNING. */
int container_pause(struct container *c, bool pause, void (*done)(int status, void *data),
                    void *data, struct sw_err *err);
bool container_is_paused(const struct container *c);

/** container_update() - change limits of a living container (docker update): what is 0 or NULL
 * stays as it is, -1 takes a limit away. */
int container_update(struct container *c, const struct container_resources *res,
                     struct sw_err *err);

/** container_set_hosts() - new text of /etc/hosts (addresses are known after created). */
int container_set_hosts(struct container *c, const char *text, struct sw_err *err);
int container_set_resolv_conf(struct container *c, const char *text, struct sw_err *err);

/**
 * container_remove() - end and remove all of a container except the bundle directory's own entry
 * @id, @bundle: copied; no handle of it may exist any more
 * @done: fires once; status 0 also when nothing was there
 *
 * Kills what still runs, removes cgroups, empties and removes the bundle directory, upper and work
 * directories below it included. Works after a crash of the shim and twice.
 */
int container_remove(struct container_host *host, const char *id, const char *bundle,
                     void (*done)(int status, const struct sw_err *err, void *data), void *data,
                     struct sw_err *err);

/* ---- numbers -------------------------------------------------------------------------------- */

struct container_stats {
    uint64_t cpu_ns, cpu_user_ns, cpu_system_ns;
    uint64_t cpu_periods, cpu_throttled_periods, cpu_throttled_ns;
    uint64_t memory_bytes;               /* usage, with cache */
    uint64_t memory_peak_bytes;          /* 0: unknown */
    uint64_t memory_limit_bytes;         /* UINT64_MAX: none */
    uint64_t memory_inactive_file_bytes; /* what `docker stats` subtracts */
    uint64_t memory_cache_bytes, memory_rss_bytes;
    uint64_t oom_kills;
    uint64_t pids, pids_limit; /* UINT64_MAX: none */
    uint64_t blk_read_bytes, blk_write_bytes, blk_reads, blk_writes;
};

/** container_stats() - read the cgroup; some tens of microseconds. SW_E_CONFLICT when dead. */
int container_stats(struct container *c, struct container_stats *out, struct sw_err *err);

/**
 * container_pids() - processes of the container, host pids, in the order of the kernel
 * @out: returned, release with sw_free(); @n entries
 */
int container_pids(struct container *c, pid_t **out, size_t *n, struct sw_err *err);

/* ---- streams: attach and exec --------------------------------------------------------------- */

enum container_stdio { CONTAINER_STDIN, CONTAINER_STDOUT, CONTAINER_STDERR };

struct container_stream_events {
    /* Output; borrowed for the call. With a tty all comes as CONTAINER_STDOUT. */
    void (*output)(struct container_stream *s, enum container_stdio which, const uint8_t *p,
                   size_t len, void *data);
    /* All that was written has been taken; more may be sent. */
    void (*drained)(struct container_stream *s, void *data);
    /* No more output will come (the container ended, or @status < 0 the shim went away). Last
     * call; may call container_stream_close(). */
    void (*end)(struct container_stream *s, int status, void *data);
    void *data;
};

struct container_attach_options {
    bool in, out, err; /* which streams */
    bool close_stdin;  /* StdinOnce: the container's stdin ends with this client */
};

/**
 * container_attach() - join the container's stdio; allowed from CREATED on, before the start
 *
 * Output from the moment of the call on; earlier output is in the log. A client that does not
 * take its output for 10 s is cut off: the container never waits longer for it.
 * Return: 0; SW_E_CONFLICT when dead; negative errno.
 */
int container_attach(struct container_stream **out, struct container *c,
                     const struct container_attach_options *opts,
                     const struct container_stream_events *events, struct sw_err *err);

/** container_stream_write() - to the process's stdin; copied. Keep container_stream_queued() small:
 * write on after drained. Return: 0; -EPIPE when its input is closed; -ENOMEM. */
int container_stream_write(struct container_stream *s, const void *p, size_t len,
                           struct sw_err *err);
size_t container_stream_queued(const struct container_stream *s);
/** container_stream_shutdown() - end of input, after what is queued. */
void container_stream_shutdown(struct container_stream *s);
/** container_stream_pause() - stop or resume output events: back-pressure of the client. */
void container_stream_pause(struct container_stream *s, bool pause);
/** container_stream_close() - free it; no event follows. */
void container_stream_close(struct container_stream *s);

struct container_exec_options {
    const char *const *argv;
    const char *const *env; /* added to the container's; NULL: none */
    const char *cwd;        /* NULL: the container's */
    const char *user;       /* NULL or "": the container's */
    bool tty;
    bool in;      /* false: /dev/null */
    bool discard; /* detached: stdio is /dev/null */
    bool privileged;
    unsigned tty_rows, tty_cols;
};

/* Last call: failed or exited, exactly one. It may call container_exec_free(), but not
 * container_free(): the container may be about to tell its own end. */
struct container_exec_events {
    void (*started)(struct container_exec *x, pid_t pid, void *data);
    void (*failed)(struct container_exec *x, int exit_code, const struct sw_err *err, void *data);
    void (*output)(struct container_exec *x, enum container_stdio which, const uint8_t *p,
                   size_t len, void *data);
    void (*drained)(struct container_exec *x, void *data);
    /* After the last output; output that children keep open is cut 1 s after the exit. */
    void (*exited)(struct container_exec *x, int exit_code, void *data);
    void *data;
};

/**
 * container_exec() - run a further process inside; health checks and docker exec
 * Return: 0, started or failed follows; SW_E_CONFLICT "Container <id> is not running".
 */
int container_exec(struct container_exec **out, struct container *c,
                   const struct container_exec_options *opts,
                   const struct container_exec_events *events, struct sw_err *err);
int container_exec_write(struct container_exec *x, const void *p, size_t len, struct sw_err *err);
size_t container_exec_queued(const struct container_exec *x);
void container_exec_shutdown(struct container_exec *x);
void container_exec_pause(struct container_exec *x, bool pause);
int container_exec_resize(struct container_exec *x, unsigned rows, unsigned cols,
                          struct sw_err *err);
int container_exec_signal(struct container_exec *x, int signo, struct sw_err *err);
pid_t container_exec_pid(const struct container_exec *x); /* host pid; 0 before started */
/** container_exec_free() - forget it; no event follows. The process goes on without stdio; end it
 * with container_exec_signal() before, if it should not. */
void container_exec_free(struct container_exec *x);

/* ---- log ------------------------------------------------------------------------------------ */

struct container_log_options {
    bool out, err;    /* which streams */
    bool follow;      /* wait for more until the container is dead */
    int64_t since_ns; /* CLOCK_REALTIME; 0: from the beginning */
    int64_t until_ns; /* 0: no end */
    int64_t tail;     /* last lines, after the filter by stream; -1: all */
};

struct container_log_entry {
    enum container_stdio stream;
    int64_t ns;       /* CLOCK_REALTIME at which it was read */
    const uint8_t *p; /* one line, with its '\n' unless @partial or the stream's last */
    size_t len;
    bool partial;   /* the line goes on in the next entry of this stream */
    bool continued; /* the line began in an earlier one: no timestamp before it */
};

/**
 * container_log_open() - read the log of a bundle, dead or alive; needs no struct container
 * @bundle: copied
 * Return: 0 also when there is no log yet; negative errno.
 */
int container_log_open(struct container_log **out, struct container_host *host, const char *bundle,
                       const struct container_log_options *opts, struct sw_err *err);

/**
 * container_log_next() - ask for the next entries; one call may be outstanding
 * @batch: fires once: @n entries, borrowed for the call; @n == 0 is the end of the log (@status 0)
 *         or a failure (@status < 0). With follow it fires when something has come.
 */
void container_log_next(struct container_log *log,
                        void (*batch)(struct container_log *log, int status,
                                      const struct container_log_entry *entries, size_t n,
                                      void *data),
                        void *data);
/** container_log_close() - any time, also inside @batch; an outstanding callback never comes. */
void container_log_close(struct container_log *log);

/* ---- files ---------------------------------------------------------------------------------- */

/**
 * container_root_open() - the root directory of a container for cp, export and diff
 * @lower, @upper, @work: as in the specification; used when the container is dead (@c NULL or
 *         DEAD): mounts the overlay detached, it vanishes with the descriptor
 *
 * Paths below it must be opened with inroot_open() (inroot.h), never by name.
 * Return: descriptor (O_PATH, close-on-exec) >= 0, owned by the caller; negative errno.
 */
int container_root_open(struct container *c, const char *const *lower, const char *upper,
                        const char *work, struct sw_err *err);

#endif
