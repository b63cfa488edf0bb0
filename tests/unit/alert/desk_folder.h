// SPDX-License-Identifier: Apache-2.0
// Purpose: a desk with its channels in a folder of their own, for tests of what tells over it.
#ifndef SONDE_TESTS_ALERT_DESK_FOLDER_H
#define SONDE_TESTS_ALERT_DESK_FOLDER_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "alert/desk.h"
#include "test.h"

#define DESK_FOLDER_MAX 32

static inline void desk_folder_make(char folder[DESK_FOLDER_MAX])
{
    (void)snprintf(folder, DESK_FOLDER_MAX, "/tmp/sonde-desk-XXXXXX");
    assert_non_null(mkdtemp(folder));
}

// `n` has all but the paths.
static inline void desk_folder_open(const char *folder, struct notify_options n,
                                    struct notify **ret_notify, struct desk **ret_desk)
{
    char db[64], key[64], alerts[64];
    struct err_at at = {0};
    (void)snprintf(db, sizeof db, "%s/notify.db", folder);
    (void)snprintf(key, sizeof key, "%s/notify.key", folder);
    (void)snprintf(alerts, sizeof alerts, "%s/alerts.db", folder);
    n.db_path = db;
    n.key_path = key;
    n.version = "test";
    assert_ok(notify_open(&n, ret_notify, &at));
    const struct desk_options d = {.path = alerts, .notify = *ret_notify};
    assert_ok(desk_open(&d, ret_desk, &at));
}

// 0 where nothing else was left there.
static inline int desk_folder_remove(const char *folder)
{
    static const char *const names[] = {"notify.db", "notify.db-wal", "notify.db-shm", "notify.key",
                                        "alerts.db", "alerts.db-wal", "alerts.db-shm"};
    char path[64];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        (void)unlink(path);
    }
    return rmdir(folder);
}

#endif
