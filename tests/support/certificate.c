// SPDX-License-Identifier: Apache-2.0
// Purpose: making a test's certificate.
#include "support/certificate.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/must.h"

static void write_key(const char *path, EVP_PKEY *key)
{
    FILE *file = fopen(path, "w");
    MUST(file != NULL);
    MUST(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1);
    MUST(fclose(file) == 0);
}

void certificate_make(struct certificate *c)
{
    *c = (struct certificate){.dir = "/tmp/sonde-tls-XXXXXX"};
    MUST(mkdtemp(c->dir) != NULL);
    (void)snprintf(c->path, sizeof c->path, "%s/cert.pem", c->dir);
    (void)snprintf(c->key, sizeof c->key, "%s/key.pem", c->dir);
    (void)snprintf(c->other_key, sizeof c->other_key, "%s/other.pem", c->dir);
    EVP_PKEY *key = EVP_EC_gen("P-256"), *other = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    X509_gmtime_adj(X509_getm_notBefore(cert), 0);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_set_pubkey(cert, key);
    X509_NAME *name = X509_get_subject_name(cert);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1,
                               0);
    X509_set_issuer_name(cert, name);
    MUST(X509_sign(cert, key, EVP_sha256()) > 0);
    FILE *file = fopen(c->path, "w");
    MUST(file != NULL);
    MUST(PEM_write_X509(file, cert) == 1);
    MUST(fclose(file) == 0);
    write_key(c->key, key);
    write_key(c->other_key, other);
    X509_free(cert);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
}

void certificate_remove(const struct certificate *c)
{
    MUST(unlink(c->path) == 0 && unlink(c->key) == 0 && unlink(c->other_key) == 0);
    MUST(rmdir(c->dir) == 0);
}
