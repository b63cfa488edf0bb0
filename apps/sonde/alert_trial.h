// SPDX-License-Identifier: Apache-2.0
// Purpose: what POST /api/v1/alerts/test answers, for a terminal.
#ifndef SONDE_APPS_ALERT_TRIAL_H
#define SONDE_APPS_ALERT_TRIAL_H

#include <jansson.h>

void alert_trial_print(json_t *root);

#endif
