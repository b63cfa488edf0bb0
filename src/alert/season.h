// SPDX-License-Identifier: Apache-2.0
// Purpose: what is usual at this time of the day: the values that a measure had over the last week.
//
// A day has SEASON_CELLS cells (of UTC: where clocks are set for the summer, the usual is off by an
// hour for a few days). Each keeps the least and the greatest value of the windows that ended in
// it.
//
// The band of a moment: of each of the last SEASON_DAYS days the least and the greatest of the
// cells that are no further than the jitter from the same time of the day; of these the medians
// over the days, so that one bad day does not become usual; widened to what it was a week ago, so
// that a Saturday is not compared with working days alone. Days without a value do not count, and
// there is no band with fewer than SEASON_DAYS_MIN.
//
// As bytes: the number of days; for each its number since 1970 and how many of its cells have
// something (varints), and for each of those its distance to the one before and its two floats.
//
// Not thread-safe.
#ifndef SONDE_ALERT_SEASON_H
#define SONDE_ALERT_SEASON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/str.h"

#define SEASON_CELL_MS       ((uint64_t)900000)
#define SEASON_CELLS         96 // of a day
#define SEASON_DAYS          7
#define SEASON_DAYS_MIN      2
#define SEASON_JITTER_MS     SEASON_CELL_MS // unless a rule says otherwise
#define SEASON_JITTER_MAX_MS ((uint64_t)6 * 3600 * 1000)

struct season;

struct season *season_new(void);
void season_free(struct season *s); // NULL is fine
size_t season_bytes(const struct season *s);

// A window that ended at this time (ms since 1970) had this value; NAN is none, nor is what a
// float does not hold. Days come in order;
// what is older than the week is passed over.
void season_note(struct season *s, uint64_t at_ms, double value);

struct season_band {
    double low, high;
};
// False where there is nothing to tell from yet.
bool season_band(const struct season *s, uint64_t at_ms, uint64_t jitter_ms,
                 struct season_band *ret_band);

void season_encode(const struct season *s, struct buf *out);
// Cuts a season off the head of `bytes`. ERR_CORRUPT for bytes that are none.
MUST_CHECK enum err season_decode(struct str *bytes, struct season **ret_season);

#endif
