// SPDX-License-Identifier: Apache-2.0
// Purpose: dead letters: queued by whoever refuses something, saved by the flush thread.
#include "core/clock.h"
#include "core/logger.h"
#include "core/mem.h"
#include "core/must.h"
#include "store/store_state.h"

static struct str copy_text(char **at, struct str s)
{
    ASSERT(s.p != NULL || s.n == 0);
    ASSERT(at != NULL);
    struct str out = {*at, s.n};
    if (s.n > 0) {
        memcpy(*at, s.p, s.n);
    }
    *at += s.n;
    return out;
}

static struct letter_node *copy_letter(const struct dead_letter *l)
{
    ASSERT((unsigned)l->signal < SIGNAL_COUNT && (unsigned)l->reason < REASON_COUNT);
    struct str body = l->body;
    body.n = body.n < DEAD_LETTER_BODY_MAX ? body.n : DEAD_LETTER_BODY_MAX;
    size_t bytes = sizeof(struct letter_node) + l->protocol.n + l->peer.n + l->message.n + body.n;
    struct letter_node *node = mem_alloc(bytes);
    char *at = node->text;
    node->next = NULL;
    node->bytes = bytes;
    node->letter = *l;
    node->letter.protocol = copy_text(&at, l->protocol);
    node->letter.peer = copy_text(&at, l->peer);
    node->letter.message = copy_text(&at, l->message);
    node->letter.body = copy_text(&at, body);
    ASSERT(at == (char *)node + bytes);
    return node;
}

static void put(void *ctx, const struct dead_letter *letter)
{
    ASSERT(ctx != NULL);
    ASSERT(letter != NULL);
    struct store *s = ctx;
    struct letter_node *node = copy_letter(letter);
    (void)pthread_mutex_lock(&s->lock);
    if (s->letter_count < STORE_LETTER_QUEUE_MAX &&
        s->letter_bytes + node->bytes <= STORE_LETTER_QUEUE_BYTES) {
        *s->letters_end = node;
        s->letters_end = &node->next;
        s->letter_count++;
        s->letter_bytes += node->bytes;
        node = NULL;
    } else {
        s->letters_lost++;
    }
    (void)pthread_mutex_unlock(&s->lock);
    mem_free(node);
}

struct dead_letter_sink store_dead_letter_sink(struct store *s)
{
    ASSERT(s->catalog != NULL);
    ASSERT(s->fs != NULL);
    return (struct dead_letter_sink){.put = put, .ctx = s};
}

static struct letter_node *take_queue(struct store *s, uint64_t *ret_lost)
{
    ASSERT(s->fs != NULL);
    ASSERT(ret_lost != NULL);
    (void)pthread_mutex_lock(&s->lock);
    struct letter_node *first = s->letters;
    s->letters = NULL;
    s->letters_end = &s->letters;
    s->letter_count = 0;
    s->letter_bytes = 0;
    *ret_lost = s->letters_lost;
    s->letters_lost = 0;
    (void)pthread_mutex_unlock(&s->lock);
    return first;
}

static void free_queue(struct letter_node *first)
{
    ASSERT(first == NULL || first->bytes >= sizeof *first);
    while (first != NULL) {
        struct letter_node *next = first->next;
        mem_free(first);
        first = next;
    }
}

void letters_save(struct store *s)
{
    ASSERT(s->fs != NULL);
    ASSERT(s->catalog != NULL);
    uint64_t lost, count;
    struct letter_node *first = take_queue(s, &lost);
    if (lost > 0) {
        log_write(LOG_WARN, "store", "dead letters came faster than they could be kept",
                  "lost=%llu", (unsigned long long)lost);
    }
    if (first == NULL) {
        return;
    }
    catalog_begin(s->catalog);
    for (const struct letter_node *x = first; x != NULL; x = x->next) {
        catalog_add_letter(s->catalog, &x->letter);
    }
    catalog_trim_letters(s->catalog, STORE_DEAD_LETTERS_MAX, STORE_DEAD_LETTER_BYTES);
    enum err e = catalog_end(s->catalog);
    if (e == ERR_OK) {
        e = catalog_count_letters(s->catalog, &count);
    }
    if (e != ERR_OK) {
        log_write(LOG_WARN, "store", "dead letters could not be saved", "error=%s", err_name(e));
    } else {
        (void)pthread_mutex_lock(&s->lock);
        s->stats.dead_letters = count;
        (void)pthread_mutex_unlock(&s->lock);
    }
    free_queue(first);
}

void letters_done(struct store *s)
{
    ASSERT(s != NULL);
    uint64_t lost;
    free_queue(take_queue(s, &lost));
    ASSERT(s->letter_count == 0);
}

enum err store_dead_letters(struct store *s, size_t limit,
                            void (*each)(void *ctx, uint64_t id, const struct dead_letter *letter),
                            void *ctx)
{
    ASSERT(s->catalog != NULL && limit > 0);
    ASSERT(each != NULL);
    letters_save(s);
    return catalog_each_letter(s->catalog, limit, each, ctx);
}
