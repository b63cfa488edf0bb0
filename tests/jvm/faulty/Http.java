// SPDX-License-Identifier: Apache-2.0
// Purpose: plug-ins jdk-http-server, http-url-connection and jdk-http-client: exchanges, URLs and requests
// that throw.
import com.sun.net.httpserver.Filter;
import com.sun.net.httpserver.Headers;
import com.sun.net.httpserver.HttpContext;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpPrincipal;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.reflect.Method;
import java.net.HttpURLConnection;
import java.net.InetSocketAddress;
import java.net.Proxy;
import java.net.URI;
import java.net.URL;
import java.net.URLConnection;
import java.net.URLStreamHandler;
import java.net.http.HttpClient;
import java.net.http.HttpHeaders;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Executors;

public class Http implements Faults.Case {
    static class Exchange extends HttpExchange {
        @Override public Headers getRequestHeaders() { Fault.meet(); return new Headers(); }
        @Override public Headers getResponseHeaders() { Fault.meet(); return new Headers(); }
        @Override public URI getRequestURI() { Fault.meet(); return URI.create("/cart"); }
        @Override public String getRequestMethod() { Fault.meet(); return "GET"; }
        @Override public HttpContext getHttpContext() { Fault.meet(); return null; }
        @Override public void close() { }
        @Override public InputStream getRequestBody() { return null; }
        @Override public OutputStream getResponseBody() { return null; }
        @Override public void sendResponseHeaders(int code, long n) { }
        @Override public InetSocketAddress getRemoteAddress() { Fault.meet(); return null; }
        @Override public int getResponseCode() { Fault.meet(); return 200; }
        @Override public InetSocketAddress getLocalAddress() { Fault.meet(); return null; }
        @Override public String getProtocol() { Fault.meet(); return "HTTP/1.1"; }
        @Override public Object getAttribute(String name) { Fault.meet(); return null; }
        @Override public void setAttribute(String name, Object value) { Fault.meet(); }
        @Override public void setStreams(InputStream in, OutputStream out) { }
        @Override public HttpPrincipal getPrincipal() { Fault.meet(); return null; }
    }

    static class Request extends HttpRequest {
        final URI uri;

        Request(String url) {
            uri = URI.create(url);
        }

        @Override public Optional<BodyPublisher> bodyPublisher() { Fault.meet(); return Optional.empty(); }
        @Override public String method() { Fault.meet(); return "GET"; }
        @Override public Optional<Duration> timeout() { Fault.meet(); return Optional.empty(); }
        @Override public boolean expectContinue() { Fault.meet(); return false; }
        @Override public URI uri() { Fault.meet(); return uri; }
        @Override public Optional<HttpClient.Version> version() { Fault.meet(); return Optional.of(HttpClient.Version.HTTP_1_1); }
        @Override public HttpHeaders headers() { Fault.meet(); return HttpHeaders.of(Map.of(), (a, b) -> true); }
    }

    static class Handler extends URLStreamHandler {
        @Override
        protected URLConnection openConnection(URL u) throws IOException {
            return openConnection(u, Proxy.NO_PROXY);
        }

        @Override
        protected URLConnection openConnection(URL u, Proxy p) throws IOException {
            try { // the JDK's own, with a URL that has this handler
                Object own = Class.forName("sun.net.www.protocol.http.Handler").getDeclaredConstructor().newInstance();
                Method open = own.getClass().getDeclaredMethod("openConnection", URL.class, Proxy.class);
                open.setAccessible(true);
                return (URLConnection) open.invoke(own, u, p);
            } catch (ReflectiveOperationException e) {
                throw new IOException(e);
            }
        }

        @Override
        protected String toExternalForm(URL u) {
            Fault.meet();
            return super.toExternalForm(u);
        }
    }

    static HttpServer server() throws IOException {
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
        server.setExecutor(Executors.newFixedThreadPool(2));
        server.createContext("/", x -> {
            x.sendResponseHeaders(x.getRequestURI().getPath().equals("/none") ? 404 : 204, -1);
            x.close();
        });
        server.start();
        return server;
    }

    static String base(HttpServer server) {
        return "http://127.0.0.1:" + server.getAddress().getPort();
    }

    @Override
    public void run(Faults to) throws Throwable {
        to.calls("exchange", () -> {
            StringBuilder seen = new StringBuilder();
            new Filter.Chain(List.of(), x -> seen.append(x.getRequestURI())).doFilter(new Exchange());
            return seen;
        }, "SERVER");
        Fault.Nasty nasty = new Fault.Nasty();
        to.throwsIt("exchange", () -> {
            new Filter.Chain(List.of(), x -> {
                throw nasty;
            }).doFilter(new Exchange());
            return "";
        }, nasty, "SERVER");
        HttpServer server = server();
        for (String path : List.of("/ok", "/none")) {
            to.calls("connection", () -> ((HttpURLConnection) new URL(null, base(server) + path, new Handler())
                .openConnection()).getResponseCode(), "CLIENT", "SERVER");
            HttpClient client = HttpClient.newHttpClient();
            to.calls("send", () -> client.send(new Request(base(server) + path), HttpResponse.BodyHandlers.discarding())
                .statusCode(), "CLIENT", "SERVER");
            to.calls("sendAsync", () -> client.sendAsync(new Request(base(server) + path),
                HttpResponse.BodyHandlers.discarding()).join().statusCode(), "CLIENT", "SERVER");
        }
        server.stop(0);
    }
}
