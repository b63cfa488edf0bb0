// SPDX-License-Identifier: Apache-2.0
// Purpose: what stands behind an alert: the traces that it names are looked up for the entry that
// they came in by, the user they were for, and the deepest span that failed; and which services
// call one another, from the topology of the last hour, looked at again after NEIGHBOURS_MS.
//
// First suspect of a trace: of the failed spans that have no failed span below them the one that
// began first: its service, and where it is a call that nobody answered, whom it called ("cart ->
// redis", "cart -> 10.0.0.7:8080"). Of several traces the one that most of them name.
//
// One thread.
#ifndef SONDE_ALERT_INQUIRY_H
#define SONDE_ALERT_INQUIRY_H

#include "alert/desk.h"
#include "series/series.h"
#include "store/store.h"

#define NEIGHBOURS_MS     ((uint64_t)60000)
#define INQUIRY_SPANS_MAX 20000 // of a trace; more are not looked at

struct inquirer;
// What a trace takes while it is looked at comes from the budget (ACCOUNT_QUERY); one for which
// there is no room is not looked at.
struct inquirer *inquirer_new(struct store *store, struct series_store *series,
                              struct budget *budget);
void inquirer_free(struct inquirer *q);

void inquirer_inquire(struct inquirer *q, const trace_id *traces, size_t count,
                      struct inquiry *ret_inquiry);
bool inquirer_are_neighbours(struct inquirer *q, struct str line, struct str a, struct str b);

#endif
