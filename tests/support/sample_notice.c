// SPDX-License-Identifier: Apache-2.0
// Purpose: notices for tests.
#include "support/sample_notice.h"

void sample_notice(struct notice *ret_notice)
{
    *ret_notice = (struct notice){
        .status = NOTICE_FIRING,
        .level = NOTICE_CRITICAL,
        .rule = STR("slow orders"),
        .line = STR("shop"),
        .environment = STR("prod"),
        .service = STR("orders"),
        .instance = STR("orders-1"),
        .address = STR("10.0.0.7"),
        .group = {{STR("http.route"), STR("/buy")}},
        .group_count = 1,
        .measure = STR("error_rate"),
        .operator= STR(">"),
        .unit = STR("%"),
        .value = {true, 12.5},
        .threshold = {true, 5},
        .process_cpu = {true, 0.42},
        .host_cpu = {true, 0.875},
        .event_unix_nano = 1790000000123456789,
        .fired_unix_nano = 1790000001000000000,
        .incident = STR("i-1"),
        .incident_url = STR("https://sonde.example/incidents/i-1"),
        .snapshot_url = STR("https://sonde.example/snapshots/s-1"),
        .remedy = STR("Restart <orders> & *look*"),
        .suspect = STR("orders -> db"),
        .trace_ids = {STR("0af7651916cd43dd8448eb211c80319c")},
        .trace_count = 1,
        .entries = {STR("POST /buy"), STR("GET /cart")},
        .entry_count = 2,
        .more = 214,
        .people = {{STR("Li"), STR("li@example.com"), STR("13800000000"), STR("li"), STR("d1"),
                    STR("ou_1"), STR("U1")}},
        .people_count = 1,
    };
}

void hostile_notice(struct notice *ret_notice, struct str text)
{
    struct notice *n = ret_notice;
    sample_notice(n);
    n->rule = n->line = n->environment = n->service = n->instance = n->address = text;
    n->measure = n->operator= n->unit = n->incident = n->remedy = n->suspect = text;
    n->incident_url = n->snapshot_url = text;
    n->group_count = NOTICE_GROUP_MAX;
    n->trace_count = NOTICE_TRACES_MAX;
    n->entry_count = NOTICE_ENTRIES_MAX;
    n->people_count = NOTICE_PEOPLE_MAX;
    for (size_t i = 0; i < NOTICE_GROUP_MAX; i++) {
        n->group[i] = (struct notice_pair){text, text};
    }
    for (size_t i = 0; i < NOTICE_TRACES_MAX; i++) {
        n->trace_ids[i] = text;
    }
    for (size_t i = 0; i < NOTICE_ENTRIES_MAX; i++) {
        n->entries[i] = text;
    }
    for (size_t i = 0; i < NOTICE_PEOPLE_MAX; i++) {
        n->people[i] = (struct notice_person){text, text, text, text, text, text, text};
    }
}
