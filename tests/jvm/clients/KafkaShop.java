// SPDX-License-Identifier: Apache-2.0
// Purpose: a service that sends orders by Kafka and works on them; and one whose broker is not there.
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.HttpURLConnection;
import java.net.InetSocketAddress;
import java.net.URL;
import java.time.Duration;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.serialization.Serializer;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public class KafkaShop {
    static int port;

    static Properties settings(String broker) {
        Properties p = new Properties();
        p.put("bootstrap.servers", "127.0.0.1:" + broker);
        p.put("group.id", "shop");
        p.put("auto.offset.reset", "earliest");
        return p;
    }

    static void work(ConsumerRecord<String, String> record) throws IOException {
        HttpURLConnection stock =
            (HttpURLConnection) new URL("http://127.0.0.1:" + port + "/stock").openConnection();
        stock.getResponseCode();
        System.out.println("got " + record.value());
    }

    static void consume(KafkaConsumer<String, String> consumer) {
        try {
            while (true) {
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(500))) {
                    work(record);
                }
            }
        } catch (WakeupException e) {
            consumer.close();
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    static void send(KafkaProducer<String, String> producer, String text) {
        try {
            producer.send(new ProducerRecord<>("orders", text)).get();
        } catch (ExecutionException | InterruptedException | SerializationException e) {
            System.out.println("not sent: " + e);
        }
    }

    static void serve(HttpServer server, String path, Runnable work) {
        server.createContext(path, exchange -> {
            work.run();
            exchange.sendResponseHeaders(200, -1);
            exchange.close();
        });
    }

    public static void main(String[] arguments) throws Exception {
        Properties nowhere = settings(arguments[1]);
        nowhere.put("max.block.ms", "200");
        Serializer<String> text = new StringSerializer();
        Serializer<String> broken = (topic, value) -> { throw new SerializationException("no such luck"); };
        KafkaProducer<String, String> producer = new KafkaProducer<>(settings(arguments[0]), text, text);
        KafkaProducer<String, String> lost = new KafkaProducer<>(nowhere, text, text);
        KafkaProducer<String, String> odd = new KafkaProducer<>(settings(arguments[0]), text, broken);
        KafkaConsumer<String, String> consumer =
            new KafkaConsumer<>(settings(arguments[0]), new StringDeserializer(), new StringDeserializer());
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
        port = server.getAddress().getPort();
        server.setExecutor(java.util.concurrent.Executors.newFixedThreadPool(2));
        serve(server, "/stock", () -> { });
        serve(server, "/order", () -> {
            send(producer, "one");
            send(producer, "two");
        });
        serve(server, "/broken", () -> {
            send(lost, "lost");
            send(odd, "odd");
        });
        server.start();
        consumer.subscribe(List.of("orders"));
        Thread thread = new Thread(() -> consume(consumer));
        thread.start();
        System.out.println("port " + port);
        System.in.read();
        consumer.wakeup();
        thread.join();
        System.exit(0);
    }
}
