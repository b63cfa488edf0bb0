// SPDX-License-Identifier: Apache-2.0
// Purpose: a service that keeps its carts in Redis, by Jedis; the pool is the version's own.
import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import redis.clients.jedis.Jedis;
import redis.clients.jedis.Pipeline;
import redis.clients.jedis.Transaction;
import redis.clients.jedis.exceptions.JedisDataException;

public class RedisShop {
    static void cart(Jedis redis) {
        redis.set("cart-secret", "pear");
        redis.mset("a1", "1", "a2", "2", "a3", "3", "a4", "4", "a5", "5", "a6", "6", "a7", "7", "a8", "8", "a9", "9");
    }

    static void batches(Jedis redis) {
        Pipeline pipeline = redis.pipelined();
        pipeline.get("cart-secret");
        pipeline.incr("count-secret");
        pipeline.sync();
        pipeline.sync();
        Transaction transaction = redis.multi();
        transaction.incr("count-secret");
        transaction.exec();
    }

    static void broken(Jedis redis) {
        try {
            redis.lpush("cart-secret", "pear");
        } catch (JedisDataException e) {
            System.out.println(e.getMessage());
        }
    }

    static void serve(HttpServer server, String path, Runnable work) {
        server.createContext(path, exchange -> {
            work.run();
            exchange.sendResponseHeaders(200, -1);
            exchange.close();
        });
    }

    static void run(int redisPort, Runnable pooled) throws Exception {
        Jedis one = new Jedis("127.0.0.1", redisPort);
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
        serve(server, "/cart", () -> cart(one));
        serve(server, "/pool", pooled);
        serve(server, "/batches", () -> batches(one));
        serve(server, "/broken", () -> broken(one));
        server.start();
        System.out.println("port " + server.getAddress().getPort());
        System.in.read();
        server.stop(0);
    }
}
