// SPDX-License-Identifier: Apache-2.0
// Purpose: who calls and is called, as series name it (model/calls.h): services and their
// endpoints, clients, databases, caches, queues, external services. And the ID that the API names a
// node by.
#ifndef SONDE_QUERY_NODE_H
#define SONDE_QUERY_NODE_H

#include <stdbool.h>

#include "core/arena.h"
#include "series/series.h"

struct node {
    struct str kind; // that of model/calls.h, or "line": all services of a business line
    struct str line, service, name;
};

// What a series says of one end of its calls, `from` or `to`. No kind: it says nothing.
struct node node_of_series(const struct series_found *found, bool from);

// Its texts, copied.
struct node node_copy(struct arena *arena, const struct node *n);

uint64_t node_hash(const struct node *n);
int node_cmp(const struct node *a, const struct node *b); // by kind, line, service, name

// KIND/LINE/SERVICE/NAME, with what the node has of service and name; in line and service "/" is
// "%2F" and "%" is "%25". Unique, and the same for ever.
struct str node_id(struct arena *arena, const struct node *n);
// A text as a part of such an ID that others follow.
struct str node_id_part(struct arena *arena, struct str text);
// The node of an ID; false for a text that is none.
MUST_CHECK bool node_parse(struct arena *arena, struct str id, struct node *ret_node);

#endif
