// SPDX-License-Identifier: Apache-2.0
// Purpose: TLS over memory: OpenSSL never sees the socket, so that reading, writing and timeouts
// are the same for plain and encrypted connections.
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "core/mem.h"
#include "core/must.h"
#include "http/internal.h"

struct http_tls {
    SSL_CTX *ctx;
};

struct tls_session {
    SSL *ssl;
    BIO *in, *out; // owned by ssl
};

static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_n,
                       const unsigned char *in, unsigned int in_n, void *arg)
{
    static const unsigned char ours[] = "\x02h2\x08http/1.1";
    (void)ssl;
    (void)arg;
    ASSERT(out != NULL && out_n != NULL);
    unsigned char *chosen = NULL;
    if (SSL_select_next_proto(&chosen, out_n, ours, sizeof ours - 1, in, in_n) !=
        OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static enum err tls_error(struct err_at *ret_at, const char *what, const char *file)
{
    char text[160];
    ERR_error_string_n(ERR_get_error(), text, sizeof text);
    ERR_clear_error();
    ASSERT(what != NULL);
    return err_at_set(ret_at, ERR_INVALID, 0, "%s %s: %s.", what, file, text);
}

static enum err load_files(SSL_CTX *ctx, const char *certificate_file, const char *key_file,
                           struct err_at *ret_at)
{
    ASSERT(ctx != NULL);
    if (SSL_CTX_use_certificate_chain_file(ctx, certificate_file) != 1) {
        return tls_error(ret_at, "The TLS certificate cannot be used,", certificate_file);
    }
    if (SSL_CTX_use_PrivateKey_file(ctx, key_file, SSL_FILETYPE_PEM) != 1) {
        return tls_error(ret_at, "The TLS key cannot be used,", key_file);
    }
    if (SSL_CTX_check_private_key(ctx) != 1) {
        return tls_error(ret_at, "The TLS key is not the certificate's,", key_file);
    }
    return ERR_OK;
}

enum err http_tls_new(const char *certificate_file, const char *key_file, struct http_tls **ret_tls,
                      struct err_at *ret_at)
{
    ASSERT(certificate_file != NULL && key_file != NULL);
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    MUST(ctx != NULL);
    MUST(SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_alpn_select_cb(ctx, select_alpn, NULL);
    enum err e = load_files(ctx, certificate_file, key_file, ret_at);
    if (e != ERR_OK) {
        SSL_CTX_free(ctx);
        return e;
    }
    struct http_tls *t = mem_new(1, sizeof *t);
    t->ctx = ctx;
    *ret_tls = t;
    return ERR_OK;
}

void http_tls_free(struct http_tls *t)
{
    if (t != NULL) {
        ASSERT(t->ctx != NULL);
        SSL_CTX_free(t->ctx);
        mem_free(t);
    }
}

struct tls_session *tls_session_new(struct http_tls *t)
{
    struct tls_session *s = mem_new(1, sizeof *s);
    s->ssl = SSL_new(t->ctx);
    s->in = BIO_new(BIO_s_mem());
    s->out = BIO_new(BIO_s_mem());
    MUST(s->ssl != NULL && s->in != NULL && s->out != NULL);
    SSL_set_bio(s->ssl, s->in, s->out);
    SSL_set_accept_state(s->ssl);
    return s;
}

void tls_session_free(struct tls_session *t)
{
    if (t != NULL) {
        ASSERT(t->ssl != NULL);
        SSL_free(t->ssl);
        mem_free(t);
    }
}

bool tls_session_feed(struct tls_session *t, const char *bytes, size_t n)
{
    ASSERT(n <= INT32_MAX);
    return BIO_write(t->in, bytes, (int)n) == (int)n;
}

int tls_session_read(struct tls_session *t, char *bytes, size_t room)
{
    ASSERT(room > 0 && room <= INT32_MAX);
    ERR_clear_error();
    int n = SSL_read(t->ssl, bytes, (int)room);
    if (n > 0) {
        return n;
    }
    int why = SSL_get_error(t->ssl, n);
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

bool tls_session_write(struct tls_session *t, struct str bytes)
{
    ASSERT(bytes.n <= INT32_MAX);
    ERR_clear_error();
    return bytes.n == 0 || SSL_write(t->ssl, bytes.p, (int)bytes.n) == (int)bytes.n;
}

void tls_session_shut(struct tls_session *t)
{
    ASSERT(t->ssl != NULL);
    if (SSL_is_init_finished(t->ssl)) {
        (void)SSL_shutdown(t->ssl);
    }
    ERR_clear_error();
}

void tls_session_take(struct tls_session *t, struct buf *out)
{
    size_t n = BIO_ctrl_pending(t->out);
    if (n > 0 && buf_reserve(out, n)) {
        int got = BIO_read(t->out, out->p + out->n, (int)n);
        MUST(got == (int)n);
        out->n += n;
    }
}

bool tls_session_ready(const struct tls_session *t)
{
    ASSERT(t->ssl != NULL);
    return SSL_is_init_finished(t->ssl) == 1;
}

bool tls_session_ended(const struct tls_session *t)
{
    ASSERT(t->ssl != NULL);
    return (SSL_get_shutdown(t->ssl) & SSL_RECEIVED_SHUTDOWN) != 0;
}
