/* SPDX-License-Identifier: Apache-2.0
 * manager_file.c - what a manager keeps beside its Raft log, secret: it has the data key. */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/base/alloc.h"
#include "common/crypto/secret.h"
#include "common/io/file.h"
#include "manager/manager_priv.h"
#include "proto/pb.h"

#define FILE_MAX_BYTES (1u << 20)

int manager_file_load(const char *dir, Swarm__V1__ManagerFile **out, struct sw_err *err)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf b = SW_BUF_INIT;
    char path[512];
    int r;

    (void)snprintf(path, sizeof(path), "%s/manager.pb", dir);
    r = sw_file_read(path, FILE_MAX_BYTES, &b, err);
    if (r == SW_FILE_ABSENT)
        return sw_err_set(err, SW_E_NOT_FOUND, "%s is missing: this node was no manager", path);
    if (r == 0 && pb_unpack(&swarm__v1__manager_file__descriptor, b.data, b.len, out, err) < 0)
        r = sw_err_set(err, SW_E_CORRUPT, "%s is damaged", path);
    if (b.data != NULL)
        sw_wipe(b.data, b.len);
    return r;
}

int manager_file_save(const char *dir, const Swarm__V1__ManagerFile *f, struct sw_err *err)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf b = SW_BUF_INIT;
    char path[512];
    int r;

    (void)snprintf(path, sizeof(path), "%s/manager.pb", dir);
    if (pb_pack(f, &b) < 0)
        return sw_err_set(err, -ENOMEM, "save %s", path);
    r = sw_file_write(path, b.data, b.len, 0600, err);
    sw_wipe(b.data, b.len);
    return r;
}
