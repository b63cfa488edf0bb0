// SPDX-License-Identifier: Apache-2.0
// Purpose: the table of embedded files that tools/embed.py generates from the built UI.
#ifndef SONDE_API_ASSETS_H
#define SONDE_API_ASSETS_H

#include <stdbool.h>
#include <stddef.h>

struct asset {
    const char *path; // "/assets/index-4f2a.js"
    const char *content_type;
    const char *etag;  // quoted, of the content
    const char *bytes; // gzip where it is smaller, else as is
    size_t size;
    bool gzip;
    bool hashed; // the name has a hash of the content: may be kept for ever
};

extern const struct asset assets[];
extern const size_t asset_count;

// openapi.json as it stands in the tree.
extern const char openapi_json[];
extern const size_t openapi_json_size;

#endif
