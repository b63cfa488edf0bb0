// SPDX-License-Identifier: Apache-2.0
// Purpose: alerts as senders to an Alertmanager write them.
//
// github.com/prometheus/alertmanager, api/v2/openapi.yaml: {labels, annotations, startsAt, endsAt,
// generatorURL}; labels and annotations are objects of texts, times RFC 3339. A label that is empty
// is none. Go writes a time that is not set as 0001-01-01T00:00:00Z.
#include <jansson.h>
#include <string.h>

#include "alert/received.h"
#include "core/clock.h"
#include "core/must.h"
#include "core/sort.h"
#include "wire/json_writer.h"

#define ALERTNAME  "alertname"
#define SEVERITY   "severity"
#define GROUP_MAX  (RECEIVED_LABELS_MAX * (RECEIVED_NAME_MAX + 2 * RECEIVED_VALUE_MAX + 8))
#define OBJECT_MAX (RECEIVED_LABELS_MAX * (RECEIVED_NAME_MAX + 6 * RECEIVED_ANNOTATION_MAX + 8))

struct pair {
    struct str name, value;
};

static int compare_pairs(const void *a, const void *b)
{
    ASSERT(a != NULL && b != NULL);
    return str_cmp(((const struct pair *)a)->name, ((const struct pair *)b)->name);
}

static bool is_name(struct str s)
{
    bool good = s.n > 0 && s.n <= RECEIVED_NAME_MAX && !(s.p[0] >= '0' && s.p[0] <= '9');
    ASSERT(s.p != NULL || s.n == 0);
    for (size_t i = 0; i < s.n && good; i++) {
        char c = s.p[i];
        good =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    }
    return good;
}

// Pairs of an object, sorted; of annotations (`cuts`) what is too long is cut.
static enum err read_pairs(json_t *object, const char *what, bool cuts,
                           struct pair pairs[RECEIVED_LABELS_MAX], size_t *ret_count,
                           struct err_at *ret_at)
{
    size_t n = 0, key_bytes, max = cuts ? RECEIVED_ANNOTATION_MAX : RECEIVED_VALUE_MAX;
    const char *key;
    json_t *v;
    ASSERT(what != NULL);
    if (object != NULL && !json_is_object(object)) {
        return err_at_set(ret_at, ERR_INVALID, 0, "%s are no object", what);
    }
    json_object_keylen_foreach(object, key, key_bytes, v)
    {
        struct str name = {key, key_bytes}, value = {json_string_value(v), json_string_length(v)};
        if (!is_name(name)) {
            return err_at_set(ret_at, ERR_INVALID, 0, "%s: '%.64s' is no name", what, key);
        }
        if (!json_is_string(v) || (!cuts && value.n > max)) {
            return err_at_set(ret_at, ERR_INVALID, 0, "%s: %.64s is no text, or too long", what,
                              key);
        }
        if (value.n > 0 && n == RECEIVED_LABELS_MAX) {
            return err_at_set(ret_at, ERR_INVALID, 0, "%s are more than %d", what,
                              RECEIVED_LABELS_MAX);
        }
        if (value.n > 0) {
            pairs[n++] = (struct pair){name, str_cut(value, max)};
        }
    }
    sort_array(pairs, n, sizeof *pairs, compare_pairs);
    *ret_count = n;
    return ERR_OK;
}

static struct str object_of(const struct pair *pairs, size_t count, struct arena *a)
{
    struct buf out;
    struct json_writer w;
    ASSERT(count <= RECEIVED_LABELS_MAX);
    buf_init(&out, OBJECT_MAX);
    json_writer_init(&w, &out);
    json_put_object(&w);
    for (size_t i = 0; i < count; i++) {
        json_put_key_str(&w, pairs[i].name);
        json_put_str(&w, pairs[i].value);
    }
    json_put_object_end(&w);
    MUST(!out.failed);
    struct str text = arena_str(a, buf_str(&out));
    buf_done(&out);
    return text;
}

// A fraction of a second is what roster_time() does not know.
static enum err read_time(json_t *v, const char *what, uint64_t *ret_ns, struct err_at *ret_at)
{
    struct str s = {json_string_value(v), json_string_length(v)};
    char whole[40];
    uint64_t ms = 0, fraction = 0, unit = NS_PER_S;
    ASSERT(what != NULL);
    if (v == NULL || json_is_null(v) || (json_is_string(v) && str_starts(s, STR("0001-")))) {
        return ERR_OK;
    }
    const char *dot = s.n > 0 ? memchr(s.p, '.', s.n) : NULL;
    size_t head = dot != NULL ? (size_t)(dot - s.p) : s.n, tail = head + (dot != NULL);
    for (; tail < s.n && s.p[tail] >= '0' && s.p[tail] <= '9'; tail++) {
        unit /= 10; // what is finer than a nanosecond is nothing
        fraction += unit * (uint64_t)(s.p[tail] - '0');
    }
    if (head + (s.n - tail) >= sizeof whole) {
        return err_at_set(ret_at, ERR_INVALID, 0, "%s is no time", what);
    }
    memcpy(whole, s.n > 0 ? s.p : "", head);
    memcpy(whole + head, s.n > 0 ? s.p + tail : "", s.n - tail);
    if (!roster_time((struct str){whole, head + s.n - tail}, &ms)) {
        return err_at_set(ret_at, ERR_INVALID, 0, "%s is no time, such as 2026-11-30T08:00:00.000Z",
                          what);
    }
    *ret_ns = ms * NS_PER_MS + fraction;
    return ERR_OK;
}

static enum err read_times(const json_t *object, uint64_t now_ns, struct received_alert *to,
                           struct err_at *ret_at)
{
    uint64_t starts = 0, ends = 0;
    enum err e = read_time(json_object_get(object, "startsAt"), "startsAt", &starts, ret_at);
    e = e == ERR_OK ? read_time(json_object_get(object, "endsAt"), "endsAt", &ends, ret_at) : e;
    ASSERT(now_ns > 0);
    if (e == ERR_OK && starts > 0 && ends > 0 && ends < starts) {
        return err_at_set(ret_at, ERR_INVALID, 0, "endsAt is before startsAt");
    }
    to->starts_ns = starts > 0 ? starts : ends > 0 && ends < now_ns ? ends : now_ns;
    to->ends_ns = ends > 0 ? ends : now_ns + RECEIVED_HOLD_MS * NS_PER_MS;
    to->updated_ns = now_ns;
    return e;
}

// ---- What it becomes ----------------------------------------------------------------------------

static struct str value_of(const struct pair *pairs, size_t count, const char *name)
{
    ASSERT(count <= RECEIVED_LABELS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (str_eq(pairs[i].name, str_of(name))) {
            return pairs[i].value;
        }
    }
    return STR("");
}

// As Prometheus' model.LabelSet: FNV-1a over names and values, 0xff behind each name and value.
static uint64_t fingerprint_of(const struct pair *pairs, size_t count)
{
    uint64_t hash = 14695981039346656037u;
    ASSERT(count <= RECEIVED_LABELS_MAX);
    for (size_t i = 0; i < count; i++) {
        const struct str texts[] = {pairs[i].name, STR("\xff"), pairs[i].value, STR("\xff")};
        for (size_t t = 0; t < 4; t++) {
            for (size_t k = 0; k < texts[t].n; k++) {
                hash = (hash ^ (uint8_t)texts[t].p[k]) * 1099511628211u;
            }
        }
    }
    return hash;
}

// All that tells it from others of its name, severity too, on one line: job="node", mountpoint="/",
// and one such line for one set of labels alone, as quotes are escaped. Where it is too long for a
// group, the fingerprint stands for the rest.
static struct str group_of(const struct pair *pairs, size_t count, uint64_t fingerprint,
                           struct arena *a)
{
    struct buf out;
    ASSERT(count <= RECEIVED_LABELS_MAX);
    buf_init(&out, GROUP_MAX);
    for (size_t i = 0; i < count; i++) {
        if (str_eq(pairs[i].name, STR(ALERTNAME))) {
            continue;
        }
        buf_printf(&out, "%s%.*s=\"", out.n > 0 ? ", " : "", STR_FMT(pairs[i].name));
        for (size_t k = 0; k < pairs[i].value.n; k++) {
            char c = pairs[i].value.p[k];
            buf_add_str(&out, c == '"' || c == '\\' ? STR("\\") : STR(""));
            buf_add_byte(&out, (uint8_t)c);
        }
        buf_add_str(&out, STR("\""));
    }
    MUST(!out.failed);
    struct str all = out.n > 0 ? buf_str(&out) : STR("");
    struct str text =
        all.n <= ALERT_VALUE_MAX
            ? arena_str(a, all)
            : arena_printf(a, "%.*s... #%016llx", STR_FMT(str_cut(all, ALERT_VALUE_MAX - 24)),
                           (unsigned long long)fingerprint);
    buf_done(&out);
    return text;
}

static struct str first_of(const struct pair *pairs, size_t count, const char *const *names,
                           struct arena *a)
{
    struct str text = STR("");
    ASSERT(names[0] != NULL);
    for (size_t i = 0; names[i] != NULL && text.n == 0; i++) {
        text = value_of(pairs, count, names[i]);
    }
    return arena_str(a, str_cut(text, ALERT_VALUE_MAX));
}

static const char *const service_names[] = {"service_name", "service", "job", NULL};

static void expand(const struct pair *pairs, size_t count, struct arena *a,
                   struct received_alert *to)
{
    ASSERT(count <= RECEIVED_LABELS_MAX);
    to->fingerprint = fingerprint_of(pairs, count);
    to->rule = arena_str(a, value_of(pairs, count, ALERTNAME));
    to->group = group_of(pairs, count, to->fingerprint, a);
    to->service = first_of(pairs, count, service_names, a);
}

enum err received_read(const json_t *object, uint64_t now_ns, struct arena *a,
                       struct received_alert *ret_alert, struct err_at *ret_at)
{
    struct pair labels[RECEIVED_LABELS_MAX], notes[RECEIVED_LABELS_MAX];
    struct received_alert alert = {.fires = false};
    const json_t *url = json_object_get(object, "generatorURL");
    size_t count = 0, note_count = 0;
    ASSERT(now_ns > 0);
    if (!json_is_object(object)) {
        return err_at_set(ret_at, ERR_INVALID, 0, "an alert is an object with labels");
    }
    enum err e =
        read_pairs(json_object_get(object, "labels"), "labels", false, labels, &count, ret_at);
    e = e == ERR_OK ? read_pairs(json_object_get(object, "annotations"), "annotations", true, notes,
                                 &note_count, ret_at)
                    : e;
    e = e == ERR_OK ? read_times(object, now_ns, &alert, ret_at) : e;
    struct str name = e == ERR_OK ? value_of(labels, count, ALERTNAME) : STR("");
    if (e == ERR_OK && (name.n == 0 || name.n > RECEIVED_NAME_MAX)) {
        e = err_at_set(ret_at, ERR_INVALID, 0, "labels: expected an alertname of %zu bytes at most",
                       RECEIVED_NAME_MAX);
    }
    if (e != ERR_OK) {
        return e;
    }
    alert.key = object_of(labels, count, a);
    alert.annotations = object_of(notes, note_count, a);
    if (json_is_string(url) && json_string_length(url) <= RECEIVED_URL_MAX) {
        alert.generator_url =
            arena_str(a, (struct str){json_string_value(url), json_string_length(url)});
    } else {
        alert.generator_url = STR("");
    }
    expand(labels, count, a, &alert);
    *ret_alert = alert;
    return ERR_OK;
}

bool received_is_of(const json_t *object, struct str mark)
{
    const json_t *v = json_object_get(json_object_get(object, "annotations"), NOTIFY_MARK);
    ASSERT(mark.n > 0);
    return json_is_string(v) &&
           str_eq((struct str){json_string_value(v), json_string_length(v)}, mark);
}

enum err received_expand(struct received_alert *alert, struct arena *a)
{
    struct pair labels[RECEIVED_LABELS_MAX];
    struct err_at at;
    size_t count = 0;
    json_t *root = json_loadb(alert->key.p, alert->key.n, 0, NULL);
    enum err e =
        root == NULL ? ERR_CORRUPT : read_pairs(root, "labels", false, labels, &count, &at);
    ASSERT(count <= RECEIVED_LABELS_MAX);
    if (e == ERR_OK) {
        expand(labels, count, a, alert);
    }
    json_decref(root);
    return e == ERR_OK && alert->rule.n > 0 ? ERR_OK : ERR_CORRUPT;
}

static enum alert_level level_of(struct str severity)
{
    enum alert_level level = LEVEL_WARNING;
    ASSERT(severity.p != NULL || severity.n == 0);
    return alert_level_of_severity(severity, &level) ? level : LEVEL_WARNING;
}

static struct str remedy_of(const struct pair *notes, size_t count, struct arena *a)
{
    static const char *const names[] = {"summary", "description", "message", "runbook_url"};
    struct buf out;
    ASSERT(count <= RECEIVED_LABELS_MAX);
    buf_init(&out, 4 * (RECEIVED_ANNOTATION_MAX + 1));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct str text = value_of(notes, count, names[i]);
        buf_add_str(&out, out.n > 0 && text.n > 0 ? STR("\n") : STR(""));
        buf_add_str(&out, text);
    }
    MUST(!out.failed);
    struct str text = arena_str(a, out.n > 0 ? str_cut(buf_str(&out), ALERT_TEXT_MAX) : STR(""));
    buf_done(&out);
    return text;
}

void received_describe(const struct received_alert *alert, struct arena *a,
                       struct alert_rule *ret_rule, struct alert_origin *ret_origin)
{
    static const char *const lines[] = {"service_namespace", "namespace", NULL};
    static const char *const environments[] = {"deployment_environment_name", "environment", "env",
                                               NULL};
    static const char *const instances[] = {"service_instance_id", "instance", "pod", NULL};
    struct pair pairs[RECEIVED_LABELS_MAX];
    struct err_at at;
    size_t count = 0;
    json_t *labels = json_loadb(alert->key.p, alert->key.n, 0, NULL);
    json_t *notes = json_loadb(alert->annotations.p, alert->annotations.n, 0, NULL);
    ASSERT(alert->rule.n > 0);
    if (read_pairs(labels, "labels", false, pairs, &count, &at) == ERR_OK) {
        ret_rule->level = level_of(value_of(pairs, count, SEVERITY));
        *ret_origin = (struct alert_origin){.line = first_of(pairs, count, lines, a),
                                            .environment = first_of(pairs, count, environments, a),
                                            .service = alert->service,
                                            .instance = first_of(pairs, count, instances, a)};
    }
    if (read_pairs(notes, "annotations", true, pairs, &count, &at) == ERR_OK) {
        ret_rule->remedy = remedy_of(pairs, count, a);
    }
    json_decref(labels);
    json_decref(notes);
}
