// SPDX-License-Identifier: Apache-2.0
// Purpose: the resource that every message names: what is traced, in which process, JVM, host and
// container. OTLP's Resource message, by the semantic conventions (service, process, host, os,
// container, telemetry).
#ifndef SONDE_JVM_RESOURCE_H
#define SONDE_JVM_RESOURCE_H

#include "agents/jvm/options.h"

#define RESOURCE_MAX 8192

// What only Java knows; empty texts are left out.
struct java_facts {
    char runtime_name[128], runtime_version[128], vm_name[128], vm_vendor[128], vm_version[128];
};

// Writes the message; what does not fit is left out. Attributes of the options come before what is
// found here, of the same key the first one stays.
size_t resource_write(uint8_t out[RESOURCE_MAX], const struct options *o,
                      const struct java_facts *java);

// The container's ID: 64 hexadecimal digits in a line of /proc/self/cgroup (`cgroup`), else in one
// of /proc/self/mountinfo that mounts the container's files. Empty when there is none.
struct str resource_container(struct str cgroup, struct str mountinfo);

#endif
