// SPDX-License-Identifier: Apache-2.0
// Purpose: many requests at once through a server, a pool, CompletableFutures and a client to a second
// server. Every request tells its number all the way, so that a chain that was mixed up shows.
// Usage: ThreadsLoad CLIENTS REQUESTS
import com.sun.net.httpserver.HttpExchange;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.atomic.AtomicInteger;

public class ThreadsLoad {
    static final ExecutorService pool = Executors.newFixedThreadPool(32);
    static final ForkJoinPool forkJoin = new ForkJoinPool(8);

    static void answer(HttpExchange x) {
        try {
            Web.answer(x, 200);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static void get(int port, String path) {
        int status = Web.get("http://127.0.0.1:" + port + path);
        if (status != 200) {
            throw new IllegalStateException("a status of " + status);
        }
    }

    public static void main(String[] args) throws Exception {
        int clients = Integer.parseInt(args[0]), requests = Integer.parseInt(args[1]);
        ExecutorService behind = Executors.newFixedThreadPool(32), before = Executors.newFixedThreadPool(32);
        int back = Web.serve("/back", behind, ThreadsLoad::answer);
        int front = Web.serve("/front", before, x -> pool.execute(() ->
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
        Web.exitAfter(all, pool, forkJoin, before, behind);
    }
}
