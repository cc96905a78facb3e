/* SPDX-License-Identifier: Apache-2.0
 * web.c - "Hello! Hostname: ... Visits: ..." on port 80; visits are counted in the service "redis".
 *
 * One thread a connection, each with deadlines; SIGTERM stops accepting, finishes what was begun, and
 * ends: with a start-first update no request is lost. */
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t stopping;
static int active; /* connections being served */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void on_term(int signo)
{
    (void)signo;
    stopping = 1;
}

static void deadline(int fd, int seconds)
{
    struct timeval tv = { seconds, 0 };

    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
}

/* Return: the counter's new value, or -1. */
static long count_visit(void)
{
    static const char incr[] = "*2\r\n$4\r\nINCR\r\n$6\r\nvisits\r\n";
    struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM };
    struct addrinfo *list = NULL;
    char reply[64];
    long visits = -1;
    ssize_t n;
    int fd;

    if (getaddrinfo("redis", "6379", &hints, &list) != 0)
        return -1;
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        deadline(fd, 2);
        if (connect(fd, list->ai_addr, list->ai_addrlen) == 0 &&
            send(fd, incr, sizeof(incr) - 1, MSG_NOSIGNAL) == (ssize_t)sizeof(incr) - 1) {
            n = recv(fd, reply, sizeof(reply) - 1, 0);
            if (n > 1 && reply[0] == ':') {
                reply[n] = '\0';
                visits = strtol(reply + 1, NULL, 10);
            }
        }
        (void)close(fd);
    }
    freeaddrinfo(list);
    return visits;
}

static void answer(int fd)
{
    const char *name = getenv("NAME");
    const char *version = getenv("VERSION");
    char request[2048];
    char host[65] = "";
    char visits[64];
    char body[512];
    char head[256];
    long count;
    int len;

    deadline(fd, 5);
    if (recv(fd, request, sizeof(request), 0) <= 0)
        return;
    (void)gethostname(host, sizeof(host) - 1);
    count = count_visit();
    if (count >= 0)
        (void)snprintf(visits, sizeof(visits), "%ld", count);
    else
        (void)snprintf(visits, sizeof(visits), "cannot connect to redis, counter disabled");
    len = snprintf(body, sizeof(body), "Hello %.100s!\nHostname: %s\nVisits: %s\nVersion: %.100s\n",
                   name != NULL ? name : "World", host, visits, version != NULL ? version : "1");
    (void)snprintf(head, sizeof(head),
                   "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n"
                   "Connection: close\r\n\r\n",
                   len);
    (void)send(fd, head, strlen(head), MSG_NOSIGNAL | MSG_MORE);
    (void)send(fd, body, (size_t)len, MSG_NOSIGNAL);
    (void)shutdown(fd, SHUT_WR);
    while (recv(fd, request, sizeof(request), 0) > 0)
        ; /* until the client has read it and closes */
}

static void *serve(void *arg)
{
    int fd = (int)(long)arg;

    answer(fd);
    (void)close(fd);
    (void)pthread_mutex_lock(&lock);
    active--;
    (void)pthread_mutex_unlock(&lock);
    return NULL;
}

int main(void)
{
    struct sigaction sa = { .sa_handler = on_term }; /* no SA_RESTART: accept() shall wake up */
    struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(80) };
    pthread_attr_t attr;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int one = 1;

    (void)sigaction(SIGTERM, &sa, NULL);
    (void)sigaction(SIGINT, &sa, NULL);
    (void)setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(listener, (const struct sockaddr *)&any, sizeof(any)) < 0 || listen(listener, 128) < 0) {
        (void)fprintf(stderr, "web: listen on port 80: %s\n", strerror(errno));
        return 1;
    }
    (void)pthread_attr_init(&attr);
    (void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    (void)pthread_attr_setstacksize(&attr, 256 * 1024);
    (void)fprintf(stderr, "web: listening on port 80\n");
    while (!stopping) {
        int fd = accept(listener, NULL, NULL);
        pthread_t t;

        if (fd < 0)
            continue;
        (void)pthread_mutex_lock(&lock);
        active++;
        (void)pthread_mutex_unlock(&lock);
        if (pthread_create(&t, &attr, serve, (void *)(long)fd) != 0) {
            (void)close(fd);
            (void)pthread_mutex_lock(&lock);
            active--;
            (void)pthread_mutex_unlock(&lock);
        }
    }
    (void)close(listener);
    for (int i = 0; i < 500; i++) { /* at most 5 s for what was begun */
        struct timespec ms10 = { 0, 10000000 };
        int left;

        (void)pthread_mutex_lock(&lock);
        left = active;
        (void)pthread_mutex_unlock(&lock);
        if (left == 0)
            break;
        (void)nanosleep(&ms10, NULL);
    }
    return 0;
}
