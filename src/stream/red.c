// SPDX-License-Identifier: Apache-2.0
// Purpose: calls by subject, on their way to the sink.
#include "stream/red.h"

#include <string.h>

#include "core/clock.h"
#include "core/hist.h"
#include "core/mem.h"
#include "core/must.h"

#define INDEX_LEAST ((size_t)1024)
#define GROUP       16u // calls

// What a subject is in the sink, where that is no number.
#define NOT_FOUND UINT32_MAX // yet
#define REFUSED   (UINT32_MAX - 1)

// ---- Keys ---------------------------------------------------------------------------------------

#define NAME_BITS     20
#define MORE_BITS     17
#define RED_AT_CLIENT 8u // beside an enum node_kind
#define RED_CROSS_DC  16u
#define RED_PASSED_ON 32u
#define REPEATS       ((red_key)1 << 61)
_Static_assert(2 * STREAM_NAMES_MAX < (size_t)1 << NAME_BITS, "each name has room");
_Static_assert(2 * PATHS_MAX <= (size_t)1 << NAME_BITS, "each path has room");
_Static_assert(STATEMENTS_MAX < (size_t)1 << MORE_BITS, "each statement has room");
_Static_assert(NODE_KIND_COUNT <= RED_AT_CLIENT, "kinds of nodes lie below");

static red_key key_of(enum subject_kind kind, uint32_t from, uint32_t to, uint32_t more, bool error)
{
    ASSERT((from | to) >> NAME_BITS == 0 && more >> MORE_BITS == 0);
    return (red_key)from | (red_key)to << 20 | (red_key)more << 40 | (red_key)kind << 57 |
           (red_key)error << 60;
}
static uint32_t from_of(red_key k)
{
    return (uint32_t)k & 0xfffff;
}
static uint32_t to_of(red_key k)
{
    return (uint32_t)(k >> 20) & 0xfffff;
}
static uint32_t more_of(red_key k)
{
    return (uint32_t)(k >> 40) & 0x1ffff;
}
static enum subject_kind kind_of(red_key k)
{
    return (enum subject_kind)(k >> 57 & 7);
}
static bool is_error(red_key k)
{
    return (k >> 60 & 1) != 0;
}

// ---- Life ---------------------------------------------------------------------------------------

void red_init(struct red *r, const struct names *names, const struct paths *paths,
              const struct statements *statements, const struct stream_sink *sink, size_t bytes_max)
{
    size_t lines = RED_LINES_LEAST;
    ASSERT(names != NULL && sink->find != NULL && sink->count != NULL);
    while (lines < RED_LINES_MAX && 2 * lines * sizeof(struct red_line) <= bytes_max / 4) {
        lines *= 2;
    }
    *r = (struct red){.names = names,
                      .paths = paths,
                      .statements = statements,
                      .sink = *sink,
                      .bytes_max = bytes_max,
                      .log = mem_new(RED_LOG, sizeof *r->log),
                      .lines = mem_new(lines, sizeof *r->lines),
                      .line_count = lines,
                      .runs = mem_new(RED_RUNS, sizeof *r->runs),
                      .counts = mem_new(RED_RUNS, sizeof *r->counts)};
    hash_index_reserve(&r->index, r->subjects, 0, INDEX_LEAST);
}

void red_done(struct red *r)
{
    ASSERT(r->log_count <= RED_LOG);
    mem_free(r->log);
    mem_free(r->lines);
    mem_free(r->runs);
    mem_free(r->counts);
    mem_free(r->subjects);
    mem_free(r->sink_numbers);
    mem_free(r->touched);
    mem_free(r->by_name.subjects);
    mem_free(r->by_path.subjects);
    hash_index_done(&r->index);
    *r = (struct red){0};
}

static size_t subject_bytes(const struct red *r)
{
    return r->capacity * sizeof *r->subjects + r->number_capacity * sizeof *r->sink_numbers +
           r->touched_capacity * sizeof *r->touched + r->index.size * sizeof *r->index.slots +
           (r->by_name.count + r->by_path.count) * sizeof(uint32_t);
}

size_t red_bytes(const struct red *r)
{
    return subject_bytes(r) + RED_LOG * sizeof *r->log + r->line_count * sizeof *r->lines +
           RED_RUNS * (sizeof *r->runs + sizeof *r->counts);
}

// ---- Subjects -----------------------------------------------------------------------------------

#define NONE UINT32_MAX

static uint32_t find(const struct red *r, struct hash_walk walk, red_key key)
{
    uint32_t at;
    while (hash_index_next(&walk, &at)) {
        ASSERT(at < r->count);
        if (r->subjects[at] == key) {
            return at;
        }
    }
    return NONE;
}

static uint32_t reuse(struct red *r)
{
    uint32_t at = r->first_free - 1;
    ASSERT(r->subjects[at] == 0);
    r->first_free = r->sink_numbers[at];
    return at;
}

static uint32_t extend(struct red *r)
{
    if (r->count == RED_SUBJECTS_MAX || subject_bytes(r) >= r->bytes_max) {
        return NONE;
    }
    r->subjects = mem_grow(r->subjects, &r->capacity, r->count + 1, sizeof *r->subjects);
    r->sink_numbers =
        mem_grow(r->sink_numbers, &r->number_capacity, r->count + 1, sizeof *r->sink_numbers);
    r->touched = mem_grow(r->touched, &r->touched_capacity, r->count + 1, sizeof *r->touched);
    hash_index_reserve(&r->index, r->subjects, r->count, INDEX_LEAST);
    ASSERT(r->first_free == 0); // or the index would be given what is forgotten
    return (uint32_t)r->count++;
}

// The subject of a key that was not there a moment ago; NONE when there are too many.
static uint32_t add(struct red *r, red_key key)
{
    uint32_t at = find(r, hash_index_walk(&r->index, key), key);
    if (at == NONE) {
        at = r->first_free != 0 ? reuse(r) : extend(r);
    } else {
        return at;
    }
    if (at != NONE) {
        ASSERT(at < r->count && key != 0);
        r->subjects[at] = key;
        r->sink_numbers[at] = NOT_FOUND;
        r->touched[at] = r->minute;
        hash_index_put(&r->index, key, at);
    }
    return at;
}

static struct stream_node node_of(const struct red *r, uint32_t name, uint32_t kind_without_name)
{
    if (name == 0) {
        return (struct stream_node){.kind = (enum node_kind)kind_without_name};
    }
    return names_at(r->names, name)->node;
}

static struct stream_subject path_subject(const struct red *r, red_key key)
{
    static const struct stream_node other = {.kind = NODE_SERVICE, .service = {"(other)", 7}};
    const struct path *p = paths_at(r->paths, to_of(key));
    const struct path *entry = paths_at(r->paths, p->entry);
    ASSERT(more_of(key) < PATH_MEASURE_COUNT);
    return (struct stream_subject){.kind = SUBJECT_PATH,
                                   .from = node_of(r, entry->node, 0),
                                   .to = p->node > 0 ? node_of(r, p->node, 0) : other,
                                   .path = p->id,
                                   .parent = p->parent > 0 ? paths_at(r->paths, p->parent)->id : 0,
                                   .measure = (enum path_measure)more_of(key)};
}

// Its numbers are those of data centres.
static struct stream_subject centres_subject(const struct red *r, red_key key)
{
    const uint32_t from = from_of(key), to = to_of(key);
    ASSERT(from > 0 && from <= r->names->centre_count && to > 0 && to <= r->names->centre_count);
    return (struct stream_subject){.kind = SUBJECT_CENTRES,
                                   .from_centre = r->names->centres[from - 1].text,
                                   .to_centre = r->names->centres[to - 1].text,
                                   .at_client = (more_of(key) & RED_AT_CLIENT) != 0,
                                   .error = is_error(key)};
}

static struct stream_subject subject_of(const struct red *r, red_key key)
{
    const uint32_t to = to_of(key), more = more_of(key);
    struct stream_subject subject = {.kind = kind_of(key),
                                     .from = node_of(r, from_of(key), more & (RED_AT_CLIENT - 1)),
                                     .to = node_of(r, to, 0),
                                     .span_kind = names_at(r->names, to)->span_kind,
                                     .error = is_error(key)};
    ASSERT(subject.kind != SUBJECT_PATH);
    if (subject.kind == SUBJECT_STATEMENT) {
        const struct statement_item *item = statements_at(r->statements, more);
        ASSERT(item->text.n > 0);
        subject.statement = item->text;
        subject.system = item->system;
        subject.repeats = (key & REPEATS) != 0;
    } else if (subject.kind == SUBJECT_EDGE) {
        subject.at_client = (more & RED_AT_CLIENT) != 0;
        subject.cross_dc = (more & RED_CROSS_DC) != 0;
        subject.passed_on = (more & RED_PASSED_ON) != 0;
    } else {
        subject.counted = more != 0;
    }
    if (subject.kind == SUBJECT_INSTANCE) {
        subject.place = names_place_at(r->names, names_at(r->names, to)->place);
    }
    return subject;
}

// REFUSED where the sink has no room for it.
static uint32_t number_in_sink(struct red *r, uint32_t subject)
{
    uint32_t *number = &r->sink_numbers[subject];
    if (*number == NOT_FOUND) {
        const red_key key = r->subjects[subject];
        struct stream_subject s = kind_of(key) == SUBJECT_PATH      ? path_subject(r, key)
                                  : kind_of(key) == SUBJECT_CENTRES ? centres_subject(r, key)
                                                                    : subject_of(r, key);
        if (r->sink.find(r->sink.ctx, &s, number) != ERR_OK) {
            *number = REFUSED;
        }
    }
    ASSERT(*number != NOT_FOUND);
    return *number;
}

// ---- Lines --------------------------------------------------------------------------------------

static void give(struct red *r)
{
    ASSERT(r->run_count <= RED_RUNS);
    if (r->run_count > 0) {
        r->sink.count(r->sink.ctx, r->counts, r->run_count);
    }
    r->run_count = 0;
}

static void hand_over(struct red *r, const struct red_line *line, int32_t times)
{
    uint32_t number = number_in_sink(r, line->subject);
    r->touched[line->subject] = r->minute;
    ASSERT(line->count > 0 && r->run_count < RED_RUNS);
    if (number == REFUSED) {
        r->refused_calls += line->count;
        return;
    }
    struct red_line *run = &r->runs[r->run_count];
    *run = *line;
    r->counts[r->run_count++] =
        (struct stream_count){.number = number,
                              .times = times,
                              .slot_ms = run->slot * (uint64_t)STREAM_SLOT_MS,
                              .sum_ns = run->sum_ns,
                              .buckets = run->buckets,
                              .count = run->count};
    if (r->run_count == RED_RUNS) {
        give(r);
    }
}

// Two slots of one subject, where calls of both come, have a line each.
static struct red_line *line_of(const struct red *r, uint32_t subject, uint32_t slot)
{
    size_t at = subject + (slot & 1) * (r->line_count / 2);
    return &r->lines[at & (r->line_count - 1)];
}

static void free_line(struct red *r, struct red_line *line)
{
    hand_over(r, line, 1);
    line->count = 0;
    ASSERT(r->held > 0);
    r->held--;
}

// The calls that the line has go first, so that the sink has what is taken back.
static void take_back(struct red *r, struct red_line *line, uint32_t subject, struct red_call call)
{
    const struct red_line back = {.subject = subject,
                                  .slot = call.slot,
                                  .sum_ns = call.duration_ns,
                                  .count = 1,
                                  .buckets = {(uint16_t)hist_bucket(call.duration_ns)}};
    ASSERT(call.times == -1);
    if (line->count > 0) {
        free_line(r, line);
    }
    hand_over(r, &back, -1);
}

static void count(struct red *r, uint32_t subject, struct red_call call)
{
    struct red_line *line = line_of(r, subject, call.slot);
    if (call.times != 1) {
        take_back(r, line, subject, call);
        return;
    }
    bool is_its = line->subject == subject && line->slot == call.slot;
    if (line->count > 0 && (!is_its || line->count == RED_LINE_CALLS)) {
        free_line(r, line);
    }
    if (line->count == 0) {
        line->subject = subject;
        line->slot = call.slot;
        line->sum_ns = 0;
        r->held++;
    }
    ASSERT(line->count < RED_LINE_CALLS);
    line->sum_ns += call.duration_ns;
    line->buckets[line->count++] = (uint16_t)hist_bucket(call.duration_ns);
}

// ---- The log ------------------------------------------------------------------------------------

static void work_off_group(struct red *r, const struct red_noted *calls, size_t n)
{
    struct hash_walk walks[GROUP];
    uint32_t subjects[GROUP];
    ASSERT(n <= GROUP);
    for (size_t i = 0; i < n; i++) {
        walks[i] = hash_index_walk(&r->index, calls[i].key);
        __builtin_prefetch(&walks[i].slots[walks[i].at]);
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t first = walks[i].slots[walks[i].at];
        __builtin_prefetch(&r->subjects[first > 0 ? first - 1 : 0]);
    }
    for (size_t i = 0; i < n; i++) {
        subjects[i] = find(r, walks[i], calls[i].key);
        __builtin_prefetch(line_of(r, subjects[i], calls[i].call.slot), 1);
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t subject = subjects[i] != NONE ? subjects[i] : add(r, calls[i].key);
        if (subject != NONE) {
            count(r, subject, calls[i].call);
        } else {
            r->refused_calls++;
        }
    }
}

static void work_off(struct red *r)
{
    ASSERT(r->log_count <= RED_LOG);
    for (size_t i = 0; i < r->log_count; i += GROUP) {
        work_off_group(r, r->log + i, r->log_count - i < GROUP ? r->log_count - i : GROUP);
    }
    r->log_count = 0;
}

void red_flush(struct red *r)
{
    work_off(r);
    for (size_t i = 0; r->held > 0; i++) {
        ASSERT(i < r->line_count);
        if (r->lines[i].count > 0) {
            free_line(r, &r->lines[i]);
        }
    }
    give(r);
}

// ---- Forgetting ---------------------------------------------------------------------------------

static size_t place_of_name(uint32_t name, bool error, bool counted)
{
    return (size_t)name * 4 + error * 2u + counted;
}

// Where a table says which subject a key has; NULL where it is looked for in the index alone.
static uint32_t *place_of(const struct red *r, red_key key)
{
    const enum subject_kind kind = kind_of(key);
    const bool is_path = kind == SUBJECT_PATH;
    if (!is_path && kind != SUBJECT_ENDPOINT && kind != SUBJECT_INSTANCE) {
        return NULL;
    }
    const struct red_table *t = is_path ? &r->by_path : &r->by_name;
    const size_t place = is_path ? (size_t)to_of(key) * PATH_MEASURE_COUNT + more_of(key)
                                 : place_of_name(to_of(key), is_error(key), more_of(key) != 0);
    ASSERT(place < t->count);
    return &t->subjects[place];
}

static void forget(struct red *r, uint32_t subject)
{
    uint32_t *place = place_of(r, r->subjects[subject]);
    MUST(place == NULL || *place == subject + 1);
    if (place != NULL) {
        *place = 0;
    }
    hash_index_remove(&r->index, r->subjects, subject);
    r->subjects[subject] = 0;
    r->sink_numbers[subject] = r->first_free;
    r->first_free = subject + 1;
}

static void look_at(struct red *r, uint32_t subject)
{
    uint32_t *number = &r->sink_numbers[subject];
    ASSERT(r->touched[subject] <= r->minute);
    if (r->subjects[subject] == 0) {
        return;
    }
    if (*number == REFUSED) {
        *number = NOT_FOUND;
    }
    if (r->minute - r->touched[subject] < STREAM_FORGET_MS / 60000) {
        return;
    }
    if (*number != NOT_FOUND && r->sink.release != NULL) {
        r->sink.release(r->sink.ctx, *number);
    }
    forget(r, subject);
}

bool red_forget(struct red *r, size_t steps)
{
    MUST(r->log_count == 0 && r->held == 0);
    for (size_t i = 0; i < steps && r->forget_at < r->count; i++) {
        look_at(r, (uint32_t)r->forget_at++);
    }
    bool are_all = r->forget_at >= r->count;
    r->forget_at = are_all ? 0 : r->forget_at;
    return are_all;
}

void red_mark(const struct red *r, struct used *used)
{
    MUST(r->log_count == 0 && r->held == 0);
    for (size_t i = 0; i < r->count; i++) {
        const red_key key = r->subjects[i];
        const enum subject_kind kind = kind_of(key);
        if (key == 0) {
            continue;
        }
        if (kind == SUBJECT_PATH) {
            marks_set(&used->paths, to_of(key));
        } else if (kind == SUBJECT_CENTRES) {
            marks_set(&used->centres, from_of(key));
            marks_set(&used->centres, to_of(key));
        } else {
            marks_set(&used->names, from_of(key));
            marks_set(&used->names, to_of(key));
            marks_set(&used->statements, kind == SUBJECT_STATEMENT ? more_of(key) : 0);
        }
    }
}

// ---- Noting -------------------------------------------------------------------------------------

static void note(struct red *r, red_key key, struct red_call call)
{
    ASSERT(r->log_count < RED_LOG);
    r->log[r->log_count++] = (struct red_noted){key, call};
    if (r->log_count == RED_LOG) {
        work_off(r);
    }
}

// The place of a number in a table that has one for each number up to `most`.
static uint32_t *place_in(struct red_table *t, size_t number, size_t most)
{
    if (number >= t->count) {
        size_t before = t->count;
        t->subjects = mem_grow(t->subjects, &t->count, most + 1, sizeof *t->subjects);
        memset(t->subjects + before, 0, (t->count - before) * sizeof *t->subjects);
    }
    ASSERT(number <= most);
    return &t->subjects[number];
}

static void count_at(struct red *r, uint32_t *place, red_key key, struct red_call call)
{
    if (*place == 0) {
        *place = add(r, key) + 1; // NONE + 1 is 0
    }
    if (*place != 0) {
        count(r, *place - 1, call);
    } else {
        r->refused_calls++;
    }
}

// ---- What counts --------------------------------------------------------------------------------

static struct red_call call_of(uint64_t start_ns, uint64_t duration_ns, int32_t times)
{
    const uint64_t slot_ns = STREAM_SLOT_MS * NS_PER_MS;
    _Static_assert(UINT64_MAX / (STREAM_SLOT_MS * NS_PER_MS) <= UINT32_MAX, "any time has a slot");
    return (struct red_call){duration_ns, (uint32_t)(start_ns / slot_ns), times};
}

static void count_name(struct red *r, enum subject_kind kind, uint32_t name,
                       const struct chain_span *s, struct red_call call)
{
    size_t number = place_of_name(name, s->error, s->counted);
    uint32_t *place = place_in(&r->by_name, number, r->names->count * 4 + 3);
    count_at(r, place, key_of(kind, 0, name, s->counted, s->error), call);
}

void red_count_span(struct red *r, const struct chain_span *s, uint32_t instance, int32_t times)
{
    ASSERT(s->service != 0);
    if (s->endpoint == 0) {
        return;
    }
    const struct red_call call = call_of(s->start_ns, s->duration_ns, times);
    count_name(r, SUBJECT_ENDPOINT, s->endpoint, s, call);
    if (instance != 0) {
        count_name(r, SUBJECT_INSTANCE, instance, s, call);
    }
}

static red_key statement_key(const struct red *r, uint32_t statement, uint32_t service,
                             uint32_t called, bool error)
{
    ASSERT(statement > 0 && statement <= r->statements->count && called > 0);
    return key_of(SUBJECT_STATEMENT, service, called, statement, error);
}

void red_count_edge(struct red *r, const struct edge_call *edge, int32_t times)
{
    uint32_t more = (edge->from == 0 ? (uint32_t)edge->from_kind : 0) |
                    (edge->at_client ? RED_AT_CLIENT : 0) | (edge->cross_dc ? RED_CROSS_DC : 0) |
                    (edge->passed_on ? RED_PASSED_ON : 0);
    const struct red_call call = call_of(edge->start_ns, edge->duration_ns, times);
    ASSERT(edge->to > 0 && edge->to <= r->names->count && edge->from <= r->names->count);
    note(r, key_of(SUBJECT_EDGE, edge->from, edge->to, more, edge->error), call);
    if (edge->cross_dc) {
        uint32_t at_client = edge->at_client ? RED_AT_CLIENT : 0;
        note(r, key_of(SUBJECT_CENTRES, edge->from_centre, edge->to_centre, at_client, edge->error),
             call);
    }
    if (edge->statement != 0) {
        r->other_statements += edge->statement == STATEMENT_OTHER ? times : 0;
        note(r, statement_key(r, edge->statement, edge->service, edge->called, edge->error), call);
    }
}

void red_count_repeats(struct red *r, const struct sent *first, uint64_t calls, int32_t times)
{
    red_key key = statement_key(r, first->statement, first->service, first->called, false);
    ASSERT(calls > 1);
    note(r, key | REPEATS, call_of(first->start_ns, calls, times));
}

void red_count_entry(struct red *r, const struct entry_sum *sum, uint64_t start_ns, int32_t times)
{
    const uint64_t measures[PATH_MEASURE_COUNT] = {
        [PATH_CALLS] = sum->calls, [PATH_ERRORS] = sum->errors, [PATH_SELF] = sum->self_ns};
    ASSERT(sum->path > 0 && sum->path <= r->paths->count);
    struct red_call call = call_of(start_ns, 0, times);
    const size_t first = (size_t)sum->path * PATH_MEASURE_COUNT;
    const size_t most = (r->paths->count + 1) * PATH_MEASURE_COUNT;
    uint32_t *places =
        place_in(&r->by_path, first + PATH_MEASURE_COUNT - 1, most) - (PATH_MEASURE_COUNT - 1);
    for (uint32_t m = 0; m < PATH_MEASURE_COUNT; m++) {
        call.duration_ns = measures[m];
        if (m != PATH_ERRORS || sum->errors > 0) {
            count_at(r, &places[m], key_of(SUBJECT_PATH, 0, sum->path, m, false), call);
        }
    }
}
