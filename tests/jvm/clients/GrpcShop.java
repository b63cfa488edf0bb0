// SPDX-License-Identifier: Apache-2.0
// Purpose: a web service and a gRPC service, Stock, that it asks in every way there is. Its methods
// have no generated stubs: texts go over the wire. Arguments: "inprocess", or another word for the
// transport that is on the class path; a port where nobody listens.
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientInterceptors;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.InsecureServerCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.MethodDescriptor.MethodType;
import io.grpc.NameResolver;
import io.grpc.NameResolverProvider;
import io.grpc.NameResolverRegistry;
import io.grpc.Server;
import io.grpc.ServerBuilder;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.ServerServiceDefinition;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.inprocess.InProcessChannelBuilder;
import io.grpc.inprocess.InProcessServerBuilder;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.MetadataUtils;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.ServerCalls;
import io.grpc.stub.StreamObserver;
import java.net.URI;
import java.util.Iterator;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

public class GrpcShop {
    static final MethodDescriptor<String, String> CHECK = Texts.method("Check", MethodType.UNARY);
    static final MethodDescriptor<String, String> NOTHING = Texts.method("Nothing", MethodType.UNARY);
    static final MethodDescriptor<String, String> WATCH = Texts.method("Watch", MethodType.SERVER_STREAMING);
    static final MethodDescriptor<String, String> FILL = Texts.method("Fill", MethodType.CLIENT_STREAMING);
    static final MethodDescriptor<String, String> TALK = Texts.method("Talk", MethodType.BIDI_STREAMING);
    static final Metadata.Key<String> TRACEPARENT = key("traceparent");
    static final Metadata.Key<String> MINE = key("x-mine");

    static Entries entries;
    static volatile CountDownLatch held = new CountDownLatch(1), let_go = new CountDownLatch(1);

    static Metadata.Key<String> key(String name) {
        return Metadata.Key.of(name, Metadata.ASCII_STRING_MARSHALLER);
    }

    // ---- The server --------------------------------------------------------------------------

    static void check(String what, StreamObserver<String> answer) {
        switch (what) {
            case "missing":
                answer.onError(Status.NOT_FOUND.withDescription("no pears").asRuntimeException());
                return;
            case "broken":
                throw new IllegalArgumentException("bad pears");
            case "held": // until the client goes
                ((ServerCallStreamObserver<String>) answer).setOnCancelHandler(() -> {
                    entries.leaf();
                    let_go.countDown();
                });
                held.countDown();
                return;
            default:
                entries.leaf();
                answer.onNext("3 " + what);
                answer.onCompleted();
        }
    }

    static void watch(String what, StreamObserver<String> answer) {
        for (int i = 0; i < 3; i++) {
            answer.onNext(what + i);
        }
        entries.leaf();
        answer.onCompleted();
    }

    // Requests one by one; `answer_each` or all at the end.
    static StreamObserver<String> take(StreamObserver<String> answer, boolean answer_each) {
        StringBuilder all = new StringBuilder();
        return new StreamObserver<>() {
            @Override
            public void onNext(String what) {
                if (answer_each) {
                    entries.leaf();
                    answer.onNext("got " + what);
                }
                all.append(what);
            }

            @Override
            public void onError(Throwable t) {}

            @Override
            public void onCompleted() {
                if (!answer_each) {
                    entries.leaf();
                    answer.onNext(all.toString());
                }
                answer.onCompleted();
            }
        };
    }

    static Server serve(boolean in_process) throws Exception {
        ServerBuilder<?> builder = in_process
            ? InProcessServerBuilder.forName("stock")
            : Grpc.newServerBuilderForPort(0, InsecureServerCredentials.create());
        ServerInterceptor headers = new ServerInterceptor() {
            @Override
            public <Q, A> ServerCall.Listener<Q> interceptCall(ServerCall<Q, A> call, Metadata sent,
                                                               ServerCallHandler<Q, A> next) {
                if (sent.containsKey(MINE)) {
                    int n = 0;
                    for (String one : sent.getAll(TRACEPARENT)) {
                        n++;
                    }
                    System.out.println("traceparents " + n + " mine " + sent.get(MINE));
                }
                return next.startCall(call, sent);
            }
        };
        return builder.intercept(headers).addService(
            ServerServiceDefinition.builder("shop.Stock")
                .addMethod(CHECK, ServerCalls.asyncUnaryCall(GrpcShop::check))
                .addMethod(WATCH, ServerCalls.asyncServerStreamingCall(GrpcShop::watch))
                .addMethod(FILL, ServerCalls.asyncClientStreamingCall(a -> take(a, false)))
                .addMethod(TALK, ServerCalls.asyncBidiStreamingCall(a -> take(a, true)))
                .build()).build().start();
    }

    // ---- The client --------------------------------------------------------------------------

    static class Answers implements StreamObserver<String> {
        final CompletableFuture<String> end = new CompletableFuture<>();
        private final boolean calls;

        // `calls`: for each answer and at the end it calls a server itself.
        Answers(boolean calls) {
            this.calls = calls;
        }

        @Override
        public void onNext(String answer) {
            if (calls) {
                entries.leaf();
            }
        }

        @Override
        public void onError(Throwable t) {
            end.complete(Status.fromThrowable(t).getCode().toString());
        }

        @Override
        public void onCompleted() {
            if (calls) {
                entries.leaf();
            }
            end.complete("OK");
        }
    }

    static String ask(Channel channel, MethodDescriptor<String, String> method, CallOptions options,
                      String what) {
        try {
            return ClientCalls.blockingUnaryCall(channel, method, options, what);
        } catch (StatusRuntimeException e) {
            return e.getStatus().getCode().toString();
        }
    }

    static CallOptions within(int seconds) {
        return CallOptions.DEFAULT.withDeadlineAfter(seconds, TimeUnit.SECONDS);
    }

    static void stream(Channel channel, MethodDescriptor<String, String> method) throws Exception {
        Answers answers = new Answers(method == TALK);
        StreamObserver<String> requests = method == TALK
            ? ClientCalls.asyncBidiStreamingCall(channel.newCall(method, CallOptions.DEFAULT), answers)
            : ClientCalls.asyncClientStreamingCall(channel.newCall(method, CallOptions.DEFAULT), answers);
        requests.onNext("pears");
        requests.onNext("plums");
        requests.onCompleted();
        System.out.println(method.getBareMethodName() + " " + answers.end.get());
    }

    static void cancel(Channel channel) throws Exception {
        Answers answers = new Answers(false);
        held = new CountDownLatch(1);
        let_go = new CountDownLatch(1);
        var call = channel.newCall(CHECK, CallOptions.DEFAULT);
        ClientCalls.asyncUnaryCall(call, "held", answers);
        held.await();
        call.cancel("enough", null);
        System.out.println("cancelled " + answers.end.get());
        let_go.await();
    }

    static void late(Channel channel) throws Exception {
        held = new CountDownLatch(1);
        let_go = new CountDownLatch(1);
        System.out.println("late " + ask(channel, CHECK, within(3), "held"));
        let_go.await();
    }

    static void forward(Channel channel) {
        Metadata mine = new Metadata();
        mine.put(TRACEPARENT, "00-11111111111111111111111111111111-2222222222222222-01");
        mine.put(MINE, "yes");
        Channel with = ClientInterceptors.intercept(channel, MetadataUtils.newAttachHeadersInterceptor(mine));
        ask(with, CHECK, CallOptions.DEFAULT, "pears");
    }

    // A name that is never resolved.
    static ManagedChannel unresolved() {
        NameResolverRegistry.getDefaultRegistry().register(new NameResolverProvider() {
            @Override
            protected boolean isAvailable() {
                return true;
            }

            @Override
            protected int priority() {
                return 5;
            }

            @Override
            public String getDefaultScheme() {
                return "never";
            }

            @Override
            public NameResolver newNameResolver(URI target, NameResolver.Args arguments) {
                return new NameResolver() {
                    @Override
                    public String getServiceAuthority() {
                        return "never.example:7";
                    }

                    @Override
                    public void shutdown() {}

                    @Override
                    public void start(Listener2 listener) {}
                };
            }
        });
        return channel("never:///x");
    }

    static ManagedChannel channel(String target) {
        return Grpc.newChannelBuilder(target, InsecureChannelCredentials.create()).build();
    }

    static void add_paths(Entries server, Channel stock, Channel nobody, Channel never) {
        server.serve("/unary", () -> ask(stock, CHECK, CallOptions.DEFAULT, "pears"));
        server.serve("/future",
              () -> ClientCalls.futureUnaryCall(stock.newCall(CHECK, CallOptions.DEFAULT), "pears").get());
        server.serve("/async", () -> {
            Answers answers = new Answers(true);
            ClientCalls.asyncUnaryCall(stock.newCall(CHECK, CallOptions.DEFAULT), "pears", answers);
            answers.end.get();
        });
        server.serve("/watch", () -> {
            Iterator<String> answers =
                ClientCalls.blockingServerStreamingCall(stock, WATCH, CallOptions.DEFAULT, "pears");
            while (answers.hasNext()) {
                answers.next();
            }
        });
        server.serve("/fill", () -> stream(stock, FILL));
        server.serve("/talk", () -> stream(stock, TALK));
        server.serve("/missing", () -> ask(stock, CHECK, CallOptions.DEFAULT, "missing"));
        server.serve("/broken", () -> ask(stock, CHECK, CallOptions.DEFAULT, "broken"));
        server.serve("/nothing", () -> ask(stock, NOTHING, CallOptions.DEFAULT, "pears"));
        server.serve("/late", () -> late(stock));
        server.serve("/cancel", () -> cancel(stock));
        server.serve("/forward", () -> forward(stock));
        server.serve("/gone", () -> ask(nobody, CHECK, CallOptions.DEFAULT, "pears"));
        server.serve("/never", () -> System.out.println("never " + ask(never, CHECK, within(1), "pears")));
    }

    public static void main(String[] arguments) throws Exception {
        boolean in_process = arguments[0].equals("inprocess");
        Server stock = serve(in_process);
        ManagedChannel to_stock = in_process
            ? InProcessChannelBuilder.forName("stock").build() : channel("127.0.0.1:" + stock.getPort());
        ManagedChannel to_nobody = channel("127.0.0.1:" + arguments[1]), never = unresolved();
        entries = new Entries();
        add_paths(entries, to_stock, to_nobody, never);
        System.out.println("stock " + (in_process ? 0 : stock.getPort()));
        entries.serveUntilTold();
        for (ManagedChannel one : new ManagedChannel[] {to_stock, to_nobody, never}) {
            one.shutdownNow().awaitTermination(30, TimeUnit.SECONDS);
        }
        stock.shutdownNow().awaitTermination(30, TimeUnit.SECONDS);
        entries.stop();
    }
}
