/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/sandbox/user.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/sandbox/inroot.h"
#include "common/base/alloc.h"

#define USER_FILE_MAX (4u << 20)
#define USER_FIELDS   7

/* The whole file as a string, "" when it is missing or is no regular file. */
static char *read_file(int root, const char *path)
{
    int fd = inroot_open(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
    struct stat st;
    char *text;
    size_t len = 0;
    size_t cap = 1;

    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
        cap += (size_t)st.st_size < USER_FILE_MAX ? (size_t)st.st_size : USER_FILE_MAX;
    text = sw_malloc(cap);
    while (text != NULL && len + 1 < cap) {
        ssize_t n = read(fd, text + len, cap - 1 - len);

        if (n <= 0)
            break;
        len += (size_t)n;
    }
    if (text != NULL)
        text[len] = '\0';
    if (fd >= 0)
        (void)close(fd);
    return text;
}

/* Cuts the next line off *rest into its colon-separated fields; false at the end. */
static bool next_line(char **rest, char *field[USER_FIELDS])
{
    char *line = strsep(rest, "\n");

    if (line == NULL)
        return false;
    for (int i = 0; i < USER_FIELDS; i++) {
        char *f = strsep(&line, ":");

        field[i] = f != NULL ? f : (char *)(uintptr_t) "";
    }
    return true;
}

static bool parse_id(const char *s, uint32_t *out)
{
    char *end;
    unsigned long v;

    if (*s < '0' || *s > '9')
        return false;
    errno = 0;
    v = strtoul(s, &end, 10);
    if (*end != '\0' || errno != 0 || v > INT32_MAX)
        return false;
    *out = (uint32_t)v;
    return true;
}

static bool add_group(struct user *u, gid_t gid)
{
    for (size_t i = 0; i < u->groups_len; i++)
        if (u->groups[i] == gid)
            return true;
    if (u->groups_len == USER_GROUPS_MAX)
        return false;
    u->groups[u->groups_len++] = gid;
    return true;
}

/* Finds @who by name, or by number when it is one. @name: the name found, for /etc/group. */
static int find_user(char *passwd, const char *who, struct user *u, char *name, size_t name_size,
                     struct sw_err *err)
{
    char *field[USER_FIELDS];
    uint32_t want = 0;
    uint32_t uid;
    uint32_t gid;
    bool numeric = parse_id(who, &want);

    while (next_line(&passwd, field)) {
        if (field[0][0] == '\0' || !parse_id(field[2], &uid) || !parse_id(field[3], &gid))
            continue;
        if (strcmp(field[0], who) != 0 && !(numeric && uid == want))
            continue;
        u->uid = uid;
        u->gid = gid;
        (void)snprintf(u->home, sizeof(u->home), "%s", field[5][0] != '\0' ? field[5] : "/");
        (void)snprintf(name, name_size, "%s", field[0]);
        return 0;
    }
    if (!numeric)
        return sw_err_set(err, SW_E_INVALID,
                          "unable to find user %s: no matching entries in passwd file", who);
    u->uid = want;
    return 0;
}

static bool is_member(char *list, const char *name)
{
    char *one;

    while ((one = strsep(&list, ",")) != NULL)
        if (strcmp(one, name) == 0)
            return true;
    return false;
}

/* The group called @want; group files are small, so each question reads a copy anew. */
static int find_group(const char *file, const char *want, gid_t *out, struct sw_err *err)
{
    SW_CLEANUP(sw_free_ptr) char *copy = sw_strdup(file);
    char *field[USER_FIELDS];
    char *rest = copy;
    uint32_t number = 0;
    uint32_t gid;
    bool numeric = parse_id(want, &number);

    if (copy == NULL)
        return sw_err_set(err, -ENOMEM, "read group file");
    while (next_line(&rest, field))
        if (field[0][0] != '\0' && parse_id(field[2], &gid) &&
            (strcmp(field[0], want) == 0 || (numeric && gid == number))) {
            *out = gid;
            return 0;
        }
    if (!numeric)
        return sw_err_set(err, SW_E_INVALID,
                          "unable to find group %s: no matching entries in group file", want);
    *out = number;
    return 0;
}

static int memberships(const char *file, const char *name, struct user *u, struct sw_err *err)
{
    SW_CLEANUP(sw_free_ptr) char *copy = sw_strdup(file);
    char *field[USER_FIELDS];
    char *rest = copy;
    uint32_t gid;

    if (copy == NULL)
        return sw_err_set(err, -ENOMEM, "read group file");
    while (next_line(&rest, field))
        if (parse_id(field[2], &gid) && is_member(field[3], name) && !add_group(u, gid))
            return sw_err_set(err, SW_E_INVALID, "user %s is in too many groups", name);
    return 0;
}

int user_resolve(int root, const char *who, char *const *groups, size_t groups_len,
                 struct user *out, struct sw_err *err)
{
    SW_CLEANUP(sw_free_ptr) char *passwd = read_file(root, "/etc/passwd");
    SW_CLEANUP(sw_free_ptr) char *group = read_file(root, "/etc/group");
    SW_CLEANUP(sw_free_ptr) char *name = sw_strdup(who);
    struct user u = { .home = "/" };
    char login[128] = "";
    char *group_part;
    gid_t gid;
    int r;

    if (passwd == NULL || group == NULL || name == NULL)
        return sw_err_set(err, -ENOMEM, "look up user '%s'", who);
    group_part = strchr(name, ':');
    if (group_part != NULL)
        *group_part++ = '\0';
    r = find_user(passwd, name[0] != '\0' ? name : "0", &u, login, sizeof(login), err);
    if (r < 0)
        return r;
    if (group_part != NULL && group_part[0] != '\0')
        r = find_group(group, group_part, &u.gid, err);
    else if (login[0] != '\0')
        r = memberships(group, login, &u, err);
    for (size_t i = 0; i < groups_len && r == 0; i++) {
        r = find_group(group, groups[i], &gid, err);
        if (r == 0 && !add_group(&u, gid))
            r = sw_err_set(err, SW_E_INVALID, "too many additional groups");
    }
    if (r == 0 && !add_group(&u, u.gid)) /* CVE-2022-36109 */
        r = sw_err_set(err, SW_E_INVALID, "too many additional groups");
    if (r == 0)
        *out = u;
    return r;
}
