// SPDX-License-Identifier: Apache-2.0
// Purpose: the rows of a part one after another, with one page of them in memory.
#ifndef SONDE_STORE_PART_ROWS_H
#define SONDE_STORE_PART_ROWS_H

#include "store/part.h"

// Where the walk stands; `page` is NULL before its begin and at its end.
struct part_rows {
    struct part *part;
    const struct page_request *request; // what is read of each row
    size_t next_block, next_page;
    struct block *block;
    struct batch *page;
    uint32_t at; // in the page
};

static inline struct row part_rows_head(const struct part_rows *r)
{
    return (struct row){r->page, r->at};
}

// Goes to the next row, and at first to the first one.
MUST_CHECK enum err part_rows_next(struct part_rows *r);
void part_rows_done(struct part_rows *r);

#endif
