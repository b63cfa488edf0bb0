// SPDX-License-Identifier: Apache-2.0
// Purpose: a rule file of Prometheus as a file of rules of ours.
#include "alert/prom_rules.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "alert/prom_map.h"
#include "core/mem.h"
#include "core/must.h"
#include "wire/json_writer.h"
#include "wire/yaml_doc.h"

#define DEPTH_MAX  10
#define VALUE_ROOM ((size_t)3 << 20)
#define RULE_ROOM  ((size_t)256 << 10)

struct reader {
    struct yaml_doc y;
    struct str text; // of the file
    struct prom_rules *r;
    struct str channel;
    struct str *names; // that were given
    size_t name_count, name_capacity;
    size_t *lines; // where each begins
    size_t line_count, line_capacity;
};

// One alerting rule as it stands there.
struct alerting_rule {
    const yaml_node_t *node, *expr, *annotations, *labels;
    struct str name, severity;
    uint64_t for_ms;
};

// ---- Places -------------------------------------------------------------------------------------

static void note(struct reader *r, size_t line, size_t column, const struct alerting_rule *of,
                 bool leaves_out, struct str text)
{
    struct prom_rules *out = r->r;
    ASSERT(line > 0 && column > 0);
    if (out->note_count == PROM_NOTES_MAX) {
        out->more_notes++;
        return;
    }
    out->notes = mem_grow(out->notes, &out->note_capacity, out->note_count + 1, sizeof *out->notes);
    out->notes[out->note_count++] = (struct prom_note){
        line, column, of != NULL ? of->name : STR(""), leaves_out, arena_str(&out->arena, text)};
}

static void note_at(struct reader *r, const yaml_node_t *n, const struct alerting_rule *of,
                    bool leaves_out, const char *text)
{
    ASSERT(n != NULL);
    note(r, n->start_mark.line + 1, n->start_mark.column + 1, of, leaves_out, str_of(text));
}

// From 0. A mark may lie behind the last line there is.
static size_t line_of(const struct reader *r, const yaml_node_t *n)
{
    ASSERT(r->line_count > 0);
    return n->start_mark.line < r->line_count ? n->start_mark.line : r->line_count - 1;
}

// Where a byte of a scalar stands in the file: blanks, line breaks and quotes differ between both,
// and what is between them is the same, but for escapes.
static size_t place_in(const struct reader *r, const yaml_node_t *n, size_t offset)
{
    const char *value = (const char *)n->data.scalar.value;
    size_t line = line_of(r, n);
    size_t begin = r->lines[line];
    bool is_block = n->data.scalar.style == YAML_LITERAL_SCALAR_STYLE ||
                    n->data.scalar.style == YAML_FOLDED_SCALAR_STYLE;
    size_t at = begin + n->start_mark.column; // characters are bytes here, or it is close
    at = at < r->text.n ? at : r->text.n;
    if (is_block) { // behind the line of its sign
        const char *end = memchr(r->text.p + at, '\n', r->text.n - at);
        at = end != NULL ? (size_t)(end - r->text.p) : r->text.n;
    }
    ASSERT(offset <= n->data.scalar.length);
    size_t found = at;
    for (size_t i = 0; i <= offset && i < n->data.scalar.length; i++) {
        if (isspace((unsigned char)value[i])) {
            continue;
        }
        while (at < r->text.n && r->text.p[at] != value[i]) {
            at++;
        }
        found = at;
        at += at < r->text.n;
    }
    return found < r->text.n ? found : begin;
}

static void note_expr(struct reader *r, const struct alerting_rule *of, size_t offset,
                      bool leaves_out, const char *text)
{
    size_t at = place_in(r, of->expr, offset), line = line_of(r, of->expr);
    ASSERT(at <= r->text.n);
    while (line + 1 < r->line_count && r->lines[line + 1] <= at) {
        line++;
    }
    size_t column = at >= r->lines[line] ? at - r->lines[line] + 1 : 1;
    note(r, line + 1, column, of, leaves_out, str_of(text));
}

// ---- Reading ------------------------------------------------------------------------------------

// The value of a key; NULL where there is none.
static const yaml_node_t *value_of(struct reader *r, const yaml_node_t *map, const char *key)
{
    ASSERT(key[0] != 0);
    if (map == NULL || map->type != YAML_MAPPING_NODE) {
        return NULL;
    }
    for (const yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top;
         p++) {
        const char *name = yaml_doc_text(yaml_doc_node(&r->y, p->key));
        if (name != NULL && strcmp(name, key) == 0) {
            return yaml_doc_node(&r->y, p->value);
        }
    }
    return NULL;
}

static struct str text_of(struct reader *r, const yaml_node_t *map, const char *key)
{
    const yaml_node_t *n = value_of(r, map, key);
    const char *text = n != NULL ? yaml_doc_text(n) : NULL;
    ASSERT(key[0] != 0);
    return text != NULL ? str_of(text) : STR("");
}

// "1h30m", "0s", "0"; false for anything else.
static bool duration(struct str text, struct arena *arena, uint64_t *ret_ms)
{
    struct promql_node *n;
    struct err_at at;
    ASSERT(arena != NULL);
    if (text.n == 0 || promql_parse(text, arena, &n, &at) != ERR_OK || n->type != PROMQL_NUMBER ||
        !(n->number >= 0 && n->number < 1e9)) {
        return text.n == 0;
    }
    *ret_ms = (uint64_t)(n->number * 1000);
    return true;
}

// The labels that templates name: $labels.x, .Labels.x
static void find_labels(struct str text, struct prom_asked *asked)
{
    static const struct str words[] = {{"$labels.", 8}, {".Labels.", 8}};
    ASSERT(asked->label_count <= ALERT_GROUP_BY_MAX);
    for (size_t i = 0; i + 8 < text.n; i++) {
        struct str rest = {text.p + i, text.n - i};
        if (!str_starts(rest, words[0]) && !str_starts(rest, words[1])) {
            continue;
        }
        struct str label = {rest.p + 8, 0};
        while (label.n < rest.n - 8 &&
               (isalnum((unsigned char)label.p[label.n]) || label.p[label.n] == '_')) {
            label.n++;
        }
        bool is_known = label.n == 0 || isdigit((unsigned char)label.p[0]);
        for (size_t k = 0; k < asked->label_count; k++) {
            is_known = is_known || str_eq(asked->labels[k], label);
        }
        if (!is_known && asked->label_count < ALERT_GROUP_BY_MAX) {
            asked->labels[asked->label_count++] = label;
        }
    }
}

// ---- Writing ------------------------------------------------------------------------------------

static void put_text(struct buf *out, const char *key, struct str text)
{
    struct json_writer w;
    buf_printf(out, "%s: ", key);
    json_writer_init(&w, out);
    json_put_str(&w, text);
    buf_add_byte(out, '\n');
    ASSERT(text.p != NULL || text.n == 0);
}

// A template for people who read it without the values: {{ $labels.x }} is <x>.
static void put_template(struct buf *out, struct str text)
{
    ASSERT(out != NULL);
    for (size_t i = 0; i < text.n; i++) {
        const char *close = NULL;
        bool opens = text.n - i >= 4 && text.p[i] == '{' && text.p[i + 1] == '{';
        if (opens) {
            close = memmem(text.p + i, text.n - i, "}}", 2);
        }
        if (close == NULL) {
            buf_add_byte(out, (uint8_t)text.p[i]);
            continue;
        }
        struct str inner = str_trim((struct str){text.p + i + 2, (size_t)(close - text.p) - i - 2});
        const char *dot = inner.n > 0 ? memrchr(inner.p, '.', inner.n) : NULL;
        bool is_label = memmem(inner.p, inner.n, "abels.", 6) != NULL && dot != NULL;
        struct str word = {is_label ? dot + 1 : inner.p, 0};
        while (is_label && word.p + word.n < inner.p + inner.n &&
               (isalnum((unsigned char)word.p[word.n]) || word.p[word.n] == '_')) {
            word.n++;
        }
        buf_printf(out, "<%.*s>", STR_FMT(is_label ? word : STR("value")));
        i = (size_t)(close - text.p) + 1;
    }
}

static void put_remedy(struct reader *r, const struct alerting_rule *of, struct buf *out)
{
    static const char *const keys[] = {"description", "message", "summary", "runbook_url"};
    struct buf text;
    buf_init(&text, VALUE_ROOM);
    ASSERT(of->node != NULL);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        struct str one = str_trim(text_of(r, of->annotations, keys[i]));
        if (one.n > 0 && (i != 2 || text.n == 0)) { // the summary says less
            buf_add_str(&text, text.n > 0 ? STR("\n") : STR(""));
            put_template(&text, one);
        }
    }
    struct str cut = str_cut(buf_str(&text), ALERT_TEXT_MAX);
    if (cut.n > 0) {
        put_text(out, "    remedy", cut);
    }
    buf_done(&text);
}

// NULL: it says nothing that is known.
static const char *level_of(struct str severity)
{
    enum alert_level level;
    ASSERT(severity.p != NULL || severity.n == 0);
    return alert_level_of_severity(severity, &level) ? alert_level_name(level) : NULL;
}

static void put_strategy(const struct prom_strategy *s, struct buf *out)
{
    buf_printf(out, "      - measure: %s\n", s->measure);
    put_text(out, "        metric", s->metric);
    if (s->filter.n > 0) {
        put_text(out, "        filter", s->filter);
    }
    if (s->quantile > 0) {
        buf_printf(out, "        quantile: %.15g\n", s->quantile);
    }
    buf_printf(out, "        every: %" PRIu64 "s\n", s->every_ms / 1000);
    ASSERT(s->every_ms % 1000 == 0);
    if (s->op != NULL) {
        put_text(out, "        operator", str_of(s->op));
        buf_printf(out, "        threshold: \"%.15g\"\n", s->threshold);
    }
    if (s->within_ms > 0) {
        buf_printf(out, "        within: %" PRIu64 "s\n", s->within_ms / 1000);
    }
    for (size_t i = 0; i < s->group_by_count; i++) {
        buf_printf(out, "%s%.*s%s", i == 0 ? "        group_by: [" : ", ", STR_FMT(s->group_by[i]),
                   i + 1 == s->group_by_count ? "]\n" : "");
    }
}

static bool is_taken(const struct reader *r, struct str name)
{
    for (size_t i = 0; i < r->name_count; i++) {
        if (str_eq(r->names[i], name)) {
            return true;
        }
    }
    ASSERT(name.n > 0);
    return false;
}

// A name that no rule before has.
static struct str name_of(struct reader *r, const struct alerting_rule *of)
{
    struct arena *arena = &r->r->arena;
    struct str base = str_cut(of->name, ALERT_NAME_MAX - 40), name = base;
    ASSERT(base.n > 0);
    if (is_taken(r, name) && of->severity.n > 0) {
        name =
            arena_printf(arena, "%.*s (%.*s)", STR_FMT(base), STR_FMT(str_cut(of->severity, 20)));
    }
    for (unsigned i = 2; is_taken(r, name); i++) {
        name = arena_printf(arena, "%.*s %u", STR_FMT(base), i);
    }
    r->names = mem_grow(r->names, &r->name_capacity, r->name_count + 1, sizeof *r->names);
    r->names[r->name_count++] = arena_str(arena, name);
    return r->names[r->name_count - 1];
}

static void put_rule(struct reader *r, const struct alerting_rule *of, struct str name,
                     const struct prom_mapping *m, struct buf *out)
{
    const char *level = level_of(of->severity);
    ASSERT(m->count > 0);
    put_text(out, "  - name", name);
    buf_printf(out, "    level: %s\n", level != NULL ? level : "warning");
    if (m->count > 1) {
        buf_printf(out, "    match: %s\n", m->match_all ? "all" : "any");
    }
    put_remedy(r, of, out);
    if (r->channel.n > 0) {
        put_text(out, "    channels", r->channel);
    }
    buf_add_str(out, STR("    strategies:\n"));
    for (size_t i = 0; i < m->count; i++) {
        put_strategy(&m->strategies[i], out);
    }
}

// ---- Rules --------------------------------------------------------------------------------------

static void leave_out(struct reader *r, const struct alerting_rule *of, const yaml_node_t *n,
                      const char *why)
{
    ASSERT(n != NULL);
    r->r->left_out++;
    note_at(r, n, of, true, why);
}

// Reads what was written, so that what is imported is known to be taken, and prints it as we do.
static bool check_rule(struct reader *r, const struct alerting_rule *of, struct str text)
{
    struct alert_file *f = NULL;
    struct err_at at = {0};
    struct buf whole;
    buf_init(&whole, RULE_ROOM * 2);
    buf_printf(&whole, "rules:\n%.*s", STR_FMT(text));
    enum err e = whole.failed ? err_at_set(&at, ERR_LIMIT, 0, "is too large")
                              : alert_file_read(buf_str(&whole), "rule", &f, &at);
    ASSERT(of->expr != NULL);
    if (f != NULL) {
        alert_rule_print(&f->rules[0], &r->r->out);
        alert_file_free(f);
    } else {
        leave_out(r, of, of->expr, at.text);
    }
    buf_done(&whole);
    return e == ERR_OK;
}

static void note_others(struct reader *r, const struct alerting_rule *of)
{
    const yaml_node_t *n = of->labels;
    ASSERT(of->node != NULL);
    for (const yaml_node_pair_t *p =
             n != NULL && n->type == YAML_MAPPING_NODE ? n->data.mapping.pairs.start : NULL;
         p != NULL && p < n->data.mapping.pairs.top; p++) {
        const yaml_node_t *key = yaml_doc_node(&r->y, p->key);
        const char *name = yaml_doc_text(key);
        if (name == NULL || strcmp(name, "severity") != 0) {
            note_at(r, key, of, false, "rules have no labels of their own: not taken over");
        } else if (level_of(of->severity) == NULL) {
            note_at(r, key, of, false, "is no level that is known: warning");
        }
    }
    n = value_of(r, of->node, "keep_firing_for");
    if (n != NULL) {
        note_at(r, n, of, false, "is not taken over: what fires again soon ends later by itself");
    }
}

static void take_expr(struct reader *r, struct alerting_rule *of)
{
    struct prom_asked asked = {.for_ms = of->for_ms};
    struct prom_mapping m;
    struct promql_node *tree;
    struct err_at at = {0};
    struct buf out;
    find_labels(text_of(r, of->annotations, "summary"), &asked);
    find_labels(text_of(r, of->annotations, "description"), &asked);
    find_labels(text_of(r, of->annotations, "message"), &asked);
    struct str expr = str_of((const char *)of->expr->data.scalar.value);
    enum err e = promql_parse(expr, &r->r->arena, &tree, &at);
    e = e == ERR_OK ? prom_map(tree, &asked, &r->r->arena, &m, &at) : e;
    ASSERT(at.offset <= of->expr->data.scalar.length || e == ERR_OK || e == ERR_LIMIT);
    if (e != ERR_OK) {
        r->r->left_out++;
        note_expr(r, of, at.offset <= expr.n ? at.offset : 0, true, at.text);
        return;
    }
    buf_init(&out, RULE_ROOM);
    put_rule(r, of, name_of(r, of), &m, &out);
    bool is_good = !out.failed && check_rule(r, of, buf_str(&out));
    buf_done(&out);
    if (!is_good) {
        return;
    }
    r->r->taken++;
    for (size_t i = 0; i < m.remark_count; i++) {
        note_expr(r, of, m.remarks[i].offset, false, m.remarks[i].text);
    }
    note_others(r, of);
}

static void take_rule(struct reader *r, const yaml_node_t *n)
{
    struct alerting_rule of = {.node = n, .name = text_of(r, n, "alert")};
    const yaml_node_t *record = value_of(r, n, "record"), *wait = value_of(r, n, "for");
    ASSERT(n != NULL);
    if (record != NULL) {
        of.name = text_of(r, n, "record");
        leave_out(r, &of, record,
                  "is a recording rule: there are none, measures are taken at once");
        return;
    }
    of.expr = value_of(r, n, "expr");
    if (of.name.n == 0 || of.expr == NULL || yaml_doc_text(of.expr) == NULL) {
        leave_out(r, &of, n, "is no rule: expected alert and expr");
        return;
    }
    of.annotations = value_of(r, n, "annotations");
    of.labels = value_of(r, n, "labels");
    of.severity = text_of(r, of.labels, "severity");
    if (wait != NULL && !duration(text_of(r, n, "for"), &r->r->arena, &of.for_ms)) {
        leave_out(r, &of, wait, "expected a duration, such as 5m");
        return;
    }
    take_expr(r, &of);
}

static enum err take_group(struct reader *r, const yaml_node_t *group)
{
    const yaml_node_t *rules = value_of(r, group, "rules");
    if (group->type != YAML_MAPPING_NODE || (rules != NULL && rules->type != YAML_SEQUENCE_NODE)) {
        return yaml_doc_wrong(&r->y, group, "expected a group: name and a list of rules", NULL);
    }
    for (const yaml_node_item_t *i = rules != NULL ? rules->data.sequence.items.start : NULL;
         i != NULL && i < rules->data.sequence.items.top; i++) {
        if (r->r->taken + r->r->left_out >= ALERT_RULES_MAX) {
            return err_at_set(r->y.at, ERR_LIMIT, 0, "%s: more than %zu rules", r->y.name,
                              ALERT_RULES_MAX);
        }
        take_rule(r, yaml_doc_node(&r->y, *i));
    }
    ASSERT(r->r->taken <= ALERT_RULES_MAX);
    return ERR_OK;
}

static enum err take_groups(struct reader *r)
{
    const yaml_node_t *root = yaml_doc_root(&r->y), *groups = value_of(r, root, "groups");
    enum err e = ERR_OK;
    ASSERT(r->r != NULL);
    if (groups == NULL || groups->type != YAML_SEQUENCE_NODE) {
        return root != NULL ? yaml_doc_wrong(&r->y, root, "expected a list for", "groups")
                            : err_at_set(r->y.at, ERR_INVALID, 0, "%s: nothing in it", r->y.name);
    }
    for (const yaml_node_item_t *i = groups->data.sequence.items.start;
         e == ERR_OK && i < groups->data.sequence.items.top; i++) {
        e = take_group(r, yaml_doc_node(&r->y, *i));
    }
    return e;
}

// How many bytes of a line break stand there, as YAML takes them; 0: none.
static size_t break_at(struct str text, size_t at)
{
    static const struct str breaks[] = {{"\r\n", 2},     {"\n", 1},           {"\r", 1},
                                        {"\xc2\x85", 2}, {"\xe2\x80\xa8", 3}, {"\xe2\x80\xa9", 3}};
    struct str rest = {text.p + at, text.n - at};
    ASSERT(at < text.n);
    for (size_t i = 0; i < sizeof breaks / sizeof breaks[0]; i++) {
        if (str_starts(rest, breaks[i])) {
            return breaks[i].n;
        }
    }
    return 0;
}

static void find_lines(struct reader *r)
{
    size_t begin = 0, at = 0;
    ASSERT(r->lines == NULL);
    while (true) {
        size_t n = at < r->text.n ? break_at(r->text, at) : 0;
        if (n == 0 && at < r->text.n) {
            at++;
            continue;
        }
        r->lines = mem_grow(r->lines, &r->line_capacity, r->line_count + 1, sizeof *r->lines);
        r->lines[r->line_count++] = begin;
        if (at == r->text.n) {
            return;
        }
        begin = at += n;
    }
}

static bool has_rules(struct reader *r, const yaml_node_t *groups)
{
    bool has = false;
    ASSERT(r->text.p != NULL);
    if (groups == NULL || groups->type != YAML_SEQUENCE_NODE) {
        return false;
    }
    for (const yaml_node_item_t *i = groups->data.sequence.items.start;
         !has && i < groups->data.sequence.items.top; i++) {
        has = value_of(r, yaml_doc_node(&r->y, *i), "rules") != NULL;
    }
    return has;
}

bool prom_rules_are(struct str text)
{
    struct reader r = {.text = text};
    struct err_at at;
    ASSERT(text.p != NULL || text.n == 0);
    if (text.n > PROM_FILE_MAX || yaml_doc_load(text, "rules", DEPTH_MAX, &r.y, &at) != ERR_OK) {
        return false;
    }
    const yaml_node_t *root = yaml_doc_root(&r.y);
    bool yes = has_rules(&r, value_of(&r, root, "groups")) && value_of(&r, root, "rules") == NULL;
    yaml_doc_done(&r.y);
    return yes;
}

enum err prom_rules_read(struct str text, const char *name, struct str channel,
                         struct prom_rules **ret_rules, struct err_at *ret_at)
{
    struct reader r = {.text = text, .channel = channel};
    ASSERT(name != NULL);
    if (text.n > PROM_FILE_MAX) {
        return err_at_set(ret_at, ERR_LIMIT, PROM_FILE_MAX, "%s: larger than %zu MiB", name,
                          PROM_FILE_MAX >> 20);
    }
    enum err e = yaml_doc_load(text, name, DEPTH_MAX, &r.y, ret_at);
    if (e != ERR_OK) {
        return e;
    }
    find_lines(&r);
    r.r = mem_new(1, sizeof *r.r);
    buf_init(&r.r->out, ALERT_FILE_MAX);
    buf_add_str(&r.r->out, STR("rules:\n"));
    e = take_groups(&r);
    for (size_t i = 0; i < r.r->note_count; i++) { // texts of the document go
        r.r->notes[i].rule = arena_str(&r.r->arena, r.r->notes[i].rule);
    }
    if (e == ERR_OK && r.r->out.failed) {
        e = err_at_set(ret_at, ERR_LIMIT, 0, "%s: more than a file of rules may have", name);
    }
    if (r.r->taken == 0) {
        buf_clear(&r.r->out);
        buf_add_str(&r.r->out, STR("rules: []\n"));
    }
    yaml_doc_done(&r.y);
    mem_free(r.names);
    mem_free(r.lines);
    if (e != ERR_OK) {
        prom_rules_free(r.r);
        return e;
    }
    *ret_rules = r.r;
    return ERR_OK;
}

void prom_rules_free(struct prom_rules *r)
{
    if (r == NULL) {
        return;
    }
    ASSERT(r->note_count <= PROM_NOTES_MAX);
    buf_done(&r->out);
    mem_free(r->notes);
    arena_done(&r->arena);
    mem_free(r);
}
