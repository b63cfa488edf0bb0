// SPDX-License-Identifier: Apache-2.0
// Purpose: agents/jvm/log: a reader that does not read keeps nobody waiting, and misses nothing
// unsaid.
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agents/jvm/log.h"
#include "test.h"

enum { READ, WRITE };

static void set_blocking(int fd, bool blocking)
{
    assert_int_equal(fcntl(fd, F_SETFL, blocking ? 0 : O_NONBLOCK), 0);
}

// Takes the place of standard error, full to the last byte; what it was is given back.
static int be_full(int fd)
{
    static const char filling[4096];
    int before = dup(STDERR_FILENO);
    set_blocking(fd, false);
    while (write(fd, filling, sizeof filling) > 0 || write(fd, filling, 1) > 0) {
    }
    set_blocking(fd, true);
    assert_true(before >= 0 && dup2(fd, STDERR_FILENO) == STDERR_FILENO);
    return before;
}

static size_t drain(int fd, char *out, size_t room)
{
    size_t n = 0;
    ssize_t got;
    set_blocking(fd, false);
    while ((got = read(fd, out + n, room - n - 1)) > 0) {
        n = n + (size_t)got > room / 2 ? 0 : n + (size_t)got;
    }
    out[n] = '\0';
    return n;
}

enum { THREADS = 4, MESSAGES = 5 };

// Each message another one: the same would be left out for its own sake.
static void *tell_many(void *ctx)
{
    static atomic_uint number;
    for (int i = 0; i < MESSAGES; i++) {
        agent_log("message %u", atomic_fetch_add(&number, 1));
    }
    return ctx;
}

static void check_full(const int fd[2], const char *kind)
{
    static char text[1 << 20];
    pthread_t threads[THREADS];
    (void)alarm(60); // waiting for the reader would be for ever
    int before = be_full(fd[WRITE]);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, tell_many, NULL), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    (void)drain(fd[READ], text, sizeof text);
    agent_log("read again, a %s", kind);
    size_t n = drain(fd[READ], text, sizeof text);
    assert_true(dup2(before, STDERR_FILENO) == STDERR_FILENO);
    (void)close(before);
    (void)alarm(0);
    char expected[80];
    (void)snprintf(expected, sizeof expected, "read again, a %s (%d messages were left out)\n",
                   kind, THREADS * MESSAGES);
    assert_non_null(strstr(text, expected));
    assert_true(n < 200 && (fcntl(fd[WRITE], F_GETFL) & O_NONBLOCK) == 0);
}

static void test_a_full_pipe_keeps_nobody_waiting(void **state)
{
    int fd[2];
    (void)state;
    assert_int_equal(pipe(fd), 0);
    check_full(fd, "pipe");
    (void)close(fd[READ]);
    (void)close(fd[WRITE]);
}

static void test_a_full_socket_keeps_nobody_waiting(void **state)
{
    int fd[2];
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
    check_full(fd, "socket");
    (void)close(fd[READ]);
    (void)close(fd[WRITE]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_full_pipe_keeps_nobody_waiting),
        cmocka_unit_test(test_a_full_socket_keeps_nobody_waiting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
