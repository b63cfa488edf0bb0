// SPDX-License-Identifier: Apache-2.0
// Purpose: the load client: sends generated traces over OTLP/gRPC as fast as the server
// acknowledges them, or at a rate, and prints one JSON line: what was sent, acknowledged and
// refused, how long acknowledgements took, and IDs of traces to look up.
//
// Usage: load --address 127.0.0.1:4317 [--shape small|middle|large] [--batch N] [--spans N]
//             [--rate SPANS_PER_SECOND] [--jitter-ms N] [--connections N] [--streams N]
//             [--pool SPANS] [--seed N] [--samples N] [--seconds N]
//
// What is refused is counted by its gRPC status and not sent again: this client is the sender that
// ignores RetryInfo. It ends when --spans are sent or --seconds are over, and every request is
// answered. Exit code 1 when any request failed.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/clock.h"
#include "core/mem.h"
#include "core/must.h"
#include "core/sketch.h"
#include "gen.h"
#include "model/ids.h"
#include "wire/base64.h"

#define CONNECTIONS_MAX 64
#define STREAMS_MAX     256
#define OUT_MAX         ((size_t)4 << 20)
#define SAMPLES_MAX     100000
#define GRPC_STATUSES   17 // 0 (OK) to 16 (UNAUTHENTICATED)
#define UNAVAILABLE     14
#define RETRY_INFO      "type.googleapis.com/google.rpc.RetryInfo"

struct load;

struct stream {
    bool busy;
    int32_t id;
    const struct gen_request *request;
    size_t index; // of the request
    size_t sent;  // of prefix and body
    uint8_t prefix[5];
    uint64_t begun_ns;
    int grpc_status; // -1 until told
    bool told_to_retry;
};

struct connection {
    struct load *load;
    int fd;
    nghttp2_session *session;
    struct stream streams[STREAMS_MAX];
    struct buf out;
    size_t out_sent;
};

struct load {
    const char *address;
    struct gen_options gen_options;
    struct gen *gen;
    size_t connections, streams, samples;
    uint64_t spans, rate, seconds;
    struct connection c[CONNECTIONS_MAX];
    size_t next_request;
    uint32_t *rounds; // of each request: the round that it is stamped with next
    bool *busy;       // of each request: on its way, so its bytes must stay as they are
    uint64_t round_max, base_ns, begun_ns;
    uint64_t spans_sent, spans_acked, requests_acked, bytes_sent, in_flight;
    uint64_t failed[GRPC_STATUSES], told_to_retry; // refused requests, by gRPC status
    uint64_t turned_away;            // by REFUSED_STREAM, which gRPC counts as UNAVAILABLE
    uint64_t unanswered, reconnects; // requests without a status, connections lost
    struct sketch acks;
    trace_id *sampled;
    size_t sampled_count;
};

// ---- What to send -------------------------------------------------------------------------------

static bool is_over(const struct load *l)
{
    return l->spans_sent >= l->spans ||
           (l->seconds > 0 && clock_mono_ns() - l->begun_ns >= l->seconds * NS_PER_S);
}

static bool is_due(const struct load *l)
{
    if (is_over(l)) {
        return false;
    }
    if (l->rate == 0) {
        return true;
    }
    uint64_t elapsed = clock_mono_ns() - l->begun_ns;
    return (double)l->spans_sent < (double)elapsed / 1e9 * (double)l->rate;
}

// The next request that is not on its way: stamping it again would change bytes half sent.
static size_t next_request(struct load *l)
{
    size_t i;
    do {
        i = l->next_request;
        l->next_request = i + 1 < l->gen->count ? i + 1 : 0;
    } while (l->busy[i]);
    uint32_t round = l->rounds[i]++;
    l->busy[i] = true;
    l->round_max = round > l->round_max ? round : l->round_max;
    gen_stamp(l->gen, i, round, l->base_ns);
    const struct gen_request *r = &l->gen->requests[i];
    if (l->sampled_count < l->samples &&
        l->spans_sent >= l->spans / l->samples * l->sampled_count) {
        memcpy(&l->sampled[l->sampled_count++], r->bytes + r->stamps[0].trace, sizeof(trace_id));
    }
    return i;
}

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *out, size_t room,
                         uint32_t *flags, nghttp2_data_source *source, void *user)
{
    struct stream *s = source->ptr;
    size_t total = s->request->size + sizeof s->prefix, n = 0;
    (void)session, (void)id, (void)user;
    while (n < room && s->sent < sizeof s->prefix) {
        out[n++] = s->prefix[s->sent++];
    }
    size_t body = total - s->sent < room - n ? total - s->sent : room - n;
    memcpy(out + n, s->request->bytes + s->sent - sizeof s->prefix, body);
    s->sent += body;
    if (s->sent == total) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    }
    return (ssize_t)(n + body);
}

#define HEADER(name, value)                                                                        \
    {                                                                                              \
        (uint8_t *)name, (uint8_t *)value, sizeof name - 1, sizeof value - 1,                      \
            NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE                           \
    }

static void begin_stream(struct connection *c, struct stream *s)
{
    static const nghttp2_nv headers[] = {
        HEADER(":method", "POST"),
        HEADER(":scheme", "http"),
        HEADER(":path", "/opentelemetry.proto.collector.trace.v1.TraceService/Export"),
        HEADER(":authority", "sonde"),
        HEADER("content-type", "application/grpc"),
        HEADER("te", "trailers"),
    };
    struct load *l = c->load;
    size_t index = next_request(l);
    const struct gen_request *r = &l->gen->requests[index];
    uint32_t size = htonl((uint32_t)r->size);
    *s = (struct stream){
        .busy = true, .request = r, .index = index, .begun_ns = clock_mono_ns(), .grpc_status = -1};
    memcpy(s->prefix + 1, &size, 4);
    nghttp2_data_provider body = {.source = {.ptr = s}, .read_callback = read_body};
    s->id = nghttp2_submit_request(c->session, NULL, headers, sizeof headers / sizeof headers[0],
                                   &body, s);
    MUST(s->id > 0);
    l->spans_sent += r->spans;
    l->bytes_sent += r->size;
    l->in_flight++;
}

// ---- Answers ------------------------------------------------------------------------------------

static bool has_retry_info(struct str details)
{
    struct buf status;
    buf_init(&status, 4096);
    bool has = base64_decode(details, &status) &&
               memmem(status.p, status.n, RETRY_INFO, sizeof RETRY_INFO - 1) != NULL;
    buf_done(&status);
    return has;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_bytes, const uint8_t *value, size_t value_bytes, uint8_t flags,
                     void *user)
{
    struct stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    struct str key = {(const char *)name, name_bytes}, text = {(const char *)value, value_bytes};
    uint64_t status;
    (void)flags, (void)user;
    if (s == NULL) {
        return 0;
    }
    if (str_eq(key, STR("grpc-status")) && str_to_u64(text, &status) == ERR_OK &&
        status < GRPC_STATUSES) {
        s->grpc_status = (int)status;
    } else if (str_eq(key, STR("grpc-status-details-bin"))) {
        s->told_to_retry = has_retry_info(text);
    }
    return 0;
}

static void settle(struct load *l, struct stream *s)
{
    MUST(s->busy && l->in_flight > 0);
    if (s->grpc_status == 0) {
        l->spans_acked += s->request->spans;
        l->requests_acked++;
        sketch_add(&l->acks, clock_mono_ns() - s->begun_ns);
    } else if (s->grpc_status > 0) {
        l->failed[s->grpc_status]++;
        l->told_to_retry += s->told_to_retry ? 1 : 0;
    } else {
        l->unanswered++;
    }
    l->busy[s->index] = false;
    l->in_flight--;
    s->busy = false;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t error, void *user)
{
    struct connection *c = user;
    struct stream *s = nghttp2_session_get_stream_user_data(session, id);
    if (s != NULL && s->busy) {
        if (s->grpc_status < 0 && error == NGHTTP2_REFUSED_STREAM) {
            s->grpc_status = UNAVAILABLE;
            c->load->turned_away++;
        }
        settle(c->load, s);
    }
    return 0;
}

// ---- Connections --------------------------------------------------------------------------------

static void connect_to(struct connection *c)
{
    char host[64];
    int port = 0, on = 1;
    MUST(sscanf(c->load->address, "%63[^:]:%d", host, &port) == 2);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    MUST(inet_pton(AF_INET, host, &to.sin_addr) == 1);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(c->fd, (struct sockaddr *)&to, sizeof to) != 0) {
        fprintf(stderr, "load: %s: %s\n", c->load->address, strerror(errno));
        exit(1);
    }
    MUST(setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
    MUST(fcntl(c->fd, F_SETFL, O_NONBLOCK) == 0);
    nghttp2_session_callbacks *callbacks;
    MUST(nghttp2_session_callbacks_new(&callbacks) == 0);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    MUST(nghttp2_session_client_new(&c->session, callbacks, c) == 0);
    nghttp2_session_callbacks_del(callbacks);
    MUST(nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, NULL, 0) == 0);
    buf_init(&c->out, OUT_MAX * 2);
}

// The server closed the connection: what was on it has no answer; go on with a new one.
static void reconnect(struct connection *c)
{
    nghttp2_session_del(c->session);
    for (size_t i = 0; i < STREAMS_MAX; i++) {
        if (c->streams[i].busy) {
            settle(c->load, &c->streams[i]);
        }
    }
    (void)close(c->fd);
    buf_done(&c->out);
    c->out_sent = 0;
    c->load->reconnects++;
    connect_to(c);
}

static void fill(struct connection *c)
{
    struct load *l = c->load;
    for (size_t i = 0; i < l->streams && is_due(l); i++) {
        if (!c->streams[i].busy) {
            begin_stream(c, &c->streams[i]);
        }
    }
}

static void flush(struct connection *c)
{
    const uint8_t *data;
    ssize_t n;
    while (c->out.n - c->out_sent < OUT_MAX &&
           (n = nghttp2_session_mem_send(c->session, &data)) > 0) {
        buf_add(&c->out, data, (size_t)n);
    }
    MUST(!c->out.failed);
    while (c->out_sent < c->out.n) {
        ssize_t put = write(c->fd, c->out.p + c->out_sent, c->out.n - c->out_sent);
        if (put < 0) {
            break; // EAGAIN, or an error that reading finds too
        }
        c->out_sent += (size_t)put;
    }
    buf_shift(&c->out, c->out_sent);
    c->out_sent = 0;
}

static void receive(struct connection *c)
{
    uint8_t bytes[65536];
    for (;;) {
        ssize_t n = read(c->fd, bytes, sizeof bytes);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        if (n <= 0 || nghttp2_session_mem_recv(c->session, bytes, (size_t)n) != n) {
            reconnect(c);
            return;
        }
    }
}

static void run(struct load *l)
{
    struct pollfd fds[CONNECTIONS_MAX];
    l->base_ns = clock_wall_ns();
    l->begun_ns = clock_mono_ns();
    while (!is_over(l) || l->in_flight > 0) {
        for (size_t i = 0; i < l->connections; i++) {
            struct connection *c = &l->c[i];
            fill(c);
            flush(c);
            bool waiting = c->out.n > 0 || nghttp2_session_want_write(c->session);
            fds[i] = (struct pollfd){.fd = c->fd,
                                     .events = (short)(waiting ? POLLIN | POLLOUT : POLLIN)};
        }
        MUST(poll(fds, l->connections, 1) >= 0 || errno == EINTR);
        for (size_t i = 0; i < l->connections; i++) {
            if (fds[i].revents & (POLLIN | POLLHUP | POLLERR)) {
                receive(&l->c[i]);
            }
        }
    }
}

static uint64_t failures(const struct load *l)
{
    uint64_t n = l->unanswered;
    for (size_t i = 0; i < GRPC_STATUSES; i++) {
        n += l->failed[i];
    }
    return n;
}

static void report(struct load *l)
{
    double seconds = (double)(clock_mono_ns() - l->begun_ns) / 1e9;
    printf("{\"shape\":\"%s\",\"batch\":%zu,\"sent\":%" PRIu64 ",\"spans\":%" PRIu64
           ",\"requests\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"bytes\":%" PRIu64
           ",\"seconds\":%.3f,\"ack_p50_ms\":%.3f,\"ack_p99_ms\":%.3f,\"from_ms\":%" PRIu64
           ",\"to_ms\":%" PRIu64 ",\"turned_away\":%" PRIu64 ",\"unanswered\":%" PRIu64
           ",\"reconnects\":%" PRIu64 ",\"told_to_retry\":%" PRIu64 ",\"failed_by_status\":{",
           gen_shape_name(l->gen_options.shape), l->gen_options.spans_per_request, l->spans_sent,
           l->spans_acked, l->requests_acked, failures(l), l->bytes_sent, seconds,
           (double)sketch_quantile(&l->acks, 0.5) / 1e6,
           (double)sketch_quantile(&l->acks, 0.99) / 1e6, l->base_ns / NS_PER_MS,
           (l->base_ns + (l->round_max + 1) * l->gen->period_ns) / NS_PER_MS + 60000,
           l->turned_away, l->unanswered, l->reconnects, l->told_to_retry);
    bool first = true;
    for (size_t i = 0; i < GRPC_STATUSES; i++) {
        if (l->failed[i] > 0) {
            printf("%s\"%zu\":%" PRIu64, first ? "" : ",", i, l->failed[i]);
            first = false;
        }
    }
    printf("},\"traces\":[");
    for (size_t i = 0; i < l->sampled_count; i++) {
        char text[TRACE_ID_HEX + 1];
        trace_id_hex(l->sampled[i], text);
        printf("%s\"%s\"", i > 0 ? "," : "", text);
    }
    puts("]}");
}

static void set(struct load *l, const char *flag, const char *value)
{
    uint64_t n = 0;
    if (strcmp(flag, "--address") == 0) {
        l->address = value;
        return;
    }
    if (strcmp(flag, "--shape") == 0) {
        for (unsigned i = 0; i < GEN_SHAPES; i++) {
            if (strcmp(value, gen_shape_name((enum gen_shape)i)) == 0) {
                l->gen_options.shape = (enum gen_shape)i;
                return;
            }
        }
    }
    uint64_t jitter_ms = l->gen_options.jitter_ns / NS_PER_MS;
    const struct {
        const char *name;
        size_t *size;
        uint64_t *number;
    } numbers[] = {
        {"--batch", &l->gen_options.spans_per_request, NULL},
        {"--spans", NULL, &l->spans},
        {"--rate", NULL, &l->rate},
        {"--seconds", NULL, &l->seconds},
        {"--jitter-ms", NULL, &jitter_ms},
        {"--connections", &l->connections, NULL},
        {"--streams", &l->streams, NULL},
        {"--pool", &l->gen_options.spans, NULL},
        {"--seed", NULL, &l->gen_options.seed},
        {"--samples", &l->samples, NULL},
    };
    const size_t count = sizeof numbers / sizeof numbers[0];
    size_t i = 0;
    while (i < count && strcmp(flag, numbers[i].name) != 0) {
        i++;
    }
    if (i == count || str_to_u64(str_of(value), &n) != ERR_OK) {
        fprintf(stderr, "load: %s %s is not understood\n", flag, value);
        exit(2);
    }
    if (numbers[i].size != NULL) {
        *numbers[i].size = (size_t)n;
    } else {
        *numbers[i].number = n;
    }
    l->gen_options.jitter_ns = jitter_ms * NS_PER_MS;
}

int main(int argc, char **argv)
{
    struct load *l = mem_new(1, sizeof *l);
    l->address = "127.0.0.1:4317";
    l->connections = 4;
    l->streams = 4;
    l->spans = 1000000;
    l->gen_options = (struct gen_options){.shape = GEN_MIDDLE,
                                          .spans = 262144,
                                          .spans_per_request = 500,
                                          .spans_per_second = 100000,
                                          .seed = 1};
    for (int i = 1; i + 1 < argc; i += 2) {
        set(l, argv[i], argv[i + 1]);
    }
    MUST(l->connections <= CONNECTIONS_MAX && l->streams <= STREAMS_MAX &&
         l->samples <= SAMPLES_MAX);
    l->gen_options.spans_per_second = l->rate > 0 ? l->rate : l->gen_options.spans_per_second;
    l->sampled = mem_new(l->samples + 1, sizeof *l->sampled);
    l->gen = gen_new(&l->gen_options);
    MUST(l->gen->count > l->connections * l->streams); // --pool is too small for --batch
    l->rounds = mem_new(l->gen->count, sizeof *l->rounds);
    l->busy = mem_new(l->gen->count, sizeof *l->busy);
    for (size_t i = 0; i < l->connections; i++) {
        l->c[i].load = l;
        connect_to(&l->c[i]);
    }
    run(l);
    report(l);
    return failures(l) > 0 ? 1 : 0;
}
