// SPDX-License-Identifier: Apache-2.0
// Purpose: the statements of the book, for its own files.
#ifndef SONDE_ALERT_BOOK_STATE_H
#define SONDE_ALERT_BOOK_STATE_H

#include "alert/book.h"

enum book_statement {
    BOOK_PUT_CHANGE,
    BOOK_PUT_RULE,
    BOOK_CHANGE_REMOVED,
    BOOK_REMOVE_RULE,
    BOOK_RULES,
    BOOK_COUNT_RULES,
    BOOK_CUT_CHANGES,
    BOOK_CHANGES,
    BOOK_VERSION,
    BOOK_PUT_RECEIVED,
    BOOK_REMOVE_RECEIVED,
    BOOK_RECEIVED,
    BOOK_PUT_STATE,
    BOOK_STATE,
    BOOK_TOLD,
    BOOK_ADD_ALERT,
    BOOK_END_ALERT,
    BOOK_ALERTS,
    BOOK_FIRING,
    BOOK_ADD_INCIDENT,
    BOOK_SET_INCIDENT,
    BOOK_INCIDENTS,
    BOOK_INCIDENT,
    BOOK_OLD_INCIDENTS,
    BOOK_MANY_INCIDENTS,
    BOOK_FORGET_ALERTS,
    BOOK_FORGET_TIMELINE,
    BOOK_FORGET_MESSAGES,
    BOOK_ADD_ENTRY,
    BOOK_TIMELINE,
    BOOK_COMMENTS,
    BOOK_ADD_MESSAGE,
    BOOK_PUT_MESSAGE,
    BOOK_LAST_MESSAGES,
    BOOK_UNPUT,
    BOOK_PUT_ROSTER_CHANGE,
    BOOK_PUT_ROSTER,
    BOOK_ROSTER_REMOVED,
    BOOK_REMOVE_ROSTER,
    BOOK_ROSTER,
    BOOK_COUNT_ROSTER,
    BOOK_OLD_SILENCES,
    BOOK_STATEMENTS
};

enum book_roster_kind { BOOK_PEOPLE, BOOK_GROUPS, BOOK_SILENCES, BOOK_ROSTER_KINDS };
#define BOOK_AUDIT_MAX 256 // bytes of a name in the audit

// book_rules.c: in a transaction, the number that a statement counts; where it fails, so does the
// transaction.
uint64_t book_count(struct book *b, enum book_statement which);
// book_roster.c: in a transaction. False where there are too many, or one is too long.
bool book_put_roster(struct book *b, const struct roster *r, struct str by, uint64_t now_ns);
// Adds the lists that have something.
enum err book_print_roster(struct book *b, struct buf *out);

static inline sqlite3_stmt *book_statement(struct book *b, enum book_statement s)
{
    return b->sql.statements[s];
}

#endif
