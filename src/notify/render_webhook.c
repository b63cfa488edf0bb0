// SPDX-License-Identifier: Apache-2.0
// Purpose: messages to any other receiver: the canonical form of the notice (notice.h) without its
// people, by POST.
//
// With a secret it is signed: X-Sonde-Timestamp is the time in seconds, X-Sonde-Signature is
// "sha256=" and the hexadecimal HMAC-SHA256(secret, timestamp + "." + body). X-Sonde-Delivery is
// the same for each attempt, so that a receiver can tell what it has had.
#include "core/clock.h"
#include "core/must.h"
#include "notify/message.h"
#include "notify/sign.h"

static void sign(const struct occasion *o, struct message *m, struct str secret)
{
    unsigned long long s = o->now_unix_nano / NS_PER_S;
    struct buf what;
    ASSERT(secret.n > 0);
    buf_init(&what, MESSAGE_BODY_BYTES_MAX + 32);
    buf_printf(&what, "%llu.", s);
    buf_add_str(&what, buf_str(&m->body));
    MUST(!what.failed);
    struct str sum = sign_hex(m->arena, secret, buf_str(&what));
    buf_done(&what);
    message_add_header(m, arena_printf(m->arena, "X-Sonde-Timestamp: %llu", s));
    message_add_header(m, arena_printf(m->arena, "X-Sonde-Signature: sha256=%.*s", STR_FMT(sum)));
}

static enum err render(const struct occasion *o, struct message *m, struct err_at *ret_at)
{
    struct str secret = channel_text(o->channel, KEY_SECRET);
    struct str token = channel_text(o->channel, KEY_TOKEN);
    ASSERT(o->channel->type == CHANNEL_WEBHOOK);
    (void)ret_at;
    m->url = channel_text(o->channel, KEY_URL);
    message_add_header(m, STR("Content-Type: application/json"));
    // A key may be any text of the caller's: a header has its hash.
    message_add_header(m, arena_printf(m->arena, "X-Sonde-Delivery: %016llx",
                                       (unsigned long long)str_hash_stable(o->key)));
    if (token.n > 0) {
        message_add_header(m, arena_printf(m->arena, "Authorization: Bearer %.*s", STR_FMT(token)));
    }
    notice_to_json(o->notice, false, &m->body);
    if (secret.n > 0 && !m->body.failed) {
        sign(o, m, secret);
    }
    return ERR_OK;
}

const struct channel_ops webhook_ops = {.body_bytes_max = MESSAGE_BODY_BYTES_MAX, .render = render};
