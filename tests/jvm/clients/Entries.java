// SPDX-License-Identifier: Apache-2.0
// Purpose: a web service whose paths each do some work, and one, /leaf, that does nothing: asking
// for it shows which context is in force.
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

final class Entries {
    interface Work {
        void run() throws Exception;
    }

    private final HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 200);
    private final ExecutorService workers = Executors.newCachedThreadPool();

    Entries() throws IOException {
        server.setExecutor(workers);
        serve("/leaf", () -> {});
    }

    void serve(String path, Work work) {
        server.createContext(path, exchange -> {
            int status = 200;
            try {
                work.run();
            } catch (Exception e) {
                e.printStackTrace();
                status = 500;
            }
            Web.answer(exchange, status);
        });
    }

    void leaf() {
        int status = Web.get("http://127.0.0.1:" + server.getAddress().getPort() + "/leaf");
        if (status != 200) {
            throw new IllegalStateException("/leaf has answered " + status);
        }
    }

    /** Serves until a line comes in, whose end the test waits for. */
    void serveUntilTold() throws IOException {
        server.start();
        System.out.println("port " + server.getAddress().getPort());
        System.in.read();
    }

    void stop() {
        server.stop(0);
        workers.shutdown();
    }
}
