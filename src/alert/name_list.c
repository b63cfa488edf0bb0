// SPDX-License-Identifier: Apache-2.0
// Purpose: short lists of texts, each once.
#include "alert/desk_state.h"
#include "core/must.h"

#define TEXT_MAX ((size_t)64 << 10)

void name_list_init(struct name_list *n)
{
    ASSERT(n != NULL); // what is in it is nothing yet
    *n = (struct name_list){0};
    buf_init(&n->text, TEXT_MAX);
}

void name_list_done(struct name_list *n)
{
    ASSERT(n->count <= n->text.n);
    buf_done(&n->text);
}

bool name_list_next(struct str *rest, struct str *ret_name)
{
    ASSERT(rest != NULL);
    if (rest->n == 0) {
        return false;
    }
    *rest = str_split(*rest, '\n', ret_name);
    return true;
}

void name_list_read(struct name_list *n, struct str text)
{
    struct str rest = text, name;
    ASSERT(n->count == 0);
    while (name_list_next(&rest, &name)) {
        (void)name_list_add(n, name, SIZE_MAX);
    }
}

bool name_list_have(const struct name_list *n, struct str name)
{
    struct str rest = buf_str(&n->text), each;
    ASSERT(n->count <= n->text.n);
    while (name_list_next(&rest, &each)) {
        if (str_eq(each, name)) {
            return true;
        }
    }
    return false;
}

// What peers send may have a line break: it becomes a blank, so that it stays one text.
static void add_line(struct buf *out, struct str name)
{
    size_t at = out->n;
    ASSERT(out != NULL);
    buf_add_str(out, name);
    for (; at < out->n; at++) {
        out->p[at] = out->p[at] == '\n' ? ' ' : out->p[at];
    }
    buf_add_byte(out, '\n');
}

bool name_list_add(struct name_list *n, struct str name, size_t max)
{
    ASSERT(n->count <= n->text.n);
    if (name.n == 0 || name.n + 1 > TEXT_MAX - n->text.n || name_list_have(n, name)) {
        return false;
    }
    if (n->count < max) {
        add_line(&n->text, name);
        n->count++;
        return true;
    }
    return false;
}
