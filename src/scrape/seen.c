// SPDX-License-Identifier: Apache-2.0
// Purpose: the series that a target had: a table of hashes over their labels written one behind the
// other. Hashes are keyed with a secret of the process (core/str.h), and two that are equal are
// taken for the same series.
//
//     series   byte type, varint number of labels, unit, then each name and value; texts are a
//              varint length and the bytes
#include "core/mem.h"
#include "core/must.h"
#include "core/varint.h"
#include "scrape/internal.h"

#define SLOTS_MIN      ((size_t)64)
#define SEEN_BYTES_MAX ((size_t)1 << 30)

void seen_init(struct seen *s, struct meter *meter)
{
    *s = (struct seen){.meter = meter};
    ASSERT(meter != NULL);
    buf_init_from(&s->bytes, SEEN_BYTES_MAX, &meter->source);
}

void seen_done(struct seen *s)
{
    if (s->slots != NULL) {
        meter_give(s->meter, s->size * sizeof *s->slots);
        mem_free(s->slots);
    }
    buf_done(&s->bytes);
    s->slots = NULL;
    s->size = s->count = 0;
    ASSERT(s->bytes.n == 0);
}

static uint64_t mix(uint64_t x)
{
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93U;
    return x ^ x >> 32;
}

uint64_t seen_hash(const struct prom_series *series, bool (*takes)(struct str name))
{
    uint64_t hash = 1;
    ASSERT(series->label_count <= PROM_LABELS_MAX);
    for (size_t i = 0; i < series->label_count; i++) {
        const struct prom_label *l = &series->labels[i];
        if (l->value.n > 0 && (takes == NULL || takes(l->name))) {
            hash += mix(str_hash(l->name) + 3 * str_hash(l->value));
        }
    }
    return hash != 0 ? hash : 1;
}

static struct seen_slot *find(const struct seen *s, uint64_t hash)
{
    size_t i = hash & (s->size - 1);
    MUST(s->count < s->size);
    while (s->slots[i].hash != 0 && s->slots[i].hash != hash) {
        i = (i + 1) & (s->size - 1);
    }
    return &s->slots[i];
}

bool seen_has(const struct seen *s, uint64_t hash)
{
    ASSERT(hash != 0);
    return s->size > 0 && find(s, hash)->hash == hash;
}

static bool grow(struct seen *s)
{
    struct seen old = *s;
    size_t size = old.size > 0 ? 2 * old.size : SLOTS_MIN;
    if (!meter_take(s->meter, size * sizeof *s->slots)) {
        return false;
    }
    s->slots = mem_new(size, sizeof *s->slots);
    s->size = size;
    for (size_t i = 0; i < old.size; i++) {
        if (old.slots[i].hash != 0) {
            *find(s, old.slots[i].hash) = old.slots[i];
        }
    }
    if (old.slots != NULL) {
        meter_give(s->meter, old.size * sizeof *old.slots);
        mem_free(old.slots);
    }
    ASSERT(s->count < s->size);
    return true;
}

static void put_text(struct buf *out, struct str text)
{
    ASSERT(text.p != NULL || text.n == 0);
    buf_add_varint(out, text.n);
    buf_add_str(out, text);
}

enum err seen_add(struct seen *s, uint64_t hash, const struct prom_series *series)
{
    if (s->count * 2 >= s->size && !grow(s)) {
        return ERR_MEMORY;
    }
    struct seen_slot *slot = find(s, hash);
    if (slot->hash == hash) {
        return ERR_EXISTS;
    }
    size_t offset = s->bytes.n;
    buf_add_byte(&s->bytes, (uint8_t)series->type);
    buf_add_varint(&s->bytes, series->label_count);
    put_text(&s->bytes, series->unit);
    for (size_t i = 0; i < series->label_count; i++) {
        put_text(&s->bytes, series->labels[i].name);
        put_text(&s->bytes, series->labels[i].value);
    }
    if (s->bytes.failed) {
        return ERR_MEMORY;
    }
    ASSERT(offset < SEEN_BYTES_MAX);
    *slot = (struct seen_slot){hash, (uint32_t)offset};
    s->count++;
    return ERR_OK;
}

static uint64_t get_number(const uint8_t **p, const uint8_t *end)
{
    uint64_t n = 0;
    *p = varint_get(*p, end, &n);
    MUST(*p != NULL); // our own bytes
    return n;
}

static struct str get_text(const uint8_t **p, const uint8_t *end)
{
    uint64_t n = get_number(p, end);
    struct str text = {(const char *)*p, (size_t)n};
    MUST(n <= (uint64_t)(end - *p));
    *p += n;
    return text;
}

static void read_series(const struct seen *s, size_t offset, struct prom_series *to)
{
    const uint8_t *p = (const uint8_t *)s->bytes.p + offset, *from = p;
    const uint8_t *end = (const uint8_t *)s->bytes.p + s->bytes.n;
    to->type = (enum prom_type) * p++;
    to->label_count = (size_t)get_number(&p, end);
    MUST(to->label_count <= PROM_LABELS_MAX);
    to->too_many = false;
    to->unit = get_text(&p, end);
    to->help = STR("");
    for (size_t i = 0; i < to->label_count; i++) {
        to->labels[i].name = get_text(&p, end);
        to->labels[i].value = get_text(&p, end);
    }
    to->offset = 0;
    to->bytes = (struct str){(const char *)from, (size_t)(p - from)};
}

enum err seen_each_missing(const struct seen *s, const struct seen *other,
                           enum err (*each)(void *ctx, const struct prom_series *series), void *ctx)
{
    struct prom_series series;
    enum err e = ERR_OK;
    ASSERT(s != other);
    for (size_t i = 0; i < s->size && e == ERR_OK; i++) {
        if (s->slots[i].hash != 0 && !seen_has(other, s->slots[i].hash)) {
            read_series(s, s->slots[i].offset, &series);
            e = each(ctx, &series);
        }
    }
    return e;
}
