// SPDX-License-Identifier: Apache-2.0
// Purpose: `sonde trace search`, `sonde trace get` and `sonde trace-id`: asking a running server.
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "commands.h"
#include "core/arena.h"
#include "core/clock.h"
#include "core/mem.h"
#include "core/must.h"
#include "model/ids.h"
#include "table.h"
#include "when.h"

#define CELL_MAX       120 // columns of a name in a table
#define RPC_MAX        32
#define SERVICE_MAX    32
#define STATUS_COLUMNS 6
// Of the tree: levels that are drawn (deeper spans stand below one another), columns of each, and
// of a level with the name behind it.
#define DEPTH_SHOWN    12
#define BRANCH_COLUMNS 3
#define OPERATION_MAX  72
#define AHEAD_MS       60000

static const char search_help[] =
    "Usage: sonde trace search ['FILTER'] [--since 1h | --from T --to T] [--limit N]\n"
    "                          [--order newest|slowest|errors] [--json]\n"
    "                          [--server URL] [--token TOKEN] [--ca FILE]\n"
    "\n"
    "Prints the traces that have a span matching FILTER, the newest first: those of\n"
    "the last hour, 20 at most, times in the local zone; as JSON, one trace a line.\n"
    "T is now, now-15m, 2026-01-31T12:00:00Z, '2026-01-31 12:00' (local) or epoch\n"
    "milliseconds. --order takes the traces with the longest matching span instead,\n"
    "or with the most that have an error.\n"
    "FILE holds the authorities to trust (PEM), in place of the system's.\n"
    "SONDE_SERVER, SONDE_TOKEN and SONDE_CA stand in for the flags. Filters (the\n"
    "outer braces may be left out):\n"
    "\n"
    "  { }                                                every span\n"
    "  { resource.service.name = \"cart\" }                 spans of one service\n"
    "  { duration > 100ms && kind = server }              slow requests\n"
    "  { status = error && name =~ \"GET /api/.*\" }        failing, by name\n"
    "  { span.http.response.status_code >= 500 }          any attribute\n"
    "  { .peer.service != nil }                           that an attribute is there\n"
    "  { rpcID = \"0.1\" && status = error }                where the first call failed\n";

static const char get_help[] =
    "Usage: sonde trace get ID [--span ID] [--json] [--server URL] [--token TOKEN]\n"
    "                       [--ca FILE]\n"
    "\n"
    "Shows one trace as a tree: duration, what of it no child covers (SELF), * on the\n"
    "critical path, status, service, operation, RPC ID, by how much the clock of a\n"
    "host was corrected, and whether the parent is missing. --span shows the one with\n"
    "this span ID or RPC ID alone. With --json every span with its attributes,\n"
    "resource, events and links.\n";

static const char id_help[] =
    "Usage: sonde trace-id ID [--json]\n"
    "\n"
    "Decodes a trace ID made by Sonde's agents: time, host address, process,\n"
    "environment, counter. For IDs of other tracers the parts mean nothing, and the\n"
    "output says so.\n";

// ---- search -------------------------------------------------------------------------------------

static void print_hits(json_t *traces, bool table)
{
    static const char *const keys[] = {"trace_id",        "root_service",        "root_name",
                                       "start_unix_nano", "duration_ns",         "spans",
                                       "errors",          "matched_duration_ns", "matched_errors"};
    size_t i;
    json_t *t;
    if (table && json_array_size(traces) > 0) {
        printf("%-32s  %-18s  %9s  %6s  %6s  %s\n", "TRACE ID", "START", "DURATION", "SPANS",
               "ERRORS", "ROOT");
    }
    json_array_foreach(traces, i, t)
    {
        if (table) {
            char duration[WHEN_MAX], start[WHEN_MAX];
            when_print_duration(duration, ask_integer(t, "duration_ns"));
            when_print_local(start, ask_integer(t, "start_unix_nano"));
            table_put(ask_string(t, "trace_id"), TRACE_ID_HEX, TRACE_ID_HEX);
            printf("  %-18s  %9s  %6" PRIu64 "  %6" PRIu64 "  ", start, duration,
                   ask_integer(t, "spans"), ask_integer(t, "errors"));
            table_put(ask_string(t, "root_service"), 0, CELL_MAX);
            putchar(' ');
            table_put(ask_string(t, "root_name"), 0, CELL_MAX);
            putchar('\n');
            continue;
        }
        json_t *line = json_object();
        for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++) {
            (void)json_object_set(line, keys[k], json_object_get(t, keys[k])); // where it is
        }
        char *text = json_dumps(line, JSON_COMPACT | JSON_PRESERVE_ORDER);
        puts(text);
        free(text);
        json_decref(line);
    }
}

// Says on standard error, where it disturbs no pipe, what was looked at in vain.
static void explain_nothing(json_t *root, const struct ask *a)
{
    char from[WHEN_MAX], to[WHEN_MAX];
    json_t *stats = json_object_get(root, "stats");
    when_print_second(from, a->from_ms);
    when_print_second(to, a->to_ms);
    fprintf(stderr,
            "sonde: no trace matches between %s and %s; %" PRIu64 " of %" PRIu64
            " spans were looked at. --since 24h goes further back, '{ }' matches every span.\n",
            from, to, ask_integer(stats, "scanned_spans"), ask_integer(stats, "total_spans"));
}

// Says so when the answer may lack something; on standard error, beside the result.
static void print_partial(json_t *said)
{
    const char *reason = json_string_value(json_object_get(said, "partial_reason"));
    if (!json_is_true(json_object_get(said, "partial"))) {
        return;
    }
    reason = reason != NULL ? reason : "no reason given";
    if (json_is_true(json_object_get(said, "truncated"))) {
        fprintf(stderr,
                "sonde: the trace is larger than the server has memory for: the earliest %zu of "
                "%" PRIu64 " spans are shown\n",
                json_array_size(json_object_get(said, "spans")), ask_integer(said, "total_spans"));
    } else if (strcmp(reason, "regex_limit") == 0) {
        fputs("sonde: incomplete: a regular expression took too many steps on some values; "
              "a simpler one sees all of them\n",
              stderr);
    } else if (strcmp(reason, "time_limit") == 0) {
        fputs(
            "sonde: incomplete: other queries waited, so this one ended early; ask again, or for a "
            "narrower range\n",
            stderr);
    } else if (strcmp(reason, "candidate_limit") == 0) {
        fputs("sonde: incomplete: not every trace that may match was put together to see its RPC "
              "IDs; a condition beside it, or a narrower range, leaves fewer\n",
              stderr);
    } else if (strcmp(reason, "order_limit") == 0) {
        fputs("sonde: too many traces have errors to count all of them: some may be missing or "
              "out of place; a narrower filter or range is exact\n",
              stderr);
    } else {
        struct err_at room;
        fprintf(stderr, "sonde: incomplete: part of the data was not looked at (%s)\n",
                ask_printable(reason, &room));
    }
}

// Gives the exit code.
static int search_and_print(struct ask *a, const char *filter)
{
    struct buf answer;
    const char *path = ask_path(a);
    json_t *root = NULL;
    ASSERT(filter != NULL);
    buf_init(&answer, ASK_ANSWER_MAX);
    if (path != NULL) {
        root = ask_json(&a->server, path, filter, &answer, &a->exit_code);
    }
    if (root != NULL) {
        json_t *traces = json_object_get(root, "traces");
        print_hits(traces, wants_table(a->json));
        if (json_array_size(traces) == 0) {
            explain_nothing(root, a);
        }
        print_partial(json_object_get(root, "stats"));
        json_decref(root);
    }
    buf_done(&answer);
    return a->exit_code;
}

static int search_traces(int argc, char **argv)
{
    struct ask a = {.help = search_help, .words = ASK_MAY_WORD, .ahead_ms = AHEAD_MS};
    struct arena scratch = {0};
    const char *limit = "20", *order = NULL;
    const struct flag flags[] = {
        {"--limit", &limit, NULL},
        {"--order", &order, NULL},
        ASK_FLAGS(a),
        {NULL, NULL, NULL},
    };
    if (!ask_parse(&a, argc, argv, flags)) {
        return a.exit_code;
    }
    const char *filter = a.word != NULL ? a.word : "{}";
    if (filter[strspn(filter, " \t\n")] != '{') {
        filter = arena_printf(&scratch, "{ %s }", filter).p;
    }
    ask_begin(&a, "/api/v1/traces");
    ask_param(&a, "q", filter);
    ask_param(&a, "limit", limit);
    ask_param(&a, "order", order);
    int code = search_and_print(&a, filter);
    buf_done(&a.path);
    arena_done(&scratch);
    return code;
}

// ---- get ----------------------------------------------------------------------------------------

static int depth_of(json_t *span)
{
    const char *rpc = ask_string(span, "rpc_id");
    int depth = 0;
    for (; *rpc != 0; rpc++) {
        depth += *rpc == '.';
    }
    ASSERT(depth >= 0);
    return depth < DEPTH_SHOWN ? depth : DEPTH_SHOWN;
}

static int widest(int least, int columns, int most)
{
    ASSERT(least <= most);
    int wide = columns > least ? columns : least;
    return wide < most ? wide : most;
}

// Of each span, which come depth first, whether none of its siblings follows.
static bool *find_last_siblings(json_t *spans)
{
    size_t count = json_array_size(spans);
    bool *last = mem_new(count + 1, sizeof *last);
    bool followed[DEPTH_SHOWN + 1] = {false}; // by depth: below the parent at hand one comes later
    for (size_t i = count; i-- > 0;) {
        int depth = depth_of(json_array_get(spans, i));
        ASSERT(depth <= DEPTH_SHOWN);
        last[i] = !followed[depth];
        followed[depth] = true;
        for (int below = depth + 1; below <= DEPTH_SHOWN; below++) {
            followed[below] = false;
        }
    }
    return last;
}

// The lines from a span's ancestors to it; `ends` says by depth whether a line has ended there.
static void put_branch(int depth, const bool *ends)
{
    ASSERT(depth <= DEPTH_SHOWN);
    for (int at = 1; at < depth; at++) {
        fputs(ends[at] ? "   " : "│  ", stdout);
    }
    if (depth > 0) {
        fputs(ends[depth] ? "└─ " : "├─ ", stdout);
    }
}

// Where the clock of the host was corrected.
static void put_skew(int64_t skew_ns)
{
    char length[WHEN_MAX];
    uint64_t size = skew_ns < 0 ? 0 - (uint64_t)skew_ns : (uint64_t)skew_ns;
    ASSERT(size <= (uint64_t)INT64_MAX + 1);
    if (size > 0) {
        when_print_duration(length, size);
        printf("  (clock corrected by %s%s)", skew_ns < 0 ? "-" : "+", length);
    }
}

static void print_span(json_t *s, const bool *ends, int service_width, int name_width)
{
    char duration[WHEN_MAX];
    int depth = depth_of(s), name_room = name_width - BRANCH_COLUMNS * depth;
    ASSERT(name_room > 0);
    when_print_duration(duration, ask_integer(s, "duration_ns"));
    printf("%9s  ", duration);
    when_print_duration(duration, ask_integer(s, "self_ns"));
    printf("%9s  %c  ", duration, ask_integer(s, "critical_ns") > 0 ? '*' : ' ');
    table_put(ask_string(s, "status"), STATUS_COLUMNS, STATUS_COLUMNS);
    fputs("  ", stdout);
    table_put(ask_string(s, "service"), service_width, service_width);
    fputs("  ", stdout);
    put_branch(depth, ends);
    table_put(ask_string(s, "name"), name_room, name_room);
    fputs("  ", stdout);
    table_put(ask_string(s, "rpc_id"), 0, RPC_MAX);
    put_skew((int64_t)ask_integer(s, "skew_ns"));
    // Every span but the first of a chain names its parent, and what has one is not at the top.
    if (depth == 0 && *ask_string(s, "parent_span_id") != 0) {
        fputs("  (parent missing)", stdout);
    }
    putchar('\n');
}

static void print_tree(json_t *spans)
{
    size_t i;
    int service_width = 7, name_width = 9;
    json_t *s;
    json_array_foreach(spans, i, s)
    {
        const char *service = ask_string(s, "service"), *name = ask_string(s, "name");
        int branch = BRANCH_COLUMNS * depth_of(s);
        service_width = widest(service_width, table_columns(service, strlen(service)), SERVICE_MAX);
        name_width = widest(name_width, branch + table_columns(name, strlen(name)), OPERATION_MAX);
    }
    printf("%9s  %9s  %c  %-*s  %-*s  %-*s  %s\n", "DURATION", "SELF", '*', STATUS_COLUMNS,
           "STATUS", service_width, "SERVICE", name_width, "OPERATION", "RPC ID");
    bool *last = find_last_siblings(spans), ends[DEPTH_SHOWN + 1] = {false};
    json_array_foreach(spans, i, s)
    {
        ends[depth_of(s)] = last[i];
        print_span(s, ends, service_width, name_width);
    }
    mem_free(last);
}

// What the answer says of itself, beside the JSON on standard output.
static void print_lack(struct str answer)
{
    json_error_t error;
    // As reals: integers may be any of 64 bits, and none is read here but counts.
    json_t *root = json_loadb(answer.p, answer.n, JSON_DECODE_INT_AS_REAL, &error);
    ASSERT(answer.p != NULL);
    if (root != NULL) {
        print_partial(root);
        json_decref(root);
    }
}

static int get_trace(int argc, char **argv)
{
    struct ask_flags server = {0};
    const char *id = NULL, *span = NULL;
    bool json = false, help = false;
    int count, code = EXIT_USAGE;
    const struct flag flags[] = {
        {"--span", &span, NULL},
        {"--server", &server.server, NULL},
        {"--token", &server.token, NULL},
        {"--ca", &server.ca, NULL},
        {"--json", NULL, &json},
        {"--help", NULL, &help},
        {NULL, NULL, NULL},
    };
    if (!flags_parse(argc, argv, flags, &id, 1, &count)) {
        return EXIT_USAGE;
    }
    if (help || count == 0) {
        fputs(get_help, help ? stdout : stderr);
        return help ? EXIT_DONE : EXIT_USAGE;
    }
    struct buf path, answer;
    buf_init(&path, 4096);
    buf_init(&answer, ASK_ANSWER_MAX);
    buf_add_str(&path, STR("/api/v1/traces/"));
    client_escape(&path, id);
    if (span != NULL) {
        buf_add_str(&path, STR("/spans/"));
        client_escape(&path, span);
    }
    buf_add_byte(&path, 0);
    if (!path.failed && wants_table(json)) {
        json_t *root = ask_json(&server, path.p, NULL, &answer, &code);
        if (root != NULL) {
            print_tree(json_object_get(root, "spans"));
            print_partial(root);
            json_decref(root);
            code = EXIT_DONE;
        }
    } else if (!path.failed) {
        // As it came: parsing could only lose something, such as times beyond 2^63.
        code = ask_text(&server, path.p, NULL, &answer);
        if (code == EXIT_DONE) {
            printf("%.*s\n", STR_FMT(buf_str(&answer)));
            print_lack(buf_str(&answer));
        }
    }
    buf_done(&path);
    buf_done(&answer);
    return code;
}

int command_trace(int argc, char **argv)
{
    if (argc > 0 && strcmp(argv[0], "search") == 0) {
        return search_traces(argc - 1, argv + 1);
    }
    if (argc > 0 && strcmp(argv[0], "get") == 0) {
        return get_trace(argc - 1, argv + 1);
    }
    bool wanted = argc > 0 && strcmp(argv[0], "--help") == 0;
    if (argc > 0 && !wanted) {
        fprintf(stderr, "sonde: there is no command 'trace %s', only search and get\n", argv[0]);
        return EXIT_USAGE;
    }
    fprintf(wanted ? stdout : stderr, "%s\n%s", search_help, get_help);
    return wanted ? EXIT_DONE : EXIT_USAGE;
}

// ---- trace-id -----------------------------------------------------------------------------------

int command_trace_id(int argc, char **argv)
{
    const char *text = NULL;
    bool json = false, help = false, plausible;
    int count;
    trace_id id;
    const struct flag flags[] = {
        {"--json", NULL, &json}, {"--help", NULL, &help}, {NULL, NULL, NULL}};
    if (!flags_parse(argc, argv, flags, &text, 1, &count)) {
        return EXIT_USAGE;
    }
    if (help || count == 0) {
        fputs(id_help, help ? stdout : stderr);
        return help ? EXIT_DONE : EXIT_USAGE;
    }
    if (trace_id_parse(str_of(text), &id) != ERR_OK) {
        fprintf(stderr, "sonde: '%s' is no trace ID: expected 32 hexadecimal digits\n", text);
        return EXIT_USAGE;
    }
    struct trace_id_parts p = trace_id_decode(id, clock_wall_ns() / NS_PER_MS, &plausible);
    char address[WHEN_MAX], when[WHEN_MAX];
    (void)snprintf(address, sizeof address, "%u.%u.%u.%u", p.ipv4 >> 24, p.ipv4 >> 16 & 255,
                   p.ipv4 >> 8 & 255, p.ipv4 & 255);
    if (!wants_table(json)) {
        printf("{\"trace_id\":\"%s\",\"plausible\":%s,\"time_unix_ms\":%" PRIu64
               ",\"ipv4\":\"%s\",\"pid\":%u,\"environment\":%u,\"counter\":%u}\n",
               text, plausible ? "true" : "false", p.unix_ms, address, p.pid, p.environment,
               p.counter);
        return EXIT_DONE;
    }
    if (!plausible) {
        puts("This ID was not made by one of Sonde's agents (its time part makes no sense).");
        return EXIT_DONE;
    }
    when_print_local(when, p.unix_ms * NS_PER_MS);
    printf("made at      %s (epoch ms %" PRIu64 ")\nhost         %s\nprocess      %u\n"
           "environment  %u\ncounter      %u\n",
           when, p.unix_ms, address, p.pid, p.environment, p.counter);
    return EXIT_DONE;
}
