// SPDX-License-Identifier: Apache-2.0
// Purpose: Apache HttpClient 5, classic and asynchronous, for HttpClients.
import java.util.concurrent.CompletableFuture;
import org.apache.hc.client5.http.async.methods.SimpleHttpRequest;
import org.apache.hc.client5.http.async.methods.SimpleHttpResponse;
import org.apache.hc.client5.http.async.methods.SimpleRequestBuilder;
import org.apache.hc.client5.http.classic.methods.HttpGet;
import org.apache.hc.client5.http.impl.async.CloseableHttpAsyncClient;
import org.apache.hc.client5.http.impl.async.HttpAsyncClients;
import org.apache.hc.client5.http.impl.classic.CloseableHttpClient;
import org.apache.hc.client5.http.impl.classic.HttpClients;
import org.apache.hc.core5.concurrent.FutureCallback;

public class Apache5Library implements Library {
    final CloseableHttpClient client = HttpClients.createDefault();
    final CloseableHttpAsyncClient async = HttpAsyncClients.createDefault();

    public Apache5Library() {
        async.start();
    }

    public int get(String url) throws Exception {
        return client.execute(new HttpGet(url), response -> response.getCode());
    }

    public CompletableFuture<Integer> later(String url) {
        CompletableFuture<Integer> code = new CompletableFuture<>();
        SimpleHttpRequest request = SimpleRequestBuilder.get(url).build();
        async.execute(request, new FutureCallback<SimpleHttpResponse>() {
            public void completed(SimpleHttpResponse response) {
                code.complete(response.getCode());
            }

            public void failed(Exception e) {
                code.completeExceptionally(e);
            }

            public void cancelled() {
                code.cancel(false);
            }
        });
        return code;
    }
}
