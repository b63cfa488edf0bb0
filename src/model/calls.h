// SPDX-License-Identifier: Apache-2.0
// Purpose: how calls are kept as series (series/series.h): one name, histograms of their durations,
// and labels that say of what. Whoever writes them (the server's sink of the stream) and whoever
// reads them (query/) go by this page.
//
//     of="endpoint"   service, endpoint, kind                     calls of an endpoint
//     of="instance"   service, instance, dc, rack, host           calls of an instance
//     of="edge"       from.*, to.*, side, cross_dc, passed_on     calls between two nodes
//     of="dc"         from.dc, to.dc, side                        calls between data centres
//     of="path"       from.*, to.*, path, path.parent, measure    the tree of an entry, see below
//     of="agent.endpoint", of="agent.instance"                    the same, as agents counted them
//     of="agent.report"                           service         what agents left out
// of.kind is that of stream.h's nodes: service, client, database, cache, queue, external. A service
// has line, service and endpoint; the others have name. side is who measured: client or server.
// Calls that failed are series of their own, with error="true", and so are calls from one data
// centre to another, with cross_dc="true", and failed ones whose callers failed as well
// (stream/edges.h), with passed_on="true"; and calls of an endpoint or an instance whose sender
// counts them before it samples too (SEM_SDK_COUNTS), with counted="true". A label without a value
// is absent.
//
// What agents counted (apps/sonde/agent_counts.h). Such a sender tells totals of all calls, whether
// it keeps their spans or not: they have the labels of an endpoint or an instance, without counted.
// Each time that its agents report a service has a number more: how many spans were left out since
// the report before; and one where the first of these times begins. Who reads calls chooses between
// these and those of spans (query/counted.h).
//
// Places (stream/spans.h). An instance has the data centre, rack and host that it tells; one that
// has moved is a series for each. Calls from one data centre to another are counted once more, by
// the two centres alone.
//
//     of="statement"  from.*, to.*, statement, system, measure    what a service sends to a store
//
// Paths (stream/entries.h): from.* is the entry, to.* the node at the path, which is a hash of all
// names from the entry to it, as 16 hex digits; without path.parent it is the entry itself. What
// is kept is no duration, but a number of each chain that has the path: measure="calls" and
// "errors" how often it was called and that failed, "self" nanoseconds that were spent there and
// nowhere below. What is beyond the limits of a tree is the service "(other)".
//
// Statements (stream/edges.h): from.* is the calling service, without an endpoint, to.* a database,
// cache or queue, or, of RPC, who is called: a service without an endpoint, or external. statement
// is a fingerprint (model/statement.h), system what it is for: "postgresql", "kafka", "grpc". With
// measure="repeats" it is no duration, but how often a chain has the statement, for each chain that
// has it more than once; failed calls count in it too.
//
// The business line of a series is that of the service called; of a peer, that of who calls it, of
// a path or a statement that of `from`, and of data centres none.
#ifndef SONDE_MODEL_CALLS_H
#define SONDE_MODEL_CALLS_H

#include "core/str.h"

#define CALLS_LABEL_NAME STR("__name__")
#define CALLS_NAME       STR("sonde.calls")

#define CALLS_OF        STR("of")
#define CALLS_ENDPOINT  STR("endpoint") // of="endpoint", and the label
#define CALLS_INSTANCE  STR("instance")
#define CALLS_EDGE      STR("edge")
#define CALLS_PATH      STR("path")      // of="path", and the label
#define CALLS_STATEMENT STR("statement") // the same
#define CALLS_DC        STR("dc")        // the same: of="dc", and where an instance runs
#define CALLS_RACK      STR("rack")
#define CALLS_HOST      STR("host")

#define CALLS_AGENT_ENDPOINT STR("agent.endpoint") // of="agent.endpoint", and so on
#define CALLS_AGENT_INSTANCE STR("agent.instance")
#define CALLS_AGENT_REPORT   STR("agent.report")

#define CALLS_PATH_PARENT     STR("path.parent")
#define CALLS_MEASURE         STR("measure")
#define CALLS_MEASURE_CALLS   STR("calls")
#define CALLS_MEASURE_ERRORS  STR("errors")
#define CALLS_MEASURE_SELF    STR("self")
#define CALLS_MEASURE_REPEATS STR("repeats")

#define CALLS_SERVICE   STR("service")
#define CALLS_SYSTEM    STR("system")
#define CALLS_KIND      STR("kind")
#define CALLS_COUNTED   STR("counted")
#define CALLS_CROSS     STR("cross_dc")
#define CALLS_PASSED_ON STR("passed_on")
#define CALLS_ERROR     STR("error")
#define CALLS_TRUE      STR("true")
#define CALLS_SIDE      STR("side")
#define CALLS_CLIENT    STR("client")
#define CALLS_SERVER    STR("server")

#define CALLS_FROM_DC       STR("from.dc")
#define CALLS_FROM_ENDPOINT STR("from.endpoint")
#define CALLS_FROM_KIND     STR("from.kind")
#define CALLS_FROM_LINE     STR("from.line")
#define CALLS_FROM_NAME     STR("from.name")
#define CALLS_FROM_SERVICE  STR("from.service")
#define CALLS_TO_DC         STR("to.dc")
#define CALLS_TO_ENDPOINT   STR("to.endpoint")
#define CALLS_TO_KIND       STR("to.kind")
#define CALLS_TO_LINE       STR("to.line")
#define CALLS_TO_NAME       STR("to.name")
#define CALLS_TO_SERVICE    STR("to.service")

#endif
