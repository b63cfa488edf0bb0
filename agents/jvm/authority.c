// SPDX-License-Identifier: Apache-2.0
// Purpose: taking hosts and ports apart.
#include "agents/jvm/authority.h"

#include "core/must.h"

struct str authority_split(struct str authority, int *ret_port)
{
    size_t end = authority.n, digits = authority.n;
    int port = 0;
    while (digits > 0 && authority.p[digits - 1] >= '0' && authority.p[digits - 1] <= '9') {
        digits--;
    }
    if (digits > 0 && authority.p[digits - 1] == ':') {
        end = digits - 1;
        for (size_t i = digits; i < authority.n && port <= UINT16_MAX; i++) {
            port = port * 10 + (authority.p[i] - '0');
        }
    }
    ASSERT(end <= authority.n);
    *ret_port = port <= UINT16_MAX ? port : 0;
    bool is_v6 = end > 2 && authority.p[0] == '[' && authority.p[end - 1] == ']';
    return is_v6 ? (struct str){authority.p + 1, end - 2} : (struct str){authority.p, end};
}
