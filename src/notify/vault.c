// SPDX-License-Identifier: Apache-2.0
// Purpose: secrets at rest.
#include "notify/vault.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/must.h"
#include "notify/sign.h"
#include "os/fs.h"

#define VERSION     1
#define NONCE_BYTES 12
#define TAG_BYTES   16

// ---- The key ------------------------------------------------------------------------------------

static enum err read_key(struct vault *v, int fd, const char *path, struct err_at *at)
{
    struct stat st;
    ASSERT(fd >= 0);
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        return err_at_set(at, ERR_IO, 0, "%s cannot be read.", path);
    }
    if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        return err_at_set(at, ERR_DENIED, 0, "Others may use %s: chmod 600 it.", path);
    }
    if ((size_t)st.st_size != VAULT_KEY_BYTES ||
        pread(fd, v->key, sizeof v->key, 0) != (ssize_t)sizeof v->key) {
        return err_at_set(at, ERR_CORRUPT, 0,
                          "%s is no key. Remove it, and give the secrets of all channels anew.",
                          path);
    }
    return ERR_OK;
}

static enum err sync_folder(const char *path)
{
    char folder[FS_PATH_MAX];
    const char *slash = strrchr(path, '/');
    int n = slash == NULL ? 1 : (int)(slash - path) + 1;
    ASSERT((size_t)n < sizeof folder);
    (void)snprintf(folder, sizeof folder, "%.*s", n, slash == NULL ? "." : path);
    return fs_real()->ops->sync_dir(fs_real(), folder);
}

// It has its name only once it is whole: a start that is cut short leaves no half of a key.
static enum err make_key(struct vault *v, const char *path, struct err_at *at)
{
    char fresh[FS_PATH_MAX];
    int n = snprintf(fresh, sizeof fresh, "%s.new", path);
    MUST(n > 0 && (size_t)n < sizeof fresh && RAND_bytes(v->key, sizeof v->key) == 1);
    (void)unlink(fresh);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    enum err e = fd < 0 ? err_from_errno(errno) : ERR_OK;
    if (e == ERR_OK &&
        (write(fd, v->key, sizeof v->key) != (ssize_t)sizeof v->key || fdatasync(fd) != 0)) {
        e = err_from_errno(errno);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    if (e == ERR_OK && rename(fresh, path) != 0) {
        e = err_from_errno(errno);
    }
    e = e == ERR_OK ? sync_folder(path) : e;
    return e == ERR_OK ? ERR_OK : err_at_set(at, e, 0, "%s cannot be made: %s.", path, err_text(e));
}

enum err vault_open(struct vault *v, const char *path, struct err_at *ret_at)
{
    ASSERT(path != NULL);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT) {
        return make_key(v, path, ret_at);
    }
    if (fd < 0) {
        enum err e = err_from_errno(errno);
        return err_at_set(ret_at, e, 0, "%s cannot be opened: %s.", path, err_text(e));
    }
    enum err e = read_key(v, fd, path, ret_at);
    (void)close(fd);
    return e;
}

void vault_done(struct vault *v)
{
    ASSERT(v != NULL);
    OPENSSL_cleanse(v->key, sizeof v->key);
}

void vault_mark(const struct vault *v, char ret_mark[VAULT_MARK_CHARS + 1])
{
    struct arena a = {0};
    struct str sum =
        sign_hex(&a, (struct str){(const char *)v->key, sizeof v->key}, STR("mark of a server"));
    ASSERT(sum.n >= VAULT_MARK_CHARS);
    memcpy(ret_mark, sum.p, VAULT_MARK_CHARS);
    ret_mark[VAULT_MARK_CHARS] = 0;
    arena_done(&a);
}

// ---- Sealing ------------------------------------------------------------------------------------

static EVP_CIPHER_CTX *cipher_of(const struct vault *v, const unsigned char *nonce, struct str name,
                                 bool seals)
{
    int n = 0;
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    MUST(c != NULL && name.n <= INT32_MAX);
    MUST(EVP_CipherInit_ex(c, EVP_aes_256_gcm(), NULL, v->key, nonce, seals) == 1);
    MUST(EVP_CipherUpdate(c, NULL, &n, (const unsigned char *)name.p, (int)name.n) == 1);
    return c;
}

void vault_seal(const struct vault *v, struct str name, struct str plain, struct buf *out)
{
    unsigned char nonce[NONCE_BYTES], tag[TAG_BYTES];
    int n = 0, rest = 0;
    MUST(name.n > 0 && plain.n < INT32_MAX && RAND_bytes(nonce, sizeof nonce) == 1);
    if (!buf_reserve(out, plain.n + VAULT_OVERHEAD_BYTES)) {
        return;
    }
    EVP_CIPHER_CTX *c = cipher_of(v, nonce, name, true);
    buf_add_byte(out, VERSION);
    buf_add(out, nonce, sizeof nonce);
    unsigned char *to = (unsigned char *)out->p + out->n;
    MUST(EVP_EncryptUpdate(c, to, &n, (const unsigned char *)(plain.n > 0 ? plain.p : ""),
                           (int)plain.n) == 1 &&
         EVP_EncryptFinal_ex(c, to + n, &rest) == 1 && (size_t)(n + rest) == plain.n &&
         EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, tag) == 1);
    out->n += plain.n;
    buf_add(out, tag, sizeof tag);
    EVP_CIPHER_CTX_free(c);
}

enum err vault_unseal(const struct vault *v, struct str name, struct str sealed, struct buf *out)
{
    int n = 0, rest = 0;
    MUST(name.n > 0);
    if (sealed.n < VAULT_OVERHEAD_BYTES || sealed.n > INT32_MAX || sealed.p[0] != VERSION) {
        return ERR_CORRUPT;
    }
    size_t bytes = sealed.n - VAULT_OVERHEAD_BYTES;
    const unsigned char *p = (const unsigned char *)sealed.p + 1;
    if (!buf_reserve(out, bytes)) {
        return ERR_LIMIT;
    }
    unsigned char tag[TAG_BYTES];
    memcpy(tag, p + NONCE_BYTES + bytes, sizeof tag);
    unsigned char *to = (unsigned char *)out->p + out->n;
    EVP_CIPHER_CTX *c = cipher_of(v, p, name, false);
    bool good = EVP_DecryptUpdate(c, to, &n, p + NONCE_BYTES, (int)bytes) == 1 &&
                EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, TAG_BYTES, tag) == 1 &&
                EVP_DecryptFinal_ex(c, to + n, &rest) == 1;
    EVP_CIPHER_CTX_free(c);
    if (!good) {
        OPENSSL_cleanse(to, bytes);
        return ERR_CORRUPT;
    }
    out->n += bytes;
    return ERR_OK;
}
