// SPDX-License-Identifier: Apache-2.0
// Purpose: what the Dubbo service of the tests offers.
import java.util.concurrent.CompletableFuture;

public interface Stock {
    String check(String what);

    CompletableFuture<String> later(String what);
}
