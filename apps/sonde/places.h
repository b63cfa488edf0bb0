// SPDX-License-Identifier: Apache-2.0
// Purpose: where services run, as `sonde topology --level host|rack|dc` prints it.
#ifndef SONDE_PLACES_H
#define SONDE_PLACES_H

#include <jansson.h>

// A line for each host, rack or data centre, the most calls first: calls, failed calls, P99, how
// its machines are, its name and what runs there. Nothing where the nodes are no places.
void places_print(const json_t *nodes);

#endif
