// SPDX-License-Identifier: Apache-2.0
// Purpose: reactive commands of Lettuce that wait for an element of a list, and end once the agent
// rests: one gets it, one ends without, one fails, one is given up.
// Usage: RestingLettuce PORT     "begun"; "end" on standard input ends all: "ended"; another line ends it
import io.lettuce.core.KeyValue;
import io.lettuce.core.RedisClient;
import io.lettuce.core.RedisCommandExecutionException;
import io.lettuce.core.UnblockType;
import io.lettuce.core.api.StatefulRedisConnection;
import io.lettuce.core.api.sync.RedisCommands;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import reactor.core.Disposable;

public class RestingLettuce {
    static boolean fails(CompletableFuture<?> command) throws InterruptedException {
        try {
            command.get();
            return false;
        } catch (ExecutionException e) {
            return e.getCause() instanceof RedisCommandExecutionException;
        }
    }

    public static void main(String[] arguments) throws Exception {
        RedisClient client = RedisClient.create("redis://127.0.0.1:" + arguments[0]);
        RedisCommands<String, String> redis = client.connect().sync();
        StatefulRedisConnection<String, String> empty = client.connect(), failing = client.connect();
        long emptyId = empty.sync().clientId(), failingId = failing.sync().clientId();
        CompletableFuture<KeyValue<String, String>> got = client.connect().reactive().blpop(0, "one").toFuture();
        CompletableFuture<KeyValue<String, String>> nothing = empty.reactive().blpop(0, "two").toFuture();
        CompletableFuture<KeyValue<String, String>> failed = failing.reactive().blpop(0, "three").toFuture();
        Disposable given_up = client.connect().reactive().blpop(0, "four").subscribe();
        while (!redis.info("clients").contains("blocked_clients:4")) {
            Thread.onSpinWait();
        }
        Busy.begin();
        System.out.println("begun");
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        in.readLine();
        Busy.end();
        redis.lpush("one", "pear");
        redis.clientUnblock(emptyId, UnblockType.TIMEOUT);
        redis.clientUnblock(failingId, UnblockType.ERROR);
        given_up.dispose();
        if (!got.get().getValue().equals("pear") || nothing.get() != null || !fails(failed)) {
            throw new IllegalStateException("an answer is wrong");
        }
        System.out.println("ended");
        in.readLine();
        client.shutdown();
        System.exit(0);
    }
}
