// SPDX-License-Identifier: Apache-2.0
// Purpose: Apache HttpClient 4 for HttpClients, with a whole URL and, for /later, with a target host
// and a path. It has no asynchronous calls.
import java.net.URI;
import java.util.concurrent.CompletableFuture;
import org.apache.http.HttpHost;
import org.apache.http.client.methods.CloseableHttpResponse;
import org.apache.http.client.methods.HttpGet;
import org.apache.http.impl.client.CloseableHttpClient;
import org.apache.http.impl.client.HttpClientBuilder;
import org.apache.http.message.BasicHttpRequest;
import org.apache.http.util.EntityUtils;

public class Apache4Library implements Library {
    final CloseableHttpClient client = HttpClientBuilder.create().setMaxConnPerRoute(8).build();

    static int code(CloseableHttpResponse response) throws Exception {
        EntityUtils.consume(response.getEntity());
        response.close();
        return response.getStatusLine().getStatusCode();
    }

    public int get(String url) throws Exception {
        return code(client.execute(new HttpGet(url)));
    }

    public CompletableFuture<Integer> later(String url) throws Exception {
        URI uri = URI.create(url);
        HttpHost target = new HttpHost(uri.getHost(), uri.getPort());
        return CompletableFuture.completedFuture(code(client.execute(target, new BasicHttpRequest("GET", uri.getPath()))));
    }
}
