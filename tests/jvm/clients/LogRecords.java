// SPDX-License-Identifier: Apache-2.0
// Purpose: records of every kind that the tests of collected logs look at, logged within a request.
// The line itself is the library's: log(logger, level, format, argument, thrown).
import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import java.util.concurrent.atomic.AtomicInteger;

public class LogRecords {
    interface Lines {
        void log(String logger, String level, String format, Object argument, Throwable thrown);
    }

    static final AtomicInteger asked = new AtomicInteger();
    static Lines lines;

    /** Counts how often it is formatted. */
    static class Counted {
        @Override
        public String toString() {
            asked.incrementAndGet();
            return "c-1";
        }
    }

    /** Logs while it is formatted. */
    static class Talking {
        @Override
        public String toString() {
            lines.log("shop.Talk", "error", "while formatting {}", "nothing", null);
            return "talking";
        }
    }

    static void kinds() {
        lines.log("shop.Cart", "warn", "cart {} is full", new Counted(), null);
        lines.log("shop.Cart", "info", "not chosen {}", 1, null);
        lines.log("shop.pay.Card", "debug", "chosen by its class {}", 2, null);
        lines.log("shop.quiet.Card", "error", "left out by its class {}", 3, null);
        lines.log("shop.Cart", "error", "failed {}", 4, new IllegalStateException("outer", new RuntimeException("\ud83c\udf75 inner")));
        lines.log("shop.Cart", "error", "long {}", "x".repeat(4089) + "\ud83c\udf75" + "y".repeat(90000), null);
        lines.log("shop.Cart", "error", "said by {}", new Talking(), null);
    }

    static void burst(int n) {
        for (int i = 0; i < n; i++) {
            lines.log("shop.Burst", "warn", "burst {}", i, null);
        }
    }

    static void serve(Lines library) throws Exception {
        lines = library;
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
        server.createContext("/", exchange -> {
            if (exchange.getRequestURI().getPath().equals("/burst")) {
                burst(300);
            } else {
                kinds();
            }
            exchange.sendResponseHeaders(200, -1);
            exchange.close();
        });
        server.start();
        lines.log("shop.Main", "warn", "outside {}", "a trace", null);
        System.out.println("port " + server.getAddress().getPort());
        while (System.in.read() != -1) {
            System.out.println("asked " + asked.get());
        }
        server.stop(0);
    }
}
