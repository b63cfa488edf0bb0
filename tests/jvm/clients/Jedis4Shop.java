// SPDX-License-Identifier: Apache-2.0
// Purpose: the shop with the pooled client that there is from Jedis 4 on.
import redis.clients.jedis.JedisPooled;

public class Jedis4Shop {
    public static void main(String[] arguments) throws Exception {
        int port = Integer.parseInt(arguments[0]);
        JedisPooled pool = new JedisPooled("127.0.0.1", port);
        RedisShop.run(port, () -> pool.get("cart-secret"));
    }
}
