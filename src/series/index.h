// SPDX-License-Identifier: Apache-2.0
// Purpose: the series that are known: from canonical key to reference and back, which of them match
// a query, and their order.
//
// A reference counts from 0; that of a series which was forgotten is given again. Postings list the
// series that have a label, so that a matcher that asks for a value looks at no others. The rank of
// a series is its place in the order of line and key; it is known after series_index_rank() has
// seen it, and moves when new ones come, but two ranks of one moment always compare as their keys
// do.
//
// Threads: one adds, others read; series_index_open() and _close() bracket what reads several
// times. The adder itself needs no bracket.
//
// Forgetting goes in three steps, so that nobody holds a reference or a key that is taken away:
//   unlink   The adder: the series is found no more by its key, and comes again as a new one.
//   strip    A thread of the background: it leaves postings and lists, so that no query that comes
//            from now on finds it. A query that came before may have it in its list still.
//   free     The same, once all such queries are gone (series_index_enter(), _leave()): the key and
//            the reference. No part and no head has the reference by then; who forgets sees to it.
// The number of a line whose last series was freed is given to a new one, once none is left that
// was never given: whoever had it had a series of the line, too.
// One list at a time is between its first and its last step. Each step holds the lock for a
// stretch of bounded work, again and again.
//
// Shares. The index is to take `bytes_max`, and a quarter of that more, which is for lines that
// have little: a line may add a series as long as what it has is at most SERIES_INDEX_SHARE times
// what is free of both. A line alone fills bytes_max, one that comes after it a fifth of that; two
// that want all get 5/9 each. A line's part of the bytes is that of its keys, each with what is
// kept beside it.
#ifndef SONDE_SERIES_INDEX_H
#define SONDE_SERIES_INDEX_H

#include "series/series.h"

#define SERIES_INDEX_SHARE 4u

struct series_index;

struct series_index *series_index_new(struct budget *budget, size_t bytes_max);
void series_index_free(struct series_index *x);

// What a series is. `key` is canonical: for each label key NUL value NUL.
struct series_id {
    struct str key;
    uint32_t line;
    enum series_type type;
};

// The number of a line, made when it is new; ERR_LIMIT where SERIES_LINES_MAX have series. By the
// adder, or where nobody else has the index yet.
MUST_CHECK enum err series_index_line(struct series_index *x, struct str line, uint32_t *ret_line);
struct str series_index_line_name(const struct series_index *x, uint32_t line);

// Appends the canonical key of labels; ERR_INVALID where they break the rules of series.h.
MUST_CHECK enum err series_key_of(const struct series_label *labels, size_t count, struct buf *out);
// The labels of a canonical key, which they point into. `labels` has room for SERIES_LABELS_MAX.
size_t series_key_labels(struct str key, struct series_label *labels);
// The value of a label; "" where there is none.
struct str series_key_value(struct str key, struct str label);

// ERR_NOT_FOUND, ERR_INVALID where the series has another type.
MUST_CHECK enum err series_index_find(const struct series_index *x, const struct series_id *id,
                                      uint32_t *ret_series);
// Adds a series that is not there. ERR_LIMIT where the index or the line's share of it is full,
// unless `force`.
MUST_CHECK enum err series_index_add(struct series_index *x, const struct series_id *id, bool force,
                                     uint32_t *ret_series);

// Gives each series its rank.
void series_index_rank(struct series_index *x);

void series_index_open(struct series_index *x);
void series_index_close(struct series_index *x);

// What series_index_match() finds between these two, and the keys of it, stays until the second.
// Other brackets may lie within. `ticket` is what the first returned.
unsigned series_index_enter(struct series_index *x);
void series_index_leave(struct series_index *x, unsigned ticket);

// In the bracket, or by the adder:
size_t series_index_count(const struct series_index *x);
size_t series_index_end(const struct series_index *x); // above all references
size_t series_index_bytes(const struct series_index *x);
struct series_id series_index_get(const struct series_index *x, uint32_t series);
// < 0, 0, > 0 by line and key.
int series_index_cmp(const struct series_index *x, uint32_t a, uint32_t b);
// Where `series` is in an ascending list, from `from` on; `count` when it is not there.
size_t series_index_search(const struct series_index *x, const uint32_t *list, size_t from,
                           size_t count, uint32_t series);
void series_index_sort(const struct series_index *x, uint32_t *list, size_t count);

// All series that match, sorted. The list is on the heap. ERR_MEMORY where the meter refuses, which
// is charged with 4 bytes a series (*ret_charged).
MUST_CHECK enum err series_index_match(struct series_index *x, const struct series_query *q,
                                       uint32_t **ret_list, size_t *ret_count, size_t *ret_charged);

// ---- Forgetting (index_forget.c) ----------------------------------------------------------------

// By the adder: the series is not forgotten until it is released.
void series_index_hold(struct series_index *x, uint32_t series);
void series_index_release(struct series_index *x, uint32_t series);

// The series below `end` that are neither held nor in `used`, which has a bit for each, from *from
// on: at most `max`. *from moves behind the last one that was looked at. Only while no list is on
// its way.
size_t series_index_unused(struct series_index *x, const uint64_t *used, size_t *from, size_t end,
                           uint32_t *list, size_t max);

// By the adder: of one that is not held.
void series_index_unlink(struct series_index *x, uint32_t series);
// By the adder, from time to time: gives back what tables have that have become small.
void series_index_trim(struct series_index *x);

// By one thread at a time, which asks for the next as well.
void series_index_strip(struct series_index *x, const uint32_t *list, size_t count);
// Whether those who entered before the last strip was done have left.
bool series_index_is_left(struct series_index *x);
void series_index_free_series(struct series_index *x, const uint32_t *list, size_t count);

#endif
