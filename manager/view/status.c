/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/view/status.h"

#include <errno.h>

#include "proto/pb.h"

int status_write(Swarm__V1__Task *t, Swarm__V1__TaskState state, int64_t now_ns,
                 const char *message, const char *err)
{
    if (t->status == NULL) {
        t->status = pb_new(&swarm__v1__task_status__descriptor);
        if (t->status == NULL)
            return -ENOMEM;
    }
    if (pb_set_string(&t->status->message, message) < 0 || pb_set_string(&t->status->err, err) < 0)
        return -ENOMEM;
    t->status->state = state;
    t->status->timestamp_ns = (uint64_t)now_ns;
    t->status->applied_ns = (uint64_t)now_ns;
    return 0;
}

Swarm__V1__TaskState status_state(const Swarm__V1__Task *t)
{
    return t->status != NULL ? t->status->state : SWARM__V1__TASK_STATE__TASK_NEW;
}

bool status_ended(const Swarm__V1__Task *t)
{
    return status_state(t) > SWARM__V1__TASK_STATE__TASK_RUNNING;
}

bool status_wanted(const Swarm__V1__Task *t)
{
    return t->desired <= SWARM__V1__TASK_STATE__TASK_COMPLETE;
}
