// SPDX-License-Identifier: Apache-2.0
// Purpose: what the FutureCallbacks of Apache's asynchronous clients have in common: a status that
// is told, or why there is none.
import java.util.concurrent.CompletableFuture;

class Told extends CompletableFuture<Integer> {
    public void failed(Exception e) {
        completeExceptionally(e);
    }

    public void cancelled() {
        cancel(false);
    }
}
