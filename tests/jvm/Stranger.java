// SPDX-License-Identifier: Apache-2.0
// Purpose: a request starts a second server, whose threads keep that request's context. What a
// stranger, who is in no trace, then asks of it is no part of that request.
// Usage: Stranger
import java.io.IOException;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

public class Stranger {
    static volatile int second;

    // Not by a client that the agent follows.
    static void ask(int port, String path) throws IOException {
        try (Socket s = new Socket("127.0.0.1", port)) {
            String request = "GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
            s.getOutputStream().write(request.getBytes(StandardCharsets.US_ASCII));
            String answer = new String(s.getInputStream().readAllBytes(), StandardCharsets.US_ASCII);
            if (!answer.startsWith("HTTP/1.1 200 ")) {
                throw new IOException("an answer of " + answer);
            }
        }
    }

    public static void main(String[] args) throws Exception {
        ExecutorService first = Executors.newFixedThreadPool(1), then = Executors.newFixedThreadPool(1);
        int port = Web.serve("/start", first, x -> {
            second = Web.serve("/asked", then, y -> Web.answer(y, 200));
            Web.answer(x, 200);
        });
        ask(port, "/start");
        ask(second, "/asked");
        Web.exitAfter(first, then);
    }
}
