// SPDX-License-Identifier: Apache-2.0
// Purpose: reading the text format and OpenMetrics, line by line.
#include "wire/prom_text.h"

#include <math.h>
#include <stdlib.h>

#include "core/must.h"
#include "wire/exemplar.h"
#include "wire/protobuf.h"

#define NUMBER_BYTES_MAX ((size_t)64)
#define LINE_BYTES_MAX   ((size_t)1 << 20)
#define TIME_MS_MAX      ((double)10000000000000)

enum seen { SEEN_TYPE = 1, SEEN_HELP = 2, SEEN_UNIT = 4, SEEN_SAMPLE = 8 };

struct parser {
    bool open; // OpenMetrics
    struct str text;
    const char *p, *end; // of the line: what is not read yet
    size_t line;
    bool ended; // by # EOF
    struct {
        struct str name;
        enum prom_type type;
        struct str unit, help;
        unsigned seen;
    } family;
    struct buf help;  // of the family, without escapes
    struct buf words; // of the line's quoted strings, without escapes
    struct buf exemplar;
    struct prom_series series;
    struct prom_series exemplar_labels;
    struct prom_text_sample sample;
    struct err_at *at;
};

static enum err wrong(const struct parser *s, const char *what)
{
    ASSERT(s->p >= s->text.p && s->p <= s->text.p + s->text.n);
    return err_at_set(s->at, ERR_INVALID, (uint64_t)(s->p - s->text.p), "line %zu: %s", s->line,
                      what);
}

// ---- Words --------------------------------------------------------------------------------------

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

// Blanks between words: any of the text format, none of OpenMetrics.
static void skip_blanks(struct parser *s)
{
    while (!s->open && s->p < s->end && is_blank(*s->p)) {
        s->p++;
    }
}

// What parts words: a blank or more of the text format, one of OpenMetrics.
static bool skip_space(struct parser *s)
{
    if (s->p == s->end || (s->open ? *s->p != ' ' : !is_blank(*s->p))) {
        return false;
    }
    s->p++;
    skip_blanks(s);
    return true;
}

static bool skip_char(struct parser *s, char c)
{
    ASSERT(s->p <= s->end);
    if (s->p == s->end || *s->p != c) {
        return false;
    }
    s->p++;
    return true;
}

static bool is_name_char(char c, bool first)
{
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':';
    return letter || (!first && c >= '0' && c <= '9');
}

// A name without quotes; empty where there is none.
static struct str read_plain_name(struct parser *s)
{
    const char *from = s->p;
    while (s->p < s->end && is_name_char(*s->p, s->p == from)) {
        s->p++;
    }
    ASSERT(s->p >= from);
    return (struct str){from, (size_t)(s->p - from)};
}

// Appends the text up to `until` (or the line's end, when that is NUL) without its escapes. False
// when it does not end, or has an escape that is none.
static bool read_escaped(struct parser *s, char until, bool quotes, struct buf *out,
                         struct str *ret_text)
{
    bool room = buf_reserve(out, (size_t)(s->end - s->p)); // so that what is there stays in place
    MUST(room);
    size_t begin = out->n;
    while (s->p < s->end && (until == '\0' || *s->p != until)) {
        char c = *s->p++;
        if (c == '\\') {
            char next = s->p < s->end ? *s->p : '\0';
            if (next != '\\' && next != 'n' && !(quotes && next == '"')) {
                if (s->open) {
                    return false;
                }
                out->p[out->n++] = c; // the text format takes it as it stands
                continue;
            }
            c = next == 'n' ? '\n' : next;
            s->p++;
        }
        out->p[out->n++] = c;
    }
    *ret_text = (struct str){out->p + begin, out->n - begin};
    return until == '\0' || skip_char(s, until);
}

static bool read_quoted(struct parser *s, struct str *ret_text)
{
    return skip_char(s, '"') && read_escaped(s, '"', true, &s->words, ret_text) &&
           str_utf8_valid(*ret_text, NULL);
}

// The word up to the next blank.
static struct str read_word(struct parser *s)
{
    const char *from = s->p;
    while (s->p < s->end && !is_blank(*s->p)) {
        s->p++;
    }
    ASSERT(s->p >= from);
    return (struct str){from, (size_t)(s->p - from)};
}

static bool to_double(struct str word, double *ret_value)
{
    char copy[NUMBER_BYTES_MAX], *end;
    if (word.n == 0 || word.n >= sizeof copy) {
        return false;
    }
    for (size_t i = 0; i < word.n; i++) {
        char c = word.p[i];
        if (c == 'x' || c == 'X' || c == '(' || !((unsigned char)c > ' ')) {
            return false; // what strtod() takes beyond the formats
        }
        copy[i] = c;
    }
    copy[word.n] = '\0';
    double v = strtod(copy, &end);
    if (end != copy + word.n) {
        return false;
    }
    *ret_value = isnan(v) ? (double)NAN : v; // never a mark of ours
    ASSERT(end > copy);
    return true;
}

// A timestamp in milliseconds.
static bool to_time(const struct parser *s, struct str word, int64_t *ret_ms)
{
    double v;
    if (!to_double(word, &v)) {
        return false;
    }
    v = s->open ? v * 1000 : v;
    if (!(v > -TIME_MS_MAX && v < TIME_MS_MAX) || (!s->open && v != floor(v))) {
        return false;
    }
    *ret_ms = (int64_t)llround(v);
    ASSERT(isfinite(v));
    return true;
}

// ---- Labels -------------------------------------------------------------------------------------

// One label, or the metric's name in quotes.
static enum err read_label(struct parser *s, struct prom_series *to, bool may_be_name)
{
    struct str name, value;
    bool quoted = s->p < s->end && *s->p == '"';
    if (quoted) {
        if (!read_quoted(s, &name)) {
            return wrong(s, "a quoted name does not end, or is not UTF-8");
        }
    } else {
        name = read_plain_name(s);
    }
    skip_blanks(s);
    if (quoted && may_be_name && s->p < s->end && (*s->p == ',' || *s->p == '}')) {
        prom_add_label(to, STR("__name__"), name);
        return ERR_OK;
    }
    if (name.n == 0 || (!quoted && memchr(name.p, ':', name.n) != NULL) || !skip_char(s, '=')) {
        return wrong(s, "expected a label: name=\"value\"");
    }
    skip_blanks(s);
    if (!read_quoted(s, &value)) {
        return wrong(s, "a label's value is not in quotes, does not end, or is not UTF-8");
    }
    prom_add_label(to, name, value);
    return ERR_OK;
}

// From behind the brace up to the one that closes it.
static enum err read_labels(struct parser *s, struct prom_series *to, bool needs_name)
{
    bool first = true;
    skip_blanks(s);
    while (!skip_char(s, '}')) {
        if (!first && !skip_char(s, ',')) {
            return wrong(s, "expected a comma or } behind a label");
        }
        skip_blanks(s);
        if (!first && !s->open && skip_char(s, '}')) { // a comma may stand behind the last one
            return ERR_OK;
        }
        enum err e = read_label(s, to, needs_name && to->label_count == 0);
        if (e != ERR_OK) {
            return e;
        }
        ASSERT(to->label_count > 0);
        first = false;
        skip_blanks(s);
    }
    return ERR_OK;
}

// ---- Families -----------------------------------------------------------------------------------

static bool has_suffix(enum prom_type type, struct str suffix)
{
    static const char *const suffixes[PROM_TYPE_COUNT][5] = {
        [PROM_UNKNOWN] = {""},
        [PROM_COUNTER] = {"", "_total", "_created"},
        [PROM_GAUGE] = {""},
        [PROM_HISTOGRAM] = {"", "_bucket", "_count", "_sum", "_created"},
        [PROM_GAUGE_HISTOGRAM] = {"", "_bucket", "_gcount", "_gsum", "_created"},
        [PROM_SUMMARY] = {"", "_count", "_sum", "_created"},
        [PROM_INFO] = {"", "_info"},
        [PROM_STATE_SET] = {""},
    };
    ASSERT(type < PROM_TYPE_COUNT);
    for (size_t i = 0; i < 5 && suffixes[type][i] != NULL; i++) {
        if (str_eq(suffix, str_of(suffixes[type][i]))) {
            return true;
        }
    }
    return false;
}

static bool is_of_family(const struct parser *s, struct str name)
{
    struct str family = s->family.name;
    ASSERT(name.n > 0);
    return family.n > 0 && str_starts(name, family) &&
           has_suffix(s->family.type, str_skip(name, family.n));
}

static bool type_of(const struct parser *s, struct str word, enum prom_type *ret_type)
{
    static const struct {
        const char *word;
        enum prom_type type;
        bool text, open; // of which formats
    } types[] = {{"counter", PROM_COUNTER, true, true},
                 {"gauge", PROM_GAUGE, true, true},
                 {"histogram", PROM_HISTOGRAM, true, true},
                 {"summary", PROM_SUMMARY, true, true},
                 {"untyped", PROM_UNKNOWN, true, false},
                 {"unknown", PROM_UNKNOWN, true, true},
                 {"gaugehistogram", PROM_GAUGE_HISTOGRAM, true, true},
                 {"info", PROM_INFO, true, true},
                 {"stateset", PROM_STATE_SET, true, true}};
    ASSERT(ret_type != NULL);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if ((s->open ? types[i].open : types[i].text) && str_eq(word, str_of(types[i].word))) {
            *ret_type = types[i].type;
            return true;
        }
    }
    return false;
}

static enum err begin_family(struct parser *s, struct str name, unsigned what)
{
    if (!str_eq(name, s->family.name)) {
        s->family.name = name;
        s->family.type = PROM_UNKNOWN;
        s->family.unit = s->family.help = STR("");
        s->family.seen = 0;
    }
    ASSERT(what == SEEN_TYPE || what == SEEN_HELP || what == SEEN_UNIT);
    if (s->open && (s->family.seen & (what | SEEN_SAMPLE)) != 0) {
        return wrong(s, "a family is described twice, or behind its samples");
    }
    s->family.seen |= what;
    return ERR_OK;
}

static enum err read_type(struct parser *s)
{
    struct str word = read_word(s);
    skip_blanks(s);
    return s->p == s->end && type_of(s, word, &s->family.type) ? ERR_OK
                                                               : wrong(s, "this is no type");
}

static enum err read_unit(struct parser *s)
{
    struct str unit = {s->p, (size_t)(s->end - s->p)}, name = s->family.name;
    size_t before = name.n - unit.n - 1;
    if (unit.n > 0 && (unit.n + 1 >= name.n || name.p[before] != '_' || !str_ends(name, unit))) {
        return wrong(s, "the name of a family does not end in its unit");
    }
    s->p = s->end;
    s->family.unit = unit;
    ASSERT(s->open);
    return ERR_OK;
}

static enum err read_help(struct parser *s)
{
    buf_clear(&s->help);
    if (!read_escaped(s, '\0', s->open, &s->help, &s->family.help) ||
        !str_utf8_valid(s->family.help, NULL)) {
        return wrong(s, "a help text has an escape that is none, or is not UTF-8");
    }
    ASSERT(s->p == s->end);
    return ERR_OK;
}

static bool read_family_name(struct parser *s, struct str *ret_name)
{
    if (s->p < s->end && *s->p == '"') { // it has to outlive the line: quoted names have no escapes
        const char *from = s->p + 1;
        if (!read_quoted(s, ret_name) || ret_name->n != (size_t)(s->p - 1 - from)) {
            return false;
        }
        ret_name->p = from;
    } else {
        *ret_name = read_plain_name(s);
    }
    return ret_name->n > 0;
}

// A line that begins with #, read up to behind it.
static enum err read_description(struct parser *s)
{
    struct str name;
    if (s->open && s->end - s->p == 4 && memcmp(s->p, " EOF", 4) == 0) {
        s->ended = true;
        return ERR_OK;
    }
    if (!skip_space(s)) {
        return s->open ? wrong(s, "expected TYPE, HELP, UNIT or EOF") : ERR_OK;
    }
    struct str word = read_word(s);
    unsigned what = str_eq(word, STR("TYPE"))              ? SEEN_TYPE
                    : str_eq(word, STR("HELP"))            ? SEEN_HELP
                    : s->open && str_eq(word, STR("UNIT")) ? SEEN_UNIT
                                                           : 0;
    if (what == 0) {
        return s->open ? wrong(s, "expected TYPE, HELP, UNIT or EOF") : ERR_OK;
    }
    if (!skip_space(s) || !read_family_name(s, &name)) {
        return wrong(s, "expected the name of a metric");
    }
    enum err e = begin_family(s, name, what);
    if (e != ERR_OK) {
        return e;
    }
    if (!skip_space(s) && (what != SEEN_HELP || s->p != s->end)) {
        return wrong(s, "expected more behind the name");
    }
    ASSERT(s->p <= s->end);
    return what == SEEN_TYPE ? read_type(s) : what == SEEN_HELP ? read_help(s) : read_unit(s);
}

// ---- Samples ------------------------------------------------------------------------------------

static enum err read_exemplar(struct parser *s)
{
    struct wire_exemplar x = {0};
    int64_t time_ms = 0;
    s->exemplar_labels.label_count = 0;
    if (!skip_char(s, '#') || !skip_space(s) || !skip_char(s, '{')) {
        return wrong(s, "expected an exemplar: # {...} number");
    }
    enum err e = read_labels(s, &s->exemplar_labels, false);
    if (e != ERR_OK) {
        return e;
    }
    if (!skip_space(s) || !to_double(read_word(s), &x.value)) {
        return wrong(s, "expected the number of an exemplar");
    }
    if (s->p < s->end && (!skip_space(s) || !to_time(s, read_word(s), &time_ms))) {
        return wrong(s, "expected the timestamp of an exemplar");
    }
    for (size_t i = 0; i < s->exemplar_labels.label_count; i++) {
        const struct prom_label *l = &s->exemplar_labels.labels[i];
        exemplar_take_label(&x, l->name, l->value);
    }
    x.time_ns = (uint64_t)time_ms * 1000000;
    exemplar_put(&s->exemplar, &x);
    ASSERT(!s->exemplar.failed);
    s->sample.exemplars = buf_str(&s->exemplar);
    return ERR_OK;
}

static enum err read_value(struct parser *s)
{
    struct prom_text_sample *x = &s->sample;
    if (!skip_space(s) || !to_double(read_word(s), &x->value)) {
        return wrong(s, "expected a number");
    }
    bool more = skip_space(s) && s->p < s->end;
    if (more && !(s->open && *s->p == '#')) {
        x->has_time = true;
        if (!to_time(s, read_word(s), &x->time_ms)) {
            return wrong(s, "expected a timestamp");
        }
        more = skip_space(s) && s->p < s->end;
    }
    if (more && s->open) {
        enum err e = read_exemplar(s);
        if (e != ERR_OK) {
            return e;
        }
    }
    ASSERT(s->p <= s->end);
    // OpenMetrics has no blank at the end.
    return s->p != s->end || (s->open && is_blank(s->p[-1])) ? wrong(s, "expected the line's end")
                                                             : ERR_OK;
}

static enum err read_sample(struct parser *s,
                            enum err (*each)(void *ctx, const struct prom_text_sample *sample),
                            void *ctx)
{
    struct prom_series *series = &s->series;
    struct str line = {s->p, (size_t)(s->end - s->p)};
    struct str name = read_plain_name(s);
    series->label_count = 0;
    series->too_many = false;
    series->offset = (uint64_t)(line.p - s->text.p);
    series->bytes = line;
    s->sample = (struct prom_text_sample){.series = series};
    if (name.n > 0) {
        prom_add_label(series, STR("__name__"), name);
    }
    skip_blanks(s);
    enum err e = skip_char(s, '{') ? read_labels(s, series, name.n == 0) : ERR_OK;
    if (e != ERR_OK) {
        return e;
    }
    if (series->label_count == 0 || !str_eq(series->labels[0].name, STR("__name__"))) {
        return wrong(s, "expected the name of a metric");
    }
    // Of the text format the blank was passed over already.
    if (!s->open && s->p > line.p && is_blank(s->p[-1])) {
        s->p--;
    }
    name = series->labels[0].value;
    bool of_family = name.n > 0 && is_of_family(s, name);
    series->type = of_family ? s->family.type : PROM_UNKNOWN;
    series->unit = of_family ? s->family.unit : STR("");
    series->help = of_family ? s->family.help : STR("");
    s->sample.family = of_family ? s->family.name : STR("");
    s->family.seen |= of_family ? SEEN_SAMPLE : 0;
    e = read_value(s);
    return e == ERR_OK ? each(ctx, &s->sample) : e;
}

// ---- The text -----------------------------------------------------------------------------------

enum prom_format prom_format_of(struct str content_type)
{
    struct str media;
    (void)str_split(content_type, ';', &media);
    return str_eq_nocase(str_trim(media), STR("application/openmetrics-text")) ? PROM_OPENMETRICS
                                                                               : PROM_TEXT;
}

static enum err read_line(struct parser *s,
                          enum err (*each)(void *ctx, const struct prom_text_sample *sample),
                          void *ctx)
{
    ASSERT(s->p <= s->end);
    buf_clear(&s->words);
    buf_clear(&s->exemplar);
    if (s->ended) {
        return wrong(s, "something follows # EOF");
    }
    if (s->end - s->p > (ptrdiff_t)LINE_BYTES_MAX) {
        return wrong(s, "the line is longer than 1 MiB");
    }
    bool room = buf_reserve(&s->words, (size_t)(s->end - s->p)); // the line's strings never move
    MUST(room);
    skip_blanks(s);
    if (s->p == s->end) {
        return s->open ? wrong(s, "an empty line") : ERR_OK;
    }
    return skip_char(s, '#') ? read_description(s) : read_sample(s, each, ctx);
}

static enum err read_lines(struct parser *s,
                           enum err (*each)(void *ctx, const struct prom_text_sample *sample),
                           void *ctx)
{
    const char *end = s->text.p + s->text.n;
    ASSERT(s->text.p != NULL);
    for (const char *from = s->text.p; from < end;) {
        const char *newline = memchr(from, '\n', (size_t)(end - from));
        s->line++;
        s->p = from;
        s->end = newline != NULL ? newline : end;
        enum err e = read_line(s, each, ctx);
        if (e != ERR_OK) {
            return e;
        }
        from = newline != NULL ? newline + 1 : end;
    }
    s->p = end;
    return s->open && !s->ended ? wrong(s, "the last line is not # EOF: the text is cut short")
                                : ERR_OK;
}

enum err prom_text_parse(enum prom_format format, struct str text,
                         enum err (*each)(void *ctx, const struct prom_text_sample *sample),
                         void *ctx, struct err_at *ret_at)
{
    struct parser s;
    ASSERT(each != NULL);
    s.open = format == PROM_OPENMETRICS;
    s.text = text.p != NULL ? text : STR("");
    s.p = s.end = s.text.p;
    s.line = 0;
    s.ended = false;
    s.family.name = s.family.unit = s.family.help = STR("");
    s.family.type = PROM_UNKNOWN;
    s.family.seen = 0;
    s.at = ret_at;
    buf_init(&s.help, LINE_BYTES_MAX);
    buf_init(&s.words, LINE_BYTES_MAX);
    buf_init(&s.exemplar, 64);
    enum err e = read_lines(&s, each, ctx);
    buf_done(&s.help);
    buf_done(&s.words);
    buf_done(&s.exemplar);
    return e;
}
