// SPDX-License-Identifier: Apache-2.0
// Purpose: `sonde store`, and of it stats, inspect and verify: reading the parts on disk, beside a
// running server or without one (parts never change), and the catalog, which a running server does
// not lock.
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "core/arena.h"
#include "core/clock.h"
#include "core/mem.h"
#include "core/must.h"
#include "core/sort.h"
#include "json_text.h"
#include "os/fs.h"
#include "series/part.h"
#include "store/catalog.h"
#include "store/part.h"
#include "table.h"

static const char help[] =
    "Usage: sonde store stats|inspect|verify [--data DIR] [--json] [FILE ...]\n"
    "       sonde store rebuild [--data DIR] [--json]\n"
    "\n"
    "  stats    rows, bytes, bytes a span, and the bytes of every column\n"
    "  inspect  the parts, one a line: rows, traces, bytes, times, services, state\n"
    "           (stripped: retention took its error-free traces out; fresh: traces\n"
    "           are yet to be left out, see store.keep)\n"
    "  verify   reads all spans and series, and checks each checksum, dictionary code\n"
    "           and the order, and each part against the catalog; exit code 4 when\n"
    "           something is damaged\n"
    "  rebuild  makes a new catalog.db from the parts where it is lost or damaged;\n"
    "           sets damaged parts aside (exit code 4) and keeps the old catalog as\n"
    "           catalog.db.bad. No server may run\n"
    "\n"
    "Reads the parts that DIR/store/catalog.db lists (./sonde-data), or the FILEs\n"
    "given; where the catalog cannot be read, every file in DIR/store/parts. A server\n"
    "may be running, except for rebuild.\n";

#define FILES_MAX   100000
#define WORDS_MAX   1024
#define COLUMNS_MAX 4096

// ---- Which parts --------------------------------------------------------------------------------

struct entry {
    char *path;
    uint64_t id;
    bool is_listed; // by the catalog, in this state
    enum part_state state;
    uint64_t mark; // catalog_part_mark() of what is listed
};

// The parts that the catalog lists, or where it cannot be read, or FILEs are given, those files.
struct entries {
    struct entry *all;
    size_t count, capacity;
    const char *dir;
    bool by_catalog;
    bool by_folder;  // no FILEs are given
    size_t unlisted; // files that the catalog does not have
    size_t left_out; // beyond FILES_MAX
};

static void add_entry(struct entries *l, const char *path, struct entry what)
{
    if (l->count == FILES_MAX) {
        l->left_out++;
        return;
    }
    l->all = mem_grow(l->all, &l->capacity, l->count + 1, sizeof *l->all);
    what.path = mem_alloc(strlen(path) + 1);
    memcpy(what.path, path, strlen(path) + 1);
    l->all[l->count++] = what;
}

static void note_part(void *ctx, const struct catalog_part *p)
{
    struct entries *l = ctx;
    char path[FS_PATH_MAX];
    ASSERT(l->count == 0 || l->all[l->count - 1].id < p->id);
    if (snprintf(path, sizeof path, "%s/%016" PRIx64 ".part", l->dir, p->id) < (int)sizeof path) {
        add_entry(
            l, path,
            (struct entry){
                .id = p->id, .is_listed = true, .state = p->state, .mark = catalog_part_mark(p)});
    }
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->path, ((const struct entry *)b)->path);
}

static void note_file(void *ctx, const char *name)
{
    struct entries *l = ctx;
    char path[FS_PATH_MAX];
    size_t n = strlen(name);
    if (n <= 5 || strcmp(name + n - 5, ".part") != 0 ||
        snprintf(path, sizeof path, "%s/%s", l->dir, name) >= (int)sizeof path) {
        return;
    }
    if (!l->by_catalog) {
        add_entry(l, path, (struct entry){0});
        return;
    }
    const struct entry wanted = {.path = path};
    l->unlisted +=
        l->count == 0 || bsearch(&wanted, l->all, l->count, sizeof wanted, by_path) == NULL;
}

static void ignore_file(void *ctx, const char *name)
{
    (void)ctx, (void)name;
}

static void free_entries(struct entries *l)
{
    for (size_t i = 0; i < l->count; i++) {
        mem_free(l->all[i].path);
    }
    mem_free(l->all);
}

static enum err read_catalog(const char *data,
                             void (*each)(void *ctx, const struct catalog_part *p), void *ctx,
                             struct err_at *at)
{
    char path[FS_PATH_MAX];
    int n = snprintf(path, sizeof path, "%s/store/catalog.db", data);
    return n > 0 && n < (int)sizeof path ? catalog_read_parts(path, each, ctx, at) : ERR_LIMIT;
}

// A part that is being written, or was merged away a moment ago, is a file that the catalog does
// not list: going by the catalog counts every span once.
static enum err find_parts(struct entries *l, const char *data)
{
    struct err_at at = {0};
    enum err e = fs_real()->ops->list(fs_real(), l->dir, ignore_file, NULL);
    if (e != ERR_OK) {
        fprintf(stderr, "sonde: %s: %s\n", l->dir,
                e == ERR_NOT_FOUND ? "no data is there; name the server's data folder with --data "
                                     "(it prints it when it starts)"
                                   : err_text(e));
        return e;
    }
    e = read_catalog(data, note_part, l, &at);
    l->by_catalog = e == ERR_OK;
    if (e != ERR_OK) {
        fprintf(stderr, "sonde: %s/store/catalog.db: %s Every file in %s is taken for a part.\n",
                data, at.text[0] != 0 ? at.text : err_text(e), l->dir);
        for (size_t i = 0; i < l->count; i++) { // what it gave before it failed
            mem_free(l->all[i].path);
        }
        l->count = 0;
    }
    e = fs_real()->ops->list(fs_real(), l->dir, note_file, l);
    sort_array(l->all, l->count, sizeof *l->all, by_path);
    return e;
}

struct search {
    uint64_t id;
    bool found;
};

static void match_part(void *ctx, const struct catalog_part *p)
{
    struct search *s = ctx;
    s->found = s->found || (p->id == s->id && p->state != PART_QUARANTINED);
}

// Whether the catalog still lists a part whose file is not there: it was not merged away.
static bool is_missing(const char *data, const struct entry *f)
{
    struct search s = {.id = f->id};
    struct err_at at = {0};
    return f->is_listed && f->state != PART_QUARANTINED &&
           read_catalog(data, match_part, &s, &at) == ERR_OK && s.found;
}

// "" where the catalog was not asked.
static const char *state_name(const struct entry *f)
{
    static const char *const names[] = {"live", "set aside", "stripped", "fresh"};
    ASSERT(f->state <= PART_FRESH);
    return f->is_listed ? names[f->state] : "";
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
    sort_array(t->columns, t->count, sizeof *t->columns, largest_first);
    if (!table) {
        printf("{\"parts\":%" PRIu64 ",\"stripped\":%" PRIu64 ",\"spans\":%" PRIu64
               ",\"traces\":%" PRIu64 ",\"bytes\":%" PRIu64
               ",\"bytes_per_span\":%.3f,\"columns\":{",
               t->parts, t->stripped, t->rows, t->traces, t->bytes, per_span(t->bytes, t->rows));
        for (size_t i = 0; i < t->count; i++) {
            fputs(i > 0 ? "," : "", stdout);
            json_text_put(t->columns[i].name);
            printf(":%" PRIu64, t->columns[i].bytes);
        }
        puts("}}");
        return;
    }
    printf("parts   %" PRIu64 " (%" PRIu64 " stripped of error-free traces)\nspans   %" PRIu64
           "\ntraces  %" PRIu64 "\nbytes   %" PRIu64 " (%.2f a span)\n\n%12s  %8s  %6s  %s\n",
           t->parts, t->stripped, t->rows, t->traces, t->bytes, per_span(t->bytes, t->rows),
           "BYTES", "A SPAN", "SHARE", "COLUMN");
    for (size_t i = 0; i < t->count; i++) {
        printf("%12" PRIu64 "  %8.3f  %5.1f%%  ", t->columns[i].bytes,
               per_span(t->columns[i].bytes, t->rows),
               100.0 * (double)t->columns[i].bytes / (double)(t->bytes > 0 ? t->bytes : 1));
        table_put(t->columns[i].name, 0, INT_MAX); // attribute keys may hold anything
        putchar('\n');
    }
}

// ---- The three commands over each part ----------------------------------------------------------

struct tool {
    const char *verb, *data;
    bool table;
    struct totals totals;
    size_t checked, damaged, absent; // FILEs given that there are not
    size_t series_checked, series_damaged;
};

static void print_part(const struct tool *t, const struct entry *f, const struct part *p)
{
    const struct part_meta *m = part_meta(p);
    const char *state = state_name(f);
    ASSERT(f->path != NULL);
    if (t->table) {
        struct arena scratch = {0};
        printf("%10" PRIu64 "  %8" PRIu64 "  %12" PRIu64 "  %7.2f  %8zu  %-9s  %s  ", m->rows,
               m->traces, m->file_bytes, per_span(m->file_bytes, m->rows), m->service_count, state,
               f->path);
        table_put(arena_printf(&scratch, "%.*s", STR_FMT(m->line)).p, 0, INT_MAX);
        putchar('\n');
        arena_done(&scratch);
        return;
    }
    fputs("{\"file\":", stdout);
    json_text_put(f->path);
    printf(",\"spans\":%" PRIu64 ",\"traces\":%" PRIu64 ",\"blocks\":%" PRIu64 ",\"bytes\":%" PRIu64
           ",\"min_start_unix_nano\":%" PRIu64 ",\"max_start_unix_nano\":%" PRIu64
           ",\"seq_first\":%" PRIu64 ",\"seq_last\":%" PRIu64
           ",\"services\":%zu,\"state\":\"%s\"}\n",
           m->rows, m->traces, m->blocks, m->file_bytes, m->min_start_ns, m->max_start_ns,
           m->seq_first, m->seq_last, m->service_count, state);
}

static enum err visit(struct tool *t, const struct entry *f, struct part *p, struct err_at *at)
{
    const struct part_meta *m = part_meta(p);
    if (strcmp(t->verb, "verify") == 0) {
        struct arena scratch = {0};
        const struct catalog_part found = catalog_part_of(m, &scratch);
        uint64_t mark = catalog_part_mark(&found);
        arena_done(&scratch);
        return f->is_listed && mark != f->mark
                   ? err_at_set(at, ERR_CORRUPT, 0,
                                "The catalog knows other services and rows of it: this is another "
                                "part's file.")
                   : part_verify(p, at);
    }
    if (strcmp(t->verb, "inspect") == 0) {
        print_part(t, f, p);
        return ERR_OK;
    }
    t->totals.parts++;
    t->totals.stripped += f->is_listed && f->state == PART_STRIPPED;
    t->totals.rows += m->rows;
    t->totals.traces += m->traces;
    t->totals.bytes += m->file_bytes;
    return part_column_bytes(p, add_column, &t->totals);
}

static void run_part(struct tool *t, const struct entry *f)
{
    struct part *p = NULL;
    struct err_at at = {0};
    enum err e = part_open(fs_real(), f->path, &p, &at);
    if (e == ERR_OK) {
        e = visit(t, f, p, &at);
        part_unref(p);
    } else if (e == ERR_NOT_FOUND && f->is_listed && !is_missing(t->data, f)) {
        return; // merged away meanwhile, or set aside
    } else if (e == ERR_NOT_FOUND && !f->is_listed) {
        t->absent++;
        fprintf(stderr, "sonde: %s: there is no such file\n", f->path);
        return;
    } else if (e == ERR_NOT_FOUND && f->is_listed) {
        e = err_at_set(&at, e, 0, "The catalog lists this part, but the file is not there.");
    }
    t->checked++;
    if (e != ERR_OK) {
        t->damaged++;
        fprintf(stderr, "sonde: %s: at byte %" PRIu64 ": %s\n", f->path, at.offset,
                at.text[0] != 0 ? at.text : err_text(e));
    } else if (strcmp(t->verb, "verify") == 0 && t->table) {
        printf("ok  %s\n", f->path);
    }
}

static void print_verdict(const struct tool *t, const struct entries *l)
{
    ASSERT(t->series_damaged <= t->series_checked);
    if (!t->table) {
        printf("{\"parts\":%zu,\"damaged\":%zu,\"unlisted\":%zu,\"series_parts\":%zu,"
               "\"series_damaged\":%zu}\n",
               t->checked, t->damaged, l->unlisted, t->series_checked, t->series_damaged);
        return;
    }
    printf("%zu parts, %zu damaged\n", t->checked, t->damaged);
    if (t->series_checked > 0) {
        printf("%zu parts of series, %zu damaged\n", t->series_checked, t->series_damaged);
    }
    if (l->unlisted > 0) {
        printf("%zu files beside them are in no catalog: being written, merged away, or left by a "
               "crash\n",
               l->unlisted);
    }
}

// ---- Series -------------------------------------------------------------------------------------

static void verify_series(void *ctx, const char *name)
{
    struct tool *t = ctx;
    struct err_at at = {0};
    char path[FS_PATH_MAX];
    struct series_part *p;
    if (name[strcspn(name, ".")] == 0 || strcmp(name + strcspn(name, "."), ".part") != 0 ||
        snprintf(path, sizeof path, "%s/series/parts/%s", t->data, name) >= (int)sizeof path) {
        return;
    }
    enum err e = series_part_open(fs_real(), path, &p, &at);
    if (e == ERR_NOT_FOUND) {
        return; // merged away meanwhile
    }
    if (e == ERR_OK) {
        e = series_part_verify(p, &at);
        series_part_unref(p);
    }
    t->series_checked++;
    ASSERT(t->data != NULL);
    if (e != ERR_OK) {
        t->series_damaged++;
        fprintf(stderr, "sonde: %s: %s\n", path, at.text[0] != 0 ? at.text : err_text(e));
    } else if (t->table) {
        printf("ok  %s\n", path);
    }
}

// Of a folder without series there is nothing to be said.
static void verify_all_series(struct tool *t)
{
    char dir[FS_PATH_MAX];
    struct fs *fs = fs_real();
    ASSERT(t->data != NULL);
    if (snprintf(dir, sizeof dir, "%s/series/parts", t->data) < (int)sizeof dir) {
        enum err e = fs->ops->list(fs, dir, verify_series, t);
        if (e != ERR_OK && e != ERR_NOT_FOUND) {
            fprintf(stderr, "sonde: %s: %s\n", dir, err_text(e));
        }
    }
}

static int run(struct tool *t, const struct entries *l)
{
    t->totals.columns = mem_new(COLUMNS_MAX, sizeof *t->totals.columns);
    if (t->table && strcmp(t->verb, "inspect") == 0) {
        printf("%10s  %8s  %12s  %7s  %8s  %-9s  %s\n", "SPANS", "TRACES", "BYTES", "A SPAN",
               "SERVICES", "STATE", "FILE  BUSINESS LINE");
    }
    for (size_t i = 0; i < l->count; i++) {
        run_part(t, &l->all[i]);
    }
    if (l->left_out > 0) {
        fprintf(stderr, "sonde: %zu parts beyond the first %d are not read\n", l->left_out,
                FILES_MAX);
        t->damaged += l->left_out;
    }
    if (strcmp(t->verb, "stats") == 0) {
        print_totals(&t->totals, t->table);
    } else if (strcmp(t->verb, "verify") == 0) {
        if (l->by_folder) {
            verify_all_series(t);
        }
        print_verdict(t, l);
    }
    for (size_t i = 0; i < t->totals.count; i++) {
        mem_free(t->totals.columns[i].name);
    }
    mem_free(t->totals.columns);
    return t->damaged + t->series_damaged > 0 ? EXIT_DAMAGED
           : t->absent > 0                    ? EXIT_NOT_FOUND
                                              : EXIT_DONE;
}

static int run_over_parts(const char *data, const char *const *words, int count, bool json)
{
    char dir[FS_PATH_MAX];
    struct entries l = {.dir = dir, .by_folder = count == 1};
    ASSERT(count > 0);
    (void)snprintf(dir, sizeof dir, "%s/store/parts", data);
    for (int i = 1; i < count; i++) {
        add_entry(&l, words[i], (struct entry){0});
    }
    struct tool t = {.verb = words[0], .data = data, .table = wants_table(json)};
    int code = count == 1 && find_parts(&l, data) != ERR_OK ? EXIT_FAILED : run(&t, &l);
    free_entries(&l);
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
