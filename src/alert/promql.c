// SPDX-License-Identifier: Apache-2.0
// Purpose: expressions of Prometheus' rule files as trees: a parser by recursive descent.
#include "alert/promql.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/must.h"

#define LEVELS 6 // of binary operators

struct parser {
    struct str text;
    size_t at;
    struct arena *arena;
    unsigned depth;
    struct err_at *ret_at;
    enum err e;
};

static struct promql_node *expression(struct parser *p, unsigned level);

// ---- Words --------------------------------------------------------------------------------------

static struct promql_node *fail(struct parser *p, const char *what)
{
    ASSERT(p->at <= p->text.n);
    if (p->e == ERR_OK) {
        p->e = err_at_set(p->ret_at, ERR_INVALID, p->at, "%s", what);
    }
    return NULL;
}

static int peek(const struct parser *p, size_t ahead)
{
    ASSERT(p->at <= p->text.n);
    return ahead < p->text.n - p->at ? (unsigned char)p->text.p[p->at + ahead] : -1;
}

static void skip_blanks(struct parser *p)
{
    ASSERT(p->at <= p->text.n);
    for (int c = peek(p, 0); c >= 0 && (isspace(c) || c == '#'); c = peek(p, 0)) {
        bool is_comment = c == '#';
        p->at++;
        while (is_comment && peek(p, 0) >= 0 && peek(p, 0) != '\n') {
            p->at++;
        }
    }
}

static bool take(struct parser *p, const char *sign)
{
    size_t n = strlen(sign);
    skip_blanks(p);
    ASSERT(n > 0);
    if (p->text.n - p->at < n || memcmp(p->text.p + p->at, sign, n) != 0) {
        return false;
    }
    p->at += n;
    return true;
}

static bool expect(struct parser *p, const char *sign, const char *what)
{
    if (p->e == ERR_OK && !take(p, sign)) {
        (void)fail(p, what);
    }
    ASSERT(p->at <= p->text.n);
    return p->e == ERR_OK;
}

static bool is_first(int c)
{
    return c >= 0 && (isalpha(c) || c == '_' || c == ':');
}

// An identifier, which is not taken; empty where there is none.
static struct str word_ahead(struct parser *p)
{
    size_t n = 0;
    skip_blanks(p);
    if (is_first(peek(p, 0))) {
        while (is_first(peek(p, n)) || (peek(p, n) >= 0 && isdigit(peek(p, n)))) {
            n++;
        }
    }
    ASSERT(n <= p->text.n - p->at);
    return (struct str){p->text.p + p->at, n};
}

static bool take_word(struct parser *p, const char *word)
{
    struct str ahead = word_ahead(p);
    ASSERT(word[0] != 0);
    if (!str_eq_nocase(ahead, str_of(word))) {
        return false;
    }
    p->at += ahead.n;
    return true;
}

// ---- Values -------------------------------------------------------------------------------------

// "1h30m", of which at least one unit is there; false, and nothing taken, for anything else.
static bool take_duration(struct parser *p, uint64_t *ret_ms)
{
    static const struct {
        const char *unit;
        uint64_t ms;
    } units[] = {{"ms", 1},       {"s", 1000},      {"m", 60000},         {"h", 3600000},
                 {"d", 86400000}, {"w", 604800000}, {"y", 31536000000ull}};
    double total = 0;
    size_t begin = p->at;
    skip_blanks(p);
    bool has_any = false;
    while (peek(p, 0) >= 0 && isdigit(peek(p, 0))) {
        double n = 0;
        size_t first = p->at, u = 0;
        for (; peek(p, 0) >= 0 && isdigit(peek(p, 0)); p->at++) {
            n = n * 10 + (peek(p, 0) - '0');
        }
        while (u < sizeof units / sizeof units[0] && !take(p, units[u].unit)) {
            u++;
        }
        if (u == sizeof units / sizeof units[0]) {
            p->at = has_any ? first : begin;
            break;
        }
        total += n * (double)units[u].ms;
        has_any = true;
    }
    ASSERT(p->at <= p->text.n);
    bool goes_on = peek(p, 0) >= 0 && (isalpha(peek(p, 0)) || peek(p, 0) == '_');
    if (!has_any || goes_on || !(total < 1e15)) {
        p->at = begin;
        return false;
    }
    *ret_ms = (uint64_t)total;
    return true;
}

static struct promql_node *node_new(struct parser *p, enum promql_type type, size_t offset)
{
    struct promql_node *n = arena_new(p->arena, 1, sizeof *n);
    ASSERT(offset <= p->text.n);
    n->type = type;
    n->offset = offset;
    return n;
}

static struct promql_node *number(struct parser *p)
{
    char copy[64], *end;
    size_t n = 0;
    uint64_t ms;
    skip_blanks(p);
    struct promql_node *node = node_new(p, PROMQL_NUMBER, p->at);
    if (take_duration(p, &ms)) {
        node->number = (double)ms / 1000;
        return node;
    }
    struct str word = word_ahead(p);
    bool is_word = str_eq_nocase(word, STR("inf")) || str_eq_nocase(word, STR("nan"));
    while (n < sizeof copy - 1 && peek(p, n) >= 0 && !is_word) {
        int c = peek(p, n);
        bool is_sign =
            (c == '+' || c == '-') && n > 0 && (copy[n - 1] == 'e' || copy[n - 1] == 'E');
        if (!isalnum(c) && c != '.' && c != '_' && !is_sign) {
            break;
        }
        copy[n++] = (char)c;
    }
    copy[n] = 0;
    if (is_word) {
        node->number = str_eq_nocase(word, STR("inf")) ? (double)INFINITY : (double)NAN;
        p->at += word.n;
        return node;
    }
    node->number = strtod(copy, &end);
    if (n == 0 || *end != 0) {
        return fail(p, "expected a number");
    }
    ASSERT(n < sizeof copy);
    p->at += n;
    return node;
}

static void put_escape(struct parser *p, struct buf *out)
{
    static const char names[] = "abfnrtv\\'\"", values[] = "\a\b\f\n\r\t\v\\'\"";
    int c = peek(p, 0);
    const char *at = c > 0 ? memchr(names, c, sizeof names - 1) : NULL;
    ASSERT(p->at > 0);
    if (at == NULL) { // \d of a regular expression that was not doubled, \x41: as it stands
        buf_add_byte(out, '\\');
        return;
    }
    buf_add_byte(out, (uint8_t)values[at - names]);
    p->at++;
}

// False, and the error set, where there is none.
static bool string(struct parser *p, struct str *ret_text)
{
    struct buf out;
    skip_blanks(p);
    int quote = peek(p, 0);
    if (quote != '"' && quote != '\'' && quote != '`') {
        (void)fail(p, "expected a text in quotes");
        return false;
    }
    p->at++;
    buf_init(&out, PROMQL_TEXT_MAX);
    while (peek(p, 0) >= 0 && peek(p, 0) != quote) {
        int c = peek(p, 0);
        p->at++;
        if (c == '\\' && quote != '`') {
            put_escape(p, &out);
        } else {
            buf_add_byte(&out, (uint8_t)c);
        }
    }
    *ret_text = arena_str(p->arena, buf_str(&out));
    buf_done(&out);
    ASSERT(ret_text->n <= p->text.n);
    if (peek(p, 0) != quote) {
        (void)fail(p, "expected the end of a text");
        return false;
    }
    p->at++;
    return true;
}

// ---- Selectors ----------------------------------------------------------------------------------

static void matcher(struct parser *p, struct promql_node *n)
{
    static const char *const ops[] = {"=~", "!~", "!=", "="};
    static const enum promql_match means[] = {PROMQL_RE, PROMQL_NRE, PROMQL_NE, PROMQL_EQ};
    struct promql_matcher m = {.label = word_ahead(p), .offset = p->at};
    size_t i = 0;
    ASSERT(n->type == PROMQL_SELECTOR);
    if (m.label.n == 0) {
        (void)fail(p, "expected the name of a label");
        return;
    }
    p->at += m.label.n;
    while (i < 4 && !take(p, ops[i])) {
        i++;
    }
    if (i == 4) {
        (void)fail(p, "expected one of = != =~ !~");
        return;
    }
    m.op = means[i];
    if (string(p, &m.value) && str_eq(m.label, STR("__name__")) && m.op == PROMQL_EQ) {
        n->text = m.value;
    } else if (p->e == ERR_OK) {
        n->matchers[n->matcher_count++] = m;
    }
}

static void matchers(struct parser *p, struct promql_node *n)
{
    n->matchers = arena_new(p->arena, PROMQL_ITEMS_MAX, sizeof *n->matchers);
    ASSERT(n->matcher_count == 0);
    while (p->e == ERR_OK && !take(p, "}")) {
        if (n->matcher_count == PROMQL_ITEMS_MAX) {
            (void)fail(p, "too many matchers");
            return;
        }
        matcher(p, n);
        if (p->e == ERR_OK && !take(p, ",")) {
            (void)expect(p, "}", "expected , or }");
            return;
        }
    }
}

// [5m], [1h:5m], offset 5m, @ 123 behind an operand.
static struct promql_node *suffixes(struct parser *p, struct promql_node *n)
{
    uint64_t ms;
    ASSERT(n == NULL || n->offset <= p->text.n);
    while (n != NULL && p->e == ERR_OK) {
        if (take(p, "[")) {
            if (!take_duration(p, &ms) || ms == 0) {
                return fail(p, "expected a duration, such as 5m");
            }
            if (take(p, ":")) {
                struct promql_node *sub = node_new(p, PROMQL_SUBQUERY, n->offset);
                uint64_t step;
                sub->left = n;
                (void)take_duration(p, &step);
                n = sub;
            } else if (n->type != PROMQL_SELECTOR || n->range_ms != 0) {
                return fail(p, "expected a metric before the range");
            }
            n->range_ms = ms;
            (void)expect(p, "]", "expected ]");
        } else if (take_word(p, "offset")) {
            n->is_moved = true;
            (void)take(p, "-");
            if (!take_duration(p, &ms)) {
                return fail(p, "expected a duration, such as 5m");
            }
        } else if (take(p, "@")) {
            n->is_moved = true;
            if (take_word(p, "start") || take_word(p, "end")) {
                (void)(expect(p, "(", "expected (") && expect(p, ")", "expected )"));
            } else {
                (void)number(p);
            }
        } else {
            break;
        }
    }
    return p->e == ERR_OK ? n : NULL;
}

// ---- Calls --------------------------------------------------------------------------------------

static void arguments(struct parser *p, struct promql_node *n)
{
    n->args = arena_new(p->arena, PROMQL_ITEMS_MAX, sizeof *n->args);
    ASSERT(n->arg_count == 0);
    if (!expect(p, "(", "expected (") || take(p, ")")) {
        return;
    }
    do {
        if (n->arg_count == PROMQL_ITEMS_MAX) {
            (void)fail(p, "too many arguments");
            return;
        }
        n->args[n->arg_count++] = expression(p, 0);
    } while (p->e == ERR_OK && take(p, ","));
    (void)expect(p, ")", "expected , or )");
}

static void labels(struct parser *p, struct str **ret_labels, size_t *ret_count)
{
    struct str *list = arena_new(p->arena, PROMQL_ITEMS_MAX, sizeof *list);
    size_t n = 0;
    (void)expect(p, "(", "expected ( and labels");
    while (p->e == ERR_OK && !take(p, ")")) {
        struct str word = word_ahead(p);
        if (word.n == 0 || n == PROMQL_ITEMS_MAX) {
            (void)fail(p, "expected the name of a label");
            break;
        }
        list[n++] = word;
        p->at += word.n;
        if (!take(p, ",")) {
            (void)expect(p, ")", "expected , or )");
            break;
        }
    }
    ASSERT(n <= PROMQL_ITEMS_MAX);
    *ret_labels = list;
    *ret_count = n;
}

static void grouping(struct parser *p, struct promql_node *n)
{
    bool by = take_word(p, "by"), without = !by && take_word(p, "without");
    ASSERT(n->type == PROMQL_AGGREGATE);
    if (by || without) {
        n->has_by = by;
        n->without = without;
        labels(p, &n->labels, &n->label_count);
    }
}

static bool is_aggregate(struct str word)
{
    static const char *const words[] = {"sum",   "avg",     "min",          "max",
                                        "count", "group",   "stddev",       "stdvar",
                                        "topk",  "bottomk", "count_values", "quantile"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (str_eq_nocase(word, str_of(words[i]))) {
            return true;
        }
    }
    ASSERT(word.n > 0);
    return false;
}

static struct promql_node *named(struct parser *p, struct str word)
{
    struct promql_node *n = node_new(p, PROMQL_SELECTOR, p->at);
    ASSERT(word.n > 0);
    n->text = word;
    p->at += word.n;
    skip_blanks(p);
    struct str next = word_ahead(p);
    bool groups = str_eq_nocase(next, STR("by")) || str_eq_nocase(next, STR("without"));
    if (is_aggregate(word) && (groups || peek(p, 0) == '(')) {
        n->type = PROMQL_AGGREGATE;
        grouping(p, n);
        arguments(p, n);
        if (p->e == ERR_OK && !n->has_by && !n->without) {
            grouping(p, n);
        }
        return p->e == ERR_OK && n->arg_count == 0 ? fail(p, "expected what is aggregated") : n;
    }
    if (peek(p, 0) == '(') {
        n->type = PROMQL_CALL;
        arguments(p, n);
    } else if (take(p, "{")) {
        matchers(p, n);
    }
    return p->e == ERR_OK ? n : NULL;
}

// ---- Expressions --------------------------------------------------------------------------------

static struct promql_node *operand(struct parser *p)
{
    struct str word = word_ahead(p);
    struct promql_node *n;
    size_t offset = p->at;
    int c = peek(p, 0);
    ASSERT(p->depth <= PROMQL_DEPTH_MAX * (LEVELS + 1));
    if (take(p, "(")) {
        n = expression(p, 0);
        return expect(p, ")", "expected )") ? suffixes(p, n) : NULL;
    }
    if (take(p, "{")) {
        n = node_new(p, PROMQL_SELECTOR, offset);
        matchers(p, n);
        return suffixes(p, n);
    }
    if (c == '"' || c == '\'' || c == '`') {
        n = node_new(p, PROMQL_STRING, offset);
        return string(p, &n->text) ? n : NULL;
    }
    bool is_number = str_eq_nocase(word, STR("inf")) || str_eq_nocase(word, STR("nan"));
    if (word.n > 0 && !is_number) {
        return suffixes(p, named(p, word));
    }
    return is_number || c == '.' || (c >= 0 && isdigit(c))
               ? number(p)
               : fail(p, "expected a metric, a number, a function or (");
}

static const char *take_operator(struct parser *p, unsigned level)
{
    static const char *const words[LEVELS][8] = {
        {"or"},     {"and", "unless"},        {"==", "!=", "<=", ">=", "<", ">"},
        {"+", "-"}, {"*", "/", "%", "atan2"}, {"^"}};
    ASSERT(level < LEVELS);
    for (size_t i = 0; words[level][i] != NULL; i++) {
        const char *w = words[level][i];
        if (isalpha((unsigned char)w[0]) ? take_word(p, w) : take(p, w)) {
            return w;
        }
    }
    return NULL;
}

// bool, on (...), ignoring (...), group_left (...) behind an operator.
static void modifiers(struct parser *p, struct promql_node *n)
{
    static const char *const words[] = {"on", "ignoring", "group_left", "group_right"};
    ASSERT(n->type == PROMQL_BINARY);
    n->is_bool = take_word(p, "bool");
    for (size_t i = 0; i < sizeof words / sizeof words[0] && p->e == ERR_OK; i++) {
        struct str *list;
        size_t count;
        if (take_word(p, words[i])) {
            n->is_told = true;
            skip_blanks(p);
            if (i < 2 || peek(p, 0) == '(') {
                labels(p, &list, &count);
            }
        }
    }
}

static struct promql_node *sign(struct parser *p)
{
    skip_blanks(p);
    struct promql_node *n = node_new(p, PROMQL_NEGATIVE, p->at);
    bool is_minus = take(p, "-");
    ASSERT(p->depth <= PROMQL_DEPTH_MAX * (LEVELS + 1));
    if (!is_minus && !take(p, "+")) {
        return operand(p);
    }
    struct promql_node *of = expression(p, LEVELS - 1);
    n->left = of;
    return is_minus && of != NULL ? n : of;
}

static struct promql_node *operators(struct parser *p, unsigned level)
{
    struct promql_node *left = level == LEVELS ? sign(p) : expression(p, level + 1);
    size_t at = p->at;
    const char *op;
    while (level < LEVELS && p->e == ERR_OK && (op = take_operator(p, level)) != NULL) {
        skip_blanks(p);
        struct promql_node *n = node_new(p, PROMQL_BINARY, at);
        n->text = str_of(op);
        n->offset = left->offset;
        modifiers(p, n);
        n->left = left;
        n->right = expression(p, level == LEVELS - 1 ? level : level + 1); // ^ is of the right
        left = n;
    }
    ASSERT(p->e != ERR_OK || left != NULL);
    return p->e == ERR_OK ? left : NULL;
}

static struct promql_node *expression(struct parser *p, unsigned level)
{
    struct promql_node *n = NULL;
    ASSERT(level <= LEVELS);
    if (p->e != ERR_OK) {
        return NULL;
    }
    if (p->depth + 1 > PROMQL_DEPTH_MAX * (LEVELS + 1)) {
        p->e = err_at_set(p->ret_at, ERR_LIMIT, p->at, "nested too deeply");
        return NULL;
    }
    p->depth++;
    n = operators(p, level);
    p->depth--;
    return p->e == ERR_OK ? n : NULL;
}

enum err promql_parse(struct str text, struct arena *arena, struct promql_node **ret_node,
                      struct err_at *ret_at)
{
    struct parser p = {.arena = arena, .ret_at = ret_at, .e = ERR_OK};
    ASSERT(arena != NULL);
    if (text.n > PROMQL_TEXT_MAX) {
        return err_at_set(ret_at, ERR_LIMIT, PROMQL_TEXT_MAX, "longer than %zu KiB",
                          PROMQL_TEXT_MAX >> 10);
    }
    p.text = arena_str(arena, text);
    struct promql_node *n = expression(&p, 0);
    skip_blanks(&p);
    if (p.e == ERR_OK && p.at < text.n) {
        (void)fail(&p, "expected an operator or the end");
    }
    if (p.e == ERR_OK) {
        *ret_node = n;
    }
    return p.e;
}
