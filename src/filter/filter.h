// SPDX-License-Identifier: Apache-2.0
// Purpose: the filter language of the API, the UI and the command line: the TraceQL spanset filter.
//
//   filter  := '{' [ expr ] '}'              an empty filter matches every span
//   expr    := and { '||' and }
//   and     := unary { '&&' unary }
//   unary   := '!' unary | '(' expr ')' | test
//   test    := field [ op value ]            a field alone: it exists (a boolean field: it is true)
//   op      := = (also ==) != < <= > >= =~ !~
//   value   := "text" | `raw text` | number | duration | true | false | nil | ok | error | unset |
//              server | client | internal | producer | consumer | unspecified
//   duration:= number ('ns' | 'us' | 'ms' | 's' | 'm' | 'h'), several may follow one another: 1m30s
//   field   := intrinsic | ['span' | 'resource' | 'event' | 'link' | 'instrumentation'] '.' name
//   name    := characters other than blanks, operators and brackets, or "quoted text"
//   escapes in "text": \" \\ \/ \n \t \r \b \f \uXXXX (two for characters beyond U+FFFF). Others
//   are
//              refused; in a regular expression they stay as written (\d, \b), so that it need not
//              double them
//   intrinsic := name | status | statusMessage | kind | duration | traceID | spanID | parentID |
//              rpcID, the first five also as span:name ..., then trace:id, span:id, span:parentID,
//              span:rpcID, event:name, instrumentation:name, instrumentation:version
//
// `.name` looks in the span's attributes first, then in the resource's. Comparisons are typed: a
// number never equals a text; a test on an absent attribute is false for every operator, `!=` and
// `!~` included, as in TraceQL; `= nil` and `!= nil` ask for absence and presence. Where
// service.name is absent, comparisons see "unknown_service", under which its spans are listed.
// Integers and doubles compare by value, texts by bytes. An array is compared by its elements (not
// those of arrays in it): a test holds when any element satisfies it; `!=` and `!~` when there are
// elements of the value's type and none of them is equal or matches. A regular expression
// (filter/pattern.h) must match the whole value; a value on which it is given up satisfies neither
// `=~` nor `!~`. A test on event or link attributes holds when any event or link satisfies it.
//
// rpcID is the place of a span in the tree of its trace (query/trace.h), for =, !=, =~ and !~. A
// span alone does not have it, and it may change while spans of the trace still come. So it is only
// for who puts traces together, and asks in two steps: `root` is what the filter says of a span
// whatever its place, true of every span that may match; filter_match_in_tree() decides. All others
// have the parser refuse it (FILTER_OF_SPANS).
//
// Source: Grafana Tempo, "Construct a TraceQL query", spanset filters.
#ifndef SONDE_FILTER_FILTER_H
#define SONDE_FILTER_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/buf.h"
#include "core/err.h"
#include "core/str.h"
#include "filter/pattern.h"
#include "model/batch.h"

#define FILTER_TEXT_MAX          ((size_t)16 << 10)
#define FILTER_DEPTH_MAX         64
#define FILTER_NODES_MAX         256
#define FILTER_PATTERN_BYTES_MAX ((size_t)384 << 10) // of all regular expressions together

enum filter_op {
    OP_EQ,
    OP_NE,
    OP_LT,
    OP_LE,
    OP_GT,
    OP_GE,
    OP_MATCH,
    OP_NOT_MATCH,
    OP_EXISTS,
    OP_ABSENT
};

enum filter_field {
    ON_SPAN_ATTR,      // span.x
    ON_RESOURCE_ATTR,  // resource.x
    ON_ANY_ATTR,       // .x
    ON_EVENT_ATTR,     // event.x
    ON_LINK_ATTR,      // link.x
    ON_SCOPE_ATTR,     // instrumentation.x
    ON_NAME,           // name, span:name
    ON_STATUS,         // status, span:status
    ON_STATUS_MESSAGE, // statusMessage, span:statusMessage
    ON_KIND,           // kind, span:kind
    ON_DURATION,       // duration, span:duration
    ON_TRACE_ID,       // traceID, trace:id
    ON_SPAN_ID,        // spanID, span:id
    ON_PARENT_ID,      // parentID, span:parentID
    ON_RPC_ID,         // rpcID, span:rpcID
    ON_EVENT_NAME,     // event:name
    ON_SCOPE_NAME,     // instrumentation:name
    ON_SCOPE_VERSION,  // instrumentation:version
    ON_COUNT
};
_Static_assert(ON_COUNT <= 32, "a bit for each");

enum filter_type { VALUE_TEXT, VALUE_NUMBER, VALUE_BOOL, VALUE_STATUS, VALUE_KIND, VALUE_NONE };

struct filter_value {
    enum filter_type type;
    struct str text; // VALUE_TEXT; of numbers and durations: as written
    double number;   // VALUE_NUMBER; durations in nanoseconds
    int64_t integer; // VALUE_NUMBER when is_integer, VALUE_BOOL, VALUE_STATUS, VALUE_KIND
    bool is_integer;
    bool is_duration; // VALUE_NUMBER with a unit
};

enum filter_node_type { NODE_AND, NODE_OR, NODE_NOT, NODE_TEST, NODE_ALL };

struct filter_node {
    enum filter_node_type type;
    struct filter_node *left, *right; // AND, OR; NOT uses left
    enum filter_field field;          // TEST
    struct str key;                   // of attribute fields
    enum filter_op op;
    struct filter_value value;
    struct pattern *pattern; // of OP_MATCH and OP_NOT_MATCH
    uint32_t offset;         // of the test in the text
    uint32_t index;          // of the test among those of the filter
};

// A parsed filter; any thread. Nothing changes in it but the counts of its patterns.
struct filter {
    struct arena arena;
    struct filter_node *root; // of single spans
    struct filter_node *tree; // the whole, where it asks for places in trees; else NULL
    uint32_t test_count;
    uint32_t fields; // that the whole asks for: a bit for each enum filter_field
    struct pattern **patterns;
    size_t pattern_count, pattern_capacity, pattern_bytes;
};

// ERR_INVALID with the position of the offending character and what was expected there.
enum filter_scope { FILTER_OF_SPANS, FILTER_OF_TREES };
MUST_CHECK enum err filter_parse_for(enum filter_scope scope, struct str text,
                                     struct filter **ret_filter, struct err_at *ret_at);
// Of spans.
MUST_CHECK enum err filter_parse(struct str text, struct filter **ret_filter,
                                 struct err_at *ret_at);
void filter_free(struct filter *f);
size_t filter_bytes(const struct filter *f); // heap bytes held

// On how many values a regular expression of it was given up since it was parsed. More than 0: what
// was found with it may lack something, and whoever asked is to be told.
uint64_t filter_given_up(const struct filter *f);

// Whether the span at this place of its trace's tree matches, of a filter that has a `tree`.
bool filter_match_in_tree(const struct filter *f, struct row row, struct str rpc_id);

// Whether the span matches; of a filter that has a `tree`: whether it may.
bool filter_match(const struct filter *f, struct row row);

// Whether a metric point matches, the number of its row given. `name` is the metric's, `.x` and
// `span.x` are the point's attributes, `.x` where it has none the resource's; a point has no
// status, kind, duration, IDs, events and links, so that tests on them are false.
bool filter_match_point(const struct filter *f, const struct batch *b, uint32_t point);

// Three-valued: what can be said of every row that has this resource, scope, name, kind and status,
// and among whose attributes are exactly those with the given (key, type) pairs, values unknown.
enum verdict { VERDICT_NO, VERDICT_YES, VERDICT_MAYBE };

// What is known of a set of rows. `batch` holds the resources and scopes.
struct filter_known {
    const struct batch *batch;
    uint32_t resource, scope;
    struct str name;
    uint8_t kind, status;
    // The verdict of a test on a span attribute with this key; asked for each such test. `ctx` is
    // the asker's.
    enum verdict (*attr)(void *ctx, const struct filter_node *test);
    void *ctx;
    uint64_t min_duration_ns, max_duration_ns;
};
enum verdict filter_verdict(const struct filter *f, const struct filter_known *known);

// The same of one test.
enum verdict filter_test_verdict(const struct filter_node *test, const struct filter_known *known);

// Whether a duration satisfies a test on ON_DURATION.
bool filter_test_duration(const struct filter_node *test, uint64_t ns);

// Whether the resource's attributes satisfy a test on ON_ANY_ATTR of a span that has no such one.
bool filter_test_resource(const struct filter_node *test, const struct filter_known *known);

// The durations outside of which no span can match: what the tests that every match must pass say
// of it. 0 and UINT64_MAX where they say nothing.
void filter_duration_bounds(const struct filter *f, uint64_t *ret_min_ns, uint64_t *ret_max_ns);

// Whether one value (as a dictionary or a column holds it) satisfies a test's operator and value.
bool filter_test_attr(const struct filter_node *test, enum attr_type type, uint64_t bits,
                      struct str text);

// Calls `each` with every test that the filter makes of single spans.
void filter_each_test(const struct filter *f,
                      void (*each)(void *ctx, const struct filter_node *test), void *ctx);

// The filter in its normal form: one blank around operators, quoted texts, redundant brackets gone.
void filter_print(const struct filter *f, struct buf *out);

// A text as the language quotes it, for whoever composes a filter.
void filter_print_text(struct str s, struct buf *out);

#endif
