// SPDX-License-Identifier: Apache-2.0
// Purpose: the lists of a file that are people, groups and silences. Internal to alert/.
#ifndef SONDE_ALERT_ROSTER_READ_H
#define SONDE_ALERT_ROSTER_READ_H

#include "alert/reader.h"
#include "alert/roster.h"

// Values of keys of the file; `to` is the struct alert_file.
enum err roster_read_people(struct reader *r, const char *name, const yaml_node_t *v, void *to);
enum err roster_read_teams(struct reader *r, const char *name, const yaml_node_t *v, void *to);
enum err roster_read_silences(struct reader *r, const char *name, const yaml_node_t *v, void *to);

#endif
