// SPDX-License-Identifier: Apache-2.0
// Purpose: a service that publishes orders to RabbitMQ and takes them from there.
import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.DefaultConsumer;
import com.rabbitmq.client.Envelope;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.Map;

public class RabbitShop {
    static final AMQP.BasicProperties SHARED =
        new AMQP.BasicProperties.Builder().messageId("m-1").headers(Map.of("mine", "1")).build();

    /** Does not tell the agent its headers, which go with the message all the same. */
    static class Silent extends AMQP.BasicProperties {
        Silent() {
            super(null, null, Map.of("mine", "silent"), null, null, null, null, null, null, null, null, null, null, null);
        }

        @Override
        public Map<String, Object> getHeaders() {
            Fault.meet();
            return super.getHeaders();
        }
    }

    public static void main(String[] arguments) throws Exception {
        ConnectionFactory factory = new ConnectionFactory();
        factory.setHost("127.0.0.1");
        factory.setPort(Integer.parseInt(arguments[0]));
        Connection connection = factory.newConnection();
        Channel channel = connection.createChannel();
        channel.exchangeDeclare("shop", "direct");
        channel.queueDeclare("orders", false, false, true, null);
        channel.queueBind("orders", "shop", "order");
        Channel consumer = connection.createChannel();
        consumer.basicConsume("orders", true, new DefaultConsumer(consumer) {
            @Override
            public void handleDelivery(String tag, Envelope envelope, AMQP.BasicProperties properties, byte[] body)
                    throws IOException {
                Map<String, Object> headers = properties.getHeaders();
                System.out.println("got " + new String(body) + " " + (headers == null ? null : headers.get("mine")));
                if (new String(body).equals("broken")) {
                    throw new IllegalStateException("no such luck");
                }
            }
        });
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
        server.createContext("/order", exchange -> {
            channel.basicPublish("shop", "order", SHARED, "order".getBytes());
            channel.basicPublish("", "orders", null, "plain".getBytes());
            channel.basicPublish("", "amq.gen-nobody", null, "lost".getBytes());
            channel.basicPublish("", "orders", new Silent(), "silent".getBytes());
            System.out.println("shared " + SHARED.getHeaders());
            exchange.sendResponseHeaders(200, -1);
            exchange.close();
        });
        server.createContext("/broken", exchange -> {
            channel.basicPublish("shop", "order", SHARED, "broken".getBytes());
            exchange.sendResponseHeaders(200, -1);
            exchange.close();
        });
        server.start();
        System.out.println("port " + server.getAddress().getPort());
        System.in.read();
        server.stop(0);
        connection.close();
    }
}
