// SPDX-License-Identifier: Apache-2.0
// Purpose: fuzzes the putting of probes into class files. The input is a class file. Whatever comes
// is read within its bounds; a refusal says why and leaves nothing behind; a class without probes
// is reported unchanged; one with them parses again, says the same of itself, and every method that
// was probed can be probed once more: its jumps, tables and frames name instructions that are
// there.
#include <stdlib.h>

#include "agents/jvm/rewrite.h"
#include "core/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// By a method's place in its class. The last takes arguments that few methods have.
static const struct probe PROBES[] = {
    {.id = 7, .kind = PROBE_SPAN, .objects = {1, 2, 3}, .number = 1},
    {.id = 300, .kind = PROBE_ENTER, .objects = {2, 1, 0}, .number = 2},
    {.id = PROBE_ID_MAX, .kind = PROBE_LEAVE},
    {.id = 8, .kind = PROBE_SPAN, .objects = {1, 2, 0}, .is_read = true},
    {.id = 9, .kind = PROBE_GONE},
    {.id = 10, .kind = PROBE_MADE, .objects = {1, 0, 0}},
    {.id = 1, .kind = PROBE_SPAN, .objects = {255, 4, 0}, .number = 255, .is_held = true},
};
enum { PROBE_COUNT = sizeof PROBES / sizeof *PROBES, NOTHING = -1, MIXED = PROBE_COUNT };

// What is asked of one rewriting, and what of each method came of it.
struct plan {
    int which;        // NOTHING, a place in PROBES for every method, or MIXED
    const bool *only; // those methods; NULL: all
    unsigned asked;
};

static const struct probe *planned(void *ctx, const struct class_file *c,
                                   const struct class_method *m)
{
    struct plan *p = ctx;
    MUST(m->code_end > m->code_begin && m->code_end <= c->n);
    if (p->only != NULL && !p->only[m->index]) {
        return NULL;
    }
    if (p->which == NOTHING || (p->which == MIXED && m->index % (PROBE_COUNT + 1) == MIXED)) {
        return NULL;
    }
    p->asked++;
    return &PROBES[p->which == MIXED ? m->index % (PROBE_COUNT + 1) : p->which];
}

static bool is_same(const struct class_file *a, const struct class_method *m,
                    const struct class_file *b, const struct class_method *n)
{
    return m->end - m->begin == n->end - n->begin &&
           memcmp(a->bytes + m->begin, b->bytes + n->begin, m->end - m->begin) == 0;
}

// The class says of itself what it said before; as many methods are changed as were probed: which.
static void compare(const struct class_file *before, const struct class_file *after,
                    const struct rewritten *r, bool ret_changed[UINT16_MAX])
{
    size_t from = before->methods + 2, to = after->methods + 2;
    unsigned changed = 0;
    MUST(str_eq(before->name, after->name) && str_eq(before->super, after->super));
    MUST(before->access == after->access && before->major == after->major);
    MUST(before->interface_count == after->interface_count);
    MUST(before->method_count == after->method_count && before->cp_count < after->cp_count);
    for (uint16_t i = 0; i < before->method_count; i++) {
        struct class_method m, n;
        MUST(class_next_method(before, &from, i, &m) && class_next_method(after, &to, i, &n));
        MUST(str_eq(m.name, n.name) && str_eq(m.descriptor, n.descriptor) && m.access == n.access);
        MUST(m.attribute_count == n.attribute_count);
        ret_changed[i] = !is_same(before, &m, after, &n);
        changed += ret_changed[i];
    }
    MUST(changed == r->probed);
}

// Every method that was probed is probed again, or has no room for that, or jumps too far.
static void again(const struct class_file *c, int which, const bool *probed, unsigned count)
{
    struct plan p = {.which = which, .only = probed};
    struct rewritten r = {.n = SIZE_MAX};
    enum class_result result = rewrite_class(c, planned, &p, &r);
    if (result == CLASS_OK) {
        MUST(p.asked == count && r.probed + r.declined == count);
        MUST(r.why_declined != CLASS_MALFORMED && r.why_declined != CLASS_NO_MEMORY);
        free(r.bytes);
    } else {
        MUST(result == CLASS_TOO_LARGE);
    }
}

static void rewrite(const struct class_file *c, int which)
{
    struct plan p = {.which = which};
    struct rewritten r = {.n = SIZE_MAX};
    struct class_file after;
    static bool changed[UINT16_MAX];
    enum class_result result = rewrite_class(c, planned, &p, &r);
    if (result != CLASS_OK) { // memory is not short here
        MUST(result == CLASS_TOO_LARGE || result == CLASS_MALFORMED);
        MUST(r.bytes == NULL && r.n == SIZE_MAX);
        return;
    }
    MUST(r.probed + r.declined == p.asked);
    MUST((r.declined > 0) == (r.why_declined != CLASS_OK) && r.why_declined != CLASS_NO_MEMORY);
    MUST((r.bytes != NULL) == (r.probed > 0));
    if (r.bytes == NULL) {
        return;
    }
    MUST(class_parse(&after, r.bytes, r.n) == CLASS_OK);
    compare(c, &after, &r, changed);
    again(&after, which, changed, r.probed);
    class_done(&after);
    free(r.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct class_file c;
    enum class_result result = class_parse(&c, data, size);
    if (result != CLASS_OK) {
        MUST(result == CLASS_MALFORMED);
        return 0;
    }
    for (int which = NOTHING; which <= MIXED; which++) {
        rewrite(&c, which);
    }
    class_done(&c);
    return 0;
}
