// SPDX-License-Identifier: Apache-2.0
// Purpose: calls by subject, on their way to the sink.
#include "stream/red.h"

#include "core/clock.h"
#include "core/mem.h"
#include "core/must.h"

#define INDEX_LEAST 1024
#define NOT_FOUND   UINT32_MAX // by the sink, yet
#define GROUP       16u

void red_init(struct red *r, const struct names *names, const struct paths *paths,
              const struct statements *statements, const struct stream_sink *sink, size_t bytes_max)
{
    ASSERT(names != NULL && sink->find != NULL && sink->count != NULL);
    *r = (struct red){.names = names,
                      .paths = paths,
                      .statements = statements,
                      .sink = *sink,
                      .bytes_max = bytes_max,
                      .log = mem_new(RED_LOG, sizeof *r->log),
                      .counts = mem_new(RED_LOG, sizeof *r->counts)};
}

void red_done(struct red *r)
{
    ASSERT(r->log_count <= RED_LOG);
    mem_free(r->log);
    mem_free(r->counts);
    mem_free(r->subjects);
    mem_free(r->hashes);
    hash_index_done(&r->index);
    *r = (struct red){0};
}

// ---- Subjects -----------------------------------------------------------------------------------

static uint64_t hash_of(const struct red_key *k)
{
    uint64_t h = ((uint64_t)k->from << 32 | k->to) * 0x9e3779b97f4a7c15u;
    uint64_t flags = (uint64_t)k->kind | (uint64_t)k->from_kind << 8 |
                     (uint64_t)k->at_client << 16 | (uint64_t)k->error << 17 |
                     (uint64_t)k->cross_dc << 18 | (uint64_t)k->counted << 19;
    flags |= (uint64_t)k->statement << 32;
    h = (h ^ flags ^ h >> 29) * 0xc2b2ae3d27d4eb4fu;
    return h ^ (h >> 32);
}

static bool is_same(const struct red_key *a, const struct red_key *b)
{
    return a->from == b->from && a->to == b->to && a->statement == b->statement &&
           a->kind == b->kind && a->from_kind == b->from_kind && a->at_client == b->at_client &&
           a->error == b->error && a->cross_dc == b->cross_dc && a->counted == b->counted;
}

// Its index + 1; 0 when there are too many.
static uint32_t subject_of(struct red *r, const struct red_key *key, uint64_t hash)
{
    struct hash_walk walk = hash_index_walk(&r->index, hash);
    uint32_t at;
    while (hash_index_next(&walk, &at)) {
        ASSERT(at < r->count);
        if (is_same(&r->subjects[at].key, key)) {
            return at + 1;
        }
    }
    if (r->count == RED_SUBJECTS_MAX || red_bytes(r) >= r->bytes_max) {
        return 0;
    }
    r->subjects = mem_grow(r->subjects, &r->capacity, r->count + 1, sizeof *r->subjects);
    r->hashes = mem_grow(r->hashes, &r->hash_capacity, r->count + 1, sizeof *r->hashes);
    hash_index_reserve(&r->index, r->hashes, r->count, INDEX_LEAST);
    r->subjects[r->count] = (struct red_subject){.key = *key, .sink_number = NOT_FOUND};
    r->hashes[r->count] = hash;
    hash_index_put(&r->index, hash, (uint32_t)r->count);
    return (uint32_t)++r->count;
}

static struct stream_node node_of(const struct red *r, uint32_t name, uint8_t kind_without_name)
{
    if (name == 0) {
        return (struct stream_node){.kind = (enum node_kind)kind_without_name};
    }
    return names_at(r->names, name)->node;
}

static struct stream_subject path_subject(const struct red *r, const struct red_key *key)
{
    static const struct stream_node other = {.kind = NODE_SERVICE, .service = {"(other)", 7}};
    const struct path *p = paths_at(r->paths, key->to);
    const struct path *entry = paths_at(r->paths, p->entry);
    ASSERT(key->from_kind < PATH_MEASURE_COUNT);
    return (struct stream_subject){.kind = SUBJECT_PATH,
                                   .from = node_of(r, entry->node, 0),
                                   .to = p->node > 0 ? node_of(r, p->node, 0) : other,
                                   .path = p->id,
                                   .parent = p->parent > 0 ? paths_at(r->paths, p->parent)->id : 0,
                                   .measure = (enum path_measure)key->from_kind};
}

// Its numbers are those of data centres.
static struct stream_subject centres_subject(const struct red *r, const struct red_key *key)
{
    ASSERT(key->from > 0 && key->from <= r->names->centre_count);
    ASSERT(key->to > 0 && key->to <= r->names->centre_count);
    return (struct stream_subject){.kind = SUBJECT_CENTRES,
                                   .from_centre = r->names->centres[key->from - 1],
                                   .to_centre = r->names->centres[key->to - 1],
                                   .at_client = key->at_client,
                                   .error = key->error};
}

static struct stream_subject subject_at(const struct red *r, const struct red_key *key)
{
    if (key->kind == SUBJECT_PATH) {
        return path_subject(r, key);
    }
    if (key->kind == SUBJECT_CENTRES) {
        return centres_subject(r, key);
    }
    struct stream_subject subject = {.kind = (enum subject_kind)key->kind,
                                     .from = node_of(r, key->from, key->from_kind),
                                     .to = node_of(r, key->to, 0),
                                     .span_kind = names_at(r->names, key->to)->span_kind,
                                     .at_client = key->at_client,
                                     .error = key->error,
                                     .counted = key->counted,
                                     .cross_dc = key->cross_dc};
    if (key->kind == SUBJECT_INSTANCE) {
        subject.place = names_place_at(r->names, names_at(r->names, key->to)->place);
    }
    if (key->kind == SUBJECT_STATEMENT) {
        const struct statement_item *item = statements_at(r->statements, key->statement);
        ASSERT(item->text.n > 0);
        subject.statement = item->text;
        subject.system = item->system;
        subject.repeats = key->from_kind != 0;
    }
    return subject;
}

// False where the sink has no room for it.
static bool find_in_sink(struct red *r, struct red_subject *s)
{
    if (s->sink_number == NOT_FOUND && !s->refused) {
        struct stream_subject subject = subject_at(r, &s->key);
        uint32_t number = NOT_FOUND;
        s->refused = r->sink.find(r->sink.ctx, &subject, &number) != ERR_OK;
        s->sink_number = s->refused ? NOT_FOUND : number;
    }
    ASSERT(s->refused == (s->sink_number == NOT_FOUND));
    return !s->refused;
}

// ---- The log -----------------------------------------------------------------------------------

// What the look for a subject will touch: first where the index says it is, then the row.
static void prefetch_slot(const struct red *r, uint64_t hash)
{
    struct hash_walk walk = hash_index_walk(&r->index, hash);
    if (walk.slots != NULL) {
        __builtin_prefetch(&walk.slots[walk.at]);
    }
}

static void prefetch_subject(const struct red *r, uint64_t hash)
{
    struct hash_walk walk = hash_index_walk(&r->index, hash);
    uint32_t at;
    if (r->index.size > 0 && hash_index_next(&walk, &at)) {
        const char *s = (const char *)&r->subjects[at];
        __builtin_prefetch(s, 1);
        __builtin_prefetch(s + 64, 1);
    }
}

// The calls of a group as counts; returns how many there are.
static size_t count_group(struct red *r, const struct red_call *calls, size_t n,
                          struct stream_count *counts)
{
    uint64_t hashes[GROUP];
    size_t found = 0;
    ASSERT(n <= GROUP);
    for (size_t i = 0; i < n; i++) {
        hashes[i] = hash_of(&calls[i].key);
        prefetch_slot(r, hashes[i]);
    }
    for (size_t i = 0; i < n; i++) {
        prefetch_subject(r, hashes[i]);
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t at = subject_of(r, &calls[i].key, hashes[i]);
        if (at == 0 || !find_in_sink(r, &r->subjects[at - 1])) {
            r->refused_calls++;
            continue;
        }
        counts[found++] = (struct stream_count){.number = r->subjects[at - 1].sink_number,
                                                .times = calls[i].times,
                                                .slot_ms = calls[i].slot_ms,
                                                .duration_ns = calls[i].duration_ns};
    }
    return found;
}

void red_flush(struct red *r)
{
    size_t found = 0;
    for (size_t i = 0; i < r->log_count; i += GROUP) {
        size_t n = r->log_count - i < GROUP ? r->log_count - i : GROUP;
        found += count_group(r, r->log + i, n, r->counts + found);
    }
    ASSERT(found <= r->log_count);
    r->log_count = 0;
    if (found > 0) {
        r->sink.count(r->sink.ctx, r->counts, found);
    }
}

static void note(struct red *r, struct red_key key, uint64_t start_ns, uint64_t duration_ns,
                 int32_t times)
{
    uint64_t ms = start_ns / NS_PER_MS;
    ASSERT(r->log_count < RED_LOG);
    r->log[r->log_count++] = (struct red_call){.key = key,
                                               .times = times,
                                               .slot_ms = ms - ms % STREAM_SLOT_MS,
                                               .duration_ns = duration_ns};
    if (r->log_count == RED_LOG) {
        red_flush(r);
    }
}

void red_count_span(struct red *r, const struct chain_span *s, uint32_t instance, int32_t times)
{
    ASSERT(s->service != 0);
    if (s->endpoint == 0) {
        return;
    }
    struct red_key key = {
        .to = s->endpoint, .kind = SUBJECT_ENDPOINT, .error = s->error, .counted = s->counted};
    note(r, key, s->start_ns, s->duration_ns, times);
    if (instance != 0) {
        key.to = instance;
        key.kind = SUBJECT_INSTANCE;
        note(r, key, s->start_ns, s->duration_ns, times);
    }
}

struct red_key red_statement(const struct red *r, uint32_t statement, uint32_t service,
                             uint32_t called)
{
    ASSERT(statement > 0 && statement <= r->statements->count && called > 0);
    return (struct red_key){
        .from = service, .to = called, .statement = statement, .kind = SUBJECT_STATEMENT};
}

void red_count_edge(struct red *r, const struct edge_call *call, int32_t times)
{
    struct red_key key = {.from = call->from,
                          .to = call->to,
                          .kind = SUBJECT_EDGE,
                          .from_kind = call->from == 0 ? (uint8_t)call->from_kind : 0,
                          .at_client = call->at_client,
                          .error = call->error,
                          .cross_dc = call->cross_dc};
    ASSERT(call->to > 0 && call->to <= r->names->count && call->from <= r->names->count);
    note(r, key, call->start_ns, call->duration_ns, times);
    if (call->cross_dc) {
        const struct red_key centres = {.from = call->from_centre,
                                        .to = call->to_centre,
                                        .kind = SUBJECT_CENTRES,
                                        .at_client = call->at_client,
                                        .error = call->error};
        note(r, centres, call->start_ns, call->duration_ns, times);
    }
    if (call->statement != 0) {
        key = red_statement(r, call->statement, call->service, call->called);
        key.error = call->error;
        r->other_statements += call->statement == STATEMENT_OTHER ? times : 0;
        note(r, key, call->start_ns, call->duration_ns, times);
    }
}

void red_count_repeats(struct red *r, struct red_key key, uint64_t start_ns, uint64_t calls,
                       int32_t times)
{
    ASSERT(calls > 1 && key.kind == SUBJECT_STATEMENT);
    key.from_kind = 1;
    note(r, key, start_ns, calls, times);
}

void red_count_entry(struct red *r, const struct entry_sum *sum, uint64_t start_ns, int32_t times)
{
    struct red_key key = {.to = sum->path, .kind = SUBJECT_PATH, .from_kind = PATH_CALLS};
    ASSERT(sum->path > 0 && sum->path <= r->paths->count);
    note(r, key, start_ns, sum->calls, times);
    key.from_kind = PATH_SELF;
    note(r, key, start_ns, sum->self_ns, times);
    if (sum->errors > 0) {
        key.from_kind = PATH_ERRORS;
        note(r, key, start_ns, sum->errors, times);
    }
}

size_t red_bytes(const struct red *r)
{
    return RED_LOG * (sizeof *r->log + sizeof *r->counts) + r->capacity * sizeof *r->subjects +
           r->hash_capacity * sizeof *r->hashes + r->index.size * sizeof *r->index.slots;
}
