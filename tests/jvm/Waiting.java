// SPDX-License-Identifier: Apache-2.0
// Purpose: a program with calls that never end: COUNT requests of the JDK's HTTP client, whose executor
// runs nothing. Says "begun" and ends once it is told a line.
// Usage: Waiting COUNT
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;

public class Waiting {
    public static void main(String[] args) throws Exception {
        HttpClient client = HttpClient.newBuilder().executor(task -> { }).build();
        HttpRequest request = HttpRequest.newBuilder(URI.create("http://127.0.0.1:1/never")).build();
        List<CompletableFuture<?>> calls = new ArrayList<>();
        for (int i = 0; i < Integer.parseInt(args[0]); i++) {
            calls.add(client.sendAsync(request, HttpResponse.BodyHandlers.discarding()));
        }
        System.out.println("begun");
        System.in.read();
        System.out.println("ended " + calls.stream().filter(CompletableFuture::isDone).count());
        System.exit(0);
    }
}
