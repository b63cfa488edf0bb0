// SPDX-License-Identifier: Apache-2.0
// Purpose: `sonde store rebuild`: a new catalog.db from the parts, while no server runs.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "commands.h"
#include "core/must.h"
#include "folder.h"
#include "os/fs.h"
#include "store/rebuild.h"

static void print_left_out(void *ctx, const char *path, enum rebuild_fate fate, const char *why)
{
    ASSERT(ctx == NULL);
    fprintf(stderr,
            fate == REBUILD_DAMAGED
                ? "sonde: %s is set aside as .bad: %s It is damaged, or was being written when the "
                  "server ended; then the journal has its spans.\n"
                : "sonde: %s is left out: all its spans are in %s\n",
            path, why);
}

static void print_result(const struct rebuilt *r, bool table)
{
    ASSERT(r->parts > 0 || r->damaged > 0);
    if (!table) {
        printf("{\"parts\":%" PRIu64 ",\"spans\":%" PRIu64 ",\"bytes\":%" PRIu64
               ",\"lines\":%" PRIu64 ",\"damaged\":%" PRIu64 ",\"left_out\":%" PRIu64
               ",\"kept_as\":\"%s\"}\n",
               r->parts, r->rows, r->bytes, r->lines, r->damaged, r->covered, r->kept_as);
        return;
    }
    printf("The new catalog.db knows %" PRIu64 " parts with %" PRIu64 " spans of %" PRIu64
           " business lines.\n",
           r->parts, r->rows, r->lines);
    if (r->damaged + r->covered > 0) {
        printf("%" PRIu64 " parts are damaged or unfinished, %" PRIu64 " were left out.\n",
               r->damaged, r->covered);
    }
    if (r->kept_as[0] != 0) {
        printf("The old one is kept as %s.\n", r->kept_as);
    }
    puts("Not recovered: what the ledger counted beside these spans, dead letters, and which\n"
         "parts retention had stripped. The next start replays the whole journal.");
}

int store_rebuild_run(const char *data, bool json)
{
    char dir[FS_PATH_MAX];
    struct folder folder = FOLDER_NONE;
    struct rebuilt result;
    struct err_at at = {0};
    int n = snprintf(dir, sizeof dir, "%s/store", data);
    enum err e = n > 0 && n < (int)sizeof dir ? folder_take(&folder, data, &at) : ERR_LIMIT;
    if (e == ERR_OK) {
        const struct rebuild_options o = {
            .fs = fs_real(), .dir = dir, .on_left_out = print_left_out};
        e = store_rebuild(&o, &result, &at);
    }
    folder_done(&folder);
    if (e != ERR_OK) {
        fprintf(stderr, "sonde: %s\n", at.text[0] != 0 ? at.text : err_text(e));
        return EXIT_FAILED;
    }
    print_result(&result, wants_table(json));
    return result.damaged > 0 ? EXIT_DAMAGED : EXIT_DONE;
}
