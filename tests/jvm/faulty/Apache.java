// SPDX-License-Identifier: Apache-2.0
// Purpose: plug-in apache-http-client: requests of versions 4 and 5 that throw, and an interceptor's own
// failure.
import com.sun.net.httpserver.HttpServer;
import java.net.URI;

public class Apache implements Faults.Case {
    static class Get4 extends org.apache.http.client.methods.HttpGet {
        Get4(String url) {
            super(url);
        }

        @Override public String getMethod() { Fault.meet(); return super.getMethod(); }
        @Override public org.apache.http.RequestLine getRequestLine() { Fault.meet(); return super.getRequestLine(); }
        @Override public URI getURI() { Fault.meet(); return super.getURI(); }
        @Override public void setHeader(String name, String value) { Fault.meet(); super.setHeader(name, value); }
    }

    static class Get5 extends org.apache.hc.client5.http.classic.methods.HttpGet {
        private static final long serialVersionUID = 1;

        Get5(String url) {
            super(url);
        }

        @Override public String getMethod() { Fault.meet(); return super.getMethod(); }
        @Override public URI getUri() throws java.net.URISyntaxException { Fault.meet(); return super.getUri(); }
        @Override public void setHeader(String name, Object value) { Fault.meet(); super.setHeader(name, value); }
    }

    @Override
    public void run(Faults to) throws Throwable {
        HttpServer server = Http.server();
        String url = Http.base(server) + "/none";
        try (var four = org.apache.http.impl.client.HttpClients.createDefault();
             var five = org.apache.hc.client5.http.impl.classic.HttpClients.createDefault()) {
            to.calls("Apache 4", () -> {
                try (var r = four.execute(new Get4(url))) {
                    return r.getStatusLine().getStatusCode();
                }
            }, "CLIENT", "SERVER");
            to.calls("Apache 5", () -> {
                try (var r = five.execute(new Get5(url))) {
                    return r.getCode();
                }
            }, "CLIENT", "SERVER");
        }
        Fault.Nasty nasty = new Fault.Nasty();
        try (var failing = org.apache.hc.client5.http.impl.classic.HttpClients.custom()
            .addExecInterceptorFirst("nasty", (request, scope, chain) -> {
                throw nasty;
            }).build()) {
            to.throwsIt("Apache 5", () -> failing.execute(new Get5(url)), nasty, "CLIENT");
        }
        server.stop(0);
    }
}
