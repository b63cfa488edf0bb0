// SPDX-License-Identifier: Apache-2.0
// Purpose: Apache HttpClient 5, classic and asynchronous, for HttpClients.
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Future;
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
        class Code extends Told implements FutureCallback<SimpleHttpResponse> {
            public void completed(SimpleHttpResponse response) {
                complete(response.getCode());
            }
        }
        Code code = new Code();
        async.execute(SimpleRequestBuilder.get(url).build(), code);
        return code;
    }

    public Runnable begin(String url) {
        Future<?> call = async.execute(SimpleRequestBuilder.get(url).build(), null);
        return () -> call.cancel(true);
    }
}
