// SPDX-License-Identifier: Apache-2.0
// Purpose: secrets at rest: sealed by AES-256-GCM with a key that lies in a file of its own, so
// that the database alone (a backup, a copy for support) tells none of them.
//
//     sealed   0x01, 12 bytes of nonce (random), the ciphertext, 16 bytes of tag; what is
//              authenticated with it is the name of what it belongs to: a sealed secret of one
//              channel does not open as another's
//     key      32 bytes, random; the file is made with mode 0600 where there is none, and refused
//              where others than its owner may do anything with it, or where it has another size
//
// Where the key is lost a new one is made, and what the old one sealed does not open any more
// (ERR_CORRUPT): the secrets are to be given anew. Any thread, after vault_open().
//
// The key also is what this server is known by (vault_mark()): an HMAC of it, which tells nothing
// of the key and stays the same as long as that does.
#ifndef SONDE_NOTIFY_VAULT_H
#define SONDE_NOTIFY_VAULT_H

#include "core/buf.h"
#include "core/err.h"
#include "core/str.h"

#define VAULT_KEY_BYTES      ((size_t)32)
#define VAULT_OVERHEAD_BYTES ((size_t)29)
#define VAULT_MARK_CHARS     ((size_t)16)

struct vault {
    unsigned char key[VAULT_KEY_BYTES];
};

MUST_CHECK enum err vault_open(struct vault *v, const char *path, struct err_at *ret_at);
void vault_done(struct vault *v); // wipes the key

// Hexadecimal, with a NUL behind it.
void vault_mark(const struct vault *v, char ret_mark[VAULT_MARK_CHARS + 1]);

void vault_seal(const struct vault *v, struct str name, struct str plain, struct buf *out);
// ERR_CORRUPT, and nothing added, where it is not what this key sealed for this name.
MUST_CHECK enum err vault_unseal(const struct vault *v, struct str name, struct str sealed,
                                 struct buf *out);

#endif
