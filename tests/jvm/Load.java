// SPDX-License-Identifier: Apache-2.0
// Purpose: a program under load: CLIENTS threads send requests to a server of the JDK, which asks a
// second one, without a pause. Told on standard input, it answers a line each:
//   mark     "mark REQUESTS FAILURES SLOWEST_MS" since the last mark
//   block    "blocked" once a request waits in its handler
//   release  "released STATUS" of that request, which may go on
//   end      ends
// Usage: Load CLIENTS
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpHandler;
import com.sun.net.httpserver.HttpServer;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.net.HttpURLConnection;
import java.net.InetSocketAddress;
import java.net.URL;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicLong;

public class Load {
    static final AtomicLong requests = new AtomicLong(), failures = new AtomicLong(), slowest = new AtomicLong();
    static volatile CountDownLatch arrived, gate;

    static int serve(String path, HttpHandler handler) throws IOException {
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
        server.setExecutor(Executors.newFixedThreadPool(6, task -> {
            Thread t = new Thread(task);
            t.setDaemon(true);
            return t;
        }));
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

    static void front(HttpExchange x, int back) throws IOException {
        if ("block".equals(x.getRequestURI().getQuery())) {
            arrived.countDown();
            try {
                gate.await();
            } catch (InterruptedException e) {
                throw new IOException(e);
            }
        }
        answer(x, get("http://127.0.0.1:" + back + "/stock/1"));
    }

    static void load(String url) {
        while (true) {
            long begin = System.nanoTime();
            int status = get(url);
            long took = System.nanoTime() - begin;
            requests.incrementAndGet();
            if (status != 200) {
                failures.incrementAndGet();
            }
            slowest.accumulateAndGet(took, Math::max);
        }
    }

    public static void main(String[] args) throws Exception {
        int back = serve("/stock", x -> answer(x, 200));
        int front = serve("/shop", x -> front(x, back));
        String url = "http://127.0.0.1:" + front + "/shop";
        for (int i = 0; i < Integer.parseInt(args[0]); i++) {
            Thread t = new Thread(() -> load(url));
            t.setDaemon(true);
            t.start();
        }
        var one = Executors.newSingleThreadExecutor();
        Future<Integer> blocked = null;
        System.out.println("up");
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line = in.readLine(); line != null && !line.equals("end"); line = in.readLine()) {
            if (line.equals("mark")) {
                System.out.println("mark " + requests.getAndSet(0) + " " + failures.getAndSet(0) + " "
                        + slowest.getAndSet(0) / 1000000);
            } else if (line.equals("block")) {
                arrived = new CountDownLatch(1);
                gate = new CountDownLatch(1);
                blocked = one.submit(() -> get(url + "?block"));
                arrived.await();
                System.out.println("blocked");
            } else if (line.equals("release")) {
                gate.countDown();
                System.out.println("released " + blocked.get());
            }
        }
        System.exit(0);
    }
}
