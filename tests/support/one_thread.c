// SPDX-License-Identifier: Apache-2.0
// Purpose: linked with --wrap into each test that is not named among those with threads
// (tests/meson.build), which alone run under ThreadSanitizer: one that begins a thread fails.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *how, void *(*run)(void *),
                          void *arg);
int __wrap_uv_thread_create(uv_thread_t *thread, uv_thread_cb run, void *arg);

static _Noreturn void refuse(void)
{
    (void)fputs("this test begins a thread: name it in `threaded` of tests/meson.build\n", stderr);
    abort();
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *how, void *(*run)(void *),
                          void *arg)
{
    (void)thread, (void)how, (void)run, (void)arg;
    refuse();
}

int __wrap_uv_thread_create(uv_thread_t *thread, uv_thread_cb run, void *arg)
{
    (void)thread, (void)run, (void)arg;
    refuse();
}
