// SPDX-License-Identifier: Apache-2.0
// Purpose: tests of posting, against a server in a thread of the test's own.
#include "test.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agents/jvm/effort.h"
#include "agents/jvm/http_post.h"
#include "core/clock.h"

struct server {
    int fd;
    unsigned port;
    pthread_t thread;
    enum effort seen; // when it answered
};

static const char OK[] = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

static void open_server(struct server *s, void *(*run)(void *))
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    s->fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(s->fd, 1), 0);
    assert_int_equal(getsockname(s->fd, (struct sockaddr *)&a, &n), 0);
    s->port = ntohs(a.sin_port);
    assert_int_equal(pthread_create(&s->thread, NULL, run, s), 0);
}

// Answers once the agent has stepped down, or after ten seconds.
static void *answer_late(void *ctx)
{
    struct server *s = ctx;
    char request[4096];
    int fd = accept(s->fd, NULL, NULL);
    assert_true(read(fd, request, sizeof request) > 0);
    for (int i = 0; i < 1000 && effort_now() == EFFORT_FULL; i++) {
        effort_probe(NS_PER_MS); // a thread of the application goes on being traced
        usleep(10000);
    }
    s->seen = effort_now();
    assert_int_equal(write(fd, OK, sizeof OK - 1), sizeof OK - 1);
    close(fd);
    return NULL;
}

static void test_who_waits_for_a_server_judges_the_agent(void **state)
{
    (void)state;
    struct server s;
    struct post_connection c = {.fd = -1, .target = {.host = "127.0.0.1"}};
    struct post_answer a;
    effort_init(1);
    effort_judge(clock_mono_ns());
    open_server(&s, answer_late);
    (void)snprintf(c.target.port, sizeof c.target.port, "%u", s.port);
    post(&c, "/v1/traces", "", STR("body"), &a);
    pthread_join(s.thread, NULL);
    assert_string_equal(a.error, "");
    assert_int_equal(a.status, 200);
    assert_int_not_equal(s.seen, EFFORT_FULL);
    post_close(&c);
    close(s.fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_waits_for_a_server_judges_the_agent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
