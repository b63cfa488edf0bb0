// SPDX-License-Identifier: Apache-2.0
// Purpose: java.net.http.HttpClient for HttpClients. A header of the application's own that says
// another trace must not win.
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.concurrent.CompletableFuture;

public class JdkLibrary implements Library {
    final HttpClient client = HttpClient.newBuilder().followRedirects(HttpClient.Redirect.ALWAYS).build();

    HttpRequest request(String url) {
        HttpRequest.Builder builder = HttpRequest.newBuilder(URI.create(url));
        if (url.endsWith("/none")) {
            builder.header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        }
        return builder.build();
    }

    public int get(String url) throws Exception {
        return client.send(request(url), HttpResponse.BodyHandlers.ofString()).statusCode();
    }

    public CompletableFuture<Integer> later(String url) {
        return client.sendAsync(request(url), HttpResponse.BodyHandlers.ofString()).thenApply(HttpResponse::statusCode);
    }
}
