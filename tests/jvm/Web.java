// SPDX-License-Identifier: Apache-2.0
// Purpose: what the test programs share: the JDK's HTTP server on a free port, and a client's call.
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpHandler;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.InputStream;
import java.net.HttpURLConnection;
import java.net.InetSocketAddress;
import java.net.URL;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.TimeUnit;

final class Web {
    /** Its port. */
    static int serve(String path, Executor workers, HttpHandler handler) throws IOException {
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 200);
        server.setExecutor(workers);
        server.createContext(path, handler);
        server.start();
        return server.getAddress().getPort();
    }

    static void answer(HttpExchange exchange, int code) throws IOException {
        exchange.sendResponseHeaders(code, -1);
        exchange.close();
    }

    /** The status; 502 when there is no whole answer. */
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

    /** Exits when everything that these were given has returned: a client has its answer before. */
    static void exitAfter(ExecutorService... pools) throws InterruptedException {
        boolean all = true;
        for (ExecutorService pool : pools) {
            pool.shutdown();
            all = pool.awaitTermination(4, TimeUnit.MINUTES) && all;
        }
        System.exit(all ? 0 : 1);
    }
}
