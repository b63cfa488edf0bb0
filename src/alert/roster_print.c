// SPDX-License-Identifier: Apache-2.0
// Purpose: people, groups and silences as a file has them.
#include <stdio.h>
#include <time.h>

#include "alert/printer.h"
#include "alert/roster_read.h"
#include "core/must.h"

static const char indent[] = "    ";

static void print_name(struct str name, struct buf *out)
{
    ASSERT(name.n > 0);
    buf_add_str(out, STR("  - name: "));
    printer_text(out, name);
    buf_add_str(out, STR("\n"));
}

static void print_text(struct buf *out, const char *key, struct str value)
{
    ASSERT(out != NULL);
    if (value.n > 0) {
        printer_pair(out, indent, key, value);
    }
}

// In UTC.
static void print_time(struct buf *out, const char *before, uint64_t ms)
{
    struct tm t;
    time_t seconds = (time_t)(ms / 1000);
    char text[64];
    ASSERT(before != NULL);
    (void)gmtime_r(&seconds, &t);
    (void)strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &t);
    buf_printf(out, "%s\"%s\"", before, text);
}

void roster_print_person(const struct roster_person *p, struct buf *out)
{
    ASSERT(out != NULL);
    print_name(p->name, out);
    print_text(out, "mail", p->mail);
    print_text(out, "phone", p->phone);
    print_text(out, "wecom", p->wecom);
    print_text(out, "dingtalk", p->dingtalk);
    print_text(out, "feishu", p->feishu);
    print_text(out, "slack", p->slack);
}

void roster_print_team(const struct roster_team *t, struct buf *out)
{
    ASSERT(out != NULL);
    print_name(t->name, out);
    printer_list(out, indent, "members", t->members, t->member_count);
    printer_list(out, indent, "rotation", t->rotation, t->rotation_count);
    if (t->rotation_count > 0) {
        printer_duration(out, indent, "every", t->every_ms);
        print_time(out, "    since: ", t->since_ms);
        buf_add_str(out, STR("\n"));
    }
    if (t->override_count > 0) {
        buf_add_str(out, STR("    overrides:\n"));
    }
    for (size_t i = 0; i < t->override_count; i++) {
        buf_add_str(out, STR("      - {who: "));
        printer_text(out, t->overrides[i].who);
        print_time(out, ", from: ", t->overrides[i].from_ms);
        print_time(out, ", until: ", t->overrides[i].until_ms);
        buf_add_str(out, STR("}\n"));
    }
}

void roster_print_silence(const struct roster_silence *s, struct buf *out)
{
    unsigned offset = (unsigned)(s->offset_minutes < 0 ? -s->offset_minutes : s->offset_minutes);
    ASSERT(out != NULL);
    print_name(s->name, out);
    printer_list(out, indent, "rules", s->rules, s->rule_count);
    printer_list(out, indent, "services", s->services, s->service_count);
    if (s->from_ms > 0) {
        print_time(out, "    from: ", s->from_ms);
        buf_add_str(out, STR("\n"));
    }
    if (s->until_ms != UINT64_MAX) {
        print_time(out, "    until: ", s->until_ms);
        buf_add_str(out, STR("\n"));
    }
    struct str days[ROSTER_DAYS];
    size_t count = 0;
    for (unsigned d = 0; d < ROSTER_DAYS; d++) {
        if ((s->days >> d & 1) != 0) {
            days[count++] = str_of(roster_days[d]);
        }
    }
    printer_list(out, indent, "days", days, count);
    if (s->has_hours) {
        buf_printf(out, "    between: \"%02d:%02d-%02d:%02d\"\n", s->begin_minute / 60,
                   s->begin_minute % 60, s->end_minute / 60, s->end_minute % 60);
    }
    if (offset > 0) {
        buf_printf(out, "    offset: \"%c%02u:%02u\"\n", s->offset_minutes < 0 ? '-' : '+',
                   offset / 60, offset % 60);
    }
    print_text(out, "reason", s->reason);
}
