// SPDX-License-Identifier: Apache-2.0
// Purpose: `sonde store`, and of it stats, inspect and verify: reading the parts on disk, beside a
// running server or without one (parts never change), and the catalog, which a running server does
// not lock.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "core/clock.h"
#include "core/mem.h"
#include "core/must.h"
#include "os/fs.h"
#include "store/catalog.h"
#include "store/part.h"

static const char help[] =
    "Usage: sonde store stats|inspect|verify [--data DIR] [--json] [FILE ...]\n"
    "       sonde store rebuild [--data DIR] [--json]\n"
    "\n"
    "  stats    rows, bytes, bytes a span, and the bytes of every column\n"
    "  inspect  the parts, one a line: rows, traces, bytes, times, services, state\n"
    "           (stripped: retention took its error-free traces out)\n"
    "  verify   reads everything and checks each checksum, dictionary code and the\n"
    "           order; exit code 4 when something is damaged\n"
    "  rebuild  makes a new catalog.db from the parts where it is lost or damaged;\n"
    "           sets damaged parts aside (exit code 4) and keeps the old catalog as\n"
    "           catalog.db.bad. No server may run\n"
    "\n"
    "Reads the parts in DIR/store/parts (./sonde-data), or the FILEs given, and what\n"
    "DIR/store/catalog.db says of them. A server may be running, except for rebuild.\n";

#define FILES_MAX   100000
#define WORDS_MAX   1024
#define COLUMNS_MAX 4096

struct file_list {
    char **paths;
    size_t count, capacity;
    const char *dir;
};

static void add_file(struct file_list *l, const char *path)
{
    if (l->count == FILES_MAX) {
        return;
    }
    l->paths = mem_grow(l->paths, &l->capacity, l->count + 1, sizeof(char *));
    l->paths[l->count] = mem_alloc(strlen(path) + 1);
    memcpy(l->paths[l->count++], path, strlen(path) + 1);
}

static void note_file(void *ctx, const char *name)
{
    struct file_list *l = ctx;
    char path[FS_PATH_MAX];
    size_t n = strlen(name);
    if (n > 5 && strcmp(name + n - 5, ".part") == 0 &&
        snprintf(path, sizeof path, "%s/%s", l->dir, name) < (int)sizeof path) {
        add_file(l, path);
    }
}

static int by_path(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void free_list(struct file_list *l)
{
    for (size_t i = 0; i < l->count; i++) {
        mem_free(l->paths[i]);
    }
    mem_free(l->paths);
}

// ---- The catalog --------------------------------------------------------------------------------

struct known_part {
    uint64_t id;
    enum part_state state;
};

// What the catalog knows, by ID; nothing when it could not be read.
struct known_parts {
    struct known_part *parts;
    size_t count, capacity;
    bool read;
};

static void note_part(void *ctx, const struct catalog_part *p)
{
    struct known_parts *k = ctx;
    ASSERT(k->count == 0 || k->parts[k->count - 1].id < p->id);
    k->parts = mem_grow(k->parts, &k->capacity, k->count + 1, sizeof *k->parts);
    k->parts[k->count++] = (struct known_part){p->id, p->state};
}

static void read_catalog(struct known_parts *k, const char *data)
{
    char path[FS_PATH_MAX];
    struct err_at at = {0};
    int n = snprintf(path, sizeof path, "%s/store/catalog.db", data);
    ASSERT(k->count == 0);
    k->read =
        n > 0 && n < (int)sizeof path && catalog_read_parts(path, note_part, k, &at) == ERR_OK;
    if (!k->read) {
        fprintf(stderr, "sonde: %s: %s States of parts are not shown.\n", path, at.text);
    }
}

// "stripped", "live", "set aside"; "unknown" for a part that the catalog does not have (written or
// merged away a moment ago), "" without a catalog.
static const char *state_name(const struct known_parts *k, const struct part *p)
{
    static const char *const names[] = {"live", "set aside", "stripped"};
    size_t low = 0, high = k->count;
    uint64_t id = part_number(p);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (k->parts[middle].id == id) {
            ASSERT(k->parts[middle].state <= PART_STRIPPED);
            return names[k->parts[middle].state];
        }
        if (k->parts[middle].id < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return k->read ? "unknown" : "";
}

// ---- stats --------------------------------------------------------------------------------------

struct column_sum {
    char *name;
    uint64_t bytes;
};

struct totals {
    uint64_t parts, rows, traces, bytes, stripped;
    struct column_sum *columns;
    size_t count;
};

static void add_column(void *ctx, const char *name, uint64_t bytes)
{
    struct totals *t = ctx;
    for (size_t i = 0; i < t->count; i++) {
        if (strcmp(t->columns[i].name, name) == 0) {
            t->columns[i].bytes += bytes;
            return;
        }
    }
    if (t->count == COLUMNS_MAX) {
        return;
    }
    char *copy = mem_alloc(strlen(name) + 1);
    memcpy(copy, name, strlen(name) + 1);
    t->columns[t->count++] = (struct column_sum){copy, bytes};
}

static int largest_first(const void *a, const void *b)
{
    const struct column_sum *x = a, *y = b;
    return x->bytes > y->bytes ? -1 : x->bytes < y->bytes;
}

static double per_span(uint64_t bytes, uint64_t rows)
{
    return rows > 0 ? (double)bytes / (double)rows : 0;
}

static void print_totals(struct totals *t, bool table)
{
    qsort(t->columns, t->count, sizeof *t->columns, largest_first);
    if (!table) {
        printf("{\"parts\":%" PRIu64 ",\"stripped\":%" PRIu64 ",\"spans\":%" PRIu64
               ",\"traces\":%" PRIu64 ",\"bytes\":%" PRIu64
               ",\"bytes_per_span\":%.3f,\"columns\":{",
               t->parts, t->stripped, t->rows, t->traces, t->bytes, per_span(t->bytes, t->rows));
        for (size_t i = 0; i < t->count; i++) {
            // Column names come from attribute keys, which may hold anything.
            printf("%s\"", i > 0 ? "," : "");
            for (const char *c = t->columns[i].name; *c != 0; c++) {
                printf((unsigned char)*c < 0x20  ? "\\u%04x"
                       : *c == '"' || *c == '\\' ? "\\%c"
                                                 : "%c",
                       (unsigned char)*c);
            }
            printf("\":%" PRIu64, t->columns[i].bytes);
        }
        puts("}}");
        return;
    }
    printf("parts   %" PRIu64 " (%" PRIu64 " stripped of error-free traces)\nspans   %" PRIu64
           "\ntraces  %" PRIu64 "\nbytes   %" PRIu64 " (%.2f a span)\n\n%12s  %8s  %6s  %s\n",
           t->parts, t->stripped, t->rows, t->traces, t->bytes, per_span(t->bytes, t->rows),
           "BYTES", "A SPAN", "SHARE", "COLUMN");
    for (size_t i = 0; i < t->count; i++) {
        printf("%12" PRIu64 "  %8.3f  %5.1f%%  %s\n", t->columns[i].bytes,
               per_span(t->columns[i].bytes, t->rows),
               100.0 * (double)t->columns[i].bytes / (double)(t->bytes > 0 ? t->bytes : 1),
               t->columns[i].name);
    }
}

// ---- The three commands over each part ----------------------------------------------------------

struct tool {
    const char *verb;
    bool table;
    struct totals totals;
    struct known_parts known;
    size_t damaged;
};

static void print_part(const struct tool *t, const char *path, const struct part *p)
{
    const struct part_meta *m = part_meta(p);
    const char *state = state_name(&t->known, p);
    if (t->table) {
        printf("%10" PRIu64 "  %8" PRIu64 "  %12" PRIu64 "  %7.2f  %8zu  %-9s  %s  %.*s\n", m->rows,
               m->traces, m->file_bytes, per_span(m->file_bytes, m->rows), m->service_count, state,
               path, STR_FMT(m->line));
        return;
    }
    printf("{\"file\":\"%s\",\"spans\":%" PRIu64 ",\"traces\":%" PRIu64 ",\"blocks\":%" PRIu64
           ",\"bytes\":%" PRIu64 ",\"min_start_unix_nano\":%" PRIu64
           ",\"max_start_unix_nano\":%" PRIu64 ",\"seq_first\":%" PRIu64 ",\"seq_last\":%" PRIu64
           ",\"services\":%zu,\"state\":\"%s\"}\n",
           path, m->rows, m->traces, m->blocks, m->file_bytes, m->min_start_ns, m->max_start_ns,
           m->seq_first, m->seq_last, m->service_count, state);
}

static enum err visit(struct tool *t, const char *path, struct part *p, struct err_at *at)
{
    const struct part_meta *m = part_meta(p);
    if (strcmp(t->verb, "verify") == 0) {
        return part_verify(p, at);
    }
    if (strcmp(t->verb, "inspect") == 0) {
        print_part(t, path, p);
        return ERR_OK;
    }
    t->totals.parts++;
    t->totals.stripped += strcmp(state_name(&t->known, p), "stripped") == 0;
    t->totals.rows += m->rows;
    t->totals.traces += m->traces;
    t->totals.bytes += m->file_bytes;
    return part_column_bytes(p, add_column, &t->totals);
}

static void run_part(struct tool *t, const char *path)
{
    struct part *p = NULL;
    struct err_at at = {0};
    enum err e = part_open(fs_real(), path, &p, &at);
    if (e == ERR_OK) {
        e = visit(t, path, p, &at);
        part_unref(p);
    }
    if (e == ERR_NOT_FOUND) {
        return; // merged away between listing and opening
    }
    if (e != ERR_OK) {
        t->damaged++;
        fprintf(stderr, "sonde: %s: at byte %" PRIu64 ": %s\n", path, at.offset,
                at.text[0] != 0 ? at.text : err_text(e));
    } else if (strcmp(t->verb, "verify") == 0 && t->table) {
        printf("ok  %s\n", path);
    }
}

static int run(struct tool *t, const struct file_list *l)
{
    t->totals.columns = mem_new(COLUMNS_MAX, sizeof *t->totals.columns);
    if (t->table && strcmp(t->verb, "inspect") == 0) {
        printf("%10s  %8s  %12s  %7s  %8s  %-9s  %s\n", "SPANS", "TRACES", "BYTES", "A SPAN",
               "SERVICES", "STATE", "FILE  BUSINESS LINE");
    }
    for (size_t i = 0; i < l->count; i++) {
        run_part(t, l->paths[i]);
    }
    if (strcmp(t->verb, "stats") == 0) {
        print_totals(&t->totals, t->table);
    } else if (strcmp(t->verb, "verify") == 0) {
        printf(t->table ? "%zu parts, %zu damaged\n" : "{\"parts\":%zu,\"damaged\":%zu}\n",
               l->count, t->damaged);
    }
    for (size_t i = 0; i < t->totals.count; i++) {
        mem_free(t->totals.columns[i].name);
    }
    mem_free(t->totals.columns);
    return t->damaged > 0 ? EXIT_DAMAGED : EXIT_DONE;
}

static int run_over_parts(const char *data, const char *const *words, int count, bool json)
{
    char dir[FS_PATH_MAX];
    struct file_list l = {.dir = dir};
    ASSERT(count > 0);
    (void)snprintf(dir, sizeof dir, "%s/store/parts", data);
    for (int i = 1; i < count; i++) {
        add_file(&l, words[i]);
    }
    enum err e = count > 1 ? ERR_OK : fs_real()->ops->list(fs_real(), dir, note_file, &l);
    if (e != ERR_OK) {
        fprintf(
            stderr, "sonde: %s: %s\n", dir,
            e == ERR_NOT_FOUND
                ? "no data is there; name the server's data folder with --data (it prints it when "
                  "it starts)"
                : err_text(e));
        return EXIT_FAILED;
    }
    if (l.count > 0) {
        qsort(l.paths, l.count, sizeof(char *), by_path);
    }
    struct tool t = {.verb = words[0], .table = wants_table(json)};
    if (count == 1 && strcmp(words[0], "verify") != 0) {
        read_catalog(&t.known, data);
    }
    int code = run(&t, &l);
    mem_free(t.known.parts);
    free_list(&l);
    return code;
}

int command_store(int argc, char **argv)
{
    const char *data = "sonde-data", *words[WORDS_MAX];
    bool json = false, want_help = false;
    int count;
    const struct flag flags[] = {{"--data", &data, NULL},
                                 {"--json", NULL, &json},
                                 {"--help", NULL, &want_help},
                                 {NULL, NULL, NULL}};
    if (!flags_parse(argc, argv, flags, words, WORDS_MAX, &count)) {
        return EXIT_USAGE;
    }
    static const char *const verbs[] = {"stats", "inspect", "verify", "rebuild"};
    bool known = false;
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs && count > 0; i++) {
        known = known || strcmp(words[0], verbs[i]) == 0;
    }
    known = known && (count == 1 || strcmp(words[0], "rebuild") != 0);
    if (want_help || !known) {
        fputs(help, want_help ? stdout : stderr);
        return want_help ? EXIT_DONE : EXIT_USAGE;
    }
    if (strcmp(words[0], "rebuild") == 0) {
        return store_rebuild_run(data, json);
    }
    return run_over_parts(data, words, count, json);
}
