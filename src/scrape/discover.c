// SPDX-License-Identifier: Apache-2.0
// Purpose: which targets there are: those of the configuration, and of files that are read anew
// when they have changed.
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/logger.h"
#include "core/mem.h"
#include "core/must.h"
#include "scrape/internal.h"

struct file {
    const struct scrape_job *job;
    char *path;
    bool met;      // by the look at hand
    bool is_there; // was when it was looked at
    bool bad;
    struct timespec changed;
    off_t size;
    ino_t inode;
    struct content content;
};

struct discover {
    const struct scrape_job *jobs;
    size_t job_count;
    struct content_pool pool;
    struct content fixed; // of the configuration
    struct file **files;
    size_t file_count, file_capacity;
    size_t files_left_out; // by the last look
    uint64_t errors;
    bool looked;
};

// ---- Files --------------------------------------------------------------------------------------

// Waits for nobody: the thread that reads is the one that scrapes.
static const char *read_text(const char *path, struct buf *out)
{
    char piece[4096];
    struct stat st;
    ssize_t n = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return "it cannot be opened";
    }
    bool is_file = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    while (is_file && !out->failed && (n = read(fd, piece, sizeof piece)) > 0) {
        buf_add(out, piece, (size_t)n);
    }
    (void)close(fd);
    ASSERT(out->max == SCRAPE_FILE_BYTES_MAX);
    return !is_file      ? "it is not a file"
           : n < 0       ? "it cannot be read"
           : out->denied ? "there is no memory to read it"
           : out->failed ? "it is larger than 4 MiB"
                         : NULL;
}

// Reads a file that has changed: what it had stays where what it has is bad.
static void read_file(struct discover *d, struct file *f)
{
    struct content fresh = {.pool = &d->pool};
    struct buf text;
    buf_init_from(&text, SCRAPE_FILE_BYTES_MAX, &d->pool.meter.source);
    d->pool.again = false;
    const char *wrong = read_text(f->path, &text);
    if (wrong == NULL) {
        struct str all = text.n > 0 ? buf_str(&text) : STR("");
        wrong = content_read(&fresh, f->job, str_ends(str_of(f->path), STR(".json")), all);
    }
    d->pool.again = d->pool.again || text.denied;
    buf_done(&text);
    bool told = f->bad && d->pool.again;
    f->bad = wrong != NULL;
    f->is_there = !d->pool.again;
    if (wrong != NULL) {
        content_done(&fresh);
        d->errors++;
        if (!told) {
            log_write(LOG_WARN, "scrape", "a file of targets is bad, what it had before stays",
                      "file=%s reason=\"%s\"", f->path, wrong);
        }
        return;
    }
    content_done(&f->content);
    f->content = fresh;
}

// NULL where there are too many.
static struct file *find_file(struct discover *d, const struct scrape_job *job, const char *path)
{
    ASSERT(d->file_count <= SCRAPE_FILES_MAX);
    for (size_t i = 0; i < d->file_count; i++) {
        if (d->files[i]->job == job && strcmp(d->files[i]->path, path) == 0) {
            return d->files[i];
        }
    }
    if (d->file_count == SCRAPE_FILES_MAX) {
        return NULL;
    }
    size_t n = strlen(path) + 1;
    struct file *f = mem_new(1, sizeof *f);
    f->job = job;
    f->content.pool = &d->pool;
    f->path = mem_alloc(n);
    memcpy(f->path, path, n);
    d->files = mem_grow(d->files, &d->file_capacity, d->file_count + 1, sizeof *d->files);
    d->files[d->file_count++] = f;
    return f;
}

static void file_free(struct file *f)
{
    ASSERT(f->path != NULL);
    content_done(&f->content);
    mem_free(f->path);
    mem_free(f);
}

// Whether the file is not as it was.
static bool look_at(struct discover *d, struct file *f, const struct stat *st)
{
    bool same = f->is_there && st->st_size == f->size && st->st_ino == f->inode &&
                st->st_mtim.tv_sec == f->changed.tv_sec &&
                st->st_mtim.tv_nsec == f->changed.tv_nsec;
    if (same) {
        return false;
    }
    f->is_there = true;
    f->size = st->st_size;
    f->inode = st->st_ino;
    f->changed = st->st_mtim;
    ASSERT(d->file_count > 0);
    read_file(d, f);
    return !f->bad;
}

static bool look_at_pattern(struct discover *d, const struct scrape_job *job, struct str pattern)
{
    glob_t found = {0};
    bool changed = false;
    ASSERT(pattern.p[pattern.n] == '\0'); // of the configuration
    if (glob(pattern.p, 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++) {
            struct stat st;
            bool is_there = stat(found.gl_pathv[i], &st) == 0;
            if (!is_there && (errno == ENOENT || errno == ELOOP)) {
                continue; // a link to nothing: what was there goes with the files that are not met
            }
            struct file *f = find_file(d, job, found.gl_pathv[i]);
            if (f == NULL) {
                d->files_left_out++;
                continue;
            }
            f->met = true;
            changed = (is_there && look_at(d, f, &st)) || changed;
        }
    }
    globfree(&found);
    return changed;
}

// Files that are gone take their targets along.
static bool drop_missing(struct discover *d)
{
    size_t kept = 0;
    for (size_t i = 0; i < d->file_count; i++) {
        if (d->files[i]->met) {
            d->files[kept++] = d->files[i];
        } else {
            file_free(d->files[i]);
        }
    }
    bool dropped = kept < d->file_count;
    ASSERT(kept <= d->file_count);
    d->file_count = kept;
    return dropped;
}

bool discover_look(struct discover *d)
{
    bool changed = !d->looked;
    size_t left_out = d->files_left_out;
    d->looked = true;
    d->files_left_out = 0;
    for (size_t i = 0; i < d->file_count; i++) {
        d->files[i]->met = false;
    }
    for (size_t i = 0; i < d->job_count; i++) {
        ASSERT(d->jobs[i].file_count <= SCRAPE_JOB_LIST_MAX);
        for (size_t k = 0; k < d->jobs[i].file_count; k++) {
            changed = look_at_pattern(d, &d->jobs[i], d->jobs[i].files[k]) || changed;
        }
    }
    if (d->files_left_out > left_out) {
        log_write(LOG_WARN, "scrape", "there are more files of targets than are read",
                  "left_out=%zu most=%zu", d->files_left_out, SCRAPE_FILES_MAX);
    }
    return drop_missing(d) || changed;
}

struct discover *discover_new(const struct scrape_job *jobs, size_t count, struct budget *budget)
{
    struct discover *d = mem_new(1, sizeof *d);
    ASSERT(count <= SCRAPE_JOBS_MAX);
    meter_init(&d->pool.meter, budget, ACCOUNT_BODIES);
    d->fixed = (struct content){.pool = &d->pool, .is_forced = true};
    d->jobs = jobs;
    d->job_count = count;
    for (size_t i = 0; i < count; i++) {
        content_take_fixed(&d->fixed, &jobs[i]);
    }
    return d;
}

void discover_free(struct discover *d)
{
    for (size_t i = 0; i < d->file_count; i++) {
        file_free(d->files[i]);
    }
    ASSERT(d->job_count <= SCRAPE_JOBS_MAX);
    mem_free(d->files);
    content_done(&d->fixed);
    meter_done(&d->pool.meter);
    mem_free(d);
}

void discover_each(const struct discover *d,
                   void (*each)(void *ctx, const struct found_target *target), void *ctx)
{
    for (size_t i = 0; i < d->fixed.count; i++) {
        each(ctx, &d->fixed.targets[i]);
    }
    for (size_t i = 0; i < d->file_count; i++) {
        ASSERT(d->files[i]->content.pool == &d->pool);
        for (size_t k = 0; k < d->files[i]->content.count; k++) {
            each(ctx, &d->files[i]->content.targets[k]);
        }
    }
}

void discover_stats(const struct discover *d, struct discover_stats *ret_stats)
{
    uint64_t bad = 0;
    for (size_t i = 0; i < d->file_count; i++) {
        bad += d->files[i]->bad;
    }
    ASSERT(bad <= d->file_count);
    *ret_stats = (struct discover_stats){.files = d->file_count,
                                         .bad_files = bad,
                                         .files_left_out = d->files_left_out,
                                         .file_errors = d->errors,
                                         .targets_left_out = d->fixed.left_out};
}
