// SPDX-License-Identifier: Apache-2.0
// Purpose: a web service that asks a gRPC service, which asks a Dubbo service, by Dubbo's own
// protocol or by triple, which asks the web service. Arguments: two ports for Dubbo.
import io.grpc.CallOptions;
import io.grpc.Grpc;
import io.grpc.InsecureServerCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Server;
import io.grpc.ServerServiceDefinition;
import io.grpc.stub.ServerCalls;
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
        Entries entries = DubboShop.entries = new Entries();
        entries.serve("/chain", () -> GrpcShop.ask(channel, GrpcShop.CHECK, CallOptions.DEFAULT, "own"));
        entries.serve("/chain-by-triple",
                      () -> GrpcShop.ask(channel, GrpcShop.CHECK, CallOptions.DEFAULT, "triple"));
        entries.serveUntilTold();
        channel.shutdownNow().awaitTermination(30, TimeUnit.SECONDS);
        stock.shutdownNow().awaitTermination(30, TimeUnit.SECONDS);
        FrameworkModel.destroyAll();
        entries.stop();
    }
}
