// SPDX-License-Identifier: Apache-2.0
// Purpose: plug-in grpc. Metadata, statuses and calls are the library's own final classes: what can fail
// is what applications put into them: values that are streams, which can be read but once, and
// exceptions that say nothing, thrown on both sides wherever an application has its say.
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.ClientInterceptors;
import io.grpc.ClientStreamTracer;
import io.grpc.ForwardingClientCall;
import io.grpc.ForwardingClientCallListener;
import io.grpc.ForwardingServerCallListener;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Server;
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
import io.grpc.stub.ServerCalls;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.io.InputStream;
import java.util.List;
import java.util.concurrent.TimeUnit;

public class GrpcCase implements Faults.Case {
    // Whoever reads the value takes it away.
    private static Metadata.Key<InputStream> once(String name, boolean bad) {
        return Metadata.Key.of(name, new Metadata.BinaryStreamMarshaller<InputStream>() {
            @Override
            public InputStream toStream(InputStream value) {
                if (bad) {
                    Fault.meet();
                }
                return value;
            }

            @Override
            public InputStream parseStream(InputStream in) {
                return in;
            }
        });
    }

    static final Metadata.Key<InputStream> FRUIT = once("fruit-bin", false), COLOUR = once("colour-bin", true);
    static final Metadata.Key<String> WHERE = Metadata.Key.of("where", Metadata.ASCII_STRING_MARSHALLER);
    static final Metadata.Key<String> TRACEPARENT = Metadata.Key.of("traceparent", Metadata.ASCII_STRING_MARSHALLER);
    static final MethodDescriptor<String, String> CHECK = Texts.method("Check", MethodDescriptor.MethodType.UNARY);

    final Fault.Nasty nasty = new Fault.Nasty();

    private void fail(String here, String where) {
        if (here.equals(where)) {
            throw nasty;
        }
    }

    // ---- The server --------------------------------------------------------------------------

    class Intercept implements ServerInterceptor {
        volatile String once;

        @Override
        public <Q, A> ServerCall.Listener<Q> interceptCall(ServerCall<Q, A> call, Metadata headers,
                                                           ServerCallHandler<Q, A> next) {
            String where = headers.get(WHERE);
            once = new Texts().parse(headers.get(COLOUR)) + new Texts().parse(headers.get(FRUIT));
            fail("interceptor", where);
            ServerCall.Listener<Q> rest = next.startCall(call, headers);
            return new ForwardingServerCallListener.SimpleForwardingServerCallListener<>(rest) {
                @Override
                public void onMessage(Q message) {
                    fail("onMessage", where);
                    super.onMessage(message);
                }

                @Override
                public void onHalfClose() {
                    fail("onHalfClose", where);
                    super.onHalfClose();
                }

                @Override
                public void onComplete() {
                    super.onComplete();
                    fail("onComplete", where);
                }
            };
        }
    }

    private Server serve() throws IOException {
        Intercept intercept = new Intercept();
        return InProcessServerBuilder.forName("faults").intercept(intercept).addService(
            ServerServiceDefinition.builder("shop.Stock").addMethod(CHECK, ServerCalls.asyncUnaryCall(
                (String where, StreamObserver<String> answer) -> {
                    fail("method", where);
                    if (where.equals("status")) {
                        answer.onError(Status.INTERNAL.withDescription("no pears").withCause(nasty).asException());
                        return;
                    }
                    answer.onNext("3 " + intercept.once);
                    answer.onCompleted();
                })).build()).build().start();
    }

    // ---- The client --------------------------------------------------------------------------

    // The application's listener, which fails when the head of the answer has come.
    private ClientInterceptor listening(String where) {
        return new ClientInterceptor() {
            @Override
            public <Q, A> ClientCall<Q, A> interceptCall(MethodDescriptor<Q, A> method, CallOptions options,
                                                         Channel next) {
                return new ForwardingClientCall.SimpleForwardingClientCall<>(next.newCall(method, options)) {
                    @Override
                    public void start(Listener<A> listener, Metadata headers) {
                        super.start(new ForwardingClientCallListener.SimpleForwardingClientCallListener<>(listener) {
                            @Override
                            public void onHeaders(Metadata answer) {
                                fail("onHeaders", where);
                                super.onHeaders(answer);
                            }
                        }, headers);
                    }
                };
            }
        };
    }

    private String ask(Channel channel, String where, CallOptions options) {
        Metadata headers = new Metadata();
        headers.put(FRUIT, new Texts().stream("pears"));
        headers.put(COLOUR, new Texts().stream("green "));
        headers.put(WHERE, where);
        headers.put(TRACEPARENT, "mine");
        Channel with = ClientInterceptors.intercept(channel, listening(where),
                                                    MetadataUtils.newAttachHeadersInterceptor(headers));
        try {
            return ClientCalls.blockingUnaryCall(with, CHECK, options, where);
        } catch (StatusRuntimeException e) {
            return e.getStatus().getCode() + " " + e.getStatus().getDescription() + " the same: "
                + (e.getStatus().getCause() == nasty);
        }
    }

    @Override
    public void run(Faults to) throws Exception {
        Server server = serve();
        ManagedChannel channel = InProcessChannelBuilder.forName("faults").propagateCauseWithStatus(true).build();
        to.calls("gRPC", () -> ask(channel, "nowhere", CallOptions.DEFAULT), "CLIENT", "SERVER");
        for (String where : List.of("interceptor", "onMessage", "onHalfClose", "method", "status", "onComplete",
            "onHeaders")) {
            to.calls(where, () -> ask(channel, where, CallOptions.DEFAULT), "CLIENT", "SERVER");
        }
        CallOptions traced = CallOptions.DEFAULT.withStreamTracerFactory(new ClientStreamTracer.Factory() {
            @Override
            public ClientStreamTracer newClientStreamTracer(ClientStreamTracer.StreamInfo info, Metadata headers) {
                throw nasty;
            }
        });
        to.throwsIt("start", () -> ask(channel, "nowhere", traced), nasty, "CLIENT");
        channel.shutdownNow().awaitTermination(30, TimeUnit.SECONDS);
        server.shutdownNow().awaitTermination(30, TimeUnit.SECONDS);
    }
}
