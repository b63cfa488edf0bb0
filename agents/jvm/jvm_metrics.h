// SPDX-License-Identifier: Apache-2.0
// Purpose: what the JVM and its process do, by OpenTelemetry's semantic conventions for JVM metrics
// (jvm.*): memory pools, collections, threads by state, classes, buffer pools, CPU of process and
// host, file descriptors. Read through the platform's MXBeans where only Java knows.
//
// One thread, attached to the JVM as a daemon, calls these. What cannot be read (a JVM without the
// module java.management, /proc not there) is left out.
#ifndef SONDE_JVM_JVM_METRICS_H
#define SONDE_JVM_JVM_METRICS_H

#include <jvmti.h>

#include "agents/jvm/metric.h"

#define THREADS_MAX 10000 // of more the states are not asked

// What lies between two readings. Zero at first.
struct jvm_readings {
    uint64_t process_cpu_ns, host_busy, host_total, at_ns;
};

void jvm_metrics_write(struct metric_writer *w, jvmtiEnv *jvmti, JNIEnv *env,
                       struct jvm_readings *last);

#endif
