// SPDX-License-Identifier: Apache-2.0
// Purpose: who is on call, and what is silenced.
#include "alert/roster.h"

#include <time.h>

#include "core/must.h"

#define MINUTE_MS   ((uint64_t)60000)
#define DAY_MINUTES 1440
#define MONDAY      3 // of day 0, a Thursday

const char *const roster_days[ROSTER_DAYS] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};

// ---- Times --------------------------------------------------------------------------------------

// So many digits at *at; -1 where they are not there.
static int digits(struct str s, size_t *at, size_t count)
{
    int v = 0;
    ASSERT(count <= 4);
    for (size_t i = 0; i < count; i++, ++*at) {
        if (*at >= s.n || s.p[*at] < '0' || s.p[*at] > '9') {
            return -1;
        }
        v = v * 10 + (s.p[*at] - '0');
    }
    return v;
}

static bool take(struct str s, size_t *at, char c)
{
    ASSERT(*at <= s.n);
    if (*at < s.n && s.p[*at] == c) {
        ++*at;
        return true;
    }
    return false;
}

// "Z" or "+01:00", to the end.
static bool offset_of(struct str s, size_t at, int *ret_minutes)
{
    if (take(s, &at, 'Z')) {
        *ret_minutes = 0;
        return at == s.n;
    }
    bool is_west = at < s.n && s.p[at] == '-';
    if (!is_west && !take(s, &at, '+')) {
        return false;
    }
    at += is_west;
    int hours = digits(s, &at, 2);
    bool colon = take(s, &at, ':');
    int minutes = colon ? digits(s, &at, 2) : -1;
    ASSERT(at <= s.n);
    *ret_minutes = (is_west ? -1 : 1) * (hours * 60 + minutes);
    return hours >= 0 && hours <= 14 && minutes >= 0 && minutes < 60 && at == s.n;
}

bool roster_time(struct str s, uint64_t *ret_ms)
{
    struct tm t = {0}, back;
    size_t at = 0;
    int offset;
    t.tm_year = digits(s, &at, 4) - 1900;
    bool ok = take(s, &at, '-');
    t.tm_mon = ok ? digits(s, &at, 2) - 1 : -1;
    ok = ok && take(s, &at, '-');
    t.tm_mday = ok ? digits(s, &at, 2) : -1;
    ok = ok && take(s, &at, 'T');
    t.tm_hour = ok ? digits(s, &at, 2) : -1;
    ok = ok && take(s, &at, ':');
    t.tm_min = ok ? digits(s, &at, 2) : -1;
    t.tm_sec = ok && take(s, &at, ':') ? digits(s, &at, 2) : 0;
    bool is_there = t.tm_year >= 70 && t.tm_mon >= 0 && t.tm_mday >= 1 && t.tm_hour >= 0 &&
                    t.tm_min >= 0 && t.tm_sec >= 0;
    ASSERT(ret_ms != NULL);
    if (!ok || !is_there || t.tm_hour > 23 || t.tm_min > 59 || t.tm_sec > 59 ||
        !offset_of(s, at, &offset)) {
        return false;
    }
    back = t;
    int64_t seconds = timegm(&back) - (int64_t)offset * 60;
    if (back.tm_mon != t.tm_mon || back.tm_mday != t.tm_mday || seconds < 0) {
        return false; // a day that the month does not have
    }
    *ret_ms = (uint64_t)seconds * 1000;
    return true;
}

// ---- People -------------------------------------------------------------------------------------

const struct roster_person *roster_person(const struct roster *r, struct str name)
{
    ASSERT(r->person_count <= ROSTER_PEOPLE_MAX);
    for (size_t i = 0; i < r->person_count; i++) {
        if (str_eq(r->people[i].name, name)) {
            return &r->people[i];
        }
    }
    return NULL;
}

const struct roster_team *roster_team(const struct roster *r, struct str name)
{
    ASSERT(r->team_count <= ROSTER_TEAMS_MAX);
    for (size_t i = 0; i < r->team_count; i++) {
        if (str_eq(r->teams[i].name, name)) {
            return &r->teams[i];
        }
    }
    return NULL;
}

// How many turns began before the one of then.
static uint64_t turn_of(const struct roster_team *t, uint64_t at_ms)
{
    ASSERT(t->every_ms > 0);
    return at_ms > t->since_ms ? (at_ms - t->since_ms) / t->every_ms : 0;
}

static struct str turn_name(const struct roster_team *t, uint64_t turn)
{
    ASSERT(t->rotation_count > 0);
    return t->rotation[turn % t->rotation_count];
}

// The last that holds then; NULL: none.
static const struct roster_override *override_of(const struct roster_team *t, uint64_t at_ms)
{
    ASSERT(t->override_count <= ROSTER_MEMBERS_MAX);
    for (size_t i = t->override_count; i > 0; i--) {
        const struct roster_override *o = &t->overrides[i - 1];
        if (at_ms >= o->from_ms && at_ms < o->until_ms) {
            return o;
        }
    }
    return NULL;
}

struct str roster_on_call(const struct roster_team *t, uint64_t at_ms)
{
    const struct roster_override *o = override_of(t, at_ms);
    ASSERT(t->rotation_count == 0 || t->every_ms > 0);
    return o != NULL ? o->who : t->rotation_count == 0 ? STR("") : turn_name(t, turn_of(t, at_ms));
}

// When the next turn of somebody else begins; UINT64_MAX: never.
static uint64_t next_turn(const struct roster_team *t, uint64_t at_ms)
{
    uint64_t turn = t->rotation_count > 0 ? turn_of(t, at_ms) : 0;
    ASSERT(t->rotation_count <= ROSTER_MEMBERS_MAX);
    for (size_t k = 1; k < t->rotation_count; k++) {
        if (!str_eq(turn_name(t, turn + k), turn_name(t, turn))) {
            return t->since_ms + (turn + k) * t->every_ms;
        }
    }
    return UINT64_MAX;
}

// The next moment at which an override begins or ends, or a turn where no override hides it.
static uint64_t next_step(const struct roster_team *t, uint64_t at_ms)
{
    uint64_t next_ms = override_of(t, at_ms) == NULL ? next_turn(t, at_ms) : UINT64_MAX;
    ASSERT(t->override_count <= ROSTER_MEMBERS_MAX);
    for (size_t i = 0; i < t->override_count; i++) {
        const uint64_t ends_ms[] = {t->overrides[i].from_ms, t->overrides[i].until_ms};
        for (size_t k = 0; k < 2; k++) {
            next_ms = ends_ms[k] > at_ms && ends_ms[k] < next_ms ? ends_ms[k] : next_ms;
        }
    }
    return next_ms;
}

uint64_t roster_on_call_until(const struct roster_team *t, uint64_t at_ms)
{
    struct str now = roster_on_call(t, at_ms);
    uint64_t next_ms = next_step(t, at_ms);
    // What changes nothing is an end of an override: a turn that is seen is of somebody else.
    for (size_t left = 2 * t->override_count; next_ms < UINT64_MAX; left--) {
        if (!str_eq(roster_on_call(t, next_ms), now)) {
            return next_ms;
        }
        ASSERT(left > 0);
        next_ms = next_step(t, next_ms);
    }
    return 0;
}

// ---- Silences -----------------------------------------------------------------------------------

static bool is_day(const struct roster_silence *s, int64_t day)
{
    ASSERT(day >= -1);
    return s->days == 0 || (s->days >> (unsigned)((day + MONDAY) % 7) & 1) != 0;
}

bool roster_silence_holds(const struct roster_silence *s, uint64_t at_ms)
{
    if (at_ms < s->from_ms || at_ms >= s->until_ms) {
        return false;
    }
    int64_t local = (int64_t)(at_ms / MINUTE_MS) + s->offset_minutes;
    int64_t day = local / DAY_MINUTES, minute = local % DAY_MINUTES;
    ASSERT(minute >= 0 || at_ms < 24 * 60 * MINUTE_MS);
    if (!s->has_hours) {
        return is_day(s, day);
    }
    bool is_over_midnight = s->end_minute <= s->begin_minute;
    if (!is_over_midnight) {
        return minute >= s->begin_minute && minute < s->end_minute && is_day(s, day);
    }
    return (minute >= s->begin_minute && is_day(s, day)) ||
           (minute < s->end_minute && is_day(s, day - 1));
}

static bool covers(const struct str *items, size_t count, struct str name)
{
    bool is_there = count == 0;
    ASSERT(count <= ROSTER_MATCH_MAX);
    for (size_t i = 0; i < count && !is_there; i++) {
        is_there = str_eq(items[i], name);
    }
    return is_there;
}

const struct roster_silence *roster_silenced(const struct roster *r, struct str rule,
                                             struct str service, uint64_t at_ms)
{
    ASSERT(r->silence_count <= ROSTER_SILENCES_MAX);
    for (size_t i = 0; i < r->silence_count; i++) {
        const struct roster_silence *s = &r->silences[i];
        if (covers(s->rules, s->rule_count, rule) &&
            covers(s->services, s->service_count, service) && roster_silence_holds(s, at_ms)) {
            return s;
        }
    }
    return NULL;
}
