/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/sandbox/caps.h"

#include <errno.h>
#include <linux/capability.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/macro.h"

/* capabilities(7), in the order of their numbers */
static const char *const names[] = {
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
};

const uint64_t caps_default =
    CAPS_BIT(CAP_CHOWN) | CAPS_BIT(CAP_DAC_OVERRIDE) | CAPS_BIT(CAP_FSETID) | CAPS_BIT(CAP_FOWNER) |
    CAPS_BIT(CAP_MKNOD) | CAPS_BIT(CAP_NET_RAW) | CAPS_BIT(CAP_SETGID) | CAPS_BIT(CAP_SETUID) |
    CAPS_BIT(CAP_SETFCAP) | CAPS_BIT(CAP_SETPCAP) | CAPS_BIT(CAP_NET_BIND_SERVICE) |
    CAPS_BIT(CAP_SYS_CHROOT) | CAPS_BIT(CAP_KILL) | CAPS_BIT(CAP_AUDIT_WRITE);

const char *caps_name(unsigned cap)
{
    return cap < SW_ARRAY_LEN(names) ? names[cap] : NULL;
}

int caps_parse(const char *name)
{
    if (strncasecmp(name, "CAP_", 4) == 0)
        name += 4;
    for (size_t i = 0; i < SW_ARRAY_LEN(names); i++)
        if (strcasecmp(names[i] + 4, name) == 0)
            return (int)i;
    return -1;
}

uint64_t caps_available(void)
{
    uint64_t set = 0;

    for (unsigned i = 0; i < SW_ARRAY_LEN(names); i++)
        if (prctl(PR_CAPBSET_READ, i, 0, 0, 0) == 1)
            set |= CAPS_BIT(i);
    return set;
}

static int parse_list(const char *const *list, uint64_t *set, struct sw_err *err)
{
    *set = 0;
    for (; list != NULL && *list != NULL; list++) {
        int cap;

        if (strcasecmp(*list, "ALL") == 0) {
            *set |= caps_available();
            continue;
        }
        cap = caps_parse(*list);
        if (cap < 0)
            return sw_err_set(err, SW_E_INVALID, "invalid capability: \"%s\"", *list);
        *set |= CAPS_BIT(cap);
    }
    return 0;
}

static int has_all(const char *const *list)
{
    for (; list != NULL && *list != NULL; list++)
        if (strcasecmp(*list, "ALL") == 0)
            return 1;
    return 0;
}

int caps_compute(const char *const *add, const char *const *drop, uint64_t *out, struct sw_err *err)
{
    uint64_t plus;
    uint64_t minus;
    int r;

    r = parse_list(add, &plus, err);
    if (r < 0)
        return r;
    r = parse_list(drop, &minus, err);
    if (r < 0)
        return r;
    /* As Docker: with ALL dropped, only what is named to be added is left; with ALL added, all but
     * what is named to be dropped. */
    if (has_all(drop) && has_all(add))
        *out = 0;
    else if (has_all(drop))
        *out = plus;
    else
        *out = (caps_default | plus) & ~minus;
    return 0;
}

int caps_drop_bounding(uint64_t set)
{
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    for (unsigned i = 0; i < 64; i++) {
        int has = prctl(PR_CAPBSET_READ, i, 0, 0, 0);

        if (has < 0)
            break; /* EINVAL: beyond the kernel's last */
        if (has == 1 && (set & CAPS_BIT(i)) == 0 && prctl(PR_CAPBSET_DROP, i, 0, 0, 0) < 0)
            return -errno;
    }
    return 0;
}

int caps_apply(uint64_t set)
{
    struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3, .pid = 0 };
    struct __user_cap_data_struct data[2] = { 0 };

    for (int i = 0; i < 2; i++)
        data[i].permitted = data[i].effective = (uint32_t)(set >> (32 * i));
    return syscall(SYS_capset, &head, data) == 0 ? 0 : -errno;
}
