/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/sandbox/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "agent/sandbox/caps.h"
#include "common/base/alloc.h"
#include "common/base/macro.h"

#define SECCOMP_ARGS_MAX 6
/* From 424 on all processors number system calls alike. */
#define SECCOMP_SHARED_FIRST 424
#define SECCOMP_SHARED_LAST  511
#define SECCOMP_X32_BIT      0x40000000u

struct profile {
    scmp_filter_ctx ctx;
    uint64_t capabilities;
    uint32_t default_action;
    bool is_default;                     /* calls it does not know answer ENOSYS */
    bool young[SECCOMP_SHARED_LAST + 1]; /* allowed by number: libseccomp has no name for it */
};

/* Names that libseccomp 2.5.4 does not know yet. */
static const struct {
    const char *name;
    int number;
} young[] = {
    { "cachestat", 451 },         { "fchmodat2", 452 },        { "map_shadow_stack", 453 },
    { "futex_wake", 454 },        { "futex_wait", 455 },       { "futex_requeue", 456 },
    { "statmount", 457 },         { "listmount", 458 },        { "lsm_get_self_attr", 459 },
    { "lsm_set_self_attr", 460 }, { "lsm_list_modules", 461 }, { "mseal", 462 },
    { "setxattrat", 463 },        { "getxattrat", 464 },       { "listxattrat", 465 },
    { "removexattrat", 466 },
};

static const struct {
    const char *docker;
    const char *seccomp; /* of SCMP_ARCH_... without the prefix, lower case */
    uint32_t arch;
} arches[] = {
    { "amd64", "X86_64", SCMP_ARCH_X86_64 },
    { "x86", "X86", SCMP_ARCH_X86 },
    { "x32", "X32", SCMP_ARCH_X32 },
    { "arm64", "AARCH64", SCMP_ARCH_AARCH64 },
    { "arm", "ARM", SCMP_ARCH_ARM },
    { "s390x", "S390X", SCMP_ARCH_S390X },
    { "s390", "S390", SCMP_ARCH_S390 },
    { "riscv64", "RISCV64", SCMP_ARCH_RISCV64 },
    { "ppc64le", "PPC64LE", SCMP_ARCH_PPC64LE },
};

static uint32_t arch_by_token(const char *token)
{
    if (strncmp(token, "SCMP_ARCH_", 10) != 0)
        return 0;
    for (size_t i = 0; i < SW_ARRAY_LEN(arches); i++)
        if (strcmp(token + 10, arches[i].seccomp) == 0)
            return arches[i].arch;
    return 0;
}

static const char *native_name(void)
{
    uint32_t native = seccomp_arch_native();

    for (size_t i = 0; i < SW_ARRAY_LEN(arches); i++)
        if (arches[i].arch == native)
            return arches[i].docker;
    return "";
}

static int parse_action(const char *s, json_t *errno_ret, uint32_t *out, struct sw_err *err)
{
    int e = json_is_integer(errno_ret) ? (int)json_integer_value(errno_ret) : EPERM;

    if (s == NULL)
        return sw_err_set(err, SW_E_INVALID, "seccomp profile: a rule has no action");
    if (strcmp(s, "SCMP_ACT_ALLOW") == 0)
        *out = SCMP_ACT_ALLOW;
    else if (strcmp(s, "SCMP_ACT_ERRNO") == 0)
        *out = SCMP_ACT_ERRNO((uint32_t)e & 0xffff);
    else if (strcmp(s, "SCMP_ACT_KILL") == 0 || strcmp(s, "SCMP_ACT_KILL_THREAD") == 0)
        *out = SCMP_ACT_KILL_THREAD;
    else if (strcmp(s, "SCMP_ACT_KILL_PROCESS") == 0)
        *out = SCMP_ACT_KILL_PROCESS;
    else if (strcmp(s, "SCMP_ACT_TRAP") == 0)
        *out = SCMP_ACT_TRAP;
    else if (strcmp(s, "SCMP_ACT_LOG") == 0)
        *out = SCMP_ACT_LOG;
    else
        return sw_err_set(err, SW_E_INVALID, "seccomp profile: action '%s' is not offered", s);
    return 0;
}

/* ---- conditions of a rule ---- */

static bool kernel_at_least(const char *want)
{
    unsigned major = 0;
    unsigned minor = 0;
    unsigned have_major = 0;
    unsigned have_minor = 0;
    struct utsname u;

    if (sscanf(want, "%u.%u", &major, &minor) < 1 || uname(&u) < 0 ||
        sscanf(u.release, "%u.%u", &have_major, &have_minor) != 2)
        return false;
    return have_major > major || (have_major == major && have_minor >= minor);
}

static bool has_string(json_t *array, const char *s)
{
    size_t i;
    json_t *v;

    json_array_foreach(array, i, v) if (json_is_string(v) &&
                                        strcmp(json_string_value(v), s) == 0) return true;
    return false;
}

/* all of them */
static bool has_caps(json_t *array, uint64_t set)
{
    size_t i;
    json_t *v;

    json_array_foreach(array, i, v)
    {
        int cap = json_is_string(v) ? caps_parse(json_string_value(v)) : -1;

        if (cap < 0 || (set & CAPS_BIT(cap)) == 0)
            return false;
    }
    return true;
}

static bool rule_applies(const struct profile *p, json_t *rule)
{
    json_t *in = json_object_get(rule, "includes");
    json_t *ex = json_object_get(rule, "excludes");
    json_t *v;
    size_t i;
    json_t *c;

    v = json_object_get(in, "arches");
    if (json_array_size(v) > 0 && !has_string(v, native_name()))
        return false;
    v = json_object_get(in, "caps");
    if (json_array_size(v) > 0 && !has_caps(v, p->capabilities))
        return false;
    v = json_object_get(in, "minKernel");
    if (json_is_string(v) && !kernel_at_least(json_string_value(v)))
        return false;
    v = json_object_get(ex, "arches");
    if (json_array_size(v) > 0 && has_string(v, native_name()))
        return false;
    v = json_object_get(ex, "minKernel");
    if (json_is_string(v) && kernel_at_least(json_string_value(v)))
        return false;
    json_array_foreach(json_object_get(ex, "caps"), i, c)
    { /* any of them */
        int cap = json_is_string(c) ? caps_parse(json_string_value(c)) : -1;

        if (cap >= 0 && (p->capabilities & CAPS_BIT(cap)) != 0)
            return false;
    }
    return true;
}

/* ---- rules ---- */

static int parse_op(const char *s, enum scmp_compare *out)
{
    static const struct {
        const char *name;
        enum scmp_compare op;
    } ops[] = {
        { "SCMP_CMP_NE", SCMP_CMP_NE },
        { "SCMP_CMP_LT", SCMP_CMP_LT },
        { "SCMP_CMP_LE", SCMP_CMP_LE },
        { "SCMP_CMP_EQ", SCMP_CMP_EQ },
        { "SCMP_CMP_GE", SCMP_CMP_GE },
        { "SCMP_CMP_GT", SCMP_CMP_GT },
        { "SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ },
    };

    for (size_t i = 0; s != NULL && i < SW_ARRAY_LEN(ops); i++)
        if (strcmp(s, ops[i].name) == 0) {
            *out = ops[i].op;
            return 0;
        }
    return -EINVAL;
}

static int parse_args(json_t *array, struct scmp_arg_cmp *out, unsigned *n, struct sw_err *err)
{
    size_t i;
    json_t *a;

    *n = 0;
    json_array_foreach(array, i, a)
    {
        json_int_t index = json_integer_value(json_object_get(a, "index"));
        json_int_t value = json_integer_value(json_object_get(a, "value"));
        json_int_t two = json_integer_value(json_object_get(a, "valueTwo"));
        enum scmp_compare op;

        if (*n == SECCOMP_ARGS_MAX || index < 0 || index >= SECCOMP_ARGS_MAX ||
            parse_op(json_string_value(json_object_get(a, "op")), &op) < 0)
            return sw_err_set(err, SW_E_INVALID, "seccomp profile: bad argument condition");
        /* MASKED_EQ: value is the mask, valueTwo what has to be left */
        out[(*n)++] =
            (struct scmp_arg_cmp){ (unsigned)index, op, (scmp_datum_t)value, (scmp_datum_t)two };
    }
    return 0;
}

/* Several conditions on one argument mean "or" in Docker's form: one rule each. */
static bool same_argument(const struct scmp_arg_cmp *args, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        for (unsigned j = i + 1; j < n; j++)
            if (args[i].arg == args[j].arg)
                return true;
    return false;
}

static int add_named(struct profile *p, const char *name, uint32_t action,
                     const struct scmp_arg_cmp *args, unsigned n, struct sw_err *err)
{
    int nr = seccomp_syscall_resolve_name(name);
    int r = 0;

    if (nr == __NR_SCMP_ERROR) {
        for (size_t i = 0; i < SW_ARRAY_LEN(young); i++)
            if (n == 0 && action == SCMP_ACT_ALLOW && strcmp(young[i].name, name) == 0)
                p->young[young[i].number] = true;
        return 0; /* this processor has no such call, or it is younger than libseccomp */
    }
    if (action == p->default_action)
        return 0;
    if (same_argument(args, n))
        for (unsigned i = 0; i < n && r == 0; i++)
            r = seccomp_rule_add_array(p->ctx, action, nr, 1, &args[i]);
    else
        r = seccomp_rule_add_array(p->ctx, action, nr, n, args);
    if (r == -EEXIST)
        r = 0;
    return r < 0 ? sw_err_errno(err, -r, "seccomp profile: rule for '%s'", name) : 0;
}

static int add_rule(struct profile *p, json_t *rule, struct sw_err *err)
{
    struct scmp_arg_cmp args[SECCOMP_ARGS_MAX];
    json_t *names = json_object_get(rule, "names");
    json_t *name = json_object_get(rule, "name");
    uint32_t action = 0;
    unsigned n = 0;
    size_t i;
    int r;

    if (!json_is_object(rule))
        return sw_err_set(err, SW_E_INVALID, "seccomp profile: a rule is no object");
    if (!rule_applies(p, rule))
        return 0;
    r = parse_action(json_string_value(json_object_get(rule, "action")),
                     json_object_get(rule, "errnoRet"), &action, err);
    if (r == 0)
        r = parse_args(json_object_get(rule, "args"), args, &n, err);
    if (r == 0 && json_is_string(name))
        r = add_named(p, json_string_value(name), action, args, n, err);
    if (r < 0)
        return r;
    json_array_foreach(names, i, name)
    {
        if (!json_is_string(name))
            return sw_err_set(err, SW_E_INVALID, "seccomp profile: a name is no string");
        r = add_named(p, json_string_value(name), action, args, n, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int add_arch(struct profile *p, json_t *token, struct sw_err *err)
{
    const char *s = json_string_value(token);
    uint32_t arch = s != NULL ? arch_by_token(s) : 0;
    int r = arch != 0 ? seccomp_arch_add(p->ctx, arch) : 0;

    return r < 0 && r != -EEXIST ? sw_err_errno(err, -r, "seccomp profile: architecture %s", s) : 0;
}

static int add_arches(struct profile *p, json_t *doc, struct sw_err *err)
{
    json_t *v;
    size_t i;
    int r = 0;

    json_array_foreach(json_object_get(doc, "architectures"), i, v)
    {
        r = add_arch(p, v, err);
        if (r < 0)
            return r;
    }
    json_array_foreach(json_object_get(doc, "archMap"), i, v)
    {
        const char *s = json_string_value(json_object_get(v, "architecture"));
        size_t j;
        json_t *sub;

        if (s == NULL || arch_by_token(s) != seccomp_arch_native())
            continue;
        json_array_foreach(json_object_get(v, "subArchitectures"), j, sub)
        {
            r = add_arch(p, sub, err);
            if (r < 0)
                return r;
        }
    }
    return 0;
}

/* ---- the program ---- */

/* What libseccomp knows ends here. */
static int last_known(void)
{
    int last = SECCOMP_SHARED_FIRST;

    for (int nr = SECCOMP_SHARED_FIRST; nr <= SECCOMP_SHARED_LAST; nr++) {
        char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, nr);

        if (name != NULL)
            last = nr;
        free(name);
    }
    return last;
}

static void emit(struct sw_buf *out, uint16_t code, uint8_t jt, uint8_t jf, uint32_t k)
{
    struct sock_filter f = { code, jt, jf, k };

    sw_buf_add(out, &f, sizeof(f));
}

/* Before libseccomp's program: calls younger than it. x32 numbers are left to it. */
static void emit_young(const struct profile *p, struct sw_buf *out)
{
    uint32_t last = (uint32_t)last_known();
    uint8_t count = 0;
    uint8_t left;

    for (uint32_t nr = last + 1; nr <= SECCOMP_SHARED_LAST; nr++)
        count = (uint8_t)(count + p->young[nr]);
    left = count;
    emit(out, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr));
    emit(out, BPF_JMP | BPF_JGE | BPF_K, (uint8_t)(count + 3), 0, SECCOMP_X32_BIT);
    emit(out, BPF_JMP | BPF_JGT | BPF_K, 0, (uint8_t)(count + 2), last);
    for (uint32_t nr = last + 1; nr <= SECCOMP_SHARED_LAST; nr++)
        if (p->young[nr]) {
            emit(out, BPF_JMP | BPF_JEQ | BPF_K, left, 0, nr);
            left--;
        }
    emit(out, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | ENOSYS);
    emit(out, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW);
}

static int export(const struct profile *p, struct sw_buf *out, struct sw_err *err)
{
    SW_CLEANUP(sw_close_ptr) int fd = memfd_create("seccomp", MFD_CLOEXEC);
    struct stat st;
    uint8_t *to;
    int r;

    if (fd < 0)
        return sw_err_errno(err, errno, "compile seccomp filter");
    r = seccomp_export_bpf(p->ctx, fd);
    if (r < 0)
        return sw_err_errno(err, -r, "compile seccomp filter");
    if (p->is_default)
        emit_young(p, out);
    if (fstat(fd, &st) < 0 || st.st_size <= 0)
        return sw_err_errno(err, errno != 0 ? errno : EIO, "compile seccomp filter");
    to = sw_buf_reserve(out, (size_t)st.st_size);
    if (to == NULL)
        return sw_err_set(err, -ENOMEM, "compile seccomp filter");
    if (pread(fd, to, (size_t)st.st_size, 0) != st.st_size)
        return sw_err_errno(err, EIO, "compile seccomp filter");
    sw_buf_commit(out, (size_t)st.st_size);
    if (out->len / sizeof(struct sock_filter) > BPF_MAXINSNS)
        return sw_err_set(err, SW_E_INVALID, "seccomp profile: too long");
    return 0;
}

static int build(struct profile *p, json_t *doc, struct sw_buf *out, struct sw_err *err)
{
    json_t *rule;
    size_t i;
    int r = parse_action(json_string_value(json_object_get(doc, "defaultAction")),
                         json_object_get(doc, "defaultErrnoRet"), &p->default_action, err);

    if (r < 0)
        return r;
    p->ctx = seccomp_init(p->default_action);
    if (p->ctx == NULL)
        return sw_err_set(err, SW_E_INVALID, "seccomp profile: bad default action");
    (void)seccomp_attr_set(p->ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree instead of a list */
    (void)seccomp_attr_set(p->ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS));
    r = add_arches(p, doc, err);
    json_array_foreach(json_object_get(doc, "syscalls"), i, rule)
    {
        if (r < 0)
            break;
        r = add_rule(p, rule, err);
    }
    if (r == 0)
        r = export(p, out, err);
    seccomp_release(p->ctx);
    return r;
}

int seccomp_compile(const char *json, uint64_t capabilities, struct sw_buf *out, struct sw_err *err)
{
    SW_CLEANUP(sw_free_ptr) struct profile *p = sw_calloc(1, sizeof(*p));
    const char *text = json != NULL ? json : seccomp_default_json;
    json_error_t je;
    json_t *doc;
    int r;

    if (p == NULL)
        return sw_err_set(err, -ENOMEM, "compile seccomp filter");
    p->capabilities = capabilities;
    p->is_default = json == NULL;
    doc = json_loads(text, JSON_REJECT_DUPLICATES, &je);
    if (!json_is_object(doc)) {
        json_decref(doc);
        return sw_err_set(err, SW_E_INVALID, "Decoding seccomp profile failed: %s", je.text);
    }
    r = build(p, doc, out, err);
    json_decref(doc);
    return r;
}
