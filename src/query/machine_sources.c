// SPDX-License-Identifier: Apache-2.0
// Purpose: tables of what machines, runtimes, protocols and collectors measure.
#include "query/machine_sources.h"

#include "core/must.h"

// clang-format off
#define T(text) {text, sizeof text - 1}
#define ALL     {{NULL, 0}, {NULL, 0}}
#define NONE    {NULL, 0}

const struct machine_source machine_sources[] = {
    {MACHINE_CPU, SOURCE_SUM, T("jvm.cpu.recent_utilization"), ALL, NONE, 0},
    {MACHINE_CPU, SOURCE_SUM, T("process.runtime.jvm.cpu.utilization"), ALL, NONE, 0},
    {MACHINE_CPU, SOURCE_SUM, T("process.cpu.utilization"), ALL, NONE, 0},
    {MACHINE_CPU, SOURCE_SUM, T("process.cpu.usage"), ALL, NONE, 0},
    {MACHINE_CPU, SOURCE_SUM, T("process_cpu_usage"), ALL, NONE, 0},

    {MACHINE_CPU_CORES, SOURCE_RATE, T("jvm.cpu.time"), ALL, NONE, 0},
    {MACHINE_CPU_CORES, SOURCE_RATE, T("process.cpu.time"), ALL, NONE, 0},
    {MACHINE_CPU_CORES, SOURCE_RATE, T("process_cpu_seconds_total"), ALL, NONE, 0},
    {MACHINE_CPU_CORES, SOURCE_RATE, T("jvm_cpu_time_seconds_total"), ALL, NONE, 0},
    {MACHINE_CPU_CORES, SOURCE_RATE, T("process_cpu_time_seconds_total"), ALL, NONE, 0},

    {MACHINE_HEAP, SOURCE_SUM, T("jvm.memory.used"), {T("jvm.memory.type"), T("heap")}, NONE, 0},
    {MACHINE_HEAP, SOURCE_SUM, T("jvm.memory.used"), {T("area"), T("heap")}, NONE, 0},
    {MACHINE_HEAP, SOURCE_SUM, T("process.runtime.jvm.memory.usage"), {T("type"), T("heap")}, NONE, 0},
    {MACHINE_HEAP, SOURCE_SUM, T("jvm_memory_used_bytes"), {T("area"), T("heap")}, NONE, 0},
    {MACHINE_HEAP, SOURCE_SUM, T("jvm_memory_used_bytes"), {T("jvm_memory_type"), T("heap")}, NONE, 0},
    {MACHINE_HEAP, SOURCE_SUM, T("jvm_memory_bytes_used"), {T("area"), T("heap")}, NONE, 0},
    {MACHINE_HEAP, SOURCE_SUM, T("v8js.memory.heap.used"), ALL, NONE, 0},
    {MACHINE_HEAP, SOURCE_SUM, T("nodejs_heap_size_used_bytes"), ALL, NONE, 0},
    {MACHINE_HEAP, SOURCE_SUM, T("go.memory.used"), ALL, NONE, 0},
    {MACHINE_HEAP, SOURCE_SUM, T("go_memstats_heap_inuse_bytes"), ALL, NONE, 0},

    {MACHINE_HEAP_SHARE, SOURCE_SUM, T("jvm.memory.used"), {T("jvm.memory.type"), T("heap")}, T("jvm.memory.limit"), 0},
    {MACHINE_HEAP_SHARE, SOURCE_SUM, T("jvm.memory.used"), {T("area"), T("heap")}, T("jvm.memory.max"), 0},
    {MACHINE_HEAP_SHARE, SOURCE_SUM, T("process.runtime.jvm.memory.usage"), {T("type"), T("heap")}, T("process.runtime.jvm.memory.limit"), 0},
    {MACHINE_HEAP_SHARE, SOURCE_SUM, T("jvm_memory_used_bytes"), {T("area"), T("heap")}, T("jvm_memory_max_bytes"), 0},
    {MACHINE_HEAP_SHARE, SOURCE_SUM, T("jvm_memory_used_bytes"), {T("jvm_memory_type"), T("heap")}, T("jvm_memory_limit_bytes"), 0},
    {MACHINE_HEAP_SHARE, SOURCE_SUM, T("jvm_memory_bytes_used"), {T("area"), T("heap")}, T("jvm_memory_bytes_max"), 0},

    {MACHINE_HEAP_LIVE, SOURCE_SUM, T("jvm.memory.used_after_last_gc"), {T("jvm.memory.type"), T("heap")}, T("jvm.memory.limit"), 0},
    {MACHINE_HEAP_LIVE, SOURCE_SUM, T("process.runtime.jvm.memory.usage_after_last_gc"), {T("type"), T("heap")}, T("process.runtime.jvm.memory.limit"), 0},
    {MACHINE_HEAP_LIVE, SOURCE_SUM, T("jvm_memory_used_after_last_gc_bytes"), {T("jvm_memory_type"), T("heap")}, T("jvm_memory_limit_bytes"), 0},

    {MACHINE_MEMORY, SOURCE_SUM, T("process.memory.usage"), ALL, NONE, 0},
    {MACHINE_MEMORY, SOURCE_SUM, T("process_resident_memory_bytes"), ALL, NONE, 0},
    {MACHINE_MEMORY, SOURCE_SUM, T("process_memory_usage_bytes"), ALL, NONE, 0},

    {MACHINE_GC, SOURCE_RATE, T("jvm.gc.duration_sum"), ALL, NONE, 0},
    {MACHINE_GC, SOURCE_RATE, T("process.runtime.jvm.gc.duration_sum"), ALL, NONE, 1e-3},
    {MACHINE_GC, SOURCE_RATE, T("jvm_gc_duration_seconds_sum"), ALL, NONE, 0},
    {MACHINE_GC, SOURCE_RATE, T("jvm_gc_pause_seconds_sum"), ALL, NONE, 0},
    {MACHINE_GC, SOURCE_RATE, T("jvm_gc_collection_seconds_sum"), ALL, NONE, 0},
    {MACHINE_GC, SOURCE_RATE, T("v8js.gc.duration_sum"), ALL, NONE, 0},
    {MACHINE_GC, SOURCE_RATE, T("nodejs_gc_duration_seconds_sum"), ALL, NONE, 0},

    {MACHINE_THREADS, SOURCE_SUM, T("jvm.thread.count"), ALL, NONE, 0},
    {MACHINE_THREADS, SOURCE_SUM, T("process.runtime.jvm.threads.count"), ALL, NONE, 0},
    {MACHINE_THREADS, SOURCE_SUM, T("jvm.threads.live"), ALL, NONE, 0},
    {MACHINE_THREADS, SOURCE_SUM, T("jvm_thread_count"), ALL, NONE, 0},
    {MACHINE_THREADS, SOURCE_SUM, T("jvm_threads_live_threads"), ALL, NONE, 0},
    {MACHINE_THREADS, SOURCE_SUM, T("jvm_threads_current"), ALL, NONE, 0},
    {MACHINE_THREADS, SOURCE_SUM, T("process.thread.count"), ALL, NONE, 0},
    {MACHINE_THREADS, SOURCE_SUM, T("process.threads"), ALL, NONE, 0},

    {MACHINE_LOOP, SOURCE_SUM, T("nodejs.eventloop.utilization"), ALL, NONE, 0},

    {MACHINE_HOST_CPU, SOURCE_IDLE, T("system.cpu.utilization"), {T("cpu.mode"), T("idle")}, NONE, 0},
    {MACHINE_HOST_CPU, SOURCE_IDLE, T("system.cpu.utilization"), {T("state"), T("idle")}, NONE, 0},
    {MACHINE_HOST_CPU, SOURCE_IDLE, T("system.cpu.utilization"), {T("system.cpu.state"), T("idle")}, NONE, 0},
    {MACHINE_HOST_CPU, SOURCE_IDLE_RATE, T("system.cpu.time"), {T("cpu.mode"), T("idle")}, NONE, 0},
    {MACHINE_HOST_CPU, SOURCE_IDLE_RATE, T("system.cpu.time"), {T("state"), T("idle")}, NONE, 0},
    {MACHINE_HOST_CPU, SOURCE_IDLE_RATE, T("system.cpu.time"), {T("system.cpu.state"), T("idle")}, NONE, 0},
    {MACHINE_HOST_CPU, SOURCE_IDLE_RATE, T("node_cpu_seconds_total"), {T("mode"), T("idle")}, NONE, 0},
    {MACHINE_HOST_CPU, SOURCE_SUM, T("jvm.system.cpu.utilization"), ALL, NONE, 0},
    {MACHINE_HOST_CPU, SOURCE_SUM, T("process.runtime.jvm.system.cpu.utilization"), ALL, NONE, 0},
    {MACHINE_HOST_CPU, SOURCE_SUM, T("system.cpu.usage"), ALL, NONE, 0},
    {MACHINE_HOST_CPU, SOURCE_SUM, T("system_cpu_usage"), ALL, NONE, 0},

    {MACHINE_HOST_MEMORY, SOURCE_SUM, T("system.memory.utilization"), {T("system.memory.state"), T("used")}, NONE, 0},
    {MACHINE_HOST_MEMORY, SOURCE_SUM, T("system.memory.utilization"), {T("state"), T("used")}, NONE, 0},
    {MACHINE_HOST_MEMORY, SOURCE_FREE, T("node_memory_MemAvailable_bytes"), ALL, T("node_memory_MemTotal_bytes"), 0},

    {MACHINE_HOST_DISK, SOURCE_MOST, T("system.filesystem.utilization"), ALL, NONE, 0},
    {MACHINE_HOST_DISK, SOURCE_FREE, T("node_filesystem_avail_bytes"), {T("mountpoint"), T("/")}, T("node_filesystem_size_bytes"), 0},
    {MACHINE_HOST_DISK, SOURCE_FREE, T("disk.free"), ALL, T("disk.total"), 0},
    {MACHINE_HOST_DISK, SOURCE_FREE, T("disk_free_bytes"), ALL, T("disk_total_bytes"), 0},

    {MACHINE_HOST_LOAD, SOURCE_SUM, T("system.cpu.load_average.1m"), ALL, NONE, 0},
    {MACHINE_HOST_LOAD, SOURCE_SUM, T("node_load1"), ALL, NONE, 0},
    {MACHINE_HOST_LOAD, SOURCE_SUM, T("jvm.system.cpu.load_1m"), ALL, NONE, 0},
    {MACHINE_HOST_LOAD, SOURCE_SUM, T("process.runtime.jvm.system.cpu.load_1m"), ALL, NONE, 0},
    {MACHINE_HOST_LOAD, SOURCE_SUM, T("system.load.average.1m"), ALL, NONE, 0},
    {MACHINE_HOST_LOAD, SOURCE_SUM, T("system_load_average_1m"), ALL, NONE, 0},
};

// Begins of names, up to a dot or an underscore or the end; written with dots, which stand for
// underscores too.
static const struct str common[] = {
    T("aspnetcore"), T("container"), T("cpython"), T("db.client"), T("disk.free"), T("disk.total"),
    T("dns"), T("dotnet"), T("executor"), T("go"), T("grpc"), T("hikaricp"), T("http"), T("hw"),
    T("jdbc.connections"), T("jetty"), T("jvm"), T("k8s"), T("kestrel"), T("log4j2"), T("logback"),
    T("messaging"), T("node"), T("nodejs"), T("otel"), T("otelcol"), T("process"), T("prometheus"),
    T("promhttp"), T("python"), T("rpc"), T("runtime"), T("scrape"), T("signalr"), T("sonde"),
    T("spring"), T("system"), T("target.info"), T("tomcat"), T("traces.span"), T("up"), T("v8js"),
};
// clang-format on

const size_t machine_source_count = sizeof machine_sources / sizeof machine_sources[0];

static bool is_border(char c)
{
    return c == '.' || c == '_';
}

static bool begins_with(struct str name, struct str begin)
{
    ASSERT(begin.n > 0);
    if (name.n < begin.n || (name.n > begin.n && !is_border(name.p[begin.n]))) {
        return false;
    }
    for (size_t i = 0; i < begin.n; i++) {
        bool same = name.p[i] == begin.p[i] || (is_border(name.p[i]) && begin.p[i] == '.');
        if (!same) {
            return false;
        }
    }
    return true;
}

bool machine_is_common(struct str name)
{
    ASSERT(name.p != NULL);
    for (size_t i = 0; i < sizeof common / sizeof common[0]; i++) {
        if (begins_with(name, common[i])) {
            return true;
        }
    }
    return false;
}

const char *machine_measure_name(enum machine_measure m)
{
    static const char *const names[MACHINE_MEASURES] = {
        [MACHINE_CPU] = "cpu",
        [MACHINE_CPU_CORES] = "cpu_cores",
        [MACHINE_HEAP] = "heap",
        [MACHINE_HEAP_SHARE] = "heap_share",
        [MACHINE_HEAP_LIVE] = "heap_after_gc",
        [MACHINE_MEMORY] = "memory",
        [MACHINE_GC] = "gc",
        [MACHINE_THREADS] = "threads",
        [MACHINE_LOOP] = "event_loop",
        [MACHINE_HOST_CPU] = "host_cpu",
        [MACHINE_HOST_MEMORY] = "host_memory",
        [MACHINE_HOST_DISK] = "host_disk",
        [MACHINE_HOST_LOAD] = "host_load",
    };
    ASSERT(m < MACHINE_MEASURES);
    return names[m];
}

const char *machine_measure_unit(enum machine_measure m)
{
    ASSERT(m < MACHINE_MEASURES);
    return m == MACHINE_HEAP || m == MACHINE_MEMORY ? "By"
           : m == MACHINE_THREADS                   ? "{thread}"
           : m == MACHINE_CPU_CORES                 ? "{cpu}"
           : m == MACHINE_HOST_LOAD                 ? ""
                                                    : "1";
}
