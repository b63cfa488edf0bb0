// SPDX-License-Identifier: Apache-2.0
// Purpose: a web service that asks a gRPC service, which asks a Dubbo service, by Dubbo's own
// protocol or by triple, which asks the web service. Arguments: two ports for Dubbo.
import com.sun.net.httpserver.HttpServer;
import io.grpc.CallOptions;
import io.grpc.ManagedChannel;
import io.grpc.Server;
import io.grpc.ServerServiceDefinition;
import io.grpc.Grpc;
import io.grpc.InsecureServerCredentials;
import io.grpc.stub.ServerCalls;
import java.net.InetSocketAddress;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.apache.dubbo.rpc.model.FrameworkModel;

public class RpcChain {
    static Stock to_dubbo(String protocol, String port) {
        DubboShop.export(protocol, Integer.parseInt(port));
        return DubboShop.<Stock>reference(protocol + "://127.0.0.1:" + port, 60000, 0).get();
    }

    public static void main(String[] arguments) throws Exception {
        DubboShop.configure();
        Stock own = to_dubbo("dubbo", arguments[0]), triple = to_dubbo("tri", arguments[1]);
        Server stock = Grpc.newServerBuilderForPort(0, InsecureServerCredentials.create()).addService(
            ServerServiceDefinition.builder("shop.Stock")
                .addMethod(GrpcShop.CHECK, ServerCalls.asyncUnaryCall((what, answer) -> {
                    answer.onNext((what.equals("triple") ? triple : own).check("pears"));
                    answer.onCompleted();
                })).build()).build().start();
        ManagedChannel channel = GrpcShop.channel("127.0.0.1:" + stock.getPort());
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
        ExecutorService pool = Executors.newCachedThreadPool();
        server.setExecutor(pool);
        DubboShop.base = "http://127.0.0.1:" + server.getAddress().getPort();
        DubboShop.serve(server, "/leaf", () -> {});
        DubboShop.serve(server, "/chain", () -> GrpcShop.ask(channel, GrpcShop.CHECK, CallOptions.DEFAULT, "own"));
        DubboShop.serve(server, "/chain-by-triple",
                        () -> GrpcShop.ask(channel, GrpcShop.CHECK, CallOptions.DEFAULT, "triple"));
        server.start();
        System.out.println("port " + server.getAddress().getPort());
        System.in.read();
        channel.shutdownNow().awaitTermination(30, TimeUnit.SECONDS);
        stock.shutdownNow().awaitTermination(30, TimeUnit.SECONDS);
        FrameworkModel.destroyAll();
        server.stop(0);
        pool.shutdown();
    }
}
