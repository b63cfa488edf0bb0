// SPDX-License-Identifier: Apache-2.0
// Purpose: putting a trace together. Works on flat arrays with explicit stacks, so that a chain of
// 100,000 spans below one another needs no deep recursion.
#include "query/trace.h"

#include "core/mem.h"
#include "core/must.h"
#include "core/sort.h"
#include "core/varint.h"
#include "model/kin.h"

// Levels of an RpcId that are written; deeper ones show their last levels behind "...".
#define RPC_LEVELS_MAX 64

_Static_assert(TRACE_NONE == KIN_NONE, "parents are taken over as they are");

// Scratch of the assembly; indexes are into `spans` in order of start.
struct assembly {
    struct trace *t;
    struct trace_span *spans;
    uint32_t count;
};

static const struct span *span_of(const struct trace_span *s)
{
    return row_span(s->row);
}

static struct str service_of(const struct trace_span *s)
{
    const struct batch *b = s->row.batch;
    return batch_str(b, batch_resource(b, span_of(s))->service);
}

static int by_start(const void *a, const void *b)
{
    const struct trace_span *x = a, *y = b;
    const struct span *s = span_of(x), *r = span_of(y);
    if (s->start_ns != r->start_ns) {
        return s->start_ns < r->start_ns ? -1 : 1;
    }
    if (s->duration_ns != r->duration_ns) {
        return s->duration_ns > r->duration_ns ? -1 : 1; // the longer one is the outer one
    }
    int c = memcmp(s->id.b, r->id.b, sizeof s->id.b);
    return c != 0 ? c : (int)s->kind - (int)r->kind;
}

// The same span twice: sent again by a client whose acknowledgement got lost.
static bool is_duplicate(const struct trace_span *a, const struct trace_span *b)
{
    const struct span *x = span_of(a), *y = span_of(b);
    return span_id_eq(x->id, y->id) && x->kind == y->kind && x->start_ns == y->start_ns &&
           x->duration_ns == y->duration_ns && str_eq(service_of(a), service_of(b));
}

static void collect(struct assembly *a, const struct row *rows, size_t count)
{
    size_t found = count < TRACE_SPANS_MAX ? count : TRACE_SPANS_MAX;
    a->t->left_out = count - found;
    a->spans = mem_new(found, sizeof *a->spans);
    for (size_t i = 0; i < found; i++) {
        ASSERT(trace_id_cmp(&row_span(rows[i])->trace, &a->t->id) == 0);
        a->spans[i].row = rows[i];
    }
    MUST(found > 0);
    sort_array(a->spans, found, sizeof *a->spans, by_start);
    for (size_t i = 0; i < found; i++) {
        if (a->count > 0 && is_duplicate(&a->spans[a->count - 1], &a->spans[i])) {
            a->t->duplicates++;
        } else {
            a->spans[a->count++] = a->spans[i];
        }
    }
}

// ---- Parents ------------------------------------------------------------------------------------

static bool is_callee(const struct span *s)
{
    return s->kind == KIND_SERVER || s->kind == KIND_CONSUMER;
}

static void link_parents(struct assembly *a)
{
    ASSERT(a->count > 0 && a->count <= TRACE_SPANS_MAX);
    struct kin *kin = mem_new(a->count, sizeof *kin);
    uint32_t *parents = mem_new(a->count, sizeof *parents);
    for (uint32_t i = 0; i < a->count; i++) {
        const struct span *s = span_of(&a->spans[i]);
        kin[i] = (struct kin){load_u64(s->id.b), load_u64(s->parent.b), is_callee(s)};
    }
    (void)kin_link(kin, a->count, parents); // they are in order
    for (uint32_t i = 0; i < a->count; i++) {
        struct trace_span *s = &a->spans[i];
        s->parent = parents[i];
        s->first_child = s->next_sibling = s->peer = TRACE_NONE;
        s->start_ns = span_of(s)->start_ns;
    }
    mem_free(parents);
    mem_free(kin);
    // Children are put before their elder siblings, so going from the last to the first gives lists
    // in order of start.
    for (uint32_t i = a->count; i-- > 0;) {
        struct trace_span *s = &a->spans[i];
        if (s->parent != TRACE_NONE) {
            s->next_sibling = a->spans[s->parent].first_child;
            a->spans[s->parent].first_child = i;
        } else if (!span_id_is_zero(span_of(s)->parent)) {
            a->t->orphans++;
        }
        a->t->errors += span_of(s)->status == STATUS_ERROR ? 1 : 0;
    }
}

// ---- Display order ------------------------------------------------------------------------------

// Rewrites the spans depth first; every index in them follows.
static void order_depth_first(struct assembly *a)
{
    ASSERT(a->t->spans == NULL);
    struct trace *t = a->t;
    uint32_t *place = mem_new(a->count, sizeof *place); // old index -> new
    uint32_t *stack = mem_new(a->count, sizeof *stack);
    uint32_t next = 0, tops = 0;
    t->spans = arena_alloc(&t->arena, a->count * sizeof *t->spans);
    for (uint32_t top = 0; top < a->count; top++) {
        if (a->spans[top].parent != TRACE_NONE) {
            continue;
        }
        uint32_t depth = 0;
        a->spans[top].rpc_index = tops++;
        stack[depth++] = top;
        while (depth > 0) {
            uint32_t at = stack[depth - 1];
            struct trace_span *s = &a->spans[at];
            if (s->depth == 0) { // not placed yet: depth is stored plus one until the end
                s->depth = depth;
                place[at] = next++;
                uint32_t n = 0;
                for (uint32_t c = s->first_child; c != TRACE_NONE; c = a->spans[c].next_sibling) {
                    a->spans[c].rpc_index = ++n;
                }
                if (s->first_child != TRACE_NONE) {
                    stack[depth++] = s->first_child;
                }
                continue;
            }
            depth--;
            if (depth > 0 && s->next_sibling != TRACE_NONE) {
                stack[depth++] = s->next_sibling;
            }
        }
    }
    MUST(next == a->count);
    for (uint32_t i = 0; i < a->count; i++) {
        struct trace_span s = a->spans[i];
        s.depth--;
        s.parent = s.parent == TRACE_NONE ? TRACE_NONE : place[s.parent];
        s.first_child = s.first_child == TRACE_NONE ? TRACE_NONE : place[s.first_child];
        s.next_sibling = s.next_sibling == TRACE_NONE ? TRACE_NONE : place[s.next_sibling];
        t->spans[place[i]] = s;
    }
    t->count = a->count;
    mem_free(place);
    mem_free(stack);
}

// ---- Half-spans and clock skew ------------------------------------------------------------------

static bool are_halves(const struct span *caller, const struct span *callee)
{
    return (caller->kind == KIND_CLIENT && callee->kind == KIND_SERVER) ||
           (caller->kind == KIND_PRODUCER && callee->kind == KIND_CONSUMER);
}

// Whether two spans tell that they come from one host, whose clock they then share.
static bool share_host(const struct trace_span *a, const struct trace_span *b)
{
    static const struct str keys[] = {{"host.id", 7}, {"host.name", 9}};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const struct batch *x = a->row.batch, *y = b->row.batch;
        const struct attr *p = batch_find_attr(x, batch_resource(x, span_of(a))->attrs, keys[i]);
        const struct attr *q = batch_find_attr(y, batch_resource(y, span_of(b))->attrs, keys[i]);
        if (p != NULL && q != NULL && p->type == ATTR_STRING && q->type == ATTR_STRING) {
            return str_eq(batch_str(x, p->code), batch_str(y, q->code));
        }
    }
    return false;
}

// How far a server half must be moved to lie inside its client half; 0 when it does already.
// Messages wait in queues, so consumers are never moved. Backwards is a wrapped number.
static uint64_t skew_of(const struct trace_span *client, const struct trace_span *server)
{
    uint64_t client_ns = span_of(client)->duration_ns, server_ns = span_of(server)->duration_ns;
    if (span_of(client)->kind != KIND_CLIENT || share_host(client, server)) {
        return 0;
    }
    if (server->start_ns >= client->start_ns &&
        server->start_ns + server_ns <= client->start_ns + client_ns) {
        return 0;
    }
    uint64_t lead = client_ns > server_ns ? (client_ns - server_ns) / 2 : 0;
    return client->start_ns + lead - server->start_ns;
}

// Parents come before children in display order, so one pass moves whole subtrees.
static void join_halves(struct trace *t)
{
    ASSERT(t->count > 0);
    for (uint32_t i = 0; i < t->count; i++) {
        struct trace_span *s = &t->spans[i];
        if (s->parent == TRACE_NONE) {
            continue;
        }
        ASSERT(s->parent < i);
        struct trace_span *p = &t->spans[s->parent];
        s->skew_ns = p->skew_ns;
        s->start_ns = span_of(s)->start_ns + (uint64_t)s->skew_ns;
        if (p->peer == TRACE_NONE && are_halves(span_of(p), span_of(s))) {
            p->peer = i;
            s->peer = s->parent;
            // Times are the senders': they may be any number, so sums wrap instead of overflowing.
            uint64_t more = skew_of(p, s);
            s->skew_ns = (int64_t)((uint64_t)s->skew_ns + more);
            s->start_ns += more;
        }
    }
    t->start_ns = UINT64_MAX;
    for (uint32_t i = 0; i < t->count; i++) {
        const struct trace_span *s = &t->spans[i];
        uint64_t end = s->start_ns + span_of(s)->duration_ns;
        t->start_ns = s->start_ns < t->start_ns ? s->start_ns : t->start_ns;
        t->end_ns = end > t->end_ns ? end : t->end_ns;
    }
}

// ---- Exclusive time -----------------------------------------------------------------------------

static uint64_t end_of(const struct trace_span *s)
{
    return s->start_ns + span_of(s)->duration_ns;
}

// Children are in order of recorded start; skew may disturb that a little, so overlaps are measured
// against the furthest end seen, which is exact for sorted children and never negative otherwise.
static void self_times(struct trace *t)
{
    for (uint32_t i = 0; i < t->count; i++) {
        struct trace_span *s = &t->spans[i];
        uint64_t covered = 0, reached = s->start_ns, end = end_of(s);
        for (uint32_t c = s->first_child; c != TRACE_NONE; c = t->spans[c].next_sibling) {
            uint64_t from = t->spans[c].start_ns, to = end_of(&t->spans[c]);
            from = from > reached ? from : reached;
            to = to < end ? to : end;
            if (to > from) {
                covered += to - from;
                reached = to;
            }
        }
        ASSERT(covered <= span_of(s)->duration_ns);
        s->self_ns = span_of(s)->duration_ns - covered;
    }
}

// ---- Critical path ------------------------------------------------------------------------------

struct child_end {
    uint64_t end_ns; // not beyond its parent's stretch
    uint32_t span;
    uint32_t previous; // sibling, by start; or TRACE_NONE
};

// Where the walk stands in one span: of its stretch of the path, from `from_ns` to `end_ns`, what
// lies before `until_ns` is still to be given away. A span that overruns those it lies in has a
// stretch shorter than itself.
struct walk {
    uint32_t span;
    uint64_t from_ns, end_ns;
    uint64_t until_ns;
    uint32_t next;                 // of the children: how many are left to look at
    struct child_end *children;    // by end, the last to finish is the last
    const struct child_end *later; // the child entered last
};

struct critical {
    struct trace *t;
    struct trace_segment *segments; // of the span `owner[i]`, found backwards in time
    uint32_t *owner;
    size_t count, capacity, owner_capacity;
};

static void give(struct critical *c, uint32_t span, uint64_t from, uint64_t to)
{
    if (to <= from) {
        return;
    }
    ASSERT(from >= c->t->start_ns && to <= c->t->end_ns && span < c->t->count);
    c->segments = mem_grow(c->segments, &c->capacity, c->count + 1, sizeof *c->segments);
    c->owner = mem_grow(c->owner, &c->owner_capacity, c->count + 1, sizeof *c->owner);
    c->segments[c->count] = (struct trace_segment){from - c->t->start_ns, to - c->t->start_ns};
    c->owner[c->count++] = span;
    c->t->spans[span].critical_ns += to - from;
}

// Where a child ends as far as its parent is concerned: work that goes on after the parent, or a
// tracer that rounds its times, cannot have held the parent up any longer than that.
static uint64_t end_within(const struct trace *t, const struct walk *parent, uint32_t child)
{
    ASSERT(child < t->count && t->spans[child].parent == parent->span);
    uint64_t end = end_of(&t->spans[child]);
    return end < parent->end_ns ? end : parent->end_ns;
}

static int by_end(const void *a, const void *b)
{
    const struct child_end *x = a, *y = b;
    if (x->end_ns != y->end_ns) {
        return x->end_ns < y->end_ns ? -1 : 1;
    }
    return x->span < y->span ? -1 : 1;
}

static struct walk enter(struct trace *t, uint32_t span, uint64_t from_ns, uint64_t end_ns)
{
    ASSERT(span < t->count && from_ns <= end_ns);
    struct trace_span *s = &t->spans[span];
    uint32_t n = 0;
    for (uint32_t c = s->first_child; c != TRACE_NONE; c = t->spans[c].next_sibling) {
        n++;
    }
    struct walk w = {
        .span = span, .from_ns = from_ns, .end_ns = end_ns, .until_ns = end_ns, .next = n};
    if (n == 0) {
        return w;
    }
    w.children = mem_new(n, sizeof *w.children);
    uint32_t i = 0, previous = TRACE_NONE;
    for (uint32_t c = s->first_child; c != TRACE_NONE; c = t->spans[c].next_sibling) {
        w.children[i++] = (struct child_end){end_within(t, &w, c), c, previous};
        previous = c;
    }
    sort_array(w.children, n, sizeof *w.children, by_end);
    return w;
}

// Whether the child ran before the one entered last, which it overlaps by as little as clocks may
// be wrong. Of their siblings none begins or ends while both run.
static bool ran_before(const struct trace *t, const struct walk *w, const struct child_end *child)
{
    const struct child_end *later = w->later;
    ASSERT(later != NULL && child < later);
    uint64_t start = t->spans[later->span].start_ns;
    if (t->spans[child->span].start_ns >= start || child->end_ns >= later->end_ns ||
        child->end_ns - start >= (w->end_ns - w->from_ns) / TRACE_OVERLAP_SHARE) {
        return false;
    }
    uint32_t next = t->spans[later->span].next_sibling;
    bool alone_ends =
        (child == w->children || child[-1].end_ns < start) && child[1].end_ns > child->end_ns;
    bool alone_begins =
        (next == TRACE_NONE || t->spans[next].start_ns > child->end_ns) &&
        (later->previous == TRACE_NONE || t->spans[later->previous].start_ns < start);
    return alone_ends && alone_begins;
}

// One step of the walk: gives time to the span on top of the stack, and enters a child or leaves.
// Returns whether a child was entered (into *ret_child).
static bool step(struct critical *c, struct walk *w, struct walk *ret_child)
{
    ASSERT(w->from_ns <= w->until_ns && w->until_ns <= w->end_ns);
    while (w->next > 0) {
        const struct child_end *child = &w->children[--w->next];
        uint64_t from = c->t->spans[child->span].start_ns, end = child->end_ns;
        from = from > w->from_ns ? from : w->from_ns;
        // A child that ends after the point reached ran beside what is on the path there.
        if (from >= end || (end > w->until_ns && !ran_before(c->t, w, child))) {
            continue;
        }
        give(c, w->span, end, w->until_ns);
        w->until_ns = from;
        w->later = child;
        *ret_child = enter(c->t, child->span, from, end);
        return true;
    }
    give(c, w->span, w->from_ns, w->until_ns);
    return false;
}

static void walk_from(struct critical *c, uint32_t top)
{
    size_t depth = 0, capacity = 0;
    struct walk *stack = mem_grow(NULL, &capacity, 1, sizeof *stack);
    const struct trace_span *s = &c->t->spans[top];
    stack[depth++] = enter(c->t, top, s->start_ns, end_of(s));
    while (depth > 0) {
        ASSERT(depth <= c->t->count);
        struct walk child;
        if (step(c, &stack[depth - 1], &child)) {
            stack = mem_grow(stack, &capacity, depth + 1, sizeof *stack);
            stack[depth++] = child;
        } else {
            mem_free(stack[--depth].children);
        }
    }
    mem_free(stack);
}

// The path is that of the first top-level span; pieces are then grouped by span, in order of time.
static void critical_path(struct trace *t)
{
    struct critical c = {.t = t};
    ASSERT(t->count > 0 && t->spans[0].parent == TRACE_NONE);
    walk_from(&c, 0);
    for (size_t i = 0; i < c.count; i++) {
        t->spans[c.owner[i]].critical_count++;
    }
    uint32_t next = 0;
    for (size_t i = 0; i < t->count; i++) {
        t->spans[i].critical_first = next;
        next += t->spans[i].critical_count;
        t->spans[i].critical_count = 0;
    }
    t->segments = arena_new(&t->arena, c.count + 1, sizeof *t->segments);
    t->segment_count = c.count;
    ASSERT(next == c.count);
    for (size_t i = c.count; i-- > 0;) { // backwards: earliest first
        struct trace_span *s = &t->spans[c.owner[i]];
        t->segments[s->critical_first + s->critical_count++] = c.segments[i];
    }
    mem_free(c.segments);
    mem_free(c.owner);
}

// ---- The whole ----------------------------------------------------------------------------------

// References on the batches of the rows, which come batch by batch.
static void keep_batches(struct trace *t, const struct row *rows, size_t count)
{
    ASSERT(t->batches == NULL);
    size_t batches = 0;
    for (size_t i = 0; i < count; i++) {
        batches += i == 0 || rows[i].batch != rows[i - 1].batch ? 1 : 0;
    }
    t->batches = arena_alloc(&t->arena, (batches + 1) * sizeof(struct batch *));
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || rows[i].batch != rows[i - 1].batch) {
            // Only the counter of references changes.
            t->batches[t->batch_count++] = batch_ref((struct batch *)(uintptr_t)rows[i].batch);
        }
    }
}

struct trace *trace_assemble(trace_id id, const struct row *rows, size_t count)
{
    ASSERT(count > 0);
    struct trace *t = mem_new(1, sizeof *t);
    struct assembly a = {.t = t};
    t->id = id;
    keep_batches(t, rows, count);
    collect(&a, rows, count);
    link_parents(&a);
    order_depth_first(&a);
    join_halves(t);
    self_times(t);
    critical_path(t);
    mem_free(a.spans);
    return t;
}

void trace_free(struct trace *t)
{
    if (t == NULL) {
        return;
    }
    for (size_t i = 0; i < t->batch_count; i++) {
        batch_unref(t->batches[i]);
    }
    arena_done(&t->arena);
    if (t->meter != NULL) {
        meter_give(t->meter, t->charged_bytes);
    }
    mem_free(t);
}

_Static_assert(TRACE_RPC_ROOM >= (RPC_LEVELS_MAX + 1) * 11, "every level fits");

struct str trace_rpc_id(const struct trace *t, uint32_t span, char room[TRACE_RPC_ROOM])
{
    ASSERT(span < t->count);
    // Digits are written from the end: the chain is walked once, from the span towards its root.
    char *end = room + TRACE_RPC_ROOM, *at = end;
    unsigned levels = 0;
    uint32_t i = span;
    for (; i != TRACE_NONE && levels < RPC_LEVELS_MAX; i = t->spans[i].parent, levels++) {
        uint32_t n = t->spans[i].rpc_index;
        if (at != end) {
            *--at = '.';
        }
        do {
            *--at = (char)('0' + n % 10);
            n /= 10;
        } while (n > 0);
    }
    if (i != TRACE_NONE) {
        *--at = '.';
        *--at = '.';
        *--at = '.';
    }
    ASSERT(at >= room);
    return (struct str){at, (size_t)(end - at)};
}

struct trace_summary trace_summary(const struct trace *t)
{
    ASSERT(t->count > 0);
    const struct trace_span *root = &t->spans[0];
    size_t tops = 0;
    for (size_t i = 0; i < t->count; i++) {
        tops += t->spans[i].parent == TRACE_NONE ? 1 : 0;
    }
    return (struct trace_summary){
        .id = t->id,
        .root_service = service_of(root),
        .root_name = batch_str(root->row.batch, span_of(root)->name),
        .start_ns = t->start_ns,
        .duration_ns = t->end_ns - t->start_ns,
        .spans = t->count,
        .errors = t->errors,
        .complete = tops == 1 && t->orphans == 0,
    };
}
