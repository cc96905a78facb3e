/* SPDX-License-Identifier: Apache-2.0
 * What another manager sends: frames, configurations inside them, log entries. What is accepted
 * must survive being encoded and decoded again. */
// uses: manager_consensus
#include <stdint.h>
#include <stdlib.h>

#include "common/base/alloc.h"
#include "manager/consensus/conf.h"
#include "manager/consensus/entry.h"
#include "manager/consensus/message.h"

static void again(const struct cons_frame *f)
{
    struct cons_frame copy;
    struct sw_err err;
    uint8_t *bytes;
    size_t len;

    if (f->kind != CONS_FRAME_MESSAGE ||
        cons_encode_message(
            &f->msg, 0, f->msg.type == RAFT_IO_APPEND_ENTRIES ? f->msg.append_entries.n_entries : 0,
            f->address, &bytes, &len) < 0)
        return;
    if (cons_frame_decode(bytes, len, &copy, &err) != 0 || copy.msg.type != f->msg.type)
        abort();
    cons_frame_fini(&copy);
    sw_free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct raft_configuration conf;
    struct cons_entry entry;
    struct cons_frame f;
    struct sw_err err;

    if (cons_frame_decode(data, size, &f, &err) == 0) {
        again(&f);
        cons_frame_fini(&f);
    }
    if (cons_conf_decode(data, size, &conf, &err) == 0)
        raft_configuration_close(&conf);
    (void)cons_entry_decode(data, size, &entry, &err);
    (void)consensus_is_bulk(data, size);
    return 0;
}
