// SPDX-License-Identifier: Apache-2.0
// Purpose: a channel: by what means, and to where, notices go. It is set key by key, by the file of
// rules and by the API alike, and then checked as a whole.
//
//     key            of which types                    what
//     name           all                               letters, digits and . _ -, of 64 bytes at
//     most type           all                               one of CHANNEL_TYPE_LIST language all
//     en (unless said otherwise), zh-CN url            all                               http://,
//     https://; of mail smtp://, smtps://.
//                                                      The robots' holds their key: it is a secret
//     ca_file        all                               whom to trust, in the place of the system's
//     secret         dingtalk feishu webhook sms       what requests are signed with; of SMS what
//                                                      stands for {secret} in its templates
//     token          webhook alertmanager              Authorization: Bearer
//     user, password alertmanager mail                 Basic, of mail AUTH
//     authorization  sms                               the header of that name
//     from, to       mail (sms: to)                    addresses, phones; to is a list, beside the
//                                                      people of the notice
//     tls            mail                              starttls (unless said otherwise), none
//     method, body, content_type  sms                  POST unless said otherwise; see message.h
//
// Secrets are marked so in a table per type; they are never given out again (notify.h). A file of
// rules may list those that it leaves out as `without` (alert/alerting.h), which is no key here.
//
// Ownership: a channel holds its texts in its arena, and secrets are wiped where it ends. One
// thread; one that is not changed any more, any.
#ifndef SONDE_NOTIFY_CHANNEL_H
#define SONDE_NOTIFY_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/buf.h"
#include "core/err.h"
#include "core/str.h"

#define CHANNEL_NAME_BYTES_MAX ((size_t)64)
#define CHANNEL_TEXT_BYTES_MAX ((size_t)8192) // the body of an SMS; others are shorter by far
#define CHANNEL_LIST_MAX       ((size_t)64)
#define CHANNEL_JSON_BYTES_MAX ((size_t)1 << 20)

#define CHANNEL_TYPE_LIST(X)                                                                       \
    X(WECOM, "wecom")                                                                              \
    X(DINGTALK, "dingtalk")                                                                        \
    X(FEISHU, "feishu")                                                                            \
    X(SLACK, "slack")                                                                              \
    X(WEBHOOK, "webhook")                                                                          \
    X(MAIL, "mail")                                                                                \
    X(SMS, "sms")                                                                                  \
    X(ALERTMANAGER, "alertmanager")
enum channel_type {
#define CHANNEL_TYPE_ENUM(name, text) CHANNEL_##name,
    CHANNEL_TYPE_LIST(CHANNEL_TYPE_ENUM)
#undef CHANNEL_TYPE_ENUM
        CHANNEL_TYPE_COUNT
};

enum language { LANGUAGE_EN, LANGUAGE_ZH, LANGUAGE_COUNT };

#define CHANNEL_KEY_LIST(X)                                                                        \
    X(NAME, "name")                                                                                \
    X(TYPE, "type")                                                                                \
    X(LANGUAGE, "language")                                                                        \
    X(URL, "url")                                                                                  \
    X(CA_FILE, "ca_file")                                                                          \
    X(SECRET, "secret")                                                                            \
    X(TOKEN, "token")                                                                              \
    X(USER, "user")                                                                                \
    X(PASSWORD, "password")                                                                        \
    X(AUTHORIZATION, "authorization")                                                              \
    X(FROM, "from")                                                                                \
    X(TO, "to")                                                                                    \
    X(TLS, "tls")                                                                                  \
    X(METHOD, "method")                                                                            \
    X(BODY, "body")                                                                                \
    X(CONTENT_TYPE, "content_type")
enum channel_key {
#define CHANNEL_KEY_ENUM(name, text) KEY_##name,
    CHANNEL_KEY_LIST(CHANNEL_KEY_ENUM)
#undef CHANNEL_KEY_ENUM
        KEY_COUNT
};
#define KEY_BIT(key) (1U << (key))

struct channel {
    struct arena arena;
    enum channel_type type;
    enum language language;
    struct str values[KEY_COUNT]; // p NULL: not set; `to` is in the list
    struct str to[CHANNEL_LIST_MAX];
    size_t to_count;
    bool needs_secrets; // it has some, and what they were sealed with is lost
};

const char *channel_type_name(enum channel_type t);
const char *channel_key_name(enum channel_key k);
const char *language_name(enum language l);

// What a type takes, needs, and gives to nobody: sets of KEY_BIT().
uint32_t channel_keys_taken(enum channel_type t);
uint32_t channel_keys_needed(enum channel_type t);
uint32_t channel_keys_secret(enum channel_type t);

void channel_init(struct channel *c);
void channel_done(struct channel *c);

// Sets a key to a text, or `to` to a list (of one, or none). ERR_INVALID where there is no such key
// or it cannot have the value, with the offset in that; ERR_LIMIT where it is too long; ERR_EXISTS
// where it is set already. What the type takes is for channel_check().
MUST_CHECK enum err channel_set(struct channel *c, struct str key, const struct str *values,
                                size_t count, struct err_at *ret_at);

// Whether it is whole. Otherwise *ret_key is the key to blame, KEY_TYPE where there is no other.
MUST_CHECK enum err channel_check(const struct channel *c, enum channel_key *ret_key,
                                  struct err_at *ret_at);

// A JSON object of keys and texts (and the list of `to`) without the name: of those that are
// secret, or of the others.
void channel_to_json(const struct channel *c, bool secrets, struct buf *out);
// Sets every key of such an object.
MUST_CHECK enum err channel_from_json(struct channel *c, struct str json, struct err_at *ret_at);

bool channel_has(const struct channel *c, enum channel_key key);
// "" where it is not set.
struct str channel_text(const struct channel *c, enum channel_key key);

#endif
