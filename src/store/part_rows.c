// SPDX-License-Identifier: Apache-2.0
// Purpose: walking through a part.
#include "store/part_rows.h"

#include "core/must.h"

void part_rows_done(struct part_rows *r)
{
    ASSERT(r->part != NULL);
    ASSERT(r->block != NULL || r->page == NULL);
    block_free(r->block);
    batch_unref(r->page);
    r->block = NULL;
    r->page = NULL;
}

static enum err next_page(struct part_rows *r)
{
    ASSERT(r->next_block <= part_meta(r->part)->blocks);
    ASSERT(r->request != NULL);
    enum err e = ERR_OK;
    batch_unref(r->page);
    r->page = NULL;
    r->at = 0;
    if (r->block != NULL && r->next_page == block_pages(r->block)) {
        block_free(r->block);
        r->block = NULL;
    }
    if (r->block == NULL) {
        if (r->next_block == part_meta(r->part)->blocks) {
            return ERR_OK;
        }
        e = block_open(r->part, r->next_block++, &r->block);
        r->next_page = 0;
    }
    return e == ERR_OK ? block_read_page(r->block, r->next_page++, r->request, &r->page) : e;
}

enum err part_rows_next(struct part_rows *r)
{
    ASSERT(r->page == NULL || r->at < r->page->span_count);
    ASSERT(r->part != NULL);
    if (r->page != NULL && ++r->at < r->page->span_count) {
        return ERR_OK;
    }
    return next_page(r);
}
