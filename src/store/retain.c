// SPDX-License-Identifier: Apache-2.0
// Purpose: retention.
#include "store/retain.h"

#include "core/logger.h"
#include "core/mem.h"
#include "core/must.h"
#include "core/sort.h"
#include "store/rewrite.h"

#define STRIPPED_SHARE 2 // of the size, one part in so many

// ---- Choosing -----------------------------------------------------------------------------------

// A sender's clock may run ahead: no part is younger than its commit.
static uint64_t age_mark(const struct part_entry *p)
{
    ASSERT(p->id > 0);
    ASSERT(p->part != NULL);
    uint64_t start = part_meta(p->part)->max_start_ns;
    return start < p->committed_ns ? start : p->committed_ns;
}

static struct store_retention retention_of(const struct store *s, struct str line)
{
    ASSERT(s->retention_count <= STORE_LINES_MAX);
    ASSERT(s->retention != NULL || s->retention_count == 0);
    for (size_t i = 0; i < s->retention_count; i++) {
        if (str_eq(s->retention[i].line, line)) {
            return s->retention[i];
        }
    }
    return s->fallback;
}

bool retain_chooses(struct store *s, struct str line)
{
    ASSERT(line.p != NULL || line.n == 0);
    (void)pthread_mutex_lock(&s->lock);
    bool chooses = retention_of(s, line).is_chosen != 0;
    (void)pthread_mutex_unlock(&s->lock);
    ASSERT(s->catalog != NULL);
    return chooses;
}

static int by_age(const void *a, const void *b)
{
    ASSERT(a != NULL && b != NULL);
    const struct part_entry *x = *(struct part_entry *const *)a,
                            *y = *(struct part_entry *const *)b;
    ASSERT(x->id != y->id || x == y);
    uint64_t m = age_mark(x), n = age_mark(y);
    return m < n ? -1 : m > n;
}

static bool has_errors(const struct part_entry *p)
{
    ASSERT(p->part != NULL);
    const struct part_meta *m = part_meta(p->part);
    ASSERT(m->services != NULL || m->service_count == 0);
    for (size_t i = 0; i < m->service_count; i++) {
        if (m->services[i].errors > 0) {
            return true;
        }
    }
    return false;
}

static bool is_stripped(const struct part_entry *p)
{
    ASSERT(p->id > 0);
    ASSERT(p->state != PART_QUARANTINED);
    return p->state == PART_STRIPPED;
}

static uint64_t bytes_of(const struct part_entry *p)
{
    ASSERT(part_meta(p->part)->file_bytes > 0);
    ASSERT(p->part != NULL);
    return part_meta(p->part)->file_bytes;
}

static void take(struct retain *r, struct part_entry *entry)
{
    ASSERT(entry->part != NULL);
    MUST(r->count < RETAIN_STEP_MAX && !r->strip);
    r->entries[r->count++] = entry;
}

static void take_to_strip(struct retain *r, struct part_entry *entry)
{
    ASSERT(!is_stripped(entry));
    MUST(r->count == 0);
    r->entries[r->count++] = entry;
    r->strip = true;
}

// Of two to strip, the older one first, that which failed less often. `a` may be NULL.
static struct part_entry *better(struct part_entry *a, struct part_entry *b)
{
    ASSERT(b != NULL && !is_stripped(b));
    ASSERT(a != b);
    return a == NULL || b->rewrite_failures < a->rewrite_failures ? b : a;
}

// Parts over their age. `sorted` is by age, oldest first, like below.
static void choose_by_age(struct retain *r, const struct store_retention *limit,
                          struct part_entry **sorted, size_t n, uint64_t now_ns, bool may_strip)
{
    ASSERT(limit->age_ms != 0 || limit->bytes != 0);
    struct part_entry *strip = NULL;
    ASSERT(r->count == 0);
    uint64_t errors_ms =
        limit->errors_age_ms > limit->age_ms ? limit->errors_age_ms : limit->age_ms;
    for (size_t i = 0; i < n && limit->age_ms != 0 && r->count < RETAIN_STEP_MAX; i++) {
        uint64_t mark = age_mark(sorted[i]);
        uint64_t age_ms = now_ns > mark ? (now_ns - mark) / NS_PER_MS : 0;
        if (age_ms > errors_ms || (age_ms > limit->age_ms && !has_errors(sorted[i]))) {
            take(r, sorted[i]);
        } else if (age_ms > limit->age_ms && !is_stripped(sorted[i])) {
            strip = better(strip, sorted[i]);
        }
    }
    if (r->count == 0 && strip != NULL && may_strip) {
        take_to_strip(r, strip);
    }
}

// Parts of a line that is over its size.
static void choose_by_size(struct retain *r, const struct store_retention *limit,
                           struct part_entry **sorted, size_t n, bool may_strip)
{
    ASSERT(limit->bytes != 0 && n > 0);
    uint64_t bytes = 0, stripped = 0;
    struct part_entry *strip = NULL;
    ASSERT(r->count == 0);
    for (size_t i = 0; i < n; i++) {
        bytes += bytes_of(sorted[i]);
        stripped += is_stripped(sorted[i]) ? bytes_of(sorted[i]) : 0;
        strip = is_stripped(sorted[i]) ? strip : better(strip, sorted[i]);
    }
    for (size_t i = 0; i < n && r->count < RETAIN_STEP_MAX && bytes > limit->bytes; i++) {
        bool spare = strip == NULL || stripped > limit->bytes / STRIPPED_SHARE;
        if (is_stripped(sorted[i]) ? spare : !has_errors(sorted[i])) {
            take(r, sorted[i]);
            bytes -= bytes_of(sorted[i]);
            stripped -= is_stripped(sorted[i]) ? bytes_of(sorted[i]) : 0;
        } else if (!is_stripped(sorted[i])) {
            break; // its turn comes when it has been stripped
        }
    }
    if (r->count == 0 && bytes > limit->bytes && strip != NULL && may_strip) {
        take_to_strip(r, strip);
    }
}

static void choose_in_line(struct retain *r, size_t index, uint64_t now_ns, bool may_strip)
{
    ASSERT(!r->strip);
    struct store *s = r->s;
    ASSERT(index < s->line_count && r->count == 0);
    const struct store_line *line = &s->lines[index];
    struct store_retention limit = retention_of(s, line->name);
    size_t n = line->part_count;
    r->line = index;
    if (n == 0 || (limit.age_ms == 0 && limit.bytes == 0)) {
        return;
    }
    struct part_entry **sorted = mem_new(n, sizeof(struct part_entry *));
    memcpy(sorted, line->parts, n * sizeof *sorted);
    sort_array(sorted, n, sizeof *sorted, by_age);
    choose_by_age(r, &limit, sorted, n, now_ns, may_strip);
    if (r->count == 0 && limit.bytes != 0) {
        choose_by_size(r, &limit, sorted, n, may_strip);
    }
    mem_free(sorted);
}

// Which of two lines' parts is stripped first.
static bool is_before(const struct part_entry *a, const struct part_entry *b)
{
    ASSERT(a != b && a->id != b->id);
    ASSERT(!is_stripped(a) && !is_stripped(b));
    return a->rewrite_failures != b->rewrite_failures ? a->rewrite_failures < b->rewrite_failures
                                                      : a->id < b->id;
}

bool retain_choose(struct retain *r, uint64_t now_ns, bool may_strip)
{
    ASSERT(r->count == 0);
    ASSERT(r->s->line_count <= STORE_LINES_MAX);
    struct retain none = *r;
    for (size_t i = 0; i < r->s->line_count; i++) {
        struct retain in_line = none;
        choose_in_line(&in_line, i, now_ns, may_strip);
        bool is_whole = in_line.count > 0 && !in_line.strip;
        if (is_whole || (in_line.count > 0 &&
                         (r->count == 0 || is_before(in_line.entries[0], r->entries[0])))) {
            *r = in_line;
        }
        if (is_whole) {
            break;
        }
    }
    return r->count > 0;
}

bool retain_failed_before(const struct retain *r)
{
    ASSERT(r->count > 0);
    ASSERT(!r->strip || r->count == 1);
    return r->strip && r->entries[0]->rewrite_failures > 0;
}

// ---- Whole parts --------------------------------------------------------------------------------

static enum err expire(struct retain *r)
{
    ASSERT(!r->strip || r->count == 1);
    struct store *s = r->s;
    struct commit c;
    MUST(r->count > 0 && r->line < STORE_LINES_MAX);
    commit_begin(&c, s);
    for (size_t i = 0; i < r->count; i++) {
        catalog_remove_part(s->catalog, r->entries[i]->id);
        parts_count_gone(&c, part_meta(r->entries[i]->part), OUTCOME_EXPIRED, REASON_NONE);
    }
    enum err e = commit_end(&c);
    if (e != ERR_OK) {
        return e;
    }
    for (size_t i = 0; i < r->count; i++) {
        parts_drop(s, r->line, r->entries[i], FILE_IS_REMOVED);
    }
    (void)pthread_mutex_lock(&s->lock);
    s->stats.expired_parts += r->count;
    (void)pthread_mutex_unlock(&s->lock);
    return ERR_OK;
}

// ---- Stripping ---------------------------------------------------------------------------------

static enum err strip(struct retain *r, bool patient)
{
    const struct rewrite work = {.s = r->s,
                                 .line = r->line,
                                 .old = r->entries[0],
                                 .becomes = PART_STRIPPED,
                                 .outcome = OUTCOME_EXPIRED};
    enum part_strip_result result = STRIP_ALL_KEPT;
    ASSERT(r->strip);
    MUST(r->count == 1);
    enum err e = rewrite_run(&work, patient, &result);
    if (e == ERR_FULL) {
        r->strip = false; // no room even for what would stay
        return expire(r);
    }
    (void)pthread_mutex_lock(&r->s->lock);
    r->s->stats.stripped_parts += e == ERR_OK && result == STRIP_WRITTEN ? 1 : 0;
    r->s->stats.expired_parts += e == ERR_OK && result == STRIP_NONE_KEPT ? 1 : 0;
    if (e != ERR_OK && e != ERR_CANCELLED) {
        r->entries[0]->rewrite_failures++;
    }
    (void)pthread_mutex_unlock(&r->s->lock);
    return e == ERR_AGAIN ? ERR_OK : e;
}

enum err retain_run(struct retain *r, bool patient, bool *ret_did)
{
    ASSERT(r->line < STORE_LINES_MAX);
    ASSERT(r->count > 0 && ret_did != NULL);
    enum err e = r->strip ? strip(r, patient) : expire(r);
    *ret_did = e == ERR_OK;
    return e == ERR_MEMORY ? ERR_OK : e; // it can wait
}

// ---- Limits -------------------------------------------------------------------------------------

void store_set_retention(struct store *s, struct store_retention fallback,
                         const struct store_retention *lines, size_t count)
{
    ASSERT(count <= STORE_LINES_MAX);
    ASSERT(lines != NULL || count == 0);
    struct store_retention *copy = mem_new(count, sizeof *copy);
    for (size_t i = 0; i < count; i++) {
        char *name = mem_alloc(lines[i].line.n);
        memcpy(name, lines[i].line.n > 0 ? lines[i].line.p : "", lines[i].line.n);
        copy[i] = lines[i];
        copy[i].line.p = name;
    }
    (void)pthread_mutex_lock(&s->lock);
    struct store_retention *old = s->retention;
    size_t old_count = s->retention_count;
    s->fallback = fallback;
    s->retention = copy;
    s->retention_count = count;
    (void)pthread_cond_signal(&s->merge_wake);
    (void)pthread_mutex_unlock(&s->lock);
    for (size_t i = 0; i < old_count; i++) {
        mem_free((void *)(uintptr_t)old[i].line.p);
    }
    mem_free(old);
}
