// SPDX-License-Identifier: Apache-2.0
// Purpose: plug-ins jedis and lettuce: commands of the application's own that throw, against a real Redis
// whose port stands in the property "redis".
import io.lettuce.core.RedisClient;
import io.lettuce.core.codec.StringCodec;
import io.lettuce.core.output.StatusOutput;
import io.lettuce.core.protocol.CommandArgs;
import io.lettuce.core.protocol.ProtocolKeyword;
import java.nio.charset.StandardCharsets;
import redis.clients.jedis.HostAndPort;
import redis.clients.jedis.UnifiedJedis;
import redis.clients.jedis.commands.ProtocolCommand;

public class Redis implements Faults.Case {
    static final int PORT = Integer.getInteger("redis");

    static class Place extends HostAndPort {
        private static final long serialVersionUID = 1;

        Place() {
            super("127.0.0.1", PORT);
        }

        @Override public String getHost() { Fault.meet(); return super.getHost(); }
        @Override public int getPort() { Fault.meet(); return super.getPort(); }
    }

    static byte[] ping() {
        Fault.meet();
        return "PING".getBytes(StandardCharsets.US_ASCII);
    }

    static class Keyword implements ProtocolKeyword {
        @Override public byte[] getBytes() { return ping(); }
        @Override public String name() { Fault.meet(); return "PING"; }
    }

    static class Arguments extends CommandArgs<String, String> {
        Arguments() {
            super(StringCodec.UTF8);
        }

        @Override
        public int count() {
            Fault.meet();
            return super.count();
        }
    }

    @Override
    public void run(Faults to) {
        try (UnifiedJedis jedis = new UnifiedJedis(new Place())) {
            ProtocolCommand command = Redis::ping;
            to.calls("jedis", () -> new String((byte[]) jedis.sendCommand(command), StandardCharsets.US_ASCII), "CLIENT");
        }
        RedisClient client = RedisClient.create("redis://127.0.0.1:" + PORT);
        try (var connection = client.connect()) {
            to.calls("lettuce", () -> connection.async().dispatch(new Keyword(), new StatusOutput<>(StringCodec.UTF8),
                new Arguments()).get(), "CLIENT");
        }
        client.shutdown();
    }
}
