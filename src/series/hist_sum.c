// SPDX-License-Identifier: Apache-2.0
// Purpose: adding up histograms as bytes.
#include "series/hist_sum.h"

#include "core/hist.h"
#include "core/must.h"
#include "core/varint.h"

// Walks the cells of one histogram.
struct walk {
    const uint8_t *p, *end;
    uint64_t left;   // cells that follow
    uint64_t bucket; // of the cell that stands, or HIST_BUCKETS
    int64_t times;
    uint64_t next; // the bucket after it
    bool failed;
};

static void walk_on(struct walk *w)
{
    uint64_t distance = 0, times = 0;
    ASSERT(w->next <= HIST_BUCKETS);
    if (w->left == 0 || w->failed) {
        w->bucket = HIST_BUCKETS;
        return;
    }
    w->left--;
    w->p = varint_get(w->p, w->end, &distance);
    w->p = w->p != NULL ? varint_get(w->p, w->end, &times) : NULL;
    if (w->p == NULL || distance == 0 || distance > HIST_BUCKETS - w->next) {
        w->failed = true;
        w->bucket = HIST_BUCKETS;
        return;
    }
    w->next += distance;
    w->bucket = w->next - 1;
    w->times = unzigzag(times);
}

static enum err walk_begin(struct walk *w, struct str bytes, struct hist_head *ret_head)
{
    const uint8_t *p = (const uint8_t *)bytes.p, *end = p + bytes.n;
    uint64_t count, sum_ns, used;
    ASSERT(ret_head != NULL);
    p = varint_get(p, end, &count);
    p = p != NULL ? varint_get(p, end, &sum_ns) : NULL;
    p = p != NULL ? varint_get(p, end, &used) : NULL;
    if (p == NULL || used > HIST_BUCKETS) {
        return ERR_CORRUPT;
    }
    *ret_head = (struct hist_head){unzigzag(count), unzigzag(sum_ns), used};
    *w = (struct walk){.p = p, .end = end, .left = used};
    return ERR_OK;
}

enum err hist_cut(struct str *bytes, struct str *ret_hist, struct hist_head *ret_head)
{
    struct walk w;
    struct hist_head head;
    ASSERT(bytes->p != NULL || bytes->n == 0);
    if (bytes->n == 0 || walk_begin(&w, *bytes, &head) != ERR_OK) {
        return ERR_CORRUPT;
    }
    for (uint64_t i = 0; i < head.used && !w.failed; i++) {
        walk_on(&w);
    }
    if (w.failed) {
        return ERR_CORRUPT;
    }
    size_t n = (size_t)(w.p - (const uint8_t *)bytes->p);
    *ret_hist = (struct str){bytes->p, n};
    *ret_head = head;
    *bytes = str_skip(*bytes, n);
    return ERR_OK;
}

static int64_t add_wrapping(int64_t a, int64_t b)
{
    _Static_assert(sizeof(int64_t) == sizeof(uint64_t), "two's complement");
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

void hist_sum(struct str a, struct str b, struct buf *cells, struct buf *out)
{
    struct walk x, y;
    struct hist_head p, q;
    MUST(walk_begin(&x, a, &p) == ERR_OK && walk_begin(&y, b, &q) == ERR_OK);
    buf_clear(cells);
    walk_on(&x);
    walk_on(&y);
    uint64_t used = 0, next = 0;
    while (x.bucket < HIST_BUCKETS || y.bucket < HIST_BUCKETS) {
        uint64_t bucket = x.bucket < y.bucket ? x.bucket : y.bucket;
        int64_t times = 0;
        if (x.bucket == bucket) {
            times = x.times;
            walk_on(&x);
        }
        if (y.bucket == bucket) {
            times = add_wrapping(times, y.times);
            walk_on(&y);
        }
        if (times != 0) {
            buf_add_varint(cells, bucket - next + 1);
            buf_add_varint(cells, zigzag(times));
            next = bucket + 1;
            used++;
        }
    }
    MUST(!x.failed && !y.failed);
    buf_add_varint(out, zigzag(add_wrapping(p.count, q.count)));
    buf_add_varint(out, zigzag(add_wrapping(p.sum_ns, q.sum_ns)));
    buf_add_varint(out, used);
    buf_add_str(out, buf_str(cells));
}
