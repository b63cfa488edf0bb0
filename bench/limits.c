// SPDX-License-Identifier: Apache-2.0
// Purpose: the limits that the server is compared with, on this machine and the same bytes: copying
// them, compressing them with zstd -1, and writing and syncing them to the disk. Prints one JSON
// line: CPU-seconds and seconds per million spans of each, and the bytes of a span.
//
// Usage: limits small|middle|large FOLDER
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zstd.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/must.h"
#include "gen.h"

#define SPANS  200000
#define BATCH  500
#define ROUNDS 3 // the best counts

struct work {
    const struct gen *gen;
    char *out;
    size_t out_bytes;
    int fd;
};

static void copy(struct work *w)
{
    for (size_t i = 0; i < w->gen->count; i++) {
        MUST(w->gen->requests[i].size <= w->out_bytes);
        memcpy(w->out, w->gen->requests[i].bytes, w->gen->requests[i].size);
        __asm__ volatile("" : : "r"(w->out) : "memory"); // the copy must happen
    }
}

static void compress(struct work *w)
{
    for (size_t i = 0; i < w->gen->count; i++) {
        const struct gen_request *r = &w->gen->requests[i];
        MUST(!ZSTD_isError(ZSTD_compress(w->out, w->out_bytes, r->bytes, r->size, 1)));
    }
}

// As a journal does without any cleverness: one write and one sync for each request.
static void write_and_sync(struct work *w)
{
    MUST(lseek(w->fd, 0, SEEK_SET) == 0);
    for (size_t i = 0; i < w->gen->count; i++) {
        const struct gen_request *r = &w->gen->requests[i];
        MUST(write(w->fd, r->bytes, r->size) == (ssize_t)r->size);
        MUST(fdatasync(w->fd) == 0);
    }
}

static double cpu_seconds(void)
{
    struct rusage u;
    MUST(getrusage(RUSAGE_SELF, &u) == 0);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void measure(const char *name, void (*run)(struct work *w), struct work *w, size_t spans)
{
    double best_cpu = 0, best_s = 0;
    for (int i = 0; i < ROUNDS; i++) {
        double cpu = cpu_seconds();
        uint64_t begun = clock_mono_ns();
        run(w);
        double s = (double)(clock_mono_ns() - begun) / 1e9;
        cpu = cpu_seconds() - cpu;
        best_cpu = i == 0 || cpu < best_cpu ? cpu : best_cpu;
        best_s = i == 0 || s < best_s ? s : best_s;
    }
    double scale = 1e6 / (double)spans;
    printf("\"%s\":{\"cpu_s\":%.4f,\"s\":%.4f},", name, best_cpu * scale, best_s * scale);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fputs("usage: limits small|middle|large FOLDER\n", stderr);
        return 2;
    }
    struct gen_options o = {
        .spans = SPANS, .spans_per_request = BATCH, .spans_per_second = 100000, .seed = 1};
    while (o.shape < GEN_SHAPES && strcmp(argv[1], gen_shape_name(o.shape)) != 0) {
        o.shape++;
    }
    MUST(o.shape < GEN_SHAPES);
    struct gen *g = gen_new(&o);
    char path[4096];
    struct work w = {.gen = g};
    size_t spans = 0;
    for (size_t i = 0; i < g->count; i++) {
        size_t bound = ZSTD_compressBound(g->requests[i].size);
        w.out_bytes = bound > w.out_bytes ? bound : w.out_bytes;
        spans += g->requests[i].spans;
    }
    w.out = mem_new(w.out_bytes, 1);
    (void)snprintf(path, sizeof path, "%s/limits", argv[2]);
    w.fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    MUST(w.fd >= 0);
    printf("{\"shape\":\"%s\",", argv[1]);
    measure("memcpy", copy, &w, spans);
    measure("zstd1", compress, &w, spans);
    measure("fdatasync", write_and_sync, &w, spans);
    printf("\"span_bytes\":%.1f}\n", (double)g->bytes / (double)spans);
    (void)close(w.fd);
    (void)unlink(path);
    mem_free(w.out);
    gen_free(g);
    return 0;
}
