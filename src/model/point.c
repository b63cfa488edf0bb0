// SPDX-License-Identifier: Apache-2.0
// Purpose: what may be a label of a point.
#include "model/point.h"

#include "core/must.h"

// Two attributes of one key cannot both be a label; nor can what is too long, or has no name.
const char *point_check_attrs(const struct batch *b, struct attr_run run)
{
    const struct attr *attrs = run.count > 0 ? b->attrs + run.first : NULL;
    ASSERT(run.count <= POINT_ATTRS_MAX);
    for (uint32_t i = 0; i < run.count; i++) {
        struct str key = batch_str(b, attrs[i].key);
        struct str text = attr_type_is_text(attrs[i].type) ? batch_str(b, attrs[i].code) : STR("");
        if (key.n == 0) {
            return "an attribute has no key";
        }
        if (key.n > POINT_KEY_BYTES_MAX || text.n > POINT_TEXT_BYTES_MAX) {
            return "a key or value of an attribute is longer than 1,000 bytes";
        }
        if (memchr(key.p, 0, key.n) != NULL ||
            (attrs[i].type == ATTR_STRING && text.n > 0 && memchr(text.p, 0, text.n) != NULL)) {
            return "an attribute has a NUL byte";
        }
        for (uint32_t k = 0; k < i; k++) {
            if (attrs[k].key == attrs[i].key) {
                return "two attributes have the same key";
            }
        }
    }
    return NULL;
}

bool point_text_fits(struct str text)
{
    ASSERT(text.p != NULL || text.n == 0);
    return text.n <= POINT_TEXT_BYTES_MAX && (text.n == 0 || memchr(text.p, 0, text.n) == NULL);
}
