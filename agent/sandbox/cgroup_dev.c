/* SPDX-License-Identifier: Apache-2.0
 * cgroup_dev.c - which devices a container may touch, as rules and as a BPF program.
 *
 * The program of version 2 has one block per rule and ends with "denied": rules only allow, as in a
 * version 1 hierarchy after devices.deny. BPF of type CGROUP_DEVICE: linux/bpf.h. */
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/sandbox/cgroup.h"
#include "common/base/macro.h"

#define DEV_RULES_MAX  64
#define DEV_INSNS_RULE 6
#define DEV_INSNS_MAX  (8 + DEV_RULES_MAX * DEV_INSNS_RULE)
#define DEV_ANY        (-1)

/* Docker's defaults: make any node, use the standard ones and terminals. */
const char *const cgroup_device_defaults[] = {
    "c *:* m",     /* mknod */
    "b *:* m",     /* mknod */
    "c 1:3 rwm",   /* null */
    "c 1:5 rwm",   /* zero */
    "c 1:7 rwm",   /* full */
    "c 1:8 rwm",   /* random */
    "c 1:9 rwm",   /* urandom */
    "c 5:0 rwm",   /* tty */
    "c 5:1 rwm",   /* console */
    "c 5:2 rwm",   /* ptmx */
    "c 136:* rwm", /* pts */
    NULL,
};

struct dev_rule {
    int type; /* BPF_DEVCG_DEV_*, 0 is any */
    int access;
    long major, minor; /* DEV_ANY */
};

struct dev_prog {
    struct bpf_insn insns[DEV_INSNS_MAX];
    unsigned len;
};

static bool parse_number(const char **p, long *out)
{
    char *end;

    if (**p == '*') {
        *out = DEV_ANY;
        (*p)++;
        return true;
    }
    if (**p < '0' || **p > '9')
        return false;
    *out = strtol(*p, &end, 10);
    *p = end;
    return true;
}

static bool parse_rule(const char *text, struct dev_rule *r)
{
    const char *p = text;

    r->access = 0;
    r->major = r->minor = DEV_ANY;
    if (strcmp(text, "a") == 0) {
        r->type = 0;
        r->access = BPF_DEVCG_ACC_MKNOD | BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE;
        return true;
    }
    if (*p == 'a')
        r->type = 0;
    else if (*p == 'c')
        r->type = BPF_DEVCG_DEV_CHAR;
    else if (*p == 'b')
        r->type = BPF_DEVCG_DEV_BLOCK;
    else
        return false;
    if (*++p != ' ')
        return false;
    p++;
    if (!parse_number(&p, &r->major) || *p++ != ':' || !parse_number(&p, &r->minor) || *p++ != ' ')
        return false;
    for (; *p != '\0'; p++) {
        if (*p == 'r')
            r->access |= BPF_DEVCG_ACC_READ;
        else if (*p == 'w')
            r->access |= BPF_DEVCG_ACC_WRITE;
        else if (*p == 'm')
            r->access |= BPF_DEVCG_ACC_MKNOD;
        else
            return false;
    }
    return r->access != 0;
}

static void emit(struct dev_prog *p, uint8_t code, uint8_t dst, uint8_t src, int16_t off,
                 int32_t imm)
{
    p->insns[p->len++] = (struct bpf_insn){ .code = code,
                                            .dst_reg = (uint8_t)(dst & 15),
                                            .src_reg = (uint8_t)(src & 15),
                                            .off = off,
                                            .imm = imm };
}

/* r2 type, r3 access, r4 major, r5 minor; the context is in r1 (struct bpf_cgroup_dev_ctx). */
static void emit_head(struct dev_prog *p)
{
    emit(p, BPF_LDX | BPF_MEM | BPF_W, 2, 1, 0, 0);
    emit(p, BPF_ALU | BPF_AND | BPF_K, 2, 0, 0, 0xffff);
    emit(p, BPF_LDX | BPF_MEM | BPF_W, 3, 1, 0, 0);
    emit(p, BPF_ALU | BPF_RSH | BPF_K, 3, 0, 0, 16);
    emit(p, BPF_LDX | BPF_MEM | BPF_W, 4, 1, 4, 0);
    emit(p, BPF_LDX | BPF_MEM | BPF_W, 5, 1, 8, 0);
}

static void emit_rule(struct dev_prog *p, const struct dev_rule *r)
{
    /* each test that fails jumps behind this rule's "allowed" */
    int tests = (r->type != 0) + 1 + (r->major >= 0) + (r->minor >= 0);
    int16_t to_end = (int16_t)(tests + 1); /* distance from the first test, in instructions */
    int all = BPF_DEVCG_ACC_MKNOD | BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE;

    if (r->type != 0)
        emit(p, BPF_JMP | BPF_JNE | BPF_K, 2, 0, to_end--, r->type);
    /* access & ~allowed != 0: something is wanted that the rule does not give */
    emit(p, BPF_JMP | BPF_JSET | BPF_K, 3, 0, to_end--, all & ~r->access);
    if (r->major >= 0)
        emit(p, BPF_JMP | BPF_JNE | BPF_K, 4, 0, to_end--, (int32_t)r->major);
    if (r->minor >= 0)
        emit(p, BPF_JMP | BPF_JNE | BPF_K, 5, 0, to_end--, (int32_t)r->minor);
    emit(p, BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 1);
    emit(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

static int emit_rules(struct dev_prog *p, const char *const *rules, struct sw_err *err)
{
    struct dev_rule r;

    for (; rules != NULL && *rules != NULL; rules++) {
        if (!parse_rule(*rules, &r))
            return sw_err_set(err, SW_E_INVALID, "invalid device rule '%s'", *rules);
        if (p->len + DEV_INSNS_RULE + 2 > DEV_INSNS_MAX)
            return sw_err_set(err, SW_E_INVALID, "more than %d device rules", DEV_RULES_MAX);
        emit_rule(p, &r);
    }
    return 0;
}

int cgroup_bpf_devices(int cgroup_fd, const char *const *rules, struct sw_err *err)
{
    struct dev_prog p = { .len = 0 };
    union bpf_attr attr;
    long prog;
    int r;

    emit_head(&p);
    r = emit_rules(&p, cgroup_device_defaults, err);
    if (r == 0)
        r = emit_rules(&p, rules, err);
    if (r < 0)
        return r;
    emit(&p, BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0);
    emit(&p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);

    memset(&attr, 0, sizeof(attr));
    attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
    attr.insns = (uint64_t)(uintptr_t)p.insns;
    attr.insn_cnt = p.len;
    attr.license = (uint64_t)(uintptr_t) "Apache-2.0";
    prog = syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
    if (prog < 0)
        return sw_err_errno(err, errno, "load device policy");

    memset(&attr, 0, sizeof(attr));
    attr.target_fd = (uint32_t)cgroup_fd;
    attr.attach_bpf_fd = (uint32_t)prog;
    attr.attach_type = BPF_CGROUP_DEVICE;
    attr.attach_flags = BPF_F_ALLOW_MULTI;
    r = 0;
    if (syscall(SYS_bpf, BPF_PROG_ATTACH, &attr, sizeof(attr)) < 0)
        r = sw_err_errno(err, errno, "attach device policy");
    (void)close((int)prog); /* the cgroup keeps it */
    return r;
}
