// SPDX-License-Identifier: Apache-2.0
// Purpose: rules for the usual, as a file of rules (docs/alerts.md).
#ifndef SONDE_APPS_ALERT_TEMPLATES_H
#define SONDE_APPS_ALERT_TEMPLATES_H

#include <stdbool.h>

// Prints one, or all (NULL), each with this channel where one is given. False where there is none
// of this name.
bool alert_templates_print(const char *name, const char *channel);
// Their names, to standard error.
void alert_templates_list(void);

#endif
