// SPDX-License-Identifier: Apache-2.0
// Purpose: what the readers of the configuration's YAML share: config_file.c, and config_scrape.c
// for the list of jobs.
#ifndef SONDE_APPS_CONFIG_READER_H
#define SONDE_APPS_CONFIG_READER_H

#include <yaml.h>

#include "config.h"

struct config_reader {
    struct config *c;
    const char *file;
    yaml_document_t doc;
    struct err_at *at;
};

// ERR_INVALID with the place of the node; `name` may be NULL.
enum err config_wrong(struct config_reader *r, const yaml_node_t *n, const char *what,
                      const char *name);
enum err config_wrong_twice(struct config_reader *r, const yaml_node_t *n, const char *name,
                            const yaml_node_t *first);

// The text of a scalar; NULL for anything else.
const char *config_text_of(const yaml_node_t *n);

// Refuses the pair when its key stands in the mapping before it too.
MUST_CHECK enum err config_check_twice(struct config_reader *r, const yaml_node_t *map,
                                       const yaml_node_pair_t *pair, const char *path);

// scrape.jobs.
MUST_CHECK enum err config_read_jobs(struct config_reader *r, const yaml_node_t *list);

#endif
