// SPDX-License-Identifier: Apache-2.0
// Purpose: the shop with the pool of connections that Jedis 3 has.
import redis.clients.jedis.Jedis;
import redis.clients.jedis.JedisPool;

public class Jedis3Shop {
    public static void main(String[] arguments) throws Exception {
        int port = Integer.parseInt(arguments[0]);
        JedisPool pool = new JedisPool("127.0.0.1", port);
        RedisShop.run(port, () -> {
            try (Jedis redis = pool.getResource()) {
                redis.get("cart-secret");
            }
        });
    }
}
