// SPDX-License-Identifier: Apache-2.0
// Purpose: groups: filling the open one, sealing it, and answering who waits once it is durable.
// A request is decoded whole before a group can be sealed, so it always waits for exactly one.
#include "core/clock.h"
#include "core/mem.h"
#include "core/must.h"
#include "receive/families.h"
#include "receive/internal.h"

// ---- Memory of a group --------------------------------------------------------------------------
// A request reserves room for its share of the payload before it is decoded, and for its rows
// before a batch grows, so that a group that was begun can be finished.

static struct group *group_of_room(struct mem_source *room)
{
    ASSERT(room != NULL);
    return (struct group *)((char *)room - offsetof(struct group, room));
}

// Never refuses: what the reservation does not cover (the encoding is larger than the requests
// were) is little, and the spans are taken already.
static bool room_take(struct mem_source *room, size_t bytes)
{
    struct group *g = group_of_room(room);
    size_t covered = bytes < g->reserved ? bytes : g->reserved;
    ASSERT(g->shard != NULL);
    g->reserved -= covered;
    budget_force(g->shard->receive->options.budget, ACCOUNT_BATCHES, bytes - covered);
    return true;
}

static void room_give(struct mem_source *room, size_t bytes)
{
    struct group *g = group_of_room(room);
    ASSERT(bytes > 0);
    budget_give(g->shard->receive->options.budget, ACCOUNT_BATCHES, bytes);
}

// For the request that is being decoded. False where it would have more than is for one
// (s->is_too_large), or where there is not as much now.
static bool take(struct shard *s, size_t bytes)
{
    const struct group *g = s->open;
    struct budget *budget = s->receive->options.budget;
    ASSERT(g->charged + g->reserved >= s->group_had);
    size_t has = s->request_had + g->charged + g->reserved - s->group_had;
    s->is_too_large = has + bytes > s->receive->request_memory_max;
    return !s->is_too_large && budget_take(budget, ACCOUNT_BATCHES, bytes);
}

static bool reserve(struct group *g, size_t bytes)
{
    ASSERT(g->shard->open == g);
    if (!take(g->shard, bytes)) {
        return false;
    }
    g->reserved += bytes;
    return true;
}

static void unreserve(struct group *g, size_t bytes)
{
    MUST(bytes <= g->reserved);
    budget_give(g->shard->receive->options.budget, ACCOUNT_BATCHES, bytes);
    g->reserved -= bytes;
}

// ---- The open group -----------------------------------------------------------------------------

static struct group *open_group(struct shard *s)
{
    if (s->open != NULL) {
        return s->open;
    }
    struct group *g = s->pool;
    if (g == NULL) {
        g = mem_new(1, sizeof *g);
        g->shard = s;
        g->content.batches = g->batches;
        g->room = (struct mem_source){room_take, room_give};
        buf_init_from(&g->payload, s->receive->options.record_bytes_max, &g->room);
    } else {
        s->pool = g->next;
        s->pool_count--;
    }
    ASSERT(g->content.count == 0 && g->door_count == 0);
    s->open = g;
    return g;
}

static void group_free(struct group *g)
{
    ASSERT(g->content.count == 0 && g->reserved == 0);
    buf_done(&g->payload);
    mem_free(g->doors);
    mem_free(g);
}

// Drops the batches and makes the group ready for reuse.
static void group_clear(struct group *g)
{
    struct shard *s = g->shard;
    struct budget *budget = s->receive->options.budget;
    for (size_t i = 0; i < g->content.count; i++) {
        batch_unref(g->batches[i]);
    }
    budget_give(budget, ACCOUNT_BATCHES, g->charged);
    g->charged = g->content.count = g->door_count = 0;
    g->spans = g->points = g->request_bytes = 0;
    unreserve(g, g->reserved);
    if (g->payload.capacity > GROUP_POOLED_BYTES) {
        buf_done(&g->payload);
    }
    buf_clear(&g->payload);
    if (s->pool_count >= GROUPS_POOLED_MAX || budget_is_tight(budget)) {
        group_free(g);
        return;
    }
    ASSERT(s->open != g);
    g->next = s->pool;
    s->pool = g;
    s->pool_count++;
}

static size_t find_line(const struct group *g, struct str line)
{
    ASSERT(g->content.count <= GROUP_LINES_MAX);
    size_t i = 0;
    while (i < g->content.count && !str_eq(g->batches[i]->line, line)) {
        i++;
    }
    return i;
}

static struct batch *batch_for(void *ctx, struct str line)
{
    struct shard *s = ctx;
    struct group *g = s->open;
    size_t i = find_line(g, line);
    if (i == g->content.count && g->content.count + 1 >= GROUP_LINES_MAX) {
        line = STR(""); // too many lines to keep apart; the last slot is kept for this one
        i = find_line(g, line);
    }
    if (i == g->content.count) {
        MUST(i < GROUP_LINES_MAX);
        g->batches[i] = batch_new(line);
        g->batches[i]->received_ns = clock_wall_ns();
        g->slots[i] = (struct slot){.charged = batch_bytes(g->batches[i])};
        g->charged += g->slots[i].charged;
        budget_force(s->receive->options.budget, ACCOUNT_BATCHES, g->slots[i].charged);
        g->content.count++;
    }
    struct slot *slot = &g->slots[i];
    s->slot = i;
    if (slot->touched_by != s->request_number) {
        slot->touched_by = s->request_number;
        slot->mark = batch_mark(g->batches[i]);
    }
    return g->batches[i];
}

static void roll_back(struct shard *s)
{
    struct group *g = s->open;
    ASSERT(g != NULL);
    for (size_t i = 0; i < g->content.count; i++) {
        if (g->slots[i].touched_by == s->request_number) {
            batch_rollback(g->batches[i], g->slots[i].mark);
        }
    }
}

// Brings the account to what a batch holds: what was asked for and has not been used goes back.
static void settle(struct shard *s, size_t i)
{
    struct group *g = s->open;
    struct slot *slot = &g->slots[i];
    struct budget *budget = s->receive->options.budget;
    size_t bytes = batch_bytes(g->batches[i]);
    ASSERT(bytes <= slot->charged); // it was asked for before the batch grew
    if (bytes > slot->charged) {
        budget_force(budget, ACCOUNT_BATCHES, bytes - slot->charged);
    } else {
        budget_give(budget, ACCOUNT_BATCHES, slot->charged - bytes);
    }
    g->charged = g->charged - slot->charged + bytes;
    slot->charged = bytes;
}

static void settle_all(struct shard *s)
{
    ASSERT(s->open != NULL);
    for (size_t i = 0; i < s->open->content.count; i++) {
        if (s->open->slots[i].touched_by == s->request_number) {
            settle(s, i);
        }
    }
}

static bool admit(void *ctx, struct batch *b, size_t bytes)
{
    struct shard *s = ctx;
    struct group *g = s->open;
    ASSERT(g->batches[s->slot] == b);
    settle(s, s->slot);
    if (!take(s, bytes)) {
        return false;
    }
    (void)b;
    g->slots[s->slot].charged += bytes;
    g->charged += bytes;
    return true;
}

// ---- Lost records -------------------------------------------------------------------------------

static size_t tally_find(const struct tally *t, struct str service)
{
    ASSERT(t->service_count <= TALLY_SERVICES_MAX);
    size_t i = 0;
    while (i < t->service_count && !str_eq(t->services[i].service, service)) {
        i++;
    }
    return i;
}

static void tally_add(struct tally *t, struct str service)
{
    size_t i = tally_find(t, service);
    if (i == t->service_count && i + 1 >= TALLY_SERVICES_MAX) {
        service = LEDGER_OTHER; // too many to tell apart; the last place is kept for this
        i = tally_find(t, service);
    }
    if (i == t->service_count) {
        t->services[i].service = service;
        t->services[i].count = 0;
        t->service_count++;
    }
    t->services[i].count++;
    t->count++;
    ASSERT(t->service_count <= TALLY_SERVICES_MAX);
}

static void tally_count(const struct tally *t, struct ledger *ledger, enum signal signal,
                        enum reason reason)
{
    ASSERT(reason != REASON_NONE);
    for (size_t i = 0; i < t->service_count; i++) {
        struct str service = t->services[i].service;
        uint64_t n = t->services[i].count;
        ledger_add(ledger, signal, OUTCOME_RECEIVED, REASON_NONE, service, n);
        ledger_add(ledger, signal, OUTCOME_DROPPED, reason, service, n);
    }
}

static void on_reject(void *ctx, struct str service, uint64_t offset, const char *message,
                      struct str bytes)
{
    struct shard *s = ctx;
    struct rejects *x = &s->rejects;
    ASSERT(message != NULL);
    if (x->letter_count < REJECT_LETTERS_MAX) {
        x->letters[x->letter_count].offset = offset;
        x->letters[x->letter_count].message = message;
        x->letters[x->letter_count].bytes = bytes;
        x->letter_count++;
    }
    tally_add(&x->tally, service);
}

// Of the overload: see overload.h.

static void note_head(void *ctx, const struct otlp_head *head)
{
    struct shard *s = ctx;
    ASSERT(s->now_ns > 0);
    overload_note(s->receive->overload, head->trace, head->error, head->duration_ns, s->now_ns);
}

static bool wants(void *ctx, trace_id trace)
{
    const struct shard *s = ctx;
    ASSERT(s->take != TAKE_NOTHING);
    return overload_wants(s->receive->overload, trace, s->take, s->now_ns);
}

static void on_shed(void *ctx, struct str service)
{
    struct shard *s = ctx;
    ASSERT(s->take != TAKE_ALL);
    tally_add(&s->shed, service);
}

// What is said of records that were lost, for partial success.
static void tell_lost(struct door *d)
{
    const struct rejects *x = &d->shard->rejects;
    struct arena *a = http_arena(d->request);
    unsigned long long invalid = x->tally.count, shed = d->shard->shed.count;
    ASSERT(invalid == 0 || x->letter_count > 0);
    d->rejected = invalid + shed;
    d->message = STR("");
    if (invalid > 0) {
        d->message = arena_printf(a, "%llu %s were rejected; the first, at byte %llu: %s", invalid,
                                  d->signal == SIGNAL_TRACES ? "spans" : "metric data points",
                                  (unsigned long long)x->letters[0].offset, x->letters[0].message);
    }
    if (shed > 0) {
        d->message = arena_printf(
            a, "%llu spans were shed: the server is overloaded and keeps %s. %.*s", shed,
            d->shard->take == TAKE_ERRORS ? "traces with errors alone"
                                          : "slow traces and traces with errors alone",
            STR_FMT(d->message));
    }
}

static void settle_lost(struct door *d)
{
    struct shard *s = d->shard;
    struct rejects *x = &s->rejects;
    struct ledger *ledger = s->receive->options.ledger;
    tally_count(&x->tally, ledger, d->signal, REASON_INVALID);
    tally_count(&s->shed, ledger, d->signal, REASON_SHED);
    atomic_fetch_add_explicit(&s->receive->overload->shed_spans, s->shed.count,
                              memory_order_relaxed);
    for (size_t i = 0; i < x->letter_count; i++) {
        door_dead_letter(d, REASON_INVALID, str_of(x->letters[i].message), x->letters[i].offset, 1,
                         x->letters[i].bytes);
    }
    tell_lost(d);
}

// ---- Sealing and answering ----------------------------------------------------------------------

static void note_latency(struct shard *s, const struct group *g)
{
    uint64_t now_ns = clock_mono_ns();
    MUST(pthread_mutex_lock(&s->latency_lock) == 0);
    if (now_ns - s->latency_from_ns > LATENCY_WINDOW_NS) {
        s->latency[1] = s->latency[0];
        s->latency[0] = (struct sketch){0};
        s->latency_from_ns = now_ns;
    }
    for (size_t i = 0; i < g->door_count; i++) {
        if (g->doors[i] != NULL) {
            sketch_add(&s->latency[0], now_ns - g->doors[i]->started_ns);
        }
    }
    MUST(pthread_mutex_unlock(&s->latency_lock) == 0);
}

// Counts rows that follow one another and have one resource.
static void count_run(struct ledger *ledger, enum signal signal, enum reason reason,
                      const struct batch *b, uint32_t resource, size_t rows)
{
    struct str service = batch_str(b, b->resources[resource].service);
    ASSERT(rows > 0);
    ledger_add(ledger, signal, OUTCOME_RECEIVED, REASON_NONE, service, rows);
    ledger_add(ledger, signal, OUTCOME_DROPPED, reason, service, rows);
}

// The journal did not take the group: its rows never reach those who would count them.
static void count_lost(struct shard *s, const struct group *g, enum reason reason)
{
    struct ledger *ledger = s->receive->options.ledger;
    ASSERT(reason != REASON_NONE);
    for (size_t i = 0; i < g->content.count; i++) {
        const struct batch *b = g->batches[i];
        for (size_t from = 0, to; from < b->span_count; from = to) {
            uint32_t resource = b->spans[from].resource;
            for (to = from + 1; to < b->span_count && b->spans[to].resource == resource; to++) {
            }
            count_run(ledger, SIGNAL_TRACES, reason, b, resource, to - from);
        }
        for (size_t from = 0, to; from < b->point_count; from = to) {
            uint32_t resource = b->points[from].resource;
            for (to = from + 1; to < b->point_count && b->points[to].resource == resource; to++) {
            }
            count_run(ledger, SIGNAL_METRICS, reason, b, resource, to - from);
        }
    }
}

static void answer_lost(struct door *d, enum err why)
{
    struct failure f = {503, GRPC_UNAVAILABLE, true,
                        why == ERR_FULL
                            ? STR("The disk or the journal is full, nothing can be kept.")
                            : STR("The journal cannot be written."),
                        NULL};
    ASSERT(why != ERR_OK);
    if (why == ERR_LIMIT) { // and so it is again, however often it is sent
        f = (struct failure){413, GRPC_RESOURCE_EXHAUSTED, false,
                             STR("The request is larger than a record of the journal: send smaller "
                                 "batches."),
                             NULL};
    }
    atomic_fetch_add_explicit(&d->shard->refused, 1, memory_order_relaxed);
    answer_failure(d, &f);
}

static enum reason reason_of(enum err why)
{
    ASSERT(why != ERR_OK);
    return why == ERR_FULL    ? REASON_DISK_FULL
           : why == ERR_LIMIT ? REASON_TOO_LARGE
                              : REASON_JOURNAL;
}

static void end_put(struct put *p, enum err result)
{
    ASSERT(p->done != NULL);
    p->done(p->ctx, result);
    mem_free(p);
}

static void on_finish(struct loop_task *task)
{
    struct group *g = (struct group *)((char *)task - offsetof(struct group, finish));
    struct shard *s = g->shard;
    enum err result = g->entry.result;
    ASSERT(s->in_flight > 0);
    note_latency(s, g);
    if (result != ERR_OK) {
        count_lost(s, g, reason_of(result));
    } else {
        atomic_fetch_add_explicit(&s->spans, g->spans, memory_order_relaxed);
        atomic_fetch_add_explicit(&s->points, g->points, memory_order_relaxed);
    }
    for (size_t i = 0; i < g->door_count; i++) {
        struct door *d = g->doors[i];
        if (d == NULL) {
            continue;
        }
        d->group = NULL;
        if (result == ERR_OK) {
            answer_success(d);
        } else {
            answer_lost(d, result);
        }
    }
    if (g->put != NULL) {
        end_put(g->put, result);
        g->put = NULL;
    }
    s->in_flight--;
    s->queued_bytes -= g->payload.n;
    group_clear(g);
    shard_maybe_end(s);
}

// On the journal's thread, to which the group belongs now.
void receive_hand_over(struct receive_group *content)
{
    struct group *g = (struct group *)((char *)content - offsetof(struct group, content));
    ASSERT(g->content.count > 0);
    budget_give(g->shard->receive->options.budget, ACCOUNT_BATCHES, g->charged);
    g->charged = 0;
}

// On the journal's thread.
static void on_journal_done(struct journal_entry *entry)
{
    struct group *g = (struct group *)((char *)entry - offsetof(struct group, entry));
    ASSERT(g->finish.run == on_finish);
    loop_post(g->shard->loop, &g->finish);
}

// Keeps the batches that hold rows, sealed.
static void seal_batches(struct group *g)
{
    size_t kept = 0;
    for (size_t i = 0; i < g->content.count; i++) {
        struct batch *b = g->batches[i];
        if (b->span_count == 0 && b->point_count == 0) {
            batch_unref(b);
            continue;
        }
        batch_seal(b);
        g->batches[kept++] = b;
    }
    ASSERT(kept <= g->content.count);
    g->content.count = kept;
}

static void seal(struct shard *s)
{
    struct group *g = s->open;
    s->open = NULL;
    ASSERT(g != NULL);
    seal_batches(g);
    if (g->content.count == 0) {
        MUST(g->door_count == 0);
        group_clear(g);
        return;
    }
    size_t most = s->receive->options.record_bytes_max;
    (void)buf_reserve(&g->payload, g->request_bytes < most ? g->request_bytes : 0);
    group_encode(&g->content, &g->payload);
    unreserve(g, g->reserved);
    g->finish.run = on_finish;
    g->entry = (struct journal_entry){
        .payload = buf_str(&g->payload), .done = on_journal_done, .attachment = &g->content};
    s->in_flight++;
    s->queued_bytes += g->payload.n;
    if (g->payload.failed) { // cannot be one record
        g->entry.result = ERR_LIMIT;
        loop_post(s->loop, &g->finish);
        return;
    }
    journal_append(s->receive->options.journal, &g->entry);
}

static uint64_t turned_away(const struct http_server *server)
{
    ASSERT(server == NULL || http_server_stats(server) != NULL);
    return server == NULL ? 0
                          : atomic_load_explicit(&http_server_stats(server)->turned_away,
                                                 memory_order_relaxed);
}

// Requests that were turned away unread are lost too; most are traces, so that is what they count.
static void count_turned_away(struct shard *s)
{
    struct ledger *ledger = s->receive->options.ledger;
    uint64_t n = turned_away(s->grpc) + turned_away(s->http);
    ASSERT(n >= s->turned_away);
    if (n > s->turned_away) {
        uint64_t more = n - s->turned_away;
        ledger_add(ledger, SIGNAL_TRACES, OUTCOME_RECEIVED, REASON_NONE, STR(""), more);
        ledger_add(ledger, SIGNAL_TRACES, OUTCOME_DROPPED, REASON_OVERLOAD, STR(""), more);
        atomic_fetch_add_explicit(&s->requests, more, memory_order_relaxed);
        atomic_fetch_add_explicit(&s->refused, more, memory_order_relaxed);
        s->turned_away = n;
    }
}

void shard_turn_end(void *ctx)
{
    struct shard *s = ctx;
    ASSERT(s->receive != NULL);
    count_turned_away(s);
    (void)shard_look(s, clock_mono_ns()); // nobody may be knocking any more
    if (s->open != NULL) {
        seal(s);
    }
}

static void wait_for(struct door *d, struct group *g)
{
    ASSERT(d->group == NULL);
    g->doors = mem_grow(g->doors, &g->door_capacity, g->door_count + 1, sizeof(struct door *));
    d->group = g;
    d->group_index = g->door_count;
    g->doors[g->door_count++] = d;
}

void shard_forget(struct door *d)
{
    if (d->group != NULL) {
        ASSERT(d->group->doors[d->group_index] == d);
        d->group->doors[d->group_index] = NULL;
        d->group = NULL;
    }
}

enum overload_take shard_look(struct shard *s, uint64_t now_ns)
{
    struct overload *o = s->receive->overload;
    struct budget *budget = s->receive->options.budget;
    size_t used = atomic_load_explicit(&budget->total, memory_order_relaxed);
    size_t floor = 0; // a journal that is behind is memory that is short
    budget_look(budget, now_ns / NS_PER_MS);
    if (budget_is_crowded(budget) ||
        s->queued_bytes > JOURNAL_QUEUED_MAX + JOURNAL_QUEUED_MAX / 4) {
        floor = o->upper_bytes + 1;
    } else if (s->queued_bytes > JOURNAL_QUEUED_MAX) {
        floor = o->soft_bytes + 1;
    }
    ASSERT(floor <= o->upper_bytes + 1);
    return overload_look(o, used > floor ? used : floor, now_ns);
}

// Decides what is taken of a traces request whose body was let in: while the door sheds, traces
// that matter are found first. Of metrics all is taken: they are few.
static void choose(struct shard *s, enum signal signal, struct str request)
{
    uint64_t since_ns;
    s->now_ns = clock_mono_ns();
    enum overload_take take = shard_look(s, s->now_ns);
    s->take = TAKE_ALL;
    if (signal == SIGNAL_TRACES &&
        overload_state(s->receive->overload, &since_ns) == OVERLOAD_SHED) {
        otlp_each_head(request, note_head, s);
        s->take = take == TAKE_NOTHING ? TAKE_ERRORS : take; // it was let in before
    }
    ASSERT(s->take != TAKE_NOTHING);
}

// What storing the spans will take beside the batches: nothing may be taken in that cannot be
// written.
static bool take_rows(struct shard *s, uint64_t spans)
{
    size_t bytes = (size_t)spans * BUDGET_ROW_BYTES;
    ASSERT(spans <= GROUP_LINES_MAX * BATCH_SPANS_MAX);
    if (!take(s, bytes)) {
        return false;
    }
    s->open->charged += bytes;
    return true;
}

static enum err decode_write(struct door *d, struct str request, const struct otlp_sink *sink,
                             struct otlp_counts *ret_counts, struct err_at *ret_at)
{
    struct prom_write_counts n = {0};
    enum prom_version version = d->kind == DOOR_WRITE_2 ? PROM_WRITE_2 : PROM_WRITE_1;
    ASSERT(door_is_write(d->kind));
    enum err e = prom_write_decode(version, request, sink, &d->shard->protobuf, &n, ret_at);
    d->samples = n.samples;
    d->histograms = n.histograms;
    d->exemplars = n.exemplars;
    *ret_counts = (struct otlp_counts){n.samples + n.histograms, n.rejected, 0};
    return e;
}

static void on_family(void *ctx, const struct prom_family *family)
{
    const struct shard *s = ctx;
    ASSERT(s->receive->options.families != NULL);
    families_note(s->receive->options.families, family);
}

static enum err decode(struct door *d, struct str request, struct otlp_counts *ret_counts,
                       struct err_at *ret_at)
{
    struct shard *s = d->shard;
    choose(s, d->signal, request);
    const struct otlp_sink sink = {
        .batch_for = batch_for,
        .reject = on_reject,
        .ctx = s,
        .admit = admit,
        .wants = s->take == TAKE_ALL ? NULL : wants,
        .shed = on_shed,
        .offsets = d->kind == DOOR_JSON ? &s->offsets : NULL,
        .family = s->receive->options.families != NULL ? on_family : NULL,
    };
    s->request_number++;
    s->request_had = s->body_has + s->scratch.held_bytes;
    s->group_had = s->open->charged + s->open->reserved;
    s->rejects.letter_count = 0;
    s->rejects.tally.count = s->rejects.tally.service_count = 0;
    s->shed.count = s->shed.service_count = 0;
    if (!reserve(s->open, request.n)) {
        return ERR_MEMORY;
    }
    bool spans = d->signal == SIGNAL_TRACES;
    enum err e = spans                    ? otlp_decode_traces(request, &sink, ret_counts, ret_at)
                 : door_is_write(d->kind) ? decode_write(d, request, &sink, ret_counts, ret_at)
                                          : otlp_decode_metrics(request, &sink, ret_counts, ret_at);
    settle_all(s);
    if (e == ERR_OK && spans && !take_rows(s, ret_counts->accepted)) {
        e = ERR_MEMORY;
    }
    if (e != ERR_OK || ret_counts->accepted == 0) {
        roll_back(s); // also resources without rows
        unreserve(s->open, request.n);
    }
    return e;
}

void shard_take(struct door *d, struct str request)
{
    struct shard *s = d->shard;
    // A request that fills a group begins one: what cannot be one record is its fault alone, and
    // takes no other with it.
    if (s->open != NULL && request.n >= GROUP_BYTES_SEAL) {
        seal(s);
    }
    struct group *g = open_group(s);
    struct otlp_counts counts = {0};
    struct err_at at = {0};
    enum err e = decode(d, request, &counts, &at);
    if (e != ERR_OK) {
        e = e == ERR_LIMIT ? ERR_INVALID : e;
        door_lost(d, s->is_too_large ? ERR_LIMIT : e, &at, request);
        return;
    }
    settle_lost(d);
    if (counts.accepted == 0) {
        answer_success(d);
        return;
    }
    ASSERT(counts.rejected == s->rejects.tally.count && counts.shed == s->shed.count);
    *(d->signal == SIGNAL_TRACES ? &g->spans : &g->points) += counts.accepted;
    g->request_bytes += request.n;
    wait_for(d, g);
    if (g->spans + g->points >= GROUP_SPANS_SEAL || g->request_bytes >= GROUP_BYTES_SEAL) {
        seal(s);
    }
}

// What the door says to a batch that nobody sent.
static enum err look_at_put(struct shard *s)
{
    const struct receive_options *o = &s->receive->options;
    ASSERT(o->budget != NULL);
    if (s->stopping) {
        return ERR_CLOSED;
    }
    if (o->is_full != NULL && o->is_full(o->ctx)) {
        return ERR_FULL;
    }
    return shard_look(s, clock_mono_ns()) == TAKE_NOTHING ? ERR_MEMORY : ERR_OK;
}

void shard_put(struct put *p)
{
    struct shard *s = p->shard;
    enum err e = look_at_put(s);
    if (s->open != NULL) {
        seal(s);
    }
    struct group *g = open_group(s);
    size_t bytes = batch_bytes(p->batch);
    p->batch->received_ns = clock_wall_ns();
    g->batches[0] = p->batch;
    g->slots[0] = (struct slot){.charged = bytes};
    g->content.count = 1;
    g->charged = bytes;
    g->points = p->batch->point_count;
    budget_force(s->receive->options.budget, ACCOUNT_BATCHES, bytes);
    if (e == ERR_OK) {
        g->put = p;
        seal(s);
        return;
    }
    count_lost(s, g, e == ERR_MEMORY ? REASON_OVERLOAD : reason_of(e));
    s->open = NULL;
    group_clear(g);
    end_put(p, e);
}

bool shard_is_idle(const struct shard *s)
{
    ASSERT(s != NULL);
    return s->in_flight == 0 && s->open == NULL;
}

void shard_done(struct shard *s)
{
    ASSERT(shard_is_idle(s));
    while (s->pool != NULL) {
        struct group *g = s->pool;
        s->pool = g->next;
        group_free(g);
    }
    buf_done(&s->plain);
    buf_done(&s->protobuf);
    buf_done(&s->offsets);
    meter_done(&s->scratch);
    MUST(pthread_mutex_destroy(&s->latency_lock) == 0);
}
