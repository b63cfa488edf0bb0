// SPDX-License-Identifier: Apache-2.0
// Purpose: a notice that has everything, and one whose texts are what an attacker would choose.
#ifndef SONDE_TESTS_SUPPORT_SAMPLE_NOTICE_H
#define SONDE_TESTS_SUPPORT_SAMPLE_NOTICE_H

#include "notify/notice.h"

void sample_notice(struct notice *ret_notice);
// Every text is `text`, lists and people are full.
void hostile_notice(struct notice *ret_notice, struct str text);

#endif
