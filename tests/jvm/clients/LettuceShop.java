// SPDX-License-Identifier: Apache-2.0
// Purpose: a service that keeps its carts in Redis, by Lettuce.
import com.sun.net.httpserver.HttpServer;
import io.lettuce.core.KeyValue;
import io.lettuce.core.RedisClient;
import io.lettuce.core.RedisCommandExecutionException;
import io.lettuce.core.RedisFuture;
import io.lettuce.core.api.StatefulRedisConnection;
import io.lettuce.core.api.reactive.RedisReactiveCommands;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.List;
import reactor.core.publisher.Mono;

public class LettuceShop {
    static void serve(HttpServer server, String path, Runnable work) {
        server.createContext(path, exchange -> {
            work.run();
            exchange.sendResponseHeaders(200, -1);
            exchange.close();
        });
    }

    public static void main(String[] arguments) throws Exception {
        RedisClient client = RedisClient.create("redis://127.0.0.1:" + arguments[0]);
        StatefulRedisConnection<String, String> redis = client.connect();
        StatefulRedisConnection<String, String> blocking = client.connect();
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
        serve(server, "/cart", () -> {
            redis.sync().set("cart-secret", "pear");
            RedisFuture<String> one = redis.async().get("cart-secret");
            RedisFuture<Long> two = redis.async().incr("count-secret");
            one.toCompletableFuture().join();
            two.toCompletableFuture().join();
        });
        serve(server, "/broken", () -> {
            try {
                redis.sync().lpush("cart-secret", "pear");
            } catch (RedisCommandExecutionException e) {
                System.out.println(e.getMessage());
            }
        });
        RedisReactiveCommands<String, String> reactive = redis.reactive();
        serve(server, "/reactive", () -> {
            List<String> found = reactive.set("cart-secret", "pear")
                .flatMap(ok -> reactive.get("cart-secret"))
                .flatMapMany(pear -> reactive.mget("cart-secret", "count-secret").map(KeyValue::getKey))
                .collectList().block();
            System.out.println("found " + found.size());
        });
        serve(server, "/reactive-broken", () -> {
            String said = reactive.lpush("cart-secret", "pear").map(n -> "none")
                .onErrorResume(e -> reactive.echo(e.getMessage())).block();
            System.out.println("said " + said);
        });
        serve(server, "/reactive-slow", () -> {
            // Nobody pushes: it is given up.
            String popped = blocking.reactive().blpop(30, "nobody-secret").map(KeyValue::getValue)
                .timeout(Duration.ofMillis(100), Mono.just("given up")).block();
            System.out.println("popped " + popped);
        });
        server.start();
        System.out.println("port " + server.getAddress().getPort());
        System.in.read();
        server.stop(0);
        client.shutdown();
    }
}
