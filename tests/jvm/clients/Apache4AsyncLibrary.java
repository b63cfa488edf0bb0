// SPDX-License-Identifier: Apache-2.0
// Purpose: Apache's asynchronous client of version 4 for HttpClients.
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Future;
import org.apache.http.HttpResponse;
import org.apache.http.client.methods.HttpGet;
import org.apache.http.concurrent.FutureCallback;
import org.apache.http.impl.nio.client.CloseableHttpAsyncClient;
import org.apache.http.impl.nio.client.HttpAsyncClientBuilder;

public class Apache4AsyncLibrary implements Library {
    final CloseableHttpAsyncClient async = HttpAsyncClientBuilder.create().setMaxConnPerRoute(16).build();

    public Apache4AsyncLibrary() {
        async.start();
    }

    public int get(String url) throws Exception {
        return later(url).get();
    }

    public CompletableFuture<Integer> later(String url) {
        CompletableFuture<Integer> code = new CompletableFuture<>();
        async.execute(new HttpGet(url), new FutureCallback<HttpResponse>() {
            public void completed(HttpResponse response) {
                code.complete(response.getStatusLine().getStatusCode());
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

    public Runnable begin(String url) {
        Future<?> call = async.execute(new HttpGet(url), null);
        return () -> call.cancel(true);
    }
}
