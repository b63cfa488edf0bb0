// SPDX-License-Identifier: Apache-2.0
// Purpose: a call of the agent's that does not come back, because a database driver that it asks
// waits, beside a request that is in its handler. One thread takes all requests; they bring no
// context along.
// Usage: Stuck     lines on standard input:
//   hold       a request is in its handler and the agent in the driver: "held"
//   free       the request is answered: "freed"
//   release    the driver answers: "released"
//   ask        REQUESTS requests, one after the other: "asked"
//   end
import com.sun.net.httpserver.HttpServer;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Proxy;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.sql.Connection;
import java.util.concurrent.CountDownLatch;

public class Stuck {
    static final int REQUESTS = 5;
    static final CountDownLatch IN_HANDLER = new CountDownLatch(1), FREE = new CountDownLatch(1),
        IN_DRIVER = new CountDownLatch(1), RELEASE = new CountDownLatch(1);
    static int port;

    static void get(String path) throws IOException {
        try (Socket s = new Socket(InetAddress.getLoopbackAddress(), port)) {
            s.getOutputStream().write(("GET " + path + " HTTP/1.0\r\n\r\n").getBytes());
            String answer = new BufferedReader(new InputStreamReader(s.getInputStream())).readLine();
            if (answer == null || !answer.contains(" 200 ")) {
                throw new IOException("the answer to " + path + " is " + answer);
            }
        }
    }

    static Connection connection() {
        InvocationHandler driver = (self, method, arguments) -> {
            if (method.getName().equals("getMetaData")) {
                IN_DRIVER.countDown();
                RELEASE.await();
            }
            return null;
        };
        return (Connection) Proxy.newProxyInstance(Stuck.class.getClassLoader(), new Class<?>[] {Connection.class}, driver);
    }

    static Thread start(String name, java.util.concurrent.Callable<?> work) {
        Thread t = new Thread(() -> {
            try {
                work.call();
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        }, name);
        t.start();
        return t;
    }

    public static void main(String[] args) throws Exception {
        HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        port = server.getAddress().getPort();
        server.createContext("/", exchange -> {
            if (exchange.getRequestURI().getPath().equals("/held")) {
                IN_HANDLER.countDown();
                try {
                    FREE.await();
                } catch (InterruptedException e) {
                    throw new IOException(e);
                }
            }
            exchange.sendResponseHeaders(200, -1);
            exchange.close();
        });
        server.start();
        Connection connection = connection();
        System.out.println("up");
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        Thread caller = null, asker = null;
        for (String line = in.readLine(); !line.equals("end"); line = in.readLine()) {
            if (line.equals("hold")) {
                caller = start("caller", () -> {
                    get("/held");
                    return null;
                });
                IN_HANDLER.await();
                asker = start("asker", () -> connection.prepareStatement("select 1"));
                IN_DRIVER.await();
                System.out.println("held");
            } else if (line.equals("free")) {
                FREE.countDown();
                caller.join();
                System.out.println("freed");
            } else if (line.equals("release")) {
                RELEASE.countDown();
                asker.join();
                System.out.println("released");
            } else {
                for (int i = 0; i < REQUESTS; i++) {
                    get("/asked");
                }
                System.out.println("asked");
            }
        }
        server.stop(0);
    }
}
