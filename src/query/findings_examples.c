// SPDX-License-Identifier: Apache-2.0
// Purpose: traces that show what was found in trees, and what only traces say of it.
#include <ctype.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/must.h"
#include "core/sort.h"
#include "filter/filter.h"
#include "query/findings_state.h"
#include "query/sample.h"
#include "query/search.h"
#include "stream/names.h"

static void put_quoted(struct buf *out, struct str text)
{
    buf_add_byte(out, '"');
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '"' || text.p[i] == '\\') {
            buf_add_byte(out, '\\');
        }
        buf_add_byte(out, (uint8_t)text.p[i]);
    }
    buf_add_byte(out, '"');
}

// A regular expression for a text that begins so.
static void put_prefix(struct buf *out, struct str text)
{
    buf_printf(out, "\"(?s)");
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (c >= 0x80 || isalnum(c)) {
            buf_add_byte(out, c);
        } else {
            buf_printf(out, "\\x{%x}", c);
        }
    }
    buf_printf(out, ".*\"");
}

// Names of nodes are cut (stream/names.h): one that may have been stands for all that begin so.
static void put_test(struct buf *out, const char *field, struct str text)
{
    const size_t character_bytes_max = 4;
    ASSERT(text.n <= NAMES_TEXT_MAX);
    buf_printf(out, "%s ", field);
    if (text.n + character_bytes_max > NAMES_TEXT_MAX) {
        buf_printf(out, "=~ ");
        put_prefix(out, text);
    } else {
        buf_printf(out, "= ");
        put_quoted(out, text);
    }
}

static void put_filter(struct buf *out, const struct node *n)
{
    buf_printf(out, "{ ");
    if (n->line.n > 0) {
        put_test(out, "resource.service.namespace", n->line);
    } else {
        buf_printf(out, "(resource.service.namespace = nil || resource.service.namespace = \"\")");
    }
    buf_printf(out, " && ");
    put_test(out, "resource.service.name", n->service);
    buf_printf(out, " && ");
    put_test(out, "name", n->name);
    buf_printf(out, " }");
    ASSERT(out->n > 0);
}

// The newest traces that have a span of the node; none where no filter can ask for it.
static enum err search_traces(const struct findings_run *run, const struct node *n, size_t limit,
                              struct search_hit **ret_hits, size_t *ret_count)
{
    struct buf text;
    struct filter *filter;
    struct err_at at;
    buf_init(&text, FILTER_TEXT_MAX);
    put_filter(&text, n);
    enum err e = text.failed ? ERR_LIMIT : filter_parse(buf_str(&text), &filter, &at);
    buf_done(&text);
    if (e != ERR_OK) {
        *ret_hits = NULL;
        *ret_count = 0;
        return ERR_OK;
    }
    const struct search search = {.view = run->query->view,
                                  .filter = filter,
                                  .from_ns = run->out->from_ms * NS_PER_MS,
                                  .to_ns = run->out->to_ms * NS_PER_MS,
                                  .order = BY_NEWEST,
                                  .limit = limit,
                                  .control = run->query->control};
    e = search_run(&search, ret_hits, ret_count);
    filter_free(filter);
    ASSERT(e != ERR_OK || *ret_count <= limit);
    return e;
}

static const struct sample_path *path_in(const struct sample *s, uint64_t id)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->paths[i].id == id) {
            return &s->paths[i];
        }
    }
    return NULL;
}

static uint32_t calls_in(const struct sample *s, uint64_t path)
{
    const struct sample_path *p = path_in(s, path);
    return p != NULL ? p->calls : 0;
}

static const struct sample_serial *serial_in(const struct sample *s, uint64_t caller)
{
    for (size_t i = 0; i < s->serial_count; i++) {
        if (s->serials[i].caller == caller) {
            return &s->serials[i];
        }
    }
    return NULL;
}

static bool shows(const struct candidate *c, const struct sample *s)
{
    const struct sample_path *p = path_in(s, c->path);
    const struct sample_serial *serial;
    switch (c->finding.kind) {
    case FINDING_N_PLUS_ONE: // for each call of the caller
        return p != NULL && calls_in(s, c->caller_path) > 0 &&
               p->same_calls >= (uint64_t)REPEATED_CALLS * calls_in(s, c->caller_path);
    case FINDING_REPEATED:
        return p != NULL && p->calls >= REPEATED_CALLS;
    case FINDING_SERIAL:
        serial = serial_in(s, c->caller_path);
        return serial != NULL && serial->saved_ns >= SERIAL_MIN_NS &&
               (double)serial->saved_ns >= SERIAL_SHARE * (double)s->duration_ns;
    case FINDING_FAN_OUT:
        return p != NULL && p->calls >= FAN_OUT_CALLS;
    case FINDING_RARE:
        return p != NULL;
    case FINDING_MISSING:
        return p == NULL && path_in(s, c->caller_path) != NULL;
    case FINDING_DEAD:
    case FINDING_KIND_COUNT:
        break;
    }
    ASSERT(c->finding.kind == FINDING_DEAD);
    return false;
}

// ---- What only traces say -----------------------------------------------------------------------

static void prove_statement(struct findings_run *run, struct candidate *c, const struct sample *s)
{
    const struct sample_path *p = path_in(s, c->path);
    MUST(p != NULL);
    if (c->finding.statement.n == 0) {
        c->finding.statement = arena_str(&run->out->arena, p->statement);
    }
    c->proof += p->same_calls;
    c->of_proof += calls_in(s, c->caller_path);
    c->finding.value = c->proof / c->of_proof;
}

static const struct node *node_of_path(const struct findings_run *run, const struct candidate *c,
                                       uint64_t path)
{
    const struct entries *e = run->out->entries;
    for (size_t i = c->entry; i < e->count; i++) {
        if (findings_path_id(e->paths[i].path) == path) {
            return &e->paths[i].node;
        }
    }
    return NULL;
}

static void prove_serial(const struct findings_run *run, struct candidate *c,
                         const struct sample *s)
{
    struct finding *f = &c->finding;
    const struct sample_serial *serial = serial_in(s, c->caller_path);
    MUST(serial != NULL);
    c->proof += (double)serial->saved_ns;
    c->of_proof += (double)s->duration_ns;
    f->value = c->of_proof > 0 ? c->proof / c->of_proof : 0;
    double saved_ns = c->proof / (double)c->shown * (double)f->chains;
    f->self_ns = saved_ns < (double)INT64_MAX ? (int64_t)saved_ns : INT64_MAX;
    for (size_t i = 0; f->example_count == 0 && i < serial->count; i++) {
        const struct node *n = node_of_path(run, c, serial->paths[i]);
        if (n != NULL) { // else it is of no chain of the range
            f->serial[f->serial_count++] = *n;
        }
    }
}

static void note_example(struct findings_run *run, struct candidate *c, const struct sample *s)
{
    struct finding *f = &c->finding;
    if (f->example_count == FINDING_EXAMPLES) {
        return;
    }
    c->looked_at += path_in(s, c->caller_path) != NULL ? 1 : 0;
    if (!shows(c, s)) {
        return;
    }
    c->shown++;
    if (f->kind == FINDING_N_PLUS_ONE) {
        prove_statement(run, c, s);
    } else if (f->kind == FINDING_SERIAL) {
        prove_serial(run, c, s);
    }
    f->examples[f->example_count++] = s->trace;
}

static bool want_more(const struct findings_run *run, size_t first, size_t end)
{
    ASSERT(end <= run->count);
    for (size_t i = first; i < end; i++) {
        if (run->items[i].finding.example_count < FINDING_EXAMPLES) {
            return true;
        }
    }
    return false;
}

// Whether it is over with looking, since the turn of the query is: the answer has what was found.
static bool is_over(struct findings_run *run)
{
    bool over = query_must_end(run->query->control);
    if (over) {
        atomic_store(&run->query->control->cut_short, true);
    }
    ASSERT(run->traces_left <= FINDINGS_TRACES);
    return over || run->traces_left == 0;
}

// Looks at so many of the newest traces of a node for examples of candidates [first, end).
static enum err look_at(struct findings_run *run, struct sampler *sampler, const struct node *node,
                        size_t limit, size_t first, size_t end)
{
    struct search_hit *hits = NULL;
    size_t count = 0;
    limit = limit < run->traces_left ? limit : run->traces_left;
    ASSERT(first < end && limit > 0);
    enum err e = search_traces(run, node, limit, &hits, &count);
    for (size_t i = 0; i < count && e == ERR_OK && want_more(run, first, end) && !is_over(run);
         i++) {
        struct sample sample;
        struct meter *meter = run->query->control->meter;
        enum err taken = sampler_take(sampler, run->query->view, hits[i].trace, meter, &sample);
        run->traces_left--;
        for (size_t k = first; taken == ERR_OK && k < end; k++) {
            note_example(run, &run->items[k], &sample);
        }
    }
    mem_free(hits);
    return e;
}

static int by_entry(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    return x->entry < y->entry ? -1 : x->entry > y->entry;
}

// Among the newest traces of each entry.
static enum err look_at_entries(struct findings_run *run, struct sampler *sampler)
{
    enum err e = ERR_OK;
    size_t looked_at = 0;
    sort_array(run->items, run->count, sizeof *run->items, by_entry);
    for (size_t first = 0, end; first < run->count && e == ERR_OK; first = end) {
        const struct node *entry = &run->items[first].finding.entry;
        for (end = first + 1; end < run->count && run->items[end].entry == run->items[first].entry;
             end++) {
        }
        if (entry->kind.n > 0 && looked_at++ < FINDINGS_ENTRIES && !is_over(run)) {
            e = look_at(run, sampler, entry, FINDINGS_LOOKED_AT, first, end);
        }
    }
    ASSERT(looked_at <= run->count);
    return e;
}

// What few chains show has a search of its own, as long as there are some: what rarely happens is
// looked for where it happens, all else among traces of the entry.
static enum err look_deep(struct findings_run *run, struct sampler *sampler)
{
    enum err e = ERR_OK;
    sort_array(run->items, run->count, sizeof *run->items, findings_by_time);
    for (size_t i = 0; i < run->count && e == ERR_OK; i++) {
        const struct finding *f = &run->items[i].finding;
        bool rare = f->kind == FINDING_RARE && f->node.service.n > 0;
        bool hidden = f->kind >= FINDING_FAN_OUT && f->entry.kind.n > 0;
        if (run->deep_left == 0 || is_over(run)) {
            break;
        }
        if (f->example_count == 0 && hidden) {
            run->deep_left--;
            e = look_at(run, sampler, rare ? &f->node : &f->entry, FINDINGS_LOOKED_DEEP, i, i + 1);
        }
    }
    ASSERT(run->deep_left <= FINDINGS_SEARCHES);
    return e;
}

enum err findings_examples(struct findings_run *run)
{
    struct sampler *sampler = sampler_new();
    ASSERT(run->count > 0);
    run->traces_left = FINDINGS_TRACES;
    run->deep_left = FINDINGS_SEARCHES;
    enum err e = look_at_entries(run, sampler);
    e = e == ERR_OK ? look_deep(run, sampler) : e;
    sampler_free(sampler);
    return e;
}
