// SPDX-License-Identifier: Apache-2.0
// Purpose: when goods arrive: asks stock whether they are there, each on a thread of a pool. The
// JDK's own HTTP server, and HttpURLConnection to stock. Runs with the JVM agent.
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

public final class Shipping {
    private static final int THREADS = 8;
    private static final int PRODUCTS_MAX = 3; // of one parcel that are asked for; the others fit in
    private static final int TIMEOUT_MS = 2000;
    private static final int BURN_MS = 150;
    private static final int DAYS_AT_HAND = 2;
    private static final int DAYS_ORDERED = 9;
    private static final int ENOUGH = 20;
    private static final Pattern PRODUCTS = Pattern.compile("products=(\\d{1,9}(?:,\\d{1,9})*)");
    private static final ExecutorService askers = Executors.newFixedThreadPool(THREADS);

    private Shipping() {
    }

    // The switch hot-loop: an honest loop, so that a profile shows it too.
    private static double burn(int ms) {
        long end = System.nanoTime() + ms * 1000000L;
        double sum = 0;
        while (System.nanoTime() < end) {
            for (int i = 1; i < 1000; i++) {
                sum += Math.sqrt(i);
            }
        }
        return sum;
    }

    private static int daysOf(String product) throws IOException {
        int quantity = Common.numberOf(Common.get("stock", "/products/" + product, TIMEOUT_MS), "quantity");
        return quantity >= ENOUGH ? DAYS_AT_HAND : DAYS_ORDERED;
    }

    // A parcel waits for the last of its goods.
    private static int days(String[] products) throws IOException, InterruptedException {
        List<Future<Integer>> asked = new ArrayList<>();
        for (int i = 0; i < products.length && i < PRODUCTS_MAX; i++) {
            String product = products[i];
            asked.add(askers.submit(() -> daysOf(product)));
        }
        int most = 0;
        try {
            for (Future<Integer> answer : asked) {
                most = Math.max(most, answer.get());
            }
        } catch (ExecutionException e) {
            throw new IOException("stock has not answered: " + e.getCause().getMessage(), e.getCause());
        }
        return most;
    }

    private static void send(HttpExchange exchange, int status, String json) throws IOException {
        byte[] body = json.getBytes(StandardCharsets.UTF_8);
        exchange.getResponseHeaders().set("Content-Type", "application/json");
        exchange.sendResponseHeaders(status, body.length);
        exchange.getResponseBody().write(body);
        exchange.close();
    }

    // GET /delivery?products=1,2,3
    private static void delivery(HttpExchange exchange) throws IOException {
        String query = exchange.getRequestURI().getQuery();
        Matcher products = PRODUCTS.matcher(query == null ? "" : query);
        if (!products.matches()) {
            send(exchange, 400, Common.errorJson("expected products=1,2,3"));
            return;
        }
        if (Common.isOn("hot-loop")) {
            burn(BURN_MS);
        }
        try {
            send(exchange, 200, "{\"days\":" + days(products.group(1).split(",")) + "}");
        } catch (IOException | InterruptedException e) {
            System.err.println(e.getMessage());
            send(exchange, 503, Common.errorJson(e.getMessage()));
        }
    }

    public static void main(String[] args) throws IOException {
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", Common.portOf("shipping")), 0);
        server.createContext("/delivery", Shipping::delivery);
        server.setExecutor(Executors.newFixedThreadPool(THREADS));
        server.start();
        System.out.println("ready");
    }
}
