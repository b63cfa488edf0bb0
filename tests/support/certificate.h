// SPDX-License-Identifier: Apache-2.0
// Purpose: a certificate of its own for a test's TLS, good for an hour.
#ifndef SONDE_TESTS_SUPPORT_CERTIFICATE_H
#define SONDE_TESTS_SUPPORT_CERTIFICATE_H

struct certificate {
    char dir[32];
    char path[64], key[64], other_key[64]; // PEM files; the other key is not the certificate's
};

void certificate_make(struct certificate *c);
void certificate_remove(const struct certificate *c);

#endif
