// SPDX-License-Identifier: Apache-2.0
// Purpose: a message: a notice in the form that one receiver takes, ready for the wire; and the
// table through which each type of channel makes it and reads what the receiver says to it.
//
// A new type is a file with a `struct channel_ops`, a line in the table of message.c, and one in
// CHANNEL_TYPE_LIST (channel.h) with the keys it has.
//
// Limits. A type's body stays below its `body_bytes_max` whatever the notice holds: values are cut.
// Escapes. Whatever is put into a message may come from a peer: each type puts it so that it means
// nothing there (no markup, no mention, no header, no other request). What turns the order of text
// is taken out before, for all of them (notice_clean()).
#ifndef SONDE_NOTIFY_MESSAGE_H
#define SONDE_NOTIFY_MESSAGE_H

#include "core/arena.h"
#include "core/buf.h"
#include "core/err.h"
#include "notify/channel.h"
#include "notify/notice.h"

#define MESSAGE_HEADERS_MAX    ((size_t)6)
#define MESSAGE_RECEIVERS_MAX  (CHANNEL_LIST_MAX + NOTICE_PEOPLE_MAX)
#define MESSAGE_BODY_BYTES_MAX ((size_t)1 << 20)
#define MESSAGE_PER_MINUTE_MAX ((size_t)100)

struct occasion {
    const struct channel *channel;
    const struct notice *notice;
    struct str key; // of the delivery: the same for each attempt
    size_t step;    // below what `steps` says
    uint64_t now_unix_nano;
    struct str mark; // of this server (vault_mark()): so that it knows what comes back to it
};

struct message {
    struct arena *arena; // of all texts; each ends in a NUL
    struct str method, url;
    struct str headers[MESSAGE_HEADERS_MAX]; // "Name: value"
    size_t header_count;
    struct str user, password;
    struct str from, to[MESSAGE_RECEIVERS_MAX]; // of mail
    size_t to_count;
    struct buf body; // the caller's, empty
};

enum verdict {
    VERDICT_TAKEN,
    VERDICT_AGAIN,  // not taken, may be later
    VERDICT_SLOWER, // not taken: there are too many; nothing to this channel for a while
    VERDICT_REFUSED // not taken, and hardly later
};

struct channel_ops {
    size_t body_bytes_max;
    size_t per_minute_max; // MESSAGE_PER_MINUTE_MAX at most; 0: any number
    // How many requests it takes to tell all; NULL: one.
    size_t (*steps)(const struct channel *c, const struct notice *n);
    // Fills what is not there yet. ERR_NOT_FOUND where there is nobody to send it to.
    enum err (*render)(const struct occasion *o, struct message *m, struct err_at *ret_at);
    // For receivers that tell in the body of a good answer (status 200) that it is bad; NULL: the
    // status says it all. *ret_why lives as long as the body or for ever.
    enum verdict (*judge)(struct str body, struct str *ret_why);
};

const struct channel_ops *channel_ops_of(enum channel_type t);

size_t message_steps(const struct channel *c, const struct notice *n);
// The body has the limit of the type, and ERR_LIMIT says that a message would pass it.
MUST_CHECK enum err message_make(const struct occasion *o, struct message *m,
                                 struct err_at *ret_at);

void message_add_header(struct message *m, struct str line);

// What judges have in common: `{"<code_key>": 0, ...}` is good; codes in `slower`
// (ends in 0) are VERDICT_SLOWER, -1 and what is no such object VERDICT_AGAIN, others REFUSED.
enum verdict message_judge_code(struct str body, struct str code_key, const int64_t *slower,
                                struct str *ret_why);

extern const struct channel_ops wecom_ops, dingtalk_ops, feishu_ops, slack_ops, webhook_ops,
    mail_ops, sms_ops, alertmanager_ops;

#endif
