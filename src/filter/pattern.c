// SPDX-License-Identifier: Apache-2.0
// Purpose: regular expressions over PCRE2, with shortcuts for fixed texts.
#define PCRE2_CODE_UNIT_WIDTH 8
#include "filter/pattern.h"

#include <pcre2.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "core/buf.h"
#include "core/mem.h"
#include "core/must.h"

#define SPARES     4 // match data kept for the next match; about as many threads search at once
#define DATA_BYTES ((size_t)128) // of one for a single pair; 112 in version 10.42

// What the text may not have; see pattern.h.
#define WHY_NO_VERBS      "settings and verbs of the engine, (*...), are not allowed"
#define WHY_NO_REFERENCES "what a group has caught cannot be referred to, as in \\1 or (?(1)...)"

// What a pattern asks of a value, as far as its text tells.
enum look {
    LOOK_EXACT,    // fixed
    LOOK_PREFIX,   // fixed.*
    LOOK_SUFFIX,   // .*fixed
    LOOK_CONTAINS, // .*fixed.*
    LOOK_GENERAL   // the engine decides, once the value begins with the fixed text
};

struct pattern {
    enum look look;
    struct buf fixed;
    pcre2_code *code;
    pcre2_match_context *patient, *hasty; // by how many steps they allow
    // Only where there is machine code: the interpreter leaves in the match data what backtracking
    // took, up to PATTERN_HEAP_BYTES, which then goes with it.
    bool keeps_data;
    _Atomic(pcre2_match_data *) spares[SPARES];
    atomic_uint_fast64_t given_up;
};

// ---- What the text tells ------------------------------------------------------------------------

static bool is_special(char c)
{
    return c != 0 && strchr("\\^$.[]|()?*+{}", c) != NULL;
}

// The bytes of the fixed character at `i`, which may be escaped; 0 where none stands there.
static size_t fixed_char(struct str s, size_t i, struct str *ret_char)
{
    ASSERT(i < s.n);
    if (s.p[i] == '\\') {
        // A backslash before what is neither letter nor digit always stands for that character.
        bool plain = i + 1 < s.n && (unsigned char)s.p[i + 1] < 0x80 &&
                     (is_special(s.p[i + 1]) || strchr("/-_\"'#%&,:;<=>@~` !", s.p[i + 1]));
        *ret_char = (struct str){s.p + i + 1, 1};
        return plain && s.p[i + 1] != 0 ? 2 : 0;
    }
    if (is_special(s.p[i])) {
        return 0;
    }
    size_t n = 1;
    while (i + n < s.n && ((unsigned char)s.p[i + n] & 0xC0) == 0x80) {
        n++;
    }
    *ret_char = (struct str){s.p + i, n};
    return n;
}

static bool is_quantifier(struct str s, size_t i)
{
    return i < s.n && strchr("?*+{", s.p[i]) != NULL && s.p[i] != 0;
}

static void classify(struct pattern *p, struct str s)
{
    bool lead = str_starts(s, STR(".*")) && !is_quantifier(s, 2);
    size_t i = lead ? 2 : 0;
    ASSERT(p->fixed.n == 0);
    while (i < s.n) {
        struct str c;
        size_t n = fixed_char(s, i, &c);
        if (n == 0 || is_quantifier(s, i + n)) {
            break;
        }
        buf_add_str(&p->fixed, c);
        i += n;
    }
    struct str rest = str_skip(s, i);
    if (rest.n == 0) {
        p->look = lead ? LOOK_SUFFIX : LOOK_EXACT;
    } else if (str_eq(rest, STR(".*"))) {
        p->look = lead ? LOOK_CONTAINS : LOOK_PREFIX;
    } else {
        p->look = LOOK_GENERAL;
        // Behind a '|' another beginning may stand.
        if (lead || memchr(s.p, '|', s.n) != NULL) {
            buf_clear(&p->fixed);
        }
    }
}

// ---- Life ---------------------------------------------------------------------------------------

static pcre2_match_context *context_of(uint32_t steps)
{
    pcre2_match_context *c = pcre2_match_context_create(NULL);
    MUST(c != NULL && steps > 0);
    (void)pcre2_set_match_limit(c, steps);
    (void)pcre2_set_heap_limit(c, PATTERN_HEAP_BYTES >> 10);
    return c;
}

static size_t machine_code_of(const pcre2_code *code)
{
    size_t size = 0;
    ASSERT(code != NULL);
    return pcre2_pattern_info(code, PCRE2_INFO_JITSIZE, &size) == 0 ? size : 0;
}

static size_t size_of(const pcre2_code *code)
{
    size_t size = 0;
    MUST(pcre2_pattern_info(code, PCRE2_INFO_SIZE, &size) == 0);
    return size + machine_code_of(code);
}

static bool refers_back(const pcre2_code *code)
{
    uint32_t highest = 0; // group that is referred to, by a condition too
    ASSERT(code != NULL);
    MUST(pcre2_pattern_info(code, PCRE2_INFO_BACKREFMAX, &highest) == 0);
    return highest > 0;
}

// Finds "(*" where the parenthesis is not escaped. Within quotes, classes and comments of a pattern
// it would be harmless; it is refused there too, so that nothing can pass for one of them.
static bool has_verb(struct str s, size_t *ret_at)
{
    for (size_t i = 0; i + 1 < s.n; i++) {
        ASSERT(s.p != NULL);
        if (s.p[i] == '\\') {
            i += s.p[i + 1] == 'c' ? 2 : 1; // \c takes any character after it
        } else if (s.p[i] == '(' && s.p[i + 1] == '*') {
            *ret_at = i;
            return true;
        }
    }
    return false;
}

// Compiles the text; NULL after saying what is wrong with it.
static pcre2_code *compile(struct str text, struct err_at *ret_at)
{
    int code;
    size_t at;
    if (has_verb(text, &at)) {
        (void)err_at_set(ret_at, ERR_INVALID, at, WHY_NO_VERBS);
        return NULL;
    }
    pcre2_code *compiled =
        pcre2_compile((PCRE2_SPTR)(text.n > 0 ? text.p : ""), text.n,
                      PCRE2_UTF | PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_DOTALL |
                          PCRE2_NEVER_BACKSLASH_C | PCRE2_NO_AUTO_CAPTURE,
                      &code, &at, NULL);
    if (compiled == NULL) {
        char why[128] = "";
        (void)pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof why);
        (void)err_at_set(ret_at, ERR_INVALID, at, "%s", why);
        return NULL;
    }
    if (refers_back(compiled)) {
        pcre2_code_free(compiled);
        (void)err_at_set(ret_at, ERR_INVALID, 0, WHY_NO_REFERENCES);
        return NULL;
    }
    // Without JIT support on this machine the interpreter does the same, slower.
    if (size_of(compiled) <= PATTERN_BYTES_MAX) {
        (void)pcre2_jit_compile(compiled, PCRE2_JIT_COMPLETE);
    }
    if (size_of(compiled) > PATTERN_BYTES_MAX) {
        pcre2_code_free(compiled);
        (void)err_at_set(ret_at, ERR_INVALID, 0, "its repetitions make it too large");
        return NULL;
    }
    return compiled;
}

enum err pattern_new(struct str text, struct pattern **ret_pattern, struct err_at *ret_at)
{
    ASSERT(text.p != NULL || text.n == 0);
    pcre2_code *compiled = compile(text, ret_at);
    if (compiled == NULL) {
        return ERR_INVALID;
    }
    struct pattern *p = mem_new(1, sizeof *p);
    p->code = compiled;
    p->keeps_data = machine_code_of(compiled) > 0;
    p->patient = context_of(PATTERN_STEPS_MAX);
    p->hasty = context_of(PATTERN_STEPS_FEW);
    buf_init(&p->fixed, text.n + 1);
    classify(p, text);
    *ret_pattern = p;
    return ERR_OK;
}

void pattern_free(struct pattern *p)
{
    if (p == NULL) {
        return;
    }
    ASSERT(p->code != NULL);
    for (size_t i = 0; i < SPARES; i++) {
        pcre2_match_data_free(atomic_load(&p->spares[i]));
    }
    pcre2_match_context_free(p->patient);
    pcre2_match_context_free(p->hasty);
    pcre2_code_free(p->code);
    buf_done(&p->fixed);
    mem_free(p);
}

// ---- Matching -----------------------------------------------------------------------------------

static pcre2_match_data *take_data(struct pattern *p)
{
    for (size_t i = 0; i < SPARES; i++) {
        pcre2_match_data *d = atomic_exchange(&p->spares[i], NULL);
        if (d != NULL) {
            return d;
        }
    }
    pcre2_match_data *d = pcre2_match_data_create(1, NULL);
    MUST(d != NULL);
    ASSERT(pcre2_get_match_data_size(d) <= DATA_BYTES);
    return d;
}

static void put_data(struct pattern *p, pcre2_match_data *d)
{
    ASSERT(d != NULL);
    for (size_t i = 0; i < SPARES && d != NULL && p->keeps_data; i++) {
        pcre2_match_data *none = NULL;
        if (atomic_compare_exchange_strong(&p->spares[i], &none, d)) {
            d = NULL;
        }
    }
    pcre2_match_data_free(d);
}

static enum pattern_result run_engine(struct pattern *p, struct str text)
{
    bool hasty = atomic_load(&p->given_up) >= PATTERN_GIVE_UPS_MAX;
    pcre2_match_data *d = take_data(p);
    int found = pcre2_match(p->code, (PCRE2_SPTR)(text.n > 0 ? text.p : ""), text.n, 0, 0, d,
                            hasty ? p->hasty : p->patient);
    put_data(p, d);
    // A limit of steps, of depth or of memory was met, or a recursion without end; anything else is
    // a clear no (values that are not UTF-8 among them).
    if (found == PCRE2_ERROR_MATCHLIMIT || found == PCRE2_ERROR_DEPTHLIMIT ||
        found == PCRE2_ERROR_HEAPLIMIT || found == PCRE2_ERROR_JIT_STACKLIMIT ||
        found == PCRE2_ERROR_NOMEMORY || found == PCRE2_ERROR_RECURSELOOP) {
        atomic_fetch_add(&p->given_up, 1);
        return PATTERN_GAVE_UP;
    }
    return found >= 0 ? PATTERN_YES : PATTERN_NO;
}

enum pattern_result pattern_match(struct pattern *p, struct str text)
{
    struct str fixed = buf_str(&p->fixed);
    bool yes = false;
    ASSERT(p->code != NULL && p->look <= LOOK_GENERAL);
    switch (p->look) {
    case LOOK_EXACT:
        yes = str_eq(text, fixed);
        break;
    case LOOK_PREFIX:
        yes = str_starts(text, fixed);
        break;
    case LOOK_SUFFIX:
        yes = text.n >= fixed.n && str_eq(str_skip(text, text.n - fixed.n), fixed);
        break;
    case LOOK_CONTAINS:
        yes =
            fixed.n == 0 || (text.n >= fixed.n && memmem(text.p, text.n, fixed.p, fixed.n) != NULL);
        break;
    case LOOK_GENERAL:
        return str_starts(text, fixed) ? run_engine(p, text) : PATTERN_NO;
    }
    return yes ? PATTERN_YES : PATTERN_NO;
}

size_t pattern_bytes(const struct pattern *p)
{
    ASSERT(p != NULL);
    size_t spares = p->keeps_data ? SPARES * DATA_BYTES : 0;
    return sizeof *p + p->fixed.capacity + size_of(p->code) + spares;
}

uint64_t pattern_given_up(const struct pattern *p)
{
    ASSERT(p != NULL);
    return atomic_load(&p->given_up);
}
