// SPDX-License-Identifier: Apache-2.0
// Purpose: plug-in okhttp. Requests and answers are the library's own final classes: what can fail is the
// application's interceptor, with an exception that says nothing.
import okhttp3.OkHttpClient;
import okhttp3.Request;

public class Ok implements Faults.Case {
    @Override
    public void run(Faults to) {
        Fault.Nasty nasty = new Fault.Nasty();
        OkHttpClient client = new OkHttpClient.Builder().addInterceptor(chain -> {
            throw nasty;
        }).build();
        Request request = new Request.Builder().url("http://127.0.0.1:1/never").build();
        to.throwsIt("OkHttp", () -> client.newCall(request).execute(), nasty, "CLIENT");
    }
}
