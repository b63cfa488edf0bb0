// SPDX-License-Identifier: Apache-2.0
// Purpose: pulling JSON apart (RFC 8259, strict) without a tree: the caller asks for what it
// expects next. Private to src/wire.
//
// Every function returns false where the text is not what it says; `what` and `p` then tell what is
// wrong and where.
#ifndef SONDE_WIRE_JSON_READER_H
#define SONDE_WIRE_JSON_READER_H

#include <stdbool.h>

#include "core/buf.h"
#include "core/str.h"

struct json_reader {
    const char *p, *end;
    const char *what;   // the first thing wrong, or NULL
    struct buf scratch; // the text of a string with escapes
};

// `source` (may be NULL) is asked for the memory of strings with escapes; where it refuses, the
// string cannot be read and scratch.denied says so.
void json_reader_init(struct json_reader *j, struct str text, struct mem_source *source);
void json_reader_done(struct json_reader *j);

// The first byte of the next token, or 0 at the end of the text.
char json_peek(struct json_reader *j);

// Takes the byte `c` as the next token.
bool json_take(struct json_reader *j, char c);

// Takes the word (true, false, null) as the next token.
bool json_take_word(struct json_reader *j, const char *word);

// A string without its escapes, valid UTF-8. Lives until the next string is read.
bool json_read_string(struct json_reader *j, struct str *ret_text);

// A number as it is written; it may stand in a string too.
bool json_read_number(struct json_reader *j, struct str *ret_digits);

// Passes over any value, as strictly as if it were read.
bool json_skip(struct json_reader *j, unsigned depth);

// After the opening bracket: whether another element (or member) follows. Takes the comma between
// two, or the closing bracket. `first` starts true. False with j->what set where neither is there.
bool json_more(struct json_reader *j, char close, bool *first);

// Whether the whole text is a number as RFC 8259 writes it.
bool json_is_number(struct str text);

#endif
