// SPDX-License-Identifier: Apache-2.0
// Purpose: the filter language: text to tree. A recursive-descent parser over a one-token lexer;
// every error names the byte where it stopped and what was expected there.
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "core/mem.h"
#include "core/must.h"
#include "filter/filter.h"

enum token {
    TOKEN_END,
    TOKEN_OPEN_BRACE,
    TOKEN_CLOSE_BRACE,
    TOKEN_OPEN,
    TOKEN_CLOSE,
    TOKEN_AND,
    TOKEN_OR,
    TOKEN_NOT,
    TOKEN_OP,   // parser.op
    TOKEN_WORD, // a field, a keyword, a number or a duration: parser.text
    TOKEN_TEXT, // a quoted text, unescaped: parser.text
    TOKEN_BAD,  // parser.problem says why
};

struct parser {
    struct filter *f;
    struct str input;
    size_t next;  // where lexing goes on
    size_t start; // of the current token
    enum token token;
    enum filter_op op;
    struct str text;
    const char *problem;
    unsigned depth, nodes;
    enum filter_scope scope;
    struct err_at *at;
};

static const struct {
    const char *word;
    enum filter_field field;
} intrinsics[] = {
    {"name", ON_NAME},
    {"span:name", ON_NAME},
    {"status", ON_STATUS},
    {"span:status", ON_STATUS},
    {"statusMessage", ON_STATUS_MESSAGE},
    {"span:statusMessage", ON_STATUS_MESSAGE},
    {"kind", ON_KIND},
    {"span:kind", ON_KIND},
    {"duration", ON_DURATION},
    {"span:duration", ON_DURATION},
    {"traceID", ON_TRACE_ID},
    {"trace:id", ON_TRACE_ID},
    {"spanID", ON_SPAN_ID},
    {"span:id", ON_SPAN_ID},
    {"parentID", ON_PARENT_ID},
    {"span:parentID", ON_PARENT_ID},
    {"rpcID", ON_RPC_ID},
    {"span:rpcID", ON_RPC_ID},
    {"event:name", ON_EVENT_NAME},
    {"instrumentation:name", ON_SCOPE_NAME},
    {"instrumentation:version", ON_SCOPE_VERSION},
};

static const struct {
    struct str prefix;
    enum filter_field field;
} scopes[] = {
    {{"span.", 5}, ON_SPAN_ATTR},
    {{"resource.", 9}, ON_RESOURCE_ATTR},
    {{"event.", 6}, ON_EVENT_ATTR},
    {{"link.", 5}, ON_LINK_ATTR},
    {{"instrumentation.", 16}, ON_SCOPE_ATTR},
    {{".", 1}, ON_ANY_ATTR},
};

// ---- Lexer --------------------------------------------------------------------------------------

static bool is_word(char c)
{
    unsigned char u = (unsigned char)c;
    return isalnum(u) || u >= 0x80 || (c != 0 && strchr("._:-/+@#$%*?'\\,;[]^~", c) != NULL);
}

static void bad(struct parser *p, size_t at, const char *problem)
{
    ASSERT(problem != NULL);
    p->token = TOKEN_BAD;
    p->start = at;
    p->problem = problem;
}

// The four digits of \uXXXX, or -1.
static int32_t hex4(struct str s, size_t at)
{
    int32_t v = 0;
    for (size_t i = at; i < at + 4; i++) {
        if (i >= s.n || !isxdigit((unsigned char)s.p[i])) {
            return -1;
        }
        char c = (char)tolower((unsigned char)s.p[i]);
        v = v * 16 + (c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return v;
}

static size_t put_utf8(uint32_t c, char *out)
{
    ASSERT(c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF));
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned heads[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = n; i-- > 1; c >>= 6) {
        out[i] = (char)(0x80 | (c & 0x3F));
    }
    out[0] = (char)(heads[n] | c);
    return n;
}

// \uXXXX at `i`, the backslash; two of them for a character beyond U+FFFF. Returns how many bytes
// it takes in the text, 0 when it is wrong. `out` has room for four bytes.
static size_t take_unicode(struct str s, size_t i, char *out, size_t *ret_n)
{
    int32_t c = hex4(s, i + 2);
    ASSERT(s.p[i] == '\\');
    if (c < 0 || (c >= 0xDC00 && c <= 0xDFFF)) {
        return 0;
    }
    if (c < 0xD800 || c > 0xDBFF) {
        *ret_n = put_utf8((uint32_t)c, out);
        return 6;
    }
    int32_t low = str_starts(str_skip(s, i + 6), STR("\\u")) ? hex4(s, i + 8) : -1;
    if (low < 0xDC00 || low > 0xDFFF) {
        return 0;
    }
    *ret_n = put_utf8(0x10000U + ((uint32_t)(c - 0xD800) << 10) + (uint32_t)(low - 0xDC00), out);
    return 12;
}

// The escape at `i`; returns as take_unicode() does.
static size_t take_escape(struct str s, size_t i, bool regex, char *out, size_t *ret_n)
{
    static const char from[] = "\"\\/ntrbf", to[] = "\"\\/\n\t\r\b\f";
    char c = i + 1 < s.n ? s.p[i + 1] : 0;
    const char *at = c != 0 ? strchr(from, c) : NULL;
    ASSERT(s.p[i] == '\\' && sizeof from == sizeof to);
    if (c == 'u') {
        return take_unicode(s, i, out, ret_n);
    }
    // In a regular expression \b is a border of words, and \d and its like need no doubling.
    bool keep = regex && c != 0 && (at == NULL || c == 'b' || c == 'f' || c == '/');
    if (keep) {
        out[0] = '\\';
        out[1] = c;
    } else if (at != NULL) {
        out[0] = to[at - from];
    } else {
        return 0;
    }
    *ret_n = keep ? 2 : 1;
    return 2;
}

// A text in double quotes, from the quote at p->next.
static void lex_quoted(struct parser *p, bool regex)
{
    ASSERT(p->next < p->input.n && p->input.p[p->next] == '"');
    char *out = arena_alloc(&p->f->arena, p->input.n - p->next + 4);
    size_t n = 0, i = p->next + 1;
    while (i < p->input.n && p->input.p[i] != '"') {
        size_t taken = 1, put = 1;
        if (p->input.p[i] != '\\') {
            out[n] = p->input.p[i];
        } else {
            taken = take_escape(p->input, i, regex, out + n, &put);
        }
        if (taken == 0) {
            bad(p, i,
                "an escape: \\\" \\\\ \\/ \\n \\t \\r \\b \\f or \\u with four hexadecimal digits");
            return;
        }
        i += taken;
        n += put;
    }
    if (i >= p->input.n) {
        bad(p, p->next, "a text that is closed with '\"'");
        return;
    }
    p->token = TOKEN_TEXT;
    p->text = (struct str){out, n};
    p->next = i + 1;
}

static void lex_raw(struct parser *p)
{
    ASSERT(p->next < p->input.n && p->input.p[p->next] == '`');
    const char *from = p->input.p + p->next + 1;
    const char *end = memchr(from, '`', p->input.n - p->next - 1);
    if (end == NULL) {
        bad(p, p->next, "a text that is closed with '`'");
        return;
    }
    p->token = TOKEN_TEXT;
    p->text = (struct str){from, (size_t)(end - from)};
    p->next += p->text.n + 2;
}

// A word; a quoted name may follow a scope: span."strange name".
static void lex_word(struct parser *p)
{
    ASSERT(p->next < p->input.n && is_word(p->input.p[p->next]));
    size_t i = p->next;
    while (i < p->input.n && is_word(p->input.p[i])) {
        // "=~" and "!~" never begin inside a word, but '~' alone is no operator.
        i++;
    }
    struct str word = {p->input.p + p->next, i - p->next};
    if (i < p->input.n && p->input.p[i] == '"' && word.n > 0 && word.p[word.n - 1] == '.') {
        p->next = i;
        lex_quoted(p, false);
        if (p->token == TOKEN_TEXT) {
            p->text = arena_printf(&p->f->arena, "%.*s%.*s", STR_FMT(word), STR_FMT(p->text));
            p->token = TOKEN_WORD;
        }
        return;
    }
    p->token = TOKEN_WORD;
    p->text = word;
    p->next = i;
}

static bool lex_operator(struct parser *p)
{
    ASSERT(p->next < p->input.n);
    static const struct {
        struct str text;
        enum token token;
        enum filter_op op;
    } table[] = {
        // Longer ones before their prefixes.
        {{"&&", 2}, TOKEN_AND, 0},       {{"||", 2}, TOKEN_OR, 0},
        {{"=~", 2}, TOKEN_OP, OP_MATCH}, {{"!~", 2}, TOKEN_OP, OP_NOT_MATCH},
        {{"!=", 2}, TOKEN_OP, OP_NE},    {{"<=", 2}, TOKEN_OP, OP_LE},
        {{">=", 2}, TOKEN_OP, OP_GE},    {{"==", 2}, TOKEN_OP, OP_EQ},
        {{"=", 1}, TOKEN_OP, OP_EQ},     {{"<", 1}, TOKEN_OP, OP_LT},
        {{">", 1}, TOKEN_OP, OP_GT},     {{"!", 1}, TOKEN_NOT, 0},
        {{"(", 1}, TOKEN_OPEN, 0},       {{")", 1}, TOKEN_CLOSE, 0},
        {{"{", 1}, TOKEN_OPEN_BRACE, 0}, {{"}", 1}, TOKEN_CLOSE_BRACE, 0},
    };
    struct str rest = str_skip(p->input, p->next);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (str_starts(rest, table[i].text)) {
            p->token = table[i].token;
            p->op = table[i].op;
            p->next += table[i].text.n;
            return true;
        }
    }
    return false;
}

static void lex(struct parser *p)
{
    ASSERT(p->next <= p->input.n);
    while (p->next < p->input.n && isspace((unsigned char)p->input.p[p->next])) {
        p->next++;
    }
    p->start = p->next;
    if (p->next >= p->input.n) {
        p->token = TOKEN_END;
        return;
    }
    char c = p->input.p[p->next];
    if (c == '"') {
        // p->token is still the token before this one.
        lex_quoted(p, p->token == TOKEN_OP && (p->op == OP_MATCH || p->op == OP_NOT_MATCH));
    } else if (c == '`') {
        lex_raw(p);
    } else if (!lex_operator(p)) {
        if (is_word(c)) {
            lex_word(p);
        } else {
            bad(p, p->next, "a field, an operator or a bracket");
        }
    }
}

// ---- Errors ------------------------------------------------------------------------------------

static enum err expected(struct parser *p, const char *what)
{
    if (p->token == TOKEN_BAD) {
        return err_at_set(p->at, ERR_INVALID, p->start, "expected %s", p->problem);
    }
    if (p->token == TOKEN_END) {
        return err_at_set(p->at, ERR_INVALID, p->start, "expected %s, but the filter ends here",
                          what);
    }
    struct str found = {p->input.p + p->start, p->next - p->start};
    found.n = found.n > 40 ? 40 : found.n;
    return err_at_set(p->at, ERR_INVALID, p->start, "expected %s, found '%.*s'", what,
                      STR_FMT(found));
}

// ---- Values -------------------------------------------------------------------------------------

// One "12.5ms" of a duration: the number's end is known, the unit is looked up.
static bool take_unit(struct str *rest, double *ret_factor)
{
    static const struct {
        struct str unit;
        double factor;
    } units[] = {{{"ns", 2}, 1},  {{"us", 2}, 1e3}, {{"\xc2\xb5s", 3}, 1e3}, {{"ms", 2}, 1e6},
                 {{"s", 1}, 1e9}, {{"m", 1}, 60e9}, {{"h", 1}, 3600e9}};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (str_starts(*rest, units[i].unit)) {
            *rest = str_skip(*rest, units[i].unit.n);
            *ret_factor = units[i].factor;
            return true;
        }
    }
    return false;
}

// Reads a number or a duration that fills the whole word.
static bool number_of_word(struct str word, struct filter_value *v)
{
    char text[64];
    if (word.n == 0 || word.n >= sizeof text ||
        !(isdigit((unsigned char)word.p[0]) || strchr("+-.", word.p[0]) != NULL)) {
        return false;
    }
    memcpy(text, word.p, word.n);
    text[word.n] = 0;
    char *end;
    *v = (struct filter_value){.type = VALUE_NUMBER, .text = word};
    errno = 0;
    v->integer = strtoll(text, &end, 10);
    if (*end == 0 && errno == 0) { // beyond 64 bits it is compared as a double
        v->is_integer = true;
        v->number = (double)v->integer;
        return true;
    }
    v->integer = 0;
    struct str rest = {text, word.n};
    while (rest.n > 0) {
        double factor, part = strtod(rest.p, &end);
        size_t used = (size_t)(end - rest.p);
        if (used == 0 || !isfinite(part)) {
            return false;
        }
        rest = str_skip(rest, used);
        if (rest.n == 0 && used == word.n) {
            v->number = part; // a plain decimal number
            return true;
        }
        if (!take_unit(&rest, &factor)) {
            return false;
        }
        v->number += part * factor;
    }
    v->is_duration = true;
    return true;
}

// The number that has this name, or -1.
static int number_of_name(struct str word, const char *(*name_of)(unsigned number), unsigned count)
{
    ASSERT(count > 0);
    for (unsigned i = 0; i < count; i++) {
        if (str_eq(word, str_of(name_of(i)))) {
            return (int)i;
        }
    }
    return -1;
}

static bool value_of_word(struct str word, struct filter_value *v)
{
    if (str_eq(word, STR("true")) || str_eq(word, STR("false"))) {
        *v = (struct filter_value){
            .type = VALUE_BOOL, .text = word, .integer = word.p[0] == 't' ? 1 : 0};
        return true;
    }
    int at = number_of_name(word, span_status_name, STATUS_COUNT);
    if (at >= 0) {
        *v = (struct filter_value){.type = VALUE_STATUS, .text = word, .integer = at};
        return true;
    }
    at = number_of_name(word, span_kind_name, KIND_COUNT);
    if (at >= 0) {
        *v = (struct filter_value){.type = VALUE_KIND, .text = word, .integer = at};
        return true;
    }
    return number_of_word(word, v);
}

// ---- Tests --------------------------------------------------------------------------------------

static bool field_of_word(struct str word, struct filter_node *test)
{
    for (size_t i = 0; i < sizeof intrinsics / sizeof intrinsics[0]; i++) {
        if (str_eq(word, str_of(intrinsics[i].word))) {
            test->field = intrinsics[i].field;
            return true;
        }
    }
    for (size_t i = 0; i < sizeof scopes / sizeof scopes[0]; i++) {
        if (str_starts(word, scopes[i].prefix) && word.n > scopes[i].prefix.n) {
            test->field = scopes[i].field;
            test->key = str_skip(word, scopes[i].prefix.n);
            return true;
        }
    }
    return false;
}

static bool is_attr(enum filter_field field)
{
    return field <= ON_SCOPE_ATTR;
}

// Whether `= nil` means something: attributes, and intrinsics that may be empty.
static bool may_be_absent(enum filter_field field)
{
    return is_attr(field) || field == ON_PARENT_ID || field == ON_STATUS_MESSAGE ||
           field == ON_EVENT_NAME || field == ON_SCOPE_NAME || field == ON_SCOPE_VERSION ||
           field == ON_NAME;
}

// What an intrinsic may be compared with; attributes take any text, number or boolean.
static const char *wrong_value(const struct filter_node *test)
{
    ASSERT(test->op < OP_EXISTS); // the others take no value
    enum filter_type t = test->value.type;
    bool ordered = test->op == OP_EQ || test->op == OP_NE;
    bool regex = test->op == OP_MATCH || test->op == OP_NOT_MATCH;
    switch (test->field) {
    case ON_STATUS:
        return t == VALUE_STATUS && ordered ? NULL : "'=' or '!=' with error, ok or unset";
    case ON_KIND:
        return t == VALUE_KIND && ordered
                   ? NULL
                   : "'=' or '!=' with server, client, internal, producer, consumer or unspecified";
    case ON_DURATION:
        return t == VALUE_NUMBER && test->value.is_duration ? NULL
               : t == VALUE_NUMBER ? "a duration with its unit, such as 100ms or 1.5s"
                                   : "a duration such as 100ms or 1.5s";
    case ON_RPC_ID:
        return t == VALUE_TEXT && (ordered || regex)
                   ? NULL
                   : "'=', '!=', '=~' or '!~' with an RpcId in quotes, such as \"0.1.2\"";
    case ON_NAME:
    case ON_STATUS_MESSAGE:
    case ON_TRACE_ID:
    case ON_SPAN_ID:
    case ON_PARENT_ID:
    case ON_EVENT_NAME:
    case ON_SCOPE_NAME:
    case ON_SCOPE_VERSION:
        return t == VALUE_TEXT ? NULL : "a text in quotes";
    default:
        return t == VALUE_TEXT || t == VALUE_NUMBER || t == VALUE_BOOL
                   ? NULL
                   : "a text in quotes, a number, a duration, true, false or nil";
    }
}

static enum err compile_regex(struct parser *p, struct filter_node *test, size_t value_start)
{
    ASSERT(test->value.type == VALUE_TEXT && test->pattern == NULL);
    struct err_at at = {0};
    enum err e = pattern_new(test->value.text, &test->pattern, &at);
    if (e != ERR_OK) {
        return err_at_set(p->at, e, value_start,
                          "expected a regular expression: %s (at its character %llu)", at.text,
                          (unsigned long long)at.offset);
    }
    p->f->pattern_bytes += pattern_bytes(test->pattern);
    if (p->f->pattern_bytes > FILTER_PATTERN_BYTES_MAX) {
        pattern_free(test->pattern);
        test->pattern = NULL;
        return err_at_set(p->at, ERR_INVALID, value_start,
                          "expected regular expressions that need less memory together");
    }
    MUST(p->f->pattern_count < FILTER_NODES_MAX);
    p->f->patterns = mem_grow(p->f->patterns, &p->f->pattern_capacity, p->f->pattern_count + 1,
                              sizeof *p->f->patterns);
    p->f->patterns[p->f->pattern_count++] = test->pattern;
    return ERR_OK;
}

static enum err parse_value(struct parser *p, struct filter_node *test)
{
    ASSERT(test->type == NODE_TEST && test->op < OP_EXISTS);
    size_t start = p->start;
    bool nil = p->token == TOKEN_WORD && str_eq(p->text, STR("nil"));
    if (nil && may_be_absent(test->field) && (test->op == OP_EQ || test->op == OP_NE)) {
        test->op = test->op == OP_EQ ? OP_ABSENT : OP_EXISTS;
        lex(p);
        return ERR_OK;
    }
    if (p->token == TOKEN_TEXT) {
        test->value = (struct filter_value){.type = VALUE_TEXT, .text = p->text};
    } else if (p->token != TOKEN_WORD || !value_of_word(p->text, &test->value)) {
        test->value.type = VALUE_NONE;
        return expected(p, wrong_value(test));
    }
    bool regex = test->op == OP_MATCH || test->op == OP_NOT_MATCH;
    if (regex && test->value.type != VALUE_TEXT) {
        return expected(p, "a regular expression in quotes");
    }
    const char *wrong = wrong_value(test);
    if (wrong != NULL) {
        return expected(p, wrong);
    }
    if (regex) {
        enum err e = compile_regex(p, test, start);
        if (e != ERR_OK) {
            return e;
        }
    }
    lex(p);
    return ERR_OK;
}

// A new node, or NULL after saying that there are too many (the caller returns ERR_LIMIT).
static struct filter_node *new_node(struct parser *p, enum filter_node_type type)
{
    if (++p->nodes > FILTER_NODES_MAX) {
        (void)err_at_set(p->at, ERR_LIMIT, p->start, "expected at most %d tests and operators",
                         FILTER_NODES_MAX);
        return NULL;
    }
    struct filter_node *n = arena_new(&p->f->arena, 1, sizeof *n);
    n->type = type;
    n->offset = (uint32_t)p->start;
    n->index = type == NODE_TEST ? p->f->test_count++ : 0;
    return n;
}

static enum err parse_test(struct parser *p, struct filter_node **ret_node)
{
    struct filter_node *test = new_node(p, NODE_TEST);
    if (test == NULL) {
        return ERR_LIMIT;
    }
    if (p->token != TOKEN_WORD) {
        return expected(p, "a field such as resource.service.name, span.http.route or duration");
    }
    if (!field_of_word(p->text, test)) {
        return expected(p,
                        "a field: an intrinsic (name, status, kind, duration ...) or an attribute "
                        "with its scope (span., resource., event. or just '.')");
    }
    if (test->field == ON_RPC_ID && p->scope != FILTER_OF_TREES) {
        return expected(p, "a field that a span has without its trace: RpcIds are places in whole "
                           "traces, which the search for traces alone puts together");
    }
    p->f->fields |= (uint32_t)1 << test->field;
    lex(p);
    *ret_node = test;
    if (p->token != TOKEN_OP) {
        if (!is_attr(test->field)) {
            return expected(p, "an operator: = != < <= > >= =~ !~");
        }
        test->op = OP_EXISTS;
        return p->token == TOKEN_WORD || p->token == TOKEN_TEXT || p->token == TOKEN_BAD
                   ? expected(p, "an operator, '&&', '||' or '}'")
                   : ERR_OK;
    }
    test->op = p->op;
    lex(p);
    return parse_value(p, test);
}

static enum err parse_or(struct parser *p, struct filter_node **ret_node);

static enum err parse_not(struct parser *p, struct filter_node **ret_node);

static enum err parse_brackets(struct parser *p, struct filter_node **ret_node)
{
    ASSERT(p->token == TOKEN_OPEN);
    lex(p);
    enum err e = parse_or(p, ret_node);
    if (e == ERR_OK && p->token != TOKEN_CLOSE) {
        e = expected(p, "')', '&&' or '||'");
    }
    if (e == ERR_OK) {
        lex(p);
    }
    return e;
}

static enum err parse_unary(struct parser *p, struct filter_node **ret_node)
{
    if (p->depth >= FILTER_DEPTH_MAX) {
        return err_at_set(p->at, ERR_LIMIT, p->start, "expected at most %d brackets in each other",
                          FILTER_DEPTH_MAX);
    }
    p->depth++;
    enum err e = p->token == TOKEN_NOT    ? parse_not(p, ret_node)
                 : p->token == TOKEN_OPEN ? parse_brackets(p, ret_node)
                                          : parse_test(p, ret_node);
    ASSERT(p->depth > 0);
    p->depth--;
    return e;
}

static enum err parse_not(struct parser *p, struct filter_node **ret_node)
{
    struct filter_node *made = new_node(p, NODE_NOT);
    if (made == NULL) {
        return ERR_LIMIT;
    }
    *ret_node = made;
    lex(p);
    return parse_unary(p, &made->left);
}

// Operands joined by one operator, from left to right.
static enum err parse_joined(struct parser *p, enum token token, enum filter_node_type type,
                             enum err (*operand)(struct parser *p, struct filter_node **ret_node),
                             struct filter_node **ret_node)
{
    ASSERT(type == NODE_AND || type == NODE_OR);
    enum err e = operand(p, ret_node);
    while (e == ERR_OK && p->token == token) {
        struct filter_node *made = new_node(p, type);
        if (made == NULL) {
            return ERR_LIMIT;
        }
        lex(p);
        made->left = *ret_node;
        *ret_node = made;
        e = operand(p, &made->right);
    }
    return e;
}

static enum err parse_and(struct parser *p, struct filter_node **ret_node)
{
    return parse_joined(p, TOKEN_AND, NODE_AND, parse_unary, ret_node);
}

static enum err parse_or(struct parser *p, struct filter_node **ret_node)
{
    return parse_joined(p, TOKEN_OR, NODE_OR, parse_and, ret_node);
}

static enum err parse_filter(struct parser *p)
{
    lex(p);
    if (p->token != TOKEN_OPEN_BRACE) {
        return expected(p, "'{', as in { resource.service.name = \"cart\" }");
    }
    lex(p);
    enum err e = ERR_OK;
    if (p->token == TOKEN_CLOSE_BRACE) {
        p->f->root = new_node(p, NODE_ALL);
    } else {
        e = parse_or(p, &p->f->root);
    }
    if (e != ERR_OK) {
        return e;
    }
    if (p->token != TOKEN_CLOSE_BRACE) {
        return expected(p, "'&&', '||' or '}'");
    }
    lex(p);
    return p->token == TOKEN_END ? ERR_OK : expected(p, "the end of the filter");
}

// ---- Without places -----------------------------------------------------------------------------

// What is left of the node where no place in a tree is known. `positive`: it is true wherever the
// node may be; else (below a NOT) only where it must be. NULL: nothing, which is always true, or
// never.
static struct filter_node *without_places(struct parser *p, struct filter_node *n, bool positive)
{
    ASSERT(n->type != NODE_ALL);
    if (n->type == NODE_TEST) {
        return n->field == ON_RPC_ID ? NULL : n;
    }
    struct filter_node *left = without_places(p, n->left, positive != (n->type == NODE_NOT));
    struct filter_node *right = n->right != NULL ? without_places(p, n->right, positive) : NULL;
    if (n->type != NODE_NOT && (left == NULL || right == NULL)) {
        struct filter_node *other = left != NULL ? left : right;
        return (n->type == NODE_AND) == positive ? other : NULL;
    }
    if (left == NULL || (left == n->left && right == n->right)) {
        return left != NULL ? n : NULL;
    }
    struct filter_node *made = arena_new(&p->f->arena, 1, sizeof *made);
    *made = *n;
    made->left = left;
    made->right = right;
    return made;
}

static void set_apart(struct parser *p)
{
    struct filter *f = p->f;
    ASSERT(f->root != NULL && f->tree == NULL);
    f->tree = f->root;
    f->root = without_places(p, f->tree, true);
    if (f->root == NULL) {
        f->root = arena_new(&f->arena, 1, sizeof *f->root);
        f->root->type = NODE_ALL;
    }
}

#define CHUNK_FIRST ((size_t)512) // most filters are short, and there may be many

enum err filter_parse_for(enum filter_scope scope, struct str text, struct filter **ret_filter,
                          struct err_at *ret_at)
{
    size_t bad_at;
    if (text.n > FILTER_TEXT_MAX) {
        return err_at_set(ret_at, ERR_LIMIT, FILTER_TEXT_MAX, "expected at most %zu bytes",
                          FILTER_TEXT_MAX);
    }
    if (!str_utf8_valid(text, &bad_at)) {
        return err_at_set(ret_at, ERR_INVALID, bad_at, "expected UTF-8 text");
    }
    struct filter *f = mem_new(1, sizeof *f);
    f->arena.next_chunk_bytes = CHUNK_FIRST;
    struct parser p = {.f = f, .input = arena_str(&f->arena, text), .at = ret_at, .scope = scope};
    enum err e = parse_filter(&p);
    if (e != ERR_OK) {
        filter_free(f);
        return e;
    }
    if ((f->fields >> ON_RPC_ID & 1) != 0) {
        set_apart(&p);
    }
    *ret_filter = f;
    return ERR_OK;
}

enum err filter_parse(struct str text, struct filter **ret_filter, struct err_at *ret_at)
{
    return filter_parse_for(FILTER_OF_SPANS, text, ret_filter, ret_at);
}

void filter_free(struct filter *f)
{
    if (f == NULL) {
        return;
    }
    for (size_t i = 0; i < f->pattern_count; i++) {
        pattern_free(f->patterns[i]);
    }
    mem_free(f->patterns);
    arena_done(&f->arena);
    mem_free(f);
}

size_t filter_bytes(const struct filter *f)
{
    ASSERT(f->pattern_count <= f->pattern_capacity);
    return sizeof *f + f->arena.held_bytes + f->pattern_bytes +
           f->pattern_capacity * sizeof *f->patterns;
}

uint64_t filter_given_up(const struct filter *f)
{
    uint64_t n = 0;
    ASSERT(f->pattern_count <= FILTER_NODES_MAX);
    for (size_t i = 0; i < f->pattern_count; i++) {
        n += pattern_given_up(f->patterns[i]);
    }
    return n;
}
