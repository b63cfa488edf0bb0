// SPDX-License-Identifier: Apache-2.0
// Purpose: what the files of the scraper share.
#ifndef SONDE_SCRAPE_INTERNAL_H
#define SONDE_SCRAPE_INTERNAL_H

#include "core/arena.h"
#include "core/buf.h"
#include "scrape/scrape.h"
#include "wire/prom_text.h"

// ---- seen.c: which series a target had ----------------------------------------------------------

struct seen_slot {
    uint64_t hash;   // 0: free
    uint32_t offset; // in bytes
};

// A set of series, each with what it takes to end it.
struct seen {
    struct meter *meter;
    struct seen_slot *slots;
    size_t size, count; // size is a power of two
    struct buf bytes;
};

void seen_init(struct seen *s, struct meter *meter);
void seen_done(struct seen *s);
// The labels of a series in any order; only of these (NULL: all).
uint64_t seen_hash(const struct prom_series *series, bool (*takes)(struct str name));
// ERR_EXISTS where it is there already, ERR_MEMORY.
MUST_CHECK enum err seen_add(struct seen *s, uint64_t hash, const struct prom_series *series);
bool seen_has(const struct seen *s, uint64_t hash);
// Calls `each` for every series that `other` does not have; it lives until `each` returns.
MUST_CHECK enum err seen_each_missing(const struct seen *s, const struct seen *other,
                                      enum err (*each)(void *ctx, const struct prom_series *series),
                                      void *ctx);

// ---- exposition.c: an answer as a batch ---------------------------------------------------------

// What is on every sample of a target.
struct target_labels {
    struct prom_label *items; // job and instance among them
    size_t count;
};

struct scraped {
    const struct scrape_job *job;
    const struct target_labels *labels;
    enum prom_format format;
    struct str text; // NULL p: the scrape failed before
    int64_t time_ms; // when it began
    double duration_s;
    struct ledger *ledger;
    struct meter *meter; // for what follows
    struct seen *seen;   // of the target: what it had before, then what it has
};

struct exposition {
    struct batch *batch; // NULL where memory was short even for `up`
    size_t charged;      // of the meter, for the batch
    bool failed;         // and so `up` is 0
    enum scrape_failure why;
    struct err_at at;
    uint64_t samples, repeated;
};

void exposition_make(const struct scraped *x, struct exposition *ret);

// The end of all series of a target that goes away, those of the scraper included.
void exposition_end(const struct scraped *x, struct exposition *ret);

// ---- content.c: the targets of the configuration, or of a file ----------------------------------

struct found_target {
    const struct scrape_job *job;
    struct str address;
    struct target_labels labels; // those of its file, job, instance
    uint64_t hash;               // of all three
};

// What all contents take together.
struct content_pool {
    struct meter meter;
    size_t found; // targets
    bool again;   // memory was short: a file that is bad may be good the next time
};

struct content {
    struct content_pool *pool;
    bool is_forced; // its memory is there in any case
    size_t charged; // of the pool's meter
    struct arena arena;
    struct found_target *targets;
    size_t count, capacity;
    size_t left_out; // targets of the configuration that could not be taken
};

// Adds the targets of a file, in JSON or else YAML. Says what is wrong: then it has some of them,
// and is to be given back.
MUST_CHECK const char *content_read(struct content *c, const struct scrape_job *job, bool is_json,
                                    struct str text);
// Adds those that the configuration has for a job; what is wrong with one is logged.
void content_take_fixed(struct content *c, const struct scrape_job *job);
// Empty then.
void content_done(struct content *c);

// ---- discover.c: which targets there are --------------------------------------------------------

struct discover;

// What files have comes from the budget, SCRAPE_BUDGET_SHARE of it at most: a file for which there
// is no memory is bad, and read again at the next look.
struct discover *discover_new(const struct scrape_job *jobs, size_t count, struct budget *budget);
void discover_free(struct discover *d);
// Looks at all files; true where something is not as it was, or at the first call.
bool discover_look(struct discover *d);
// The targets as of the last look, without copies of one another; they live until the next look.
void discover_each(const struct discover *d,
                   void (*each)(void *ctx, const struct found_target *target), void *ctx);

struct discover_stats {
    uint64_t files, bad_files, files_left_out; // by the last look
    uint64_t file_errors;                      // times that a changed file was bad
    uint64_t targets_left_out;                 // of the configuration
};
void discover_stats(const struct discover *d, struct discover_stats *ret_stats);

#endif
