// SPDX-License-Identifier: Apache-2.0
// Purpose: a text as a string of JSON on standard output.
#include "json_text.h"

#include <stdio.h>
#include <string.h>

#include "core/must.h"
#include "wire/json_writer.h"

void json_text_put(const char *text)
{
    struct buf out;
    struct json_writer w;
    ASSERT(text != NULL);
    buf_init(&out, 6 * strlen(text) + 2); // each byte as an escape, in quotes
    json_writer_init(&w, &out);
    json_put_str(&w, str_of(text));
    fwrite(out.p, 1, out.n, stdout);
    buf_done(&out);
}
