// SPDX-License-Identifier: Apache-2.0
// Purpose: what senders say of metrics by their names alone: type, unit and help of families of
// Prometheus, which remote write 1.0 tells apart from samples, and later (wire/prom_write.h). Who
// shows a metric asks here. What was told last of a name is what is known of it, whoever told it.
//
// In memory: Prometheus tells all of it again each minute (metadata_config), so that it is there
// soon after a start. At most FAMILIES_MAX names and FAMILIES_BYTES_MAX of their texts; what is
// beyond is counted. Texts that break the limits of labels (model/point.h) are left out. Any
// thread.
#ifndef SONDE_RECEIVE_FAMILIES_H
#define SONDE_RECEIVE_FAMILIES_H

#include "core/arena.h"
#include "wire/prom_rows.h"

#define FAMILIES_MAX       ((size_t)20000)
#define FAMILIES_BYTES_MAX ((size_t)4 << 20)

struct families;
struct families *families_new(void);
void families_free(struct families *f); // NULL is fine

void families_note(struct families *f, const struct prom_family *family);

// What is known of a metric of this name; OpenMetrics' families of counters lack its "_total".
// Texts are copied into the arena. False where nothing is.
MUST_CHECK bool families_find(struct families *f, struct str name, struct arena *arena,
                              struct prom_family *ret_family);

// How often something found no room.
uint64_t families_left_out(struct families *f);

#endif
