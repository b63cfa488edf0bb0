// SPDX-License-Identifier: Apache-2.0
// Purpose: COUNT calls of java.net.http that are waiting for their answers all at once, so that as
// many spans are open between calls.
// Usage: Held COUNT     "held" when all of them wait; a line on standard input answers them
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;

public class Held {
    public static void main(String[] args) throws Exception {
        int count = Integer.parseInt(args[0]);
        LinkedBlockingQueue<HttpExchange> held = new LinkedBlockingQueue<>();
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), count);
        server.createContext("/held", held::add); // the handler returns, the exchange stays open
        server.start();
        URI uri = URI.create("http://127.0.0.1:" + server.getAddress().getPort() + "/held");
        HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
        List<CompletableFuture<HttpResponse<Void>>> answers = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            answers.add(client.sendAsync(HttpRequest.newBuilder(uri).build(), HttpResponse.BodyHandlers.discarding()));
        }
        List<HttpExchange> waiting = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            waiting.add(held.take());
        }
        System.out.println("held");
        System.in.read();
        for (HttpExchange x : waiting) {
            x.sendResponseHeaders(200, -1);
            x.close();
        }
        for (CompletableFuture<HttpResponse<Void>> answer : answers) {
            if (answer.join().statusCode() != 200) {
                throw new IOException("an answer of " + answer.join().statusCode());
            }
        }
        server.stop(0);
        System.exit(0);
    }
}
