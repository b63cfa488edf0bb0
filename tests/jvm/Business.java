// SPDX-License-Identifier: Apache-2.0
// Purpose: a shop that tells the agent what its business is, by reflection, and calls its store in
// every way that HttpURLConnection has. /order?WAY answers what it knows of its trace and what the
// store has got.
// Usage: Business KEYSTORE PASSWORD     (prints "port N"; ends with standard input)
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.HttpURLConnection;
import java.net.InetSocketAddress;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.security.KeyStore;
import java.util.concurrent.Executors;
import javax.net.ssl.HttpsURLConnection;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

public class Business {
    static int plain, secure;
    static Class<?> trace;

    static Object ask(String method, Object... arguments) {
        try {
            Class<?>[] types = new Class<?>[arguments.length];
            for (int i = 0; i < types.length; i++) {
                types[i] = arguments[i] instanceof Long ? long.class : String.class;
            }
            return trace.getMethod(method, types).invoke(null, arguments);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(e);
        }
    }

    static void answer(HttpExchange x, int code, String text) throws IOException {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        x.sendResponseHeaders(code, bytes.length);
        x.getResponseBody().write(bytes);
        x.close();
    }

    static void store(HttpExchange x) throws IOException {
        int length = x.getRequestBody().readAllBytes().length;
        var h = x.getRequestHeaders();
        answer(x, x.getRequestURI().getPath().endsWith("/none") ? 503 : 200,
               h.getFirst("traceparent") + " " + h.getFirst("tracestate") + " " + h.getFirst("baggage") + " "
               + length + " " + ask("baggage", "user") + " " + ask("traceId"));
    }

    static String call(String way) throws IOException {
        boolean tls = way.startsWith("https");
        HttpURLConnection c = (HttpURLConnection) new URL(
            tls ? "https://localhost:" + secure + "/store"
                : "http://localhost:" + plain + "/store" + (way.equals("fail") ? "/none" : "")).openConnection();
        byte[] body = "0123456789".getBytes(StandardCharsets.UTF_8);
        if (way.endsWith("connect")) {
            c.connect();
        } else if (!way.endsWith("get")) {
            c.setRequestMethod("POST");
            c.setDoOutput(true);
            if (way.endsWith("stream")) {
                c.setFixedLengthStreamingMode(body.length);
            }
            c.getOutputStream().write(body);
        }
        int code = c.getResponseCode(); // and the stream behind it, which must be no second span
        try (InputStream in = code < 400 ? c.getInputStream() : c.getErrorStream()) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    static void order(HttpExchange x) throws IOException {
        String id = ask("traceId") + " " + ask("spanId") + " " + ask("baggage", "user");
        boolean all = (Boolean) ask("tag", "order.customer", "\u5f20\u4e09 \ud83d\ude00") & (Boolean) ask("tag", "order.cents", 1999L)
            & (Boolean) ask("event", "order placed") & (Boolean) ask("setBaggage", "shop", "\u90d1\u5dde,1");
        boolean none = (Boolean) ask("setBaggage", "no key", "x") | (Boolean) ask("tag", "", "x")
            | (Boolean) ask("setBaggage", "large", "x".repeat(2000)) | (Boolean) ask("event", "");
        answer(x, 200, id + " " + all + " " + none + " " + call(x.getRequestURI().getQuery()) + " " + ask("baggage", "shop"));
    }

    static void tls(HttpsServer server, String file, String password) throws Exception {
        KeyStore keys = KeyStore.getInstance("PKCS12");
        try (InputStream in = new FileInputStream(file)) {
            keys.load(in, password.toCharArray());
        }
        KeyManagerFactory mine = KeyManagerFactory.getInstance("PKIX");
        mine.init(keys, password.toCharArray());
        TrustManagerFactory trusted = TrustManagerFactory.getInstance("PKIX");
        trusted.init(keys);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(mine.getKeyManagers(), trusted.getTrustManagers(), null);
        server.setHttpsConfigurator(new HttpsConfigurator(context));
        HttpsURLConnection.setDefaultSSLSocketFactory(context.getSocketFactory());
    }

    public static void main(String[] args) throws Exception {
        trace = Class.forName("sonde.Trace");
        if (ask("traceId") != null || ask("baggage", "user") != null || (Boolean) ask("tag", "a", "b")) {
            throw new IllegalStateException("a trace where there is none");
        }
        HttpServer server = HttpServer.create(new InetSocketAddress("localhost", 0), 0);
        HttpsServer safe = HttpsServer.create(new InetSocketAddress("localhost", 0), 0);
        tls(safe, args[0], args[1]);
        server.createContext("/order", Business::order);
        server.createContext("/store", Business::store);
        safe.createContext("/store", Business::store);
        for (HttpServer s : new HttpServer[] {server, safe}) {
            s.setExecutor(Executors.newCachedThreadPool());
            s.start();
        }
        plain = server.getAddress().getPort();
        secure = safe.getAddress().getPort();
        System.out.println("port " + plain);
        System.in.readAllBytes();
        System.exit(0);
    }
}
