// SPDX-License-Identifier: Apache-2.0
// Purpose: calls of several libraries that begin, and end once the agent has had so much to do
// meanwhile (Busy.java) that it rests: gRPC, within the process, Apache's asynchronous client, and a
// HttpURLConnection whose answer is asked for late.
// Usage: Resting     "begun"; "end" on standard input ends the calls: "ended"; another line ends it
import com.sun.net.httpserver.HttpServer;
import io.grpc.CallOptions;
import io.grpc.ManagedChannel;
import io.grpc.MethodDescriptor;
import io.grpc.MethodDescriptor.MethodType;
import io.grpc.Server;
import io.grpc.ServerServiceDefinition;
import io.grpc.inprocess.InProcessChannelBuilder;
import io.grpc.inprocess.InProcessServerBuilder;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.ServerCalls;
import io.grpc.stub.StreamObserver;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.HttpURLConnection;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URL;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

public class Resting {
    static final CountDownLatch HELD = new CountDownLatch(2), END = new CountDownLatch(1);

    static void hold() {
        HELD.countDown();
        try {
            END.await();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    public static void main(String[] args) throws Exception {
        HttpServer http = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        http.setExecutor(Executors.newCachedThreadPool());
        http.createContext("/held", exchange -> {
            hold();
            exchange.sendResponseHeaders(200, -1);
            exchange.close();
        });
        http.createContext("/asked", exchange -> {
            exchange.sendResponseHeaders(200, -1);
            exchange.close();
        });
        http.start();
        String base = "http://127.0.0.1:" + http.getAddress().getPort();
        MethodDescriptor<String, String> check = Texts.method("Check", MethodType.UNARY);
        Server server = InProcessServerBuilder.forName("stock").addService(ServerServiceDefinition.builder("shop.Stock")
            .addMethod(check, ServerCalls.asyncUnaryCall((String what, StreamObserver<String> answer) -> {
                hold();
                answer.onNext("3 " + what);
                answer.onCompleted();
            })).build()).build().start();
        ManagedChannel channel = InProcessChannelBuilder.forName("stock").build();
        Apache5Library apache = new Apache5Library();

        Future<String> texts = ClientCalls.futureUnaryCall(channel.newCall(check, CallOptions.DEFAULT), "pears");
        CompletableFuture<Integer> code = apache.later(base + "/held");
        HttpURLConnection connection = (HttpURLConnection) new URL(base + "/asked").openConnection();
        connection.connect();
        HELD.await();
        Busy.begin();
        System.out.println("begun");
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        in.readLine();
        Busy.end();
        END.countDown();
        if (!texts.get().equals("3 pears") || code.get() != 200 || connection.getResponseCode() != 200) {
            throw new IOException("an answer is wrong");
        }
        System.out.println("ended");
        in.readLine();
        apache.async.close();
        apache.client.close();
        channel.shutdownNow();
        server.shutdownNow();
        http.stop(0);
        System.exit(0);
    }
}
