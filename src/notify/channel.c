// SPDX-License-Identifier: Apache-2.0
// Purpose: channels: their keys, what is allowed in each, and their form in JSON.
#include "notify/channel.h"

#include <curl/curl.h>
#include <jansson.h>
#include <openssl/crypto.h>

#include "core/mem.h"
#include "core/must.h"
#include "core/names.h"
#include "notify/template.h"
#include "wire/json_writer.h"

NAMES_OF(channel_type_name, enum channel_type, CHANNEL_TYPE_LIST)
NAMES_OF(channel_key_name, enum channel_key, CHANNEL_KEY_LIST)

static const char *const languages[LANGUAGE_COUNT] = {
    [LANGUAGE_EN] = "en", [LANGUAGE_ZH] = "zh-CN"};

const char *language_name(enum language l)
{
    ASSERT(l < LANGUAGE_COUNT);
    return languages[l];
}

#define COMMON                                                                                     \
    (KEY_BIT(KEY_NAME) | KEY_BIT(KEY_TYPE) | KEY_BIT(KEY_LANGUAGE) | KEY_BIT(KEY_URL) |            \
     KEY_BIT(KEY_CA_FILE))
#define NEEDED (KEY_BIT(KEY_NAME) | KEY_BIT(KEY_TYPE) | KEY_BIT(KEY_URL))

static const struct {
    uint32_t taken, needed, secret;
} types[CHANNEL_TYPE_COUNT] = {
    [CHANNEL_WECOM] = {COMMON, NEEDED, KEY_BIT(KEY_URL)},
    [CHANNEL_DINGTALK] = {COMMON | KEY_BIT(KEY_SECRET), NEEDED,
                          KEY_BIT(KEY_URL) | KEY_BIT(KEY_SECRET)},
    [CHANNEL_FEISHU] = {COMMON | KEY_BIT(KEY_SECRET), NEEDED,
                        KEY_BIT(KEY_URL) | KEY_BIT(KEY_SECRET)},
    [CHANNEL_SLACK] = {COMMON, NEEDED, KEY_BIT(KEY_URL)},
    [CHANNEL_WEBHOOK] = {COMMON | KEY_BIT(KEY_SECRET) | KEY_BIT(KEY_TOKEN), NEEDED,
                         KEY_BIT(KEY_SECRET) | KEY_BIT(KEY_TOKEN)},
    [CHANNEL_MAIL] = {COMMON | KEY_BIT(KEY_USER) | KEY_BIT(KEY_PASSWORD) | KEY_BIT(KEY_FROM) |
                          KEY_BIT(KEY_TO) | KEY_BIT(KEY_TLS),
                      NEEDED | KEY_BIT(KEY_FROM), KEY_BIT(KEY_PASSWORD)},
    [CHANNEL_SMS] = {COMMON | KEY_BIT(KEY_SECRET) | KEY_BIT(KEY_AUTHORIZATION) | KEY_BIT(KEY_TO) |
                         KEY_BIT(KEY_METHOD) | KEY_BIT(KEY_BODY) | KEY_BIT(KEY_CONTENT_TYPE),
                     NEEDED, KEY_BIT(KEY_SECRET) | KEY_BIT(KEY_AUTHORIZATION)},
    [CHANNEL_ALERTMANAGER] = {COMMON | KEY_BIT(KEY_TOKEN) | KEY_BIT(KEY_USER) |
                                  KEY_BIT(KEY_PASSWORD),
                              NEEDED, KEY_BIT(KEY_TOKEN) | KEY_BIT(KEY_PASSWORD)},
};

uint32_t channel_keys_taken(enum channel_type t)
{
    ASSERT(t < CHANNEL_TYPE_COUNT);
    return types[t].taken;
}

uint32_t channel_keys_needed(enum channel_type t)
{
    ASSERT(t < CHANNEL_TYPE_COUNT);
    return types[t].needed;
}

uint32_t channel_keys_secret(enum channel_type t)
{
    ASSERT(t < CHANNEL_TYPE_COUNT);
    return types[t].secret;
}

void channel_init(struct channel *c)
{
    ASSERT(c != NULL);
    *c = (struct channel){.type = CHANNEL_TYPE_COUNT};
}

void channel_done(struct channel *c)
{
    ASSERT(c != NULL);
    for (size_t i = 0; i < KEY_COUNT; i++) {
        OPENSSL_cleanse((void *)(uintptr_t)c->values[i].p, c->values[i].n);
    }
    arena_done(&c->arena);
    channel_init(c);
}

bool channel_has(const struct channel *c, enum channel_key key)
{
    ASSERT(key < KEY_COUNT);
    return key == KEY_TO ? c->to_count > 0 : c->values[key].p != NULL;
}

struct str channel_text(const struct channel *c, enum channel_key key)
{
    ASSERT(key < KEY_COUNT && key != KEY_TO);
    return c->values[key].p != NULL ? c->values[key] : STR("");
}

// ---- What values may be -------------------------------------------------------------------------

static bool is_name_byte(char c)
{
    ASSERT(sizeof c == 1);
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

// Headers and the commands of SMTP are lines: a value must not hold another one.
static enum err check_printable(enum channel_key key, struct str v, struct err_at *at)
{
    size_t bad;
    ASSERT(v.p != NULL);
    if (!str_utf8_valid(v, &bad)) {
        return err_at_set(at, ERR_INVALID, bad, "'%s' is not UTF-8.", channel_key_name(key));
    }
    for (size_t i = 0; i < v.n; i++) {
        unsigned char c = (unsigned char)v.p[i];
        bool is_layout = key == KEY_BODY && (c == '\n' || c == '\r' || c == '\t');
        if ((c < 0x20 && !is_layout) || c == 0x7f) {
            return err_at_set(at, ERR_INVALID, i, "'%s' has a control character.",
                              channel_key_name(key));
        }
    }
    return ERR_OK;
}

static enum err check_name(struct str v, struct err_at *at)
{
    ASSERT(v.p != NULL);
    if (v.n > CHANNEL_NAME_BYTES_MAX) {
        return err_at_set(at, ERR_LIMIT, CHANNEL_NAME_BYTES_MAX, "A name has %zu bytes at most.",
                          CHANNEL_NAME_BYTES_MAX);
    }
    for (size_t i = 0; i < v.n; i++) {
        if (!is_name_byte(v.p[i])) {
            return err_at_set(at, ERR_INVALID, i,
                              "A name is of letters, digits, '.', '_' and '-'.");
        }
    }
    if (str_eq(v, STR(".")) || str_eq(v, STR(".."))) { // an address with it would mean another
        return err_at_set(at, ERR_INVALID, 0, "A name is not '%.*s'.", STR_FMT(v));
    }
    return ERR_OK;
}

static enum err check_word(enum channel_key key, struct str v, const char *const *words,
                           size_t count, struct err_at *at)
{
    char all[128] = "";
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        if (str_eq(v, str_of(words[i]))) {
            return ERR_OK;
        }
        n += (size_t)snprintf(all + n, sizeof all - n, "%s%s", i > 0 ? ", " : "", words[i]);
        MUST(n < sizeof all);
    }
    return err_at_set(at, ERR_INVALID, 0, "'%s' is one of: %s.", channel_key_name(key), all);
}

// Of a mail address no more is asked than that it is one word of ASCII with one @ inside: whether
// it is somebody's, the server knows.
static enum err check_address(enum channel_key key, struct str v, struct err_at *at)
{
    struct str local;
    struct str domain = str_split(v, '@', &local);
    bool good = local.n > 0 && domain.n > 0 && v.n <= 254;
    ASSERT(v.p != NULL);
    for (size_t i = 0; i < v.n && good; i++) {
        good = v.p[i] > ' ' && v.p[i] < 0x7f && strchr("<>()[],;:\\\"", v.p[i]) == NULL;
    }
    if (!good || memchr(domain.p, '@', domain.n) != NULL) {
        return err_at_set(at, ERR_INVALID, 0, "'%s' is no mail address: %.*s.",
                          channel_key_name(key), (int)(v.n < 64 ? v.n : 64), v.p);
    }
    return ERR_OK;
}

static enum err check_value(enum channel_key key, struct str v, struct err_at *at)
{
    static const char *const tls[] = {"starttls", "none"};
    static const char *const methods[] = {"POST", "GET", "PUT"};
    static const char *const type_names[] = {
#define TYPE_TEXT(name, text) text,
        CHANNEL_TYPE_LIST(TYPE_TEXT)
#undef TYPE_TEXT
    };
    ASSERT(key < KEY_COUNT);
    if (v.n == 0) {
        return err_at_set(at, ERR_INVALID, 0, "'%s' is empty.", channel_key_name(key));
    }
    switch (key) {
    case KEY_NAME:
        return check_name(v, at);
    case KEY_TYPE:
        return check_word(key, v, type_names, CHANNEL_TYPE_COUNT, at);
    case KEY_LANGUAGE:
        return check_word(key, v, languages, LANGUAGE_COUNT, at);
    case KEY_TLS:
        return check_word(key, v, tls, 2, at);
    case KEY_METHOD:
        return check_word(key, v, methods, 3, at);
    case KEY_FROM:
        return check_address(key, v, at);
    default:
        return ERR_OK;
    }
}

// ---- Setting ------------------------------------------------------------------------------------

static bool key_of(struct str text, enum channel_key *ret)
{
    ASSERT(ret != NULL);
    for (unsigned i = 0; i < KEY_COUNT; i++) {
        if (str_eq(text, str_of(channel_key_name((enum channel_key)i)))) {
            *ret = (enum channel_key)i;
            return true;
        }
    }
    return false;
}

static void take_words(struct channel *c, enum channel_key key, struct str v)
{
    ASSERT(v.n > 0);
    for (unsigned i = 0; i < CHANNEL_TYPE_COUNT && key == KEY_TYPE; i++) {
        if (str_eq(v, str_of(channel_type_name((enum channel_type)i)))) {
            c->type = (enum channel_type)i;
        }
    }
    if (key == KEY_LANGUAGE) {
        c->language = str_eq(v, STR("zh-CN")) ? LANGUAGE_ZH : LANGUAGE_EN;
    }
}

enum err channel_set(struct channel *c, struct str key_text, const struct str *values, size_t count,
                     struct err_at *ret_at)
{
    enum channel_key key;
    ASSERT(values != NULL || count == 0);
    if (!key_of(key_text, &key)) {
        return err_at_set(ret_at, ERR_INVALID, 0, "There is no key '%.*s'.",
                          (int)(key_text.n < 64 ? key_text.n : 64), key_text.p);
    }
    if (channel_has(c, key)) {
        return err_at_set(ret_at, ERR_EXISTS, 0, "'%s' is set already.", channel_key_name(key));
    }
    if (key != KEY_TO && count != 1) {
        return err_at_set(ret_at, ERR_INVALID, 0, "'%s' is one text.", channel_key_name(key));
    }
    if (count > CHANNEL_LIST_MAX) {
        return err_at_set(ret_at, ERR_LIMIT, 0, "'%s' has %zu items at most.",
                          channel_key_name(key), CHANNEL_LIST_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        size_t most = key == KEY_BODY ? CHANNEL_TEXT_BYTES_MAX : CHANNEL_TEXT_BYTES_MAX / 4;
        struct str v = values[i].n > 0 ? values[i] : STR("");
        if (v.n > most) {
            return err_at_set(ret_at, ERR_LIMIT, most, "'%s' has %zu bytes at most.",
                              channel_key_name(key), most);
        }
        enum err e = check_printable(key, v, ret_at);
        e = e == ERR_OK ? check_value(key, v, ret_at) : e;
        if (e != ERR_OK) {
            return e;
        }
    }
    for (size_t i = 0; i < count; i++) {
        struct str copy = arena_str(&c->arena, values[i]);
        if (key == KEY_TO) {
            c->to[c->to_count++] = copy;
        } else {
            c->values[key] = copy;
            take_words(c, key, copy);
        }
    }
    return ERR_OK;
}

// ---- Checking -----------------------------------------------------------------------------------

// As who sends will read it.
static enum err check_with_curl(struct str url, struct err_at *at)
{
    CURLU *u = curl_url();
    char *text = mem_alloc(url.n + 1);
    ASSERT(url.n > 0);
    memcpy(text, url.p, url.n);
    text[url.n] = 0;
    CURLUcode code = u == NULL ? CURLUE_OUT_OF_MEMORY
                               : curl_url_set(u, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME);
    mem_free(text);
    curl_url_cleanup(u);
    return code == CURLUE_OK
               ? ERR_OK
               : err_at_set(at, ERR_INVALID, 0, "The url is none: %s.", curl_url_strerror(code));
}

static enum err check_url(const struct channel *c, struct err_at *at)
{
    static const struct str schemes[2][2] = {{{"https://", 8}, {"http://", 7}},
                                             {{"smtps://", 8}, {"smtp://", 7}}};
    bool is_mail = c->type == CHANNEL_MAIL;
    struct str url = channel_text(c, KEY_URL);
    ASSERT(c->type < CHANNEL_TYPE_COUNT);
    const struct str *two = schemes[is_mail];
    size_t from = str_starts(url, two[0]) ? two[0].n : str_starts(url, two[1]) ? two[1].n : 0;
    if (from == 0) {
        return err_at_set(at, ERR_INVALID, 0,
                          "The url of a channel of type %s begins with %s or %s.",
                          channel_type_name(c->type), two[0].p, two[1].p);
    }
    size_t end = from;
    while (end < url.n && strchr("/?#", url.p[end]) == NULL) {
        bool good =
            url.p[end] > ' ' && url.p[end] != '@' && url.p[end] != '\\' && url.p[end] != '{';
        if (!good) {
            return err_at_set(at, ERR_INVALID, end,
                              "The host of a url holds no user, password or blank.");
        }
        end++;
    }
    if (end == from || url.p[from] == ':') {
        return err_at_set(at, ERR_INVALID, from, "The url has no host.");
    }
    if (is_mail && end < url.n) {
        return err_at_set(at, ERR_INVALID, end, "The url of a mail server ends with its port.");
    }
    for (size_t i = end; i < url.n; i++) {
        if (url.p[i] <= ' ' && (unsigned char)url.p[i] < 0x80) {
            return err_at_set(at, ERR_INVALID, i, "The url has a blank.");
        }
    }
    return check_with_curl(url, at);
}

static enum err check_templates(const struct channel *c, enum channel_key *ret_key,
                                struct err_at *at)
{
    static const enum channel_key keys[] = {KEY_URL, KEY_BODY};
    ASSERT(c->type == CHANNEL_SMS);
    for (size_t i = 0; i < 2; i++) {
        struct str text = channel_text(c, keys[i]);
        *ret_key = keys[i];
        enum err e = template_check(text, at);
        if (e != ERR_OK) {
            return e;
        }
        if (template_has(text, TEMPLATE_SECRET) && !channel_has(c, KEY_SECRET) &&
            !c->needs_secrets) {
            return err_at_set(at, ERR_INVALID, 0, "{secret} needs 'secret'.");
        }
    }
    return ERR_OK;
}

static enum err check_pairs(const struct channel *c, enum channel_key *ret_key, struct err_at *at)
{
    ASSERT(ret_key != NULL);
    if (channel_has(c, KEY_USER) != channel_has(c, KEY_PASSWORD) && !c->needs_secrets) {
        *ret_key = channel_has(c, KEY_USER) ? KEY_USER : KEY_PASSWORD;
        return err_at_set(at, ERR_INVALID, 0, "'user' and 'password' go together.");
    }
    if (channel_has(c, KEY_TOKEN) && channel_has(c, KEY_USER)) {
        *ret_key = KEY_TOKEN;
        return err_at_set(at, ERR_INVALID, 0, "'token' and 'user' exclude one another.");
    }
    if (channel_has(c, KEY_BODY) && str_eq(channel_text(c, KEY_METHOD), STR("GET"))) {
        *ret_key = KEY_BODY;
        return err_at_set(at, ERR_INVALID, 0, "A GET has no body.");
    }
    bool smtps = str_starts(channel_text(c, KEY_URL), STR("smtps://"));
    if (channel_has(c, KEY_TLS) && smtps) {
        *ret_key = KEY_TLS;
        return err_at_set(at, ERR_INVALID, 0, "'tls' is for smtp:// alone: smtps:// is TLS.");
    }
    // A password must not cross the network in the open.
    if (str_eq(channel_text(c, KEY_TLS), STR("none")) && channel_has(c, KEY_PASSWORD)) {
        *ret_key = KEY_TLS;
        return err_at_set(at, ERR_INVALID, 0, "A password is not sent without TLS.");
    }
    for (size_t i = 0; i < c->to_count && c->type == CHANNEL_MAIL; i++) {
        *ret_key = KEY_TO;
        enum err e = check_address(KEY_TO, c->to[i], at);
        if (e != ERR_OK) {
            return e;
        }
    }
    return ERR_OK;
}

enum err channel_check(const struct channel *c, enum channel_key *ret_key, struct err_at *ret_at)
{
    enum channel_key key = KEY_TYPE;
    ASSERT(ret_key != NULL);
    *ret_key = KEY_TYPE;
    if (c->type == CHANNEL_TYPE_COUNT) {
        return err_at_set(ret_at, ERR_INVALID, 0, "A channel needs a type.");
    }
    for (unsigned i = 0; i < KEY_COUNT; i++) {
        bool has = channel_has(c, (enum channel_key)i);
        bool lost = c->needs_secrets && (types[c->type].secret & KEY_BIT(i)) != 0;
        const char *name = channel_key_name((enum channel_key)i);
        const char *type = channel_type_name(c->type);
        *ret_key = (enum channel_key)i;
        if (has && (types[c->type].taken & KEY_BIT(i)) == 0) {
            return err_at_set(ret_at, ERR_INVALID, 0, "A channel of type %s has no '%s'.", type,
                              name);
        }
        if (!has && !lost && (types[c->type].needed & KEY_BIT(i)) != 0) {
            *ret_key = KEY_TYPE;
            return err_at_set(ret_at, ERR_INVALID, 0, "A channel of type %s needs '%s'.", type,
                              name);
        }
    }
    *ret_key = KEY_URL;
    enum err e = channel_has(c, KEY_URL) ? check_url(c, ret_at) : ERR_OK;
    e = e == ERR_OK ? check_pairs(c, &key, ret_at) : e;
    e = e == ERR_OK && c->type == CHANNEL_SMS ? check_templates(c, &key, ret_at) : e;
    *ret_key = e != ERR_OK && key != KEY_TYPE ? key : *ret_key;
    return e;
}

// ---- JSON ---------------------------------------------------------------------------------------

void channel_to_json(const struct channel *c, bool secrets, struct buf *out)
{
    struct json_writer w;
    ASSERT(c->type < CHANNEL_TYPE_COUNT);
    json_writer_init(&w, out);
    json_put_object(&w);
    for (unsigned i = 0; i < KEY_COUNT; i++) {
        enum channel_key key = (enum channel_key)i;
        bool is_secret = (types[c->type].secret & KEY_BIT(i)) != 0;
        if (key == KEY_NAME || is_secret != secrets || !channel_has(c, key)) {
            continue;
        }
        json_put_key(&w, channel_key_name(key));
        if (key != KEY_TO) {
            json_put_str(&w, c->values[key]);
            continue;
        }
        json_put_array(&w);
        for (size_t k = 0; k < c->to_count; k++) {
            json_put_str(&w, c->to[k]);
        }
        json_put_array_end(&w);
    }
    json_put_object_end(&w);
}

static enum err set_json(struct channel *c, const char *key, const json_t *v, struct err_at *at)
{
    struct str values[CHANNEL_LIST_MAX];
    size_t count = json_is_array(v) ? json_array_size(v) : 1;
    ASSERT(key != NULL);
    if (count > CHANNEL_LIST_MAX) {
        return err_at_set(at, ERR_LIMIT, 0, "'%.64s' has %zu items at most.", key,
                          CHANNEL_LIST_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_is_array(v) ? json_array_get(v, i) : v;
        if (!json_is_string(item)) {
            return err_at_set(at, ERR_INVALID, 0, "'%.64s' is no text.", key);
        }
        values[i] = (struct str){json_string_value(item), json_string_length(item)};
    }
    return channel_set(c, str_of(key), values, count, at);
}

enum err channel_from_json(struct channel *c, struct str json, struct err_at *ret_at)
{
    json_error_t why;
    const char *key;
    json_t *v;
    if (json.n > CHANNEL_JSON_BYTES_MAX) {
        return err_at_set(ret_at, ERR_LIMIT, CHANNEL_JSON_BYTES_MAX, "A channel is too large.");
    }
    json_t *root = json_loadb(json.n > 0 ? json.p : "", json.n, JSON_REJECT_DUPLICATES, &why);
    if (!json_is_object(root)) {
        json_decref(root);
        return err_at_set(ret_at, ERR_INVALID, why.position > 0 ? (uint64_t)why.position : 0,
                          "A channel is an object of JSON.");
    }
    enum err e = ERR_OK;
    json_object_foreach(root, key, v)
    {
        e = e == ERR_OK ? set_json(c, key, v, ret_at) : e;
    }
    ASSERT(c->type <= CHANNEL_TYPE_COUNT);
    json_decref(root);
    return e;
}
