// SPDX-License-Identifier: Apache-2.0
// Purpose: one HTTP client library between two servers of the JDK in one process. The front server's
// handlers call the back server with the library, waiting (/sync) or not (/later); each call becomes
// one chain. What is asked for is the path behind: /ok, /none (404), /moved (to /ok), /refused (a port
// nobody listens on). A server that is sent a context twice says so.
// Usage: HttpClients LIBRARY THREADS ROUNDS [PATH ...]; LIBRARY is a class that implements Library.
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpHandler;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.InputStream;
import java.net.HttpURLConnection;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.URL;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;

public class HttpClients {
    static Library library;
    static String back, refused;

    static HttpServer server() throws IOException {
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
        server.setExecutor(Executors.newFixedThreadPool(8, task -> {
            Thread t = new Thread(task);
            t.setDaemon(true);
            return t;
        }));
        server.start();
        return server;
    }

    static void answer(HttpExchange exchange, int code) throws IOException {
        if (exchange.getRequestHeaders().getOrDefault("traceparent", List.of()).size() > 1) {
            System.out.println("sent twice");
        }
        byte[] text = "answer".getBytes();
        exchange.sendResponseHeaders(code, text.length);
        exchange.getResponseBody().write(text);
        exchange.close();
    }

    static HttpHandler calling(boolean waits) {
        return x -> {
            String path = x.getRequestURI().getQuery();
            String url = path.equals("/refused") ? refused : back + path;
            try {
                answer(x, waits ? library.get(url) : library.later(url).get(30, TimeUnit.SECONDS));
            } catch (Exception e) {
                answer(x, 502);
            }
        };
    }

    static void ask(String url) {
        try {
            HttpURLConnection c = (HttpURLConnection) new URL(url).openConnection();
            c.getResponseCode();
            c.disconnect();
        } catch (IOException e) {
            System.out.println("failed: " + e);
        }
    }

    public static void main(String[] args) throws Exception {
        library = (Library) Class.forName(args[0]).getDeclaredConstructor().newInstance();
        HttpServer behind = server(), front = server();
        try (ServerSocket s = new ServerSocket(0)) {
            refused = "http://127.0.0.1:" + s.getLocalPort() + "/refused";
        }
        back = "http://127.0.0.1:" + behind.getAddress().getPort();
        behind.createContext("/ok", x -> answer(x, 200));
        behind.createContext("/none", x -> answer(x, 404));
        behind.createContext("/moved", x -> {
            x.getResponseHeaders().set("Location", back + "/ok");
            answer(x, 302);
        });
        front.createContext("/sync", calling(true));
        front.createContext("/later", calling(false));
        String base = "http://127.0.0.1:" + front.getAddress().getPort();
        int threads = Integer.parseInt(args[1]), rounds = Integer.parseInt(args[2]);
        ExecutorService clients = Executors.newFixedThreadPool(threads);
        for (int t = 0; t < threads; t++) {
            clients.submit(() -> {
                for (int i = 0; i < rounds; i++) {
                    for (int k = 3; k < args.length; k++) {
                        ask(base + "/sync?" + args[k]);
                        ask(base + "/later?" + args[k]);
                    }
                }
            });
        }
        clients.shutdown();
        System.exit(clients.awaitTermination(2, TimeUnit.MINUTES) ? 0 : 1);
    }
}
