// SPDX-License-Identifier: Apache-2.0
// Purpose: reading and writing the headers that carry contexts.
#include "agents/jvm/headers.h"

#include "agents/jvm/baggage.h"
#include "core/must.h"

#define TRACESTATE_MEMBERS 32
#define TRACESTATE_LONG    128 // members over this go first

// Both IDs, neither zero, into the context.
static bool set_ids(struct context *c, struct str trace, struct str span, bool is_sampled)
{
    trace_id t;
    span_id s;
    if (trace_id_parse(trace, &t) != ERR_OK || span_id_parse(span, &s) != ERR_OK ||
        trace_id_is_zero(t) || span_id_is_zero(s)) {
        return false;
    }
    c->trace = t;
    c->span = s;
    c->flags = CONTEXT_REMOTE | (is_sampled ? CONTEXT_SAMPLED : 0);
    return true;
}

// ---- W3C -------------------------------------------------------------------------------------

static bool hex_byte(struct str s, uint8_t *ret)
{
    static const char digits[] = "0123456789abcdef";
    const char *high = s.n == 2 ? memchr(digits, s.p[0], 16) : NULL;
    const char *low = s.n == 2 ? memchr(digits, s.p[1], 16) : NULL;
    if (high == NULL || low == NULL) {
        return false;
    }
    *ret = (uint8_t)((high - digits) << 4 | (low - digits));
    return true;
}

static bool is_lower_hex(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'f'))) {
            return false;
        }
    }
    return true;
}

// version "-" trace-id "-" parent-id "-" flags; later versions may have more behind. Two lines of
// it, joined with a comma, are none.
static bool from_traceparent(struct context *c, struct str header)
{
    struct str version, trace, span, flags;
    struct str rest = str_split(str_trim(header), '-', &version);
    uint8_t v, f;
    rest = str_split(rest, '-', &trace);
    rest = str_split(rest, '-', &span);
    rest = str_split(rest, '-', &flags);
    if (!hex_byte(version, &v) || v == 0xFF || (v == 0 && rest.p != NULL) || trace.n != 32 ||
        !is_lower_hex(trace) || !is_lower_hex(span) || !hex_byte(flags, &f)) {
        return false;
    }
    return set_ids(c, trace, span, (f & CONTEXT_SAMPLED) != 0);
}

static bool is_state_key(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!plain && (c == '\0' || strchr("_-*/@", c) == NULL)) {
            return false;
        }
    }
    return s.n > 0;
}

static bool is_state_member(struct str member)
{
    struct str key;
    struct str value = str_split(member, '=', &key);
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] < ' ' || value.p[i] > '~' || value.p[i] == '=') {
            return false;
        }
    }
    return value.n > 0 && is_state_key(key);
}

// Copies the members of at most `longest` bytes, as many as fit. False: one is malformed.
static bool copy_state(struct str raw, size_t longest, char out[TRACESTATE_MAX], size_t *ret_n,
                       bool *ret_all)
{
    size_t n = 0, members = 0;
    bool all = true, full = false;
    while (raw.n > 0) {
        struct str member;
        raw = str_split(raw, ',', &member);
        member = str_trim(member);
        if (member.n == 0) {
            continue; // allowed
        }
        if (!is_state_member(member)) {
            return false;
        }
        full = full || members == TRACESTATE_MEMBERS || member.n + (n > 0) > TRACESTATE_MAX - n;
        if (full || member.n > longest) {
            all = false;
            continue;
        }
        if (n > 0) {
            out[n++] = ',';
        }
        memcpy(out + n, member.p, member.n);
        n += member.n;
        members++;
    }
    *ret_n = n;
    *ret_all = all;
    return true;
}

static struct str clean_state(struct str raw, char out[TRACESTATE_MAX])
{
    size_t n = 0;
    bool all = false;
    if (!copy_state(raw, TRACESTATE_MAX, out, &n, &all) ||
        (!all && !copy_state(raw, TRACESTATE_LONG, out, &n, &all))) {
        return STR_NONE;
    }
    return (struct str){out, n};
}

// ---- B3 --------------------------------------------------------------------------------------

static bool b3_sampled(struct str state)
{
    return !str_eq(state, STR("0")) && !str_eq_nocase(state, STR("false"));
}

static bool set_b3(struct context *c, struct str trace, struct str span, bool is_sampled)
{
    return (trace.n == 32 || trace.n == 16) && span.n == 16 && set_ids(c, trace, span, is_sampled);
}

static bool from_b3(struct context *c, struct str header)
{
    struct str trace, span, state;
    struct str rest = str_split(str_trim(header), '-', &trace);
    rest = str_split(rest, '-', &span);
    (void)str_split(rest, '-', &state);
    return set_b3(c, trace, span, b3_sampled(state));
}

static bool from_b3_headers(header_get *get, void *ctx, struct context *c)
{
    char trace[64], span[64], sampled[16], flags[16];
    struct str t = str_trim(get(ctx, "X-B3-TraceId", trace, sizeof trace));
    if (t.n == 0) {
        return false;
    }
    struct str s = str_trim(get(ctx, "X-B3-SpanId", span, sizeof span));
    struct str state = str_trim(get(ctx, "X-B3-Sampled", sampled, sizeof sampled));
    bool debug = str_eq(str_trim(get(ctx, "X-B3-Flags", flags, sizeof flags)), STR("1"));
    return set_b3(c, t, s, debug || b3_sampled(state));
}

// ---- SkyWalking ------------------------------------------------------------------------------

// What base64 says; p == NULL when it says nothing or does not fit.
static struct str base64(struct str s, char *out, size_t room)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = 0;
    unsigned have = 0;
    size_t n = 0;
    while (s.n > 0 && s.p[s.n - 1] == '=') {
        s.n--;
    }
    for (size_t i = 0; i < s.n; i++) {
        const char *digit = memchr(digits, s.p[i], 64);
        if (digit == NULL) {
            return STR_NONE;
        }
        bits = bits << 6 | (uint32_t)(digit - digits);
        have += 6;
        if (have >= 8) {
            have -= 8;
            if (n == room) {
                return STR_NONE;
            }
            out[n++] = (char)(bits >> have & 0xFF);
        }
    }
    return n > 0 ? (struct str){out, n} : STR_NONE;
}

static void put_big_endian(uint8_t to[8], uint64_t v)
{
    for (int i = 0; i < 8; i++) {
        to[i] = (uint8_t)(v >> (56 - 8 * i));
    }
}

static trace_id sw8_trace(struct str text)
{
    char salted[3 + ORIGIN_MAX] = "sw8";
    trace_id id;
    ASSERT(text.n <= ORIGIN_MAX);
    if (text.n == TRACE_ID_HEX && trace_id_parse(text, &id) == ERR_OK) {
        return id;
    }
    memcpy(salted + 3, text.p, text.n);
    put_big_endian(id.b, str_hash_stable(text));
    put_big_endian(id.b + 8, str_hash_stable((struct str){salted, 3 + text.n}));
    return id;
}

// sample "-" trace "-" segment "-" span index "-" service "-" instance "-" endpoint "-" address,
// all texts in base64, whose alphabet has no '-'.
static bool from_sw8(struct context *c, struct str header, char origin[ORIGIN_MAX + 1])
{
    char trace_text[ORIGIN_MAX], segment_text[ORIGIN_MAX], parent[ORIGIN_MAX + 12];
    struct str sample, trace, segment, index;
    uint64_t number;
    struct str rest = str_split(str_trim(header), '-', &sample);
    rest = str_split(rest, '-', &trace);
    rest = str_split(rest, '-', &segment);
    rest = str_split(rest, '-', &index);
    struct str t = base64(trace, trace_text, sizeof trace_text);
    struct str s = base64(segment, segment_text, sizeof segment_text);
    if (rest.p == NULL || t.n == 0 || s.n == 0 || index.n > 10 ||
        str_to_u64(index, &number) != ERR_OK ||
        (!str_eq(sample, STR("1")) && !str_eq(sample, STR("0")))) {
        return false;
    }
    memcpy(parent, s.p, s.n);
    parent[s.n] = '-';
    memcpy(parent + s.n + 1, index.p, index.n);
    c->trace = sw8_trace(t);
    put_big_endian(c->span.b, str_hash_stable((struct str){parent, s.n + 1 + index.n}));
    if (trace_id_is_zero(c->trace) || span_id_is_zero(c->span)) {
        *c = (struct context){0};
        return false;
    }
    c->flags = CONTEXT_REMOTE | (sample.p[0] == '1' ? CONTEXT_SAMPLED : 0);
    memcpy(origin, t.p, t.n);
    origin[t.n] = '\0';
    return true;
}

// base64(key) ":" base64(value), with commas between.
static void add_correlation(struct context *c, struct str list)
{
    while (list.n > 0) {
        char key_text[256], value_text[1024], known[BAGGAGE_MAX];
        struct str pair, key;
        list = str_split(list, ',', &pair);
        struct str value = str_split(str_trim(pair), ':', &key);
        struct str k = base64(key, key_text, sizeof key_text);
        struct str v = base64(value, value_text, sizeof value_text);
        if (k.n > 0 && v.n > 0 && context_baggage_get(c, k, known, sizeof known).p == NULL) {
            (void)context_baggage_set(c, k, v);
        }
    }
}

// ---- Both ways -------------------------------------------------------------------------------

static void take_luggage(header_get *get, void *ctx, struct context *c, bool with_state)
{
    char raw[HEADER_MAX], state[TRACESTATE_MAX], baggage[BAGGAGE_MAX];
    struct str s = with_state ? get(ctx, "tracestate", raw, sizeof raw) : STR_NONE;
    s = clean_state(s, state);
    struct str b = get(ctx, "baggage", raw, sizeof raw);
    context_set_luggage(c, s, (struct str){baggage, baggage_clean(b, baggage)});
}

bool context_extract(header_get *get, void *ctx, struct context *ret, char origin[ORIGIN_MAX + 1])
{
    char text[HEADER_MAX];
    origin[0] = '\0';
    *ret = (struct context){0};
    bool is_w3c = from_traceparent(ret, get(ctx, "traceparent", text, sizeof text));
    bool found =
        is_w3c || from_b3(ret, get(ctx, "b3", text, sizeof text)) || from_b3_headers(get, ctx, ret);
    bool is_sw8 = !found && from_sw8(ret, get(ctx, "sw8", text, sizeof text), origin);
    take_luggage(get, ctx, ret, is_w3c);
    if (is_sw8) {
        add_correlation(ret, get(ctx, "sw8-correlation", text, sizeof text));
    }
    return found || is_sw8;
}

void context_traceparent(const struct context *c, char out[TRACEPARENT_SIZE])
{
    enum { TRACE_AT = 3, SPAN_AT = 36, FLAGS_AT = 53 };
    ASSERT(context_is_set(c));
    memcpy(out, "00-", 3);
    trace_id_hex(c->trace, out + TRACE_AT);
    out[SPAN_AT - 1] = '-';
    span_id_hex(c->span, out + SPAN_AT);
    out[FLAGS_AT - 1] = '-';
    memcpy(out + FLAGS_AT, (c->flags & CONTEXT_SAMPLED) != 0 ? "01" : "00", 3);
}

static void put_text(header_put *put, void *ctx, const char *name, struct str value)
{
    char text[BAGGAGE_MAX + 1];
    ASSERT(value.n < sizeof text);
    if (value.n > 0) {
        memcpy(text, value.p, value.n);
        text[value.n] = '\0';
        put(ctx, name, text);
    }
}

void context_inject(const struct context *c, header_put *put, void *ctx)
{
    char parent[TRACEPARENT_SIZE];
    if (context_is_set(c)) {
        context_traceparent(c, parent);
        put(ctx, "traceparent", parent);
        put_text(put, ctx, "tracestate", context_tracestate(c));
    }
    put_text(put, ctx, "baggage", context_baggage(c));
}
