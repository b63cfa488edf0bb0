// SPDX-License-Identifier: Apache-2.0
// Purpose: many requests at once through a server, a pool, CompletableFutures and a client to a second
// server. Every request tells its number all the way, so that a chain that was mixed up shows.
// Usage: ThreadsLoad CLIENTS REQUESTS
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpHandler;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.HttpURLConnection;
import java.net.InetSocketAddress;
import java.net.URL;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

public class ThreadsLoad {
    static final ExecutorService pool = Executors.newFixedThreadPool(32);
    static final ForkJoinPool forkJoin = new ForkJoinPool(8);
    static final List<ExecutorService> workers = new ArrayList<>(); // of the servers

    static int serve(String path, HttpHandler handler) throws IOException {
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 200);
        workers.add(Executors.newFixedThreadPool(32));
        server.setExecutor(workers.get(workers.size() - 1));
        server.createContext(path, handler);
        server.start();
        return server.getAddress().getPort();
    }

    static void answer(HttpExchange x) {
        try {
            x.sendResponseHeaders(200, -1);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        x.close();
    }

    static void get(int port, String path) {
        try {
            HttpURLConnection c = (HttpURLConnection) new URL("http://127.0.0.1:" + port + path).openConnection();
            try (InputStream in = c.getInputStream()) {
                in.readAllBytes();
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    public static void main(String[] args) throws Exception {
        int clients = Integer.parseInt(args[0]), requests = Integer.parseInt(args[1]);
        int back = serve("/back", ThreadsLoad::answer);
        int front = serve("/front", x -> pool.execute(() ->
            CompletableFuture.supplyAsync(() -> x.getRequestURI().getPath().substring("/front/".length()), forkJoin)
                .thenApplyAsync(id -> {
                    get(back, "/back/" + id);
                    return id;
                }, pool)
                .thenAccept(id -> answer(x))));
        AtomicInteger next = new AtomicInteger();
        ExecutorService all = Executors.newFixedThreadPool(clients);
        for (int t = 0; t < clients; t++) {
            all.submit(() -> {
                for (int i = next.getAndIncrement(); i < requests; i = next.getAndIncrement()) {
                    get(front, "/front/" + i / 500 + "-" + i);
                }
            });
        }
        // A client has its answer before what answered it returns: exit only when all of that has.
        workers.addAll(0, List.of(all, pool, forkJoin));
        for (ExecutorService e : workers) {
            e.shutdown();
            if (!e.awaitTermination(4, TimeUnit.MINUTES)) {
                System.exit(1);
            }
        }
        System.exit(0);
    }
}
