// SPDX-License-Identifier: Apache-2.0
// Purpose: templates of an SMS gateway's requests.
#include "notify/template.h"

#include "core/must.h"
#include "notify/sign.h"
#include "wire/json_writer.h"

static const char *const names[TEMPLATE_NAME_COUNT] = {
#define TEMPLATE_TEXT(name, text) text,
    TEMPLATE_LIST(TEMPLATE_TEXT)
#undef TEMPLATE_TEXT
};

// At a brace: whether it begins a pair around a word, which is then given with its end.
static bool word_at(struct str text, size_t at, struct str *ret_word)
{
    size_t end = at + 1;
    ASSERT(text.p[at] == '{');
    while (end < text.n && ((text.p[end] >= 'a' && text.p[end] <= 'z') || text.p[end] == '_')) {
        end++;
    }
    *ret_word = (struct str){text.p + at + 1, end - at - 1};
    return end > at + 1 && end < text.n && text.p[end] == '}';
}

static size_t name_of(struct str word)
{
    size_t i = 0;
    ASSERT(word.n > 0);
    while (i < TEMPLATE_NAME_COUNT && !str_eq(word, str_of(names[i]))) {
        i++;
    }
    return i;
}

enum err template_check(struct str text, struct err_at *ret_at)
{
    ASSERT(text.p != NULL || text.n == 0);
    for (size_t i = 0; i < text.n; i++) {
        struct str word;
        if (text.p[i] == '{' && word_at(text, i, &word) && name_of(word) == TEMPLATE_NAME_COUNT) {
            return err_at_set(ret_at, ERR_INVALID, i, "There is nothing that {%.*s} stands for.",
                              (int)(word.n < 64 ? word.n : 64), word.p);
        }
    }
    return ERR_OK;
}

bool template_has(struct str text, enum template_name name)
{
    ASSERT(name < TEMPLATE_NAME_COUNT);
    for (size_t i = 0; i < text.n; i++) {
        struct str word;
        if (text.p[i] == '{' && word_at(text, i, &word) && name_of(word) == name) {
            return true;
        }
    }
    return false;
}

static void add_value(struct buf *out, enum template_place place, struct str value)
{
    struct arena a = {0};
    ASSERT(value.p != NULL || value.n == 0);
    if (place == TEMPLATE_QUERY) {
        buf_add_str(out, sign_percent(&a, value));
    } else {
        struct json_writer w;
        struct buf text;
        buf_init(&text, 6 * value.n + 2);
        json_writer_init(&w, &text);
        json_put_str(&w, value);
        MUST(!text.failed && text.n >= 2);
        buf_add(out, text.p + 1, text.n - 2);
        buf_done(&text);
    }
    arena_done(&a);
}

void template_fill(struct str text, enum template_place place,
                   const struct str values[TEMPLATE_NAME_COUNT], struct buf *out)
{
    size_t from = 0;
    ASSERT(values != NULL);
    for (size_t i = 0; i < text.n; i++) {
        struct str word;
        if (text.p[i] != '{' || !word_at(text, i, &word)) {
            continue;
        }
        size_t name = name_of(word);
        if (name < TEMPLATE_NAME_COUNT) {
            buf_add(out, text.p + from, i - from);
            add_value(out, place, values[name]);
            from = i + word.n + 2;
            i = from - 1;
        }
    }
    buf_add(out, text.p + from, text.n - from);
}
