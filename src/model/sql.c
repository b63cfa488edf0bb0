// SPDX-License-Identifier: Apache-2.0
// Purpose: taking the values out of SQL.
#include "model/sql.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "core/must.h"

#define GROUPS_MAX 32 // brackets within brackets that are compared

enum token { TOKEN_END, TOKEN_VALUE, TOKEN_WORD, TOKEN_SIGN };

struct reader {
    struct str rest;
    enum sql_dialect dialect;
    bool is_spaced;  // white space or a comment came before the token
    bool is_operand; // the token is one: a sign behind it is an operator
    bool is_literal; // a literal may follow the token, where a word could stand as well
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

// A literal that is a word: NULL is one in "(NULL, 1)", and none in "is not NULL".
static bool is_literal_word(const struct reader *r, size_t n)
{
    static const char *const words[] = {"null", "true", "false"};
    for (size_t i = 0; i < sizeof words / sizeof words[0] && r->is_literal; i++) {
        if (strlen(words[i]) == n && strncasecmp(r->rest.p, words[i], n) == 0) {
            return true;
        }
    }
    return false;
}

// A text in a document, or, where a colon follows, a name.
static enum token document_text(const struct reader *r, size_t n)
{
    while (n < r->rest.n && isspace(at(r, n))) {
        n++;
    }
    return at(r, n) == ':' ? TOKEN_WORD : TOKEN_VALUE;
}

// What begins with a quotation mark or a dollar.
static enum token quoted_token(const struct reader *r, size_t *ret_n)
{
    unsigned char c = at(r, 0);
    bool has_escapes = r->dialect != SQL_STANDARD;
    if (c == '$') { // a quoted text, or a parameter: $1
        size_t n = dollar_quoted(r);
        struct reader name = *r;
        skip(&name, 1);
        *ret_n = n > 0 ? n : 1 + word(&name);
        return TOKEN_VALUE;
    }
    *ret_n = quoted(r, (char)c, has_escapes && c != '`');
    if (c == '\'' || (c == '"' && r->dialect == SQL_MYSQL)) {
        return TOKEN_VALUE;
    }
    ASSERT(c == '"' || c == '`');
    return c == '"' && r->dialect == SQL_DOCUMENT ? document_text(r, *ret_n) : TOKEN_WORD;
}

// The token at the head of what is left, which is neither blank nor a comment nor a signed value.
static enum token plain_token(const struct reader *r, size_t *ret_n)
{
    unsigned char c = at(r, 0);
    *ret_n = 1;
    if (c == '\'' || c == '"' || c == '`' || (c == '$' && r->dialect != SQL_DOCUMENT)) {
        return quoted_token(r, ret_n);
    }
    if (isdigit(c) || (c == '.' && isdigit(at(r, 1)))) {
        *ret_n = number(r);
        return TOKEN_VALUE;
    }
    if (c == '?' || !is_word(c)) {
        return c == '?' ? TOKEN_VALUE : TOKEN_SIGN;
    }
    *ret_n = word(r);
    if (is_prefixed_text(r, *ret_n)) {
        struct reader text = *r;
        skip(&text, 1);
        *ret_n = 1 + quoted(&text, '\'', r->dialect != SQL_STANDARD || (c | 0x20) == 'e');
        return TOKEN_VALUE;
    }
    return is_literal_word(r, *ret_n) ? TOKEN_VALUE : TOKEN_WORD;
}

// Signs at the head, as many as are no comment; 0 where they are operators.
static size_t signs(const struct reader *r)
{
    size_t n = 0;
    while (!r->is_operand && (at(r, n) == '+' || (at(r, n) == '-' && at(r, n + 1) != '-'))) {
        n++;
    }
    return n;
}

static enum token next(struct reader *r, struct str *ret_text)
{
    size_t n = 0;
    r->is_spaced = false;
    skip_blank(r);
    if (r->rest.n == 0) {
        return TOKEN_END;
    }
    struct reader behind = *r;
    size_t sign_count = signs(r);
    skip(&behind, sign_count);
    enum token token = behind.rest.n > 0 ? plain_token(&behind, &n) : TOKEN_SIGN;
    if (sign_count > 0 && token == TOKEN_VALUE) {
        n += sign_count;
    } else if (sign_count > 0) {
        token = TOKEN_SIGN;
        n = 1;
    }
    ASSERT(n > 0 && n <= r->rest.n);
    *ret_text = (struct str){r->rest.p, n};
    const char *literal_follows = r->dialect == SQL_DOCUMENT ? ":,[(" : "(,=";
    char c = r->rest.p[0];
    r->is_operand = token != TOKEN_SIGN || c == ')' || c == ']';
    r->is_literal = token == TOKEN_SIGN && strchr(literal_follows, c) != NULL;
    skip(r, n);
    return token;
}

// ---- Writing ---------------------------------------------------------------------------------

struct writer {
    struct sql_text *out;
    size_t max;
    size_t groups[GROUPS_MAX]; // where the open brackets stand
    size_t depth;              // how many are open, those beyond GROUPS_MAX included
};

static void put(struct sql_text *o, const char *p, size_t n)
{
    ASSERT(n <= sizeof o->text - o->text_n);
    memcpy(o->text + o->text_n, p, n);
    o->text_n += n;
}

// Lists of values shrink to their first.
static void shrink_values(struct sql_text *o)
{
    if (o->text_n >= 4 && memcmp(o->text + o->text_n - 4, "?, ?", 4) == 0) {
        o->text_n -= 3;
    }
}

// A group that was just closed goes where it follows its like.
static void shrink_groups(struct writer *w)
{
    struct sql_text *o = w->out;
    if (w->depth == 0 || --w->depth >= GROUPS_MAX) {
        return;
    }
    size_t from = w->groups[w->depth], n = o->text_n - from;
    ASSERT(from < o->text_n);
    if (from >= n + 2 && memcmp(o->text + from - 2, ", ", 2) == 0 &&
        memcmp(o->text + from - 2 - n, o->text + from, n) == 0) {
        o->text_n = from - 2;
    }
}

// False where it does not fit any more; then the mark stands in its place.
static bool write_token(struct writer *w, enum token token, struct str text, bool is_spaced)
{
    struct sql_text *o = w->out;
    char last = o->text_n > 0 ? o->text[o->text_n - 1] : '(';
    bool closes = token == TOKEN_SIGN && (text.p[0] == ',' || text.p[0] == ')');
    bool has_blank = last == ',' || (is_spaced && !closes && last != '(');
    struct str written = token == TOKEN_VALUE ? STR("?") : text;
    // A quoted name goes only with what makes a document's text one: " :".
    size_t colon_n = token == TOKEN_WORD && text.p[0] == '"' ? 2 : 0;
    bool fits = o->text_n + has_blank + written.n + colon_n + 1 + SQL_MARK.n <= w->max;
    written = fits ? written : SQL_MARK;
    put(o, " ", has_blank || (!fits && last != '(') ? 1 : 0);
    if (fits && token == TOKEN_SIGN && text.p[0] == '(' && w->depth++ < GROUPS_MAX) {
        w->groups[w->depth - 1] = o->text_n;
    }
    put(o, written.p, written.n);
    if (token == TOKEN_VALUE) {
        shrink_values(o);
    } else if (token == TOKEN_SIGN && text.p[0] == ')' && fits) {
        shrink_groups(w);
    }
    return fits;
}

static void drop_semicolons(struct sql_text *o)
{
    while (o->text_n > 0 && (o->text[o->text_n - 1] == ';' || o->text[o->text_n - 1] == ' ')) {
        o->text_n--;
    }
    ASSERT(o->text_n <= sizeof o->text);
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
        s->is_awaited =
            token == TOKEN_WORD && (names_follow(text) || (s->is_awaited && is_filler(text)));
    }
}

void sql_sanitize(struct str sql, enum sql_dialect dialect, size_t max, struct sql_text *ret)
{
    struct reader r = {.rest = sql, .dialect = dialect, .is_literal = dialect == SQL_DOCUMENT};
    struct summary s = {false, false};
    struct writer w = {.out = ret, .max = max};
    struct str text;
    enum token token;
    bool fits = true;
    ASSERT(max > 2 * SQL_MARK.n && max <= SQL_TEXT_MAX);
    ret->text_n = ret->operation_n = ret->collection_n = 0;
    while (fits && (token = next(&r, &text)) != TOKEN_END) {
        if (dialect != SQL_DOCUMENT) {
            summarize(&s, ret, token, text, r.is_spaced);
        }
        fits = write_token(&w, token, text, r.is_spaced);
    }
    drop_semicolons(ret);
}
