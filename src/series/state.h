// SPDX-License-Identifier: Apache-2.0
// Purpose: what the files of the series store share: its state and who may touch what.
//
// `lock` guards the head, the lists of sealed heads and of parts, and the numbers. `flushing` and
// `maintaining` are each held by who flushes, or merges and expires; both are taken before `lock`.
// Parts and sealed heads never change and are counted by reference.
#ifndef SONDE_SERIES_STATE_H
#define SONDE_SERIES_STATE_H

#include <pthread.h>

#include "core/retain_clock.h"
#include "os/fs_pool.h"
#include "os/wake.h"
#include "series/catalog.h"
#include "series/head.h"
#include "series/index.h"
#include "series/part.h"

struct series_entry {
    uint64_t id, ord_first, ord_last;
    uint32_t level, line;
    struct series_part *part;
};

// What cardinality is counted by: series that were added to, by the heads that saw them.
struct series_live {
    size_t now, before; // in this head; in the one before and not yet in this
};

// What a damaged part had, and is gone.
struct series_lost {
    enum series_tier tier;
    uint64_t min_ms, max_ms;
};
#define SERIES_LOST_MAX 1024 // of more the last one's range grows

// Series that are forgotten, see forget.c.
enum forget_stage {
    FORGET_NOTHING,  // no list
    FORGET_FOUND,    // no part and no sealed head has them: the adder is to look at them
    FORGET_UNLINKED, // the adder has: none of them comes back
    FORGET_STRIPPED  // out of all lists: whoever queried before is to leave
};
struct series_forgetting {
    enum forget_stage stage; // under `lock`
    // Of who maintains, but while they are found: of the adder then.
    uint32_t *list;
    size_t count;
    uint32_t head_number; // of the head that was added to as they were found
    size_t from;          // where the next look begins: 0 but where the list had no room for more
    uint64_t looked_ns;   // monotonic, of the last look from 0 on
    uint64_t changes;     // flushes, merges and parts gone by then
    bool freed;           // under `lock`: since the adder last looked whether tables became small
};

struct series_store {
    struct series_options o;
    char *dir, *parts_dir;
    struct fs_pool *pool;
    struct meter meter; // of the parts' references
    struct series_catalog catalog;
    struct series_index *index;

    pthread_mutex_t flushing, maintaining;
    pthread_t flush_thread, maintain_thread;
    bool started;
    atomic_bool stop;

    pthread_mutex_t lock;
    pthread_cond_t flush_wake, maintain_wake;
    struct series_head *head;
    struct series_head **sealed; // the oldest first
    size_t sealed_count, sealed_capacity;
    struct series_entry *parts; // by ord_first
    size_t part_count, part_capacity;
    struct series_lost *lost; // room for SERIES_LOST_MAX
    size_t lost_count;
    uint64_t next_id, seq;
    struct str state; // as found, until series_start()
    uint64_t flush_retry_ns, merge_retry_ns;
    unsigned flush_tries; // that failed in a row
    uint64_t *doubts;     // ids of files whose transaction failed, see series_commit()
    size_t doubt_count, doubt_capacity;
    struct series_stats stats;
    struct series_forgetting forgetting;
    struct retain_clock clock;
    atomic_uint_fast64_t believed_ms; // by it, at its last step

    // The adder's.
    struct buf key;
    uint32_t *seen; // by reference: the number of the head that it was last added to
    size_t seen_count;
    uint32_t head_number; // changed under `lock`
    struct series_live live[SERIES_LINES_MAX];
};

// ---- commit.c -----------------------------------------------------------------------------------

struct str series_path(const struct series_store *s, uint64_t id, struct arena *a);
uint64_t series_new_id(struct series_store *s);
// Under `lock`: lets retention's clock go on.
void series_step_clock(struct series_store *s);
// What is older is no longer kept in the tier: the begin of a part's span.
uint64_t series_cutoff_ms(const struct series_store *s, enum series_tier tier);

// Ends a transaction of the catalog. One that fails may still be on the disk and come back after a
// crash: its files (`ids`) stay until a later transaction has taken its place, and are removed
// then.
MUST_CHECK enum err series_commit(struct series_store *s, const uint64_t *ids, size_t count);
// Where such files are, commits a transaction that settles them: before more are written.
MUST_CHECK enum err series_settle(struct series_store *s);
void series_remove_file(struct series_store *s, uint64_t id);

// Opens the part and finds its series in the index, which is given those that it lacks. ERR_CORRUPT
// where its tables are damaged. The lock is not held.
MUST_CHECK enum err series_load_part(struct series_store *s, uint64_t id,
                                     struct series_part **ret_part, struct err_at *ret_at);
// Under `lock`: puts an entry into the list, or takes it out and lets its file meet its fate.
void series_put_entry(struct series_store *s, const struct series_entry *entry);
void series_take_entry(struct series_store *s, uint64_t id, enum file_fate fate);

// Under `lock`: remembers what a part had that was set aside, so that answers say they lack it.
void series_note_lost(struct series_store *s, enum series_tier tier, uint64_t min_ms,
                      uint64_t max_ms);

// A part that is not in the list yet, as the catalog is told of it. The line lives as long as it.
struct series_catalog_part series_describe(const struct series_entry *entry);

// ---- forget.c -----------------------------------------------------------------------------------

// Under `lock`: whether who maintains has something to do.
bool series_forget_is_due(const struct series_store *s);
// Does it. Holds `maintaining`.
void series_forget_step(struct series_store *s);
// By the adder, where a head has just begun.
void series_forget_unlink(struct series_store *s);

// ---- flush.c, maintain.c ------------------------------------------------------------------------

// Writes the oldest sealed head; *ret_did tells whether there was one. Takes `flushing`.
MUST_CHECK enum err series_flush_step(struct series_store *s, bool *ret_did);
void *series_flush_thread(void *store);

// Does one thing that is due: sets a damaged part aside, expires, forgets, merges. Takes
// `maintaining`.
MUST_CHECK enum err series_maintain_step(struct series_store *s, bool *ret_did);
void *series_maintain_thread(void *store);

#endif
