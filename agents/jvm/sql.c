// SPDX-License-Identifier: Apache-2.0
// Purpose: taking the values out of SQL.
#include "agents/jvm/sql.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "core/must.h"

enum token { TOKEN_END, TOKEN_VALUE, TOKEN_WORD, TOKEN_SIGN };

struct reader {
    struct str rest;
    enum sql_dialect dialect;
    bool is_spaced; // white space or a comment came before the token
};

static unsigned char at(const struct reader *r, size_t i)
{
    return i < r->rest.n ? (unsigned char)r->rest.p[i] : 0;
}

static void skip(struct reader *r, size_t n)
{
    r->rest = str_skip(r->rest, n < r->rest.n ? n : r->rest.n);
}

static bool is_word(unsigned char c)
{
    return isalnum(c) || c == '_' || c == '$' || c >= 0x80;
}

// White space and comments.
static void skip_blank(struct reader *r)
{
    for (;;) {
        size_t n = 0;
        if (isspace(at(r, 0)) || (at(r, 0) == 0 && r->rest.n > 0)) {
            n = 1;
        } else if ((at(r, 0) == '-' && at(r, 1) == '-') ||
                   (at(r, 0) == '#' && r->dialect == SQL_MYSQL)) {
            const char *end = memchr(r->rest.p, '\n', r->rest.n);
            n = end != NULL ? (size_t)(end - r->rest.p) : r->rest.n;
        } else if (at(r, 0) == '/' && at(r, 1) == '*') {
            const char *end = r->rest.n > 2 ? memmem(r->rest.p + 2, r->rest.n - 2, "*/", 2) : NULL;
            n = end != NULL ? (size_t)(end - r->rest.p) + 2 : r->rest.n;
        } else {
            return;
        }
        skip(r, n);
        r->is_spaced = true;
    }
}

// The length of a quoted run that begins here: to its closing quote, doubled ones within.
static size_t quoted(const struct reader *r, char quote, bool has_escapes)
{
    size_t i = 1;
    while (i < r->rest.n) {
        if (has_escapes && r->rest.p[i] == '\\') {
            i += 2;
        } else if (r->rest.p[i] != quote) {
            i++;
        } else if (at(r, i + 1) == (unsigned char)quote) {
            i += 2;
        } else {
            return i + 1;
        }
    }
    return r->rest.n;
}

// $tag$ ... $tag$: 0 when none begins here.
static size_t dollar_quoted(const struct reader *r)
{
    size_t n = 1;
    while (is_word(at(r, n)) && at(r, n) != '$') {
        n++;
    }
    if (at(r, n) != '$' || isdigit(at(r, 1))) {
        return 0;
    }
    n++;
    const char *end = memmem(r->rest.p + n, r->rest.n - n, r->rest.p, n);
    return end != NULL ? (size_t)(end - r->rest.p) + n : r->rest.n;
}

static size_t number(const struct reader *r)
{
    size_t n = 0;
    while (is_word(at(r, n)) || at(r, n) == '.' ||
           ((at(r, n) == '-' || at(r, n) == '+') && n > 0 && (at(r, n - 1) | 0x20) == 'e')) {
        n++;
    }
    return n;
}

static size_t word(const struct reader *r)
{
    size_t n = 0;
    while (is_word(at(r, n))) {
        n++;
    }
    return n;
}

// What a letter before a quote means: E'..' has escapes; N, X, B, U& do not matter.
static bool is_prefixed_text(const struct reader *r, size_t word_n)
{
    return word_n == 1 && at(r, 1) == '\'' && strchr("eEnNxXbB", at(r, 0)) != NULL;
}

static enum token next(struct reader *r, struct str *ret_text)
{
    bool is_mysql = r->dialect == SQL_MYSQL;
    r->is_spaced = false;
    skip_blank(r);
    unsigned char c = at(r, 0);
    enum token token = TOKEN_SIGN;
    size_t n = 1;
    if (r->rest.n == 0) {
        return TOKEN_END;
    }
    if (c == '\'' || (c == '"' && is_mysql)) {
        n = quoted(r, (char)c, is_mysql);
        token = TOKEN_VALUE;
    } else if (c == '"' || c == '`') {
        n = quoted(r, (char)c, false);
        token = TOKEN_WORD;
    } else if (c == '$') { // a quoted text, or a parameter: $1
        n = dollar_quoted(r);
        n = n > 0 ? n : 1 + word(&(struct reader){str_skip(r->rest, 1), r->dialect, false});
        token = TOKEN_VALUE;
    } else if (isdigit(c) || (c == '.' && isdigit(at(r, 1)))) {
        n = number(r);
        token = TOKEN_VALUE;
    } else if (c == '?') {
        token = TOKEN_VALUE;
    } else if (is_word(c)) {
        n = word(r);
        token = TOKEN_WORD;
        if (is_prefixed_text(r, n)) {
            struct reader text = {str_skip(r->rest, 1), r->dialect, false};
            n = 1 + quoted(&text, '\'', is_mysql || (c | 0x20) == 'e');
            token = TOKEN_VALUE;
        }
    }
    ASSERT(n > 0 && n <= r->rest.n);
    *ret_text = (struct str){r->rest.p, n};
    skip(r, n);
    return token;
}

// ---- Writing ---------------------------------------------------------------------------------

static void put(struct sql_text *o, const char *p, size_t n)
{
    size_t room = sizeof o->text - o->text_n;
    n = n < room ? n : room;
    memcpy(o->text + o->text_n, p, n);
    o->text_n += n;
}

static bool ends_in(const struct sql_text *o, const char *tail, size_t n)
{
    return o->text_n >= n && memcmp(o->text + o->text_n - n, tail, n) == 0;
}

// Lists of values, and lists of lists, shrink to their first.
static void shrink(struct sql_text *o)
{
    if (ends_in(o, "?, ?", 4)) {
        o->text_n -= 3;
    }
    if (ends_in(o, "(?), (?)", 8)) {
        o->text_n -= 5;
    }
}

static void write_token(struct sql_text *o, enum token token, struct str text, bool is_spaced)
{
    char last = o->text_n > 0 ? o->text[o->text_n - 1] : '(';
    bool closes = token == TOKEN_SIGN && (text.p[0] == ',' || text.p[0] == ')');
    if (last == ',' || (is_spaced && !closes && last != '(')) {
        put(o, " ", 1);
    }
    if (token == TOKEN_VALUE) {
        put(o, "?", 1);
    } else {
        put(o, text.p, text.n);
    }
    shrink(o);
}

static size_t keep_name(char *to, struct str name)
{
    name = str_cut(name, SQL_NAME_MAX);
    memcpy(to, name.p, name.n);
    return name.n;
}

static bool is_key(struct str word, const char *key)
{
    return word.n == strlen(key) && strncasecmp(word.p, key, word.n) == 0;
}

static bool names_follow(struct str w)
{
    return is_key(w, "FROM") || is_key(w, "INTO") || is_key(w, "UPDATE") || is_key(w, "TABLE") ||
           is_key(w, "CALL") || is_key(w, "JOIN");
}

// Words that may stand between a key word and the name: DELETE FROM ONLY x, DROP TABLE IF EXISTS x.
static bool is_filler(struct str w)
{
    return is_key(w, "ONLY") || is_key(w, "IF") || is_key(w, "NOT") || is_key(w, "EXISTS") ||
           is_key(w, "IGNORE") || is_key(w, "LATERAL");
}

// The name of a table, schema and quotes included: as many tokens as have no blank between.
struct summary {
    bool is_awaited, is_open; // a name comes; one is being put together
};

static void summarize(struct summary *s, struct sql_text *o, enum token token, struct str text,
                      bool is_spaced)
{
    bool is_name = token == TOKEN_WORD || (token == TOKEN_SIGN && text.p[0] == '.');
    if (token == TOKEN_WORD && o->operation_n == 0) {
        o->operation_n = keep_name(o->operation, text);
        for (size_t i = 0; i < o->operation_n; i++) {
            o->operation[i] = (char)toupper((unsigned char)o->operation[i]);
        }
        s->is_awaited = names_follow(text);
        return;
    }
    if (s->is_open && (is_spaced || !is_name)) {
        s->is_open = false;
        s->is_awaited = false;
    }
    if (s->is_open && o->collection_n + text.n <= SQL_NAME_MAX) {
        memcpy(o->collection + o->collection_n, text.p, text.n);
        o->collection_n += text.n;
    } else if (s->is_awaited && token == TOKEN_WORD && !is_filler(text)) {
        o->collection_n = keep_name(o->collection, text);
        s->is_open = true;
    } else if (o->collection_n == 0) {
        s->is_awaited = token == TOKEN_WORD && (names_follow(text) || is_filler(text));
    }
}

void sql_sanitize(struct str sql, enum sql_dialect dialect, struct sql_text *ret)
{
    struct reader r = {sql, dialect, false};
    struct summary s = {false, false};
    struct str text;
    enum token token;
    ret->text_n = ret->operation_n = ret->collection_n = 0;
    while ((token = next(&r, &text)) != TOKEN_END && ret->text_n < sizeof ret->text) {
        summarize(&s, ret, token, text, r.is_spaced);
        write_token(ret, token, text, r.is_spaced);
    }
    ASSERT(ret->text_n <= sizeof ret->text);
    ret->text_n = str_cut((struct str){ret->text, ret->text_n}, sizeof ret->text).n;
}
