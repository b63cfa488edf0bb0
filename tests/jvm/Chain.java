// SPDX-License-Identifier: Apache-2.0
// Purpose: two servers of the JDK in one process, the first calling the second; THREADS clients send
// REQUESTS each. Every client call must become one chain of four spans.
// Usage: Chain THREADS REQUESTS
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

public class Chain {
    public static void main(String[] args) throws Exception {
        ExecutorService behind = Executors.newFixedThreadPool(8), before = Executors.newFixedThreadPool(8);
        int back = Web.serve("/stock", behind,
                             x -> Web.answer(x, x.getRequestURI().getPath().endsWith("/none") ? 503 : 200));
        int front = Web.serve("/shop", before, x -> Web.answer(x, Web.get(
            "http://127.0.0.1:" + back + "/stock/" + x.getRequestURI().getQuery())));
        int threads = Integer.parseInt(args[0]), requests = Integer.parseInt(args[1]);
        ExecutorService clients = Executors.newFixedThreadPool(threads);
        for (int t = 0; t < threads; t++) {
            clients.submit(() -> {
                for (int i = 0; i < requests; i++) {
                    Web.get("http://127.0.0.1:" + front + "/shop?" + (i % 10 == 3 ? "none" : "item" + i));
                }
            });
        }
        Web.exitAfter(clients, before, behind);
    }
}
