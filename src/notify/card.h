// SPDX-License-Identifier: Apache-2.0
// Purpose: what a notice says to a person, before it takes the form of one receiver: a title, lines
// of a label and a value, links, in the language of the channel. And what those forms have in
// common: escaping, cutting to a limit.
//
// Whatever is in a notice may come from a peer (the name of a service, of an entry): values are on
// one line of UTF-8, without control characters, and not longer than CARD_VALUE_BYTES_MAX (cut,
// with "..."). What means something in a form (markdown, HTML) is still in them: it is escaped
// where it is put there. Any thread.
#ifndef SONDE_NOTIFY_CARD_H
#define SONDE_NOTIFY_CARD_H

#include "core/arena.h"
#include "core/buf.h"
#include "notify/channel.h"
#include "notify/notice.h"
#include "notify/words.h"

#define CARD_LINES_MAX       ((size_t)20)
#define CARD_LINKS_MAX       ((size_t)2)
#define CARD_TITLE_BYTES_MAX ((size_t)256)
#define CARD_VALUE_BYTES_MAX ((size_t)512)
#define CARD_URL_BYTES_MAX   ((size_t)1024) // longer ones are left out

struct card_line {
    struct str label, value;
};

struct card {
    enum notice_status status;
    enum notice_level level;
    struct str title;
    struct card_line lines[CARD_LINES_MAX];
    size_t line_count;
    struct card_line links[CARD_LINKS_MAX]; // the value is a URL, safe in quotes and brackets
    size_t link_count;
};

// Texts live in the arena.
void card_make(const struct notice *n, enum language l, struct arena *a, struct card *ret_card);

// One line that says it all, for SMS.
struct str card_summary(const struct notice *n, enum language l, struct arena *a);

// A copy on one line, cut at `bytes_max`; what is no UTF-8 is a question mark.
struct str card_flat(struct arena *a, struct str text, size_t bytes_max);

// "2026-11-30 09:29:16 +0800", in the time zone of the server.
struct str card_time(struct arena *a, uint64_t unix_nano);
// RFC 3339 in UTC, with milliseconds.
struct str card_time_utc(struct arena *a, uint64_t unix_nano);

// For forms of markdown that know no escapes: what would mean something is put as its full-width
// twin, so that it is read the same and does nothing.
struct str card_markdown(struct arena *a, struct str text);
// &, <, >, and quotes.
struct str card_html(struct arena *a, struct str text);
// &, <, > alone.
struct str card_angles(struct arena *a, struct str text);

// Whether it is one word that can stand in a mention: letters, digits and . _ @ + -.
bool card_is_id(struct str id);

// Adds before, value, after to `out`, which is to have `bytes_max` in the end: where there is not
// enough room the value is cut. False, and nothing added, where not even a part of it would fit.
bool card_add_fitting(struct buf *out, size_t bytes_max, struct str before, struct str value,
                      struct str after);

#endif
