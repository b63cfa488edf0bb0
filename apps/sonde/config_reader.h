// SPDX-License-Identifier: Apache-2.0
// Purpose: what the readers of the configuration's YAML share: config_file.c, and config_scrape.c
// for the list of jobs.
#ifndef SONDE_APPS_CONFIG_READER_H
#define SONDE_APPS_CONFIG_READER_H

#include "config.h"
#include "wire/yaml_doc.h"

struct config_reader {
    struct config *c;
    struct yaml_doc y;
};

// scrape.jobs.
MUST_CHECK enum err config_read_jobs(struct config_reader *r, const yaml_node_t *list);

#endif
