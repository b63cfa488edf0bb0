// SPDX-License-Identifier: Apache-2.0
// Purpose: two servers of the JDK in one process, the first calling the second; THREADS clients send
// REQUESTS each. Every client call must become one chain of four spans.
// Usage: Chain THREADS REQUESTS
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpHandler;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.InputStream;
import java.net.HttpURLConnection;
import java.net.InetSocketAddress;
import java.net.URL;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;

public class Chain {
    static final List<ExecutorService> WORKERS = new ArrayList<>();

    static int serve(String path, HttpHandler handler) throws IOException {
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
        WORKERS.add(Executors.newFixedThreadPool(8));
        server.setExecutor(WORKERS.get(WORKERS.size() - 1));
        server.createContext(path, handler);
        server.start();
        return server.getAddress().getPort();
    }

    static void answer(HttpExchange exchange, int code) throws IOException {
        exchange.sendResponseHeaders(code, -1);
        exchange.close();
    }

    static int get(String url) {
        try {
            HttpURLConnection c = (HttpURLConnection) new URL(url).openConnection();
            try (InputStream in = c.getInputStream()) {
                in.readAllBytes();
            }
            return c.getResponseCode();
        } catch (IOException e) {
            return 502;
        }
    }

    static boolean ended(ExecutorService pool) throws InterruptedException {
        pool.shutdown();
        return pool.awaitTermination(2, TimeUnit.MINUTES);
    }

    public static void main(String[] args) throws Exception {
        int back = serve("/stock", x -> answer(x, x.getRequestURI().getPath().endsWith("/none") ? 503 : 200));
        int front = serve("/shop", x -> answer(x, get("http://127.0.0.1:" + back + "/stock/" + x.getRequestURI().getQuery())));
        int threads = Integer.parseInt(args[0]), requests = Integer.parseInt(args[1]);
        ExecutorService clients = Executors.newFixedThreadPool(threads);
        for (int t = 0; t < threads; t++) {
            clients.submit(() -> {
                for (int i = 0; i < requests; i++) {
                    get("http://127.0.0.1:" + front + "/shop?" + (i % 10 == 3 ? "none" : "item" + i));
                }
            });
        }
        // A client has its answer before the server's handler returns: exit only when all of them have.
        System.exit(ended(clients) && ended(WORKERS.get(0)) && ended(WORKERS.get(1)) ? 0 : 1);
    }
}
