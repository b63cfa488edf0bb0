// SPDX-License-Identifier: Apache-2.0
// Purpose: OkHttp 3 and 4 for HttpClients. Few calls at a time, so that enqueued ones wait for others
// to end and run on their threads; one Request object for all calls of a URL.
import java.io.IOException;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import okhttp3.Call;
import okhttp3.Callback;
import okhttp3.OkHttpClient;
import okhttp3.Request;
import okhttp3.Response;

public class OkHttpLibrary implements Library {
    final OkHttpClient client = new OkHttpClient();
    final Map<String, Request> requests = new ConcurrentHashMap<>();

    public OkHttpLibrary() {
        client.dispatcher().setMaxRequests(2);
    }

    Call call(String url) {
        return client.newCall(requests.computeIfAbsent(
            url, u -> new Request.Builder().url(u.replace("//127", "//user:secret@127")).build()));
    }

    public int get(String url) throws Exception {
        try (Response response = call(url).execute()) {
            return response.code();
        }
    }

    public CompletableFuture<Integer> later(String url) {
        CompletableFuture<Integer> code = new CompletableFuture<>();
        call(url).enqueue(new Callback() {
            public void onResponse(Call call, Response response) {
                response.close();
                code.complete(response.code());
            }

            public void onFailure(Call call, IOException e) {
                code.completeExceptionally(e);
            }
        });
        return code;
    }
}
