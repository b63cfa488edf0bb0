// SPDX-License-Identifier: Apache-2.0
// Purpose: plug-in rabbitmq: deliveries whose properties, headers and envelope throw.
import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.DefaultConsumer;
import com.rabbitmq.client.Envelope;
import java.util.HashMap;
import java.util.Map;

public class Rabbit implements Faults.Case {
    static class Place extends Envelope {
        Place() {
            super(1, false, "shop", "order");
        }

        @Override public String getExchange() { Fault.meet(); return super.getExchange(); }
        @Override public String getRoutingKey() { Fault.meet(); return super.getRoutingKey(); }
    }

    static class Headers extends HashMap<String, Object> {
        private static final long serialVersionUID = 1;

        @Override
        public Object get(Object key) {
            Fault.meet();
            return super.get(key);
        }
    }

    static class Properties extends AMQP.BasicProperties {
        private final boolean tells;

        Properties(boolean tells) {
            this.tells = tells;
        }

        @Override
        public Map<String, Object> getHeaders() {
            if (!tells) {
                Fault.meet();
            }
            return new Headers();
        }

        @Override public String getMessageId() { Fault.meet(); return "m"; }
        @Override public String getCorrelationId() { Fault.meet(); return "c"; }
    }

    @Override
    public void run(Faults to) {
        StringBuilder seen = new StringBuilder();
        RuntimeException[] failure = new RuntimeException[1];
        DefaultConsumer consumer = new DefaultConsumer(null) {
            @Override
            public void handleDelivery(String tag, Envelope place, AMQP.BasicProperties p, byte[] body) {
                seen.setLength(0);
                seen.append(place.getRoutingKey()).append(p.getMessageId()).append(body.length);
                if (failure[0] != null) {
                    throw failure[0];
                }
            }
        };
        for (boolean tells : new boolean[] {true, false}) {
            to.calls("delivery", () -> {
                consumer.handleDelivery("t", new Place(), new Properties(tells), new byte[3]);
                return seen;
            }, "CONSUMER");
        }
        failure[0] = new Fault.Nasty();
        to.throwsIt("delivery", () -> {
            consumer.handleDelivery("t", new Place(), new Properties(false), new byte[3]);
            return seen;
        }, failure[0], "CONSUMER");
    }
}
