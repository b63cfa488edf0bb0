// SPDX-License-Identifier: Apache-2.0
// Purpose: what the logging tests do around a line that is logged: a trace, its baggage, and threads
// that end by an exception. The line itself is the library's: log(text), context(key, value).
import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import java.util.function.Function;

public class Logging {
    static void serve(Consumer<String> log, BiConsumer<String, String> context, Function<String, String> get)
            throws Exception {
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
        server.createContext("/", exchange -> {
            context.accept("user", "mine");
            log.accept("within");
            System.out.println("left " + get.apply("trace_id"));
            if (exchange.getRequestURI().getPath().equals("/own")) {
                context.accept("trace_id", "own");
                log.accept("own");
                context.accept("trace_id", null);
            }
            context.accept("user", null);
            exchange.sendResponseHeaders(200, -1);
            exchange.close();
        });
        server.start();
        log.accept("before");
        System.out.println("port " + server.getAddress().getPort());
        System.in.read();
        server.stop(0);
        log.accept("after");
    }

    static void fail(String text) {
        throw new IllegalStateException(text);
    }

    static void end(Runnable work) throws InterruptedException {
        Thread thread = new Thread(work);
        thread.start();
        thread.join();
    }

    public static void main(String[] arguments) throws Exception {
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
        server.createContext("/", exchange -> {
            try {
                end(() -> fail("first"));
                end(() -> fail("again"));
                end(() -> { throw new UnsupportedOperationException(new RuntimeException()); });
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
            exchange.sendResponseHeaders(200, -1);
            exchange.close();
        });
        server.start();
        System.out.println("port " + server.getAddress().getPort());
        System.in.read();
    }
}
