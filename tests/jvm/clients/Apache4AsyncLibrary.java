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
        class Code extends Told implements FutureCallback<HttpResponse> {
            public void completed(HttpResponse response) {
                complete(response.getStatusLine().getStatusCode());
            }
        }
        Code code = new Code();
        async.execute(new HttpGet(url), code);
        return code;
    }

    public Runnable begin(String url) {
        Future<?> call = async.execute(new HttpGet(url), null);
        return () -> call.cancel(true);
    }
}
