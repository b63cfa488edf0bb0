// SPDX-License-Identifier: Apache-2.0
// Purpose: what HttpClients asks of an HTTP client library.
import java.util.concurrent.CompletableFuture;

public interface Library {
    int get(String url) throws Exception;

    CompletableFuture<Integer> later(String url) throws Exception;
}
