// SPDX-License-Identifier: Apache-2.0
// Purpose: frames of tasks.
#include "agents/jvm/plugins/task_frame.h"

#include "agents/jvm/tasks.h"

struct frame *task_frame_enter(struct call *c)
{
    struct context taken;
    if (!task_take(c->self, &taken)) {
        return NULL;
    }
    if (context_is_same(&taken, &c->thread->current)) {
        context_drop(&taken);
        return NULL;
    }
    return frame_open_in(c->thread, c->method, taken);
}
