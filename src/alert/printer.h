// SPDX-License-Identifier: Apache-2.0
// Purpose: values as a file of rules has them (YAML): what is printed is read as the same. Internal
// to alert/.
#ifndef SONDE_ALERT_PRINTER_H
#define SONDE_ALERT_PRINTER_H

#include "core/buf.h"
#include "core/str.h"

// Bare where YAML takes it for itself, else quoted.
void printer_text(struct buf *out, struct str s);
// A line "indent key: value".
void printer_pair(struct buf *out, const char *indent, const char *key, struct str value);
// The same with a list; nothing for an empty one.
void printer_list(struct buf *out, const char *indent, const char *key, const struct str *items,
                  size_t count);
void printer_duration(struct buf *out, const char *indent, const char *key, uint64_t ms);

#endif
