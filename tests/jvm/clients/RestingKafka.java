// SPDX-License-Identifier: Apache-2.0
// Purpose: messages of Kafka that are under way, and end once the agent rests: one that is sent late,
// one that proves too large, and of three consumers one that goes on to its next record, one that
// polls again and one that is closed.
// Usage: RestingKafka PORT     "begun"; "end" on standard input ends all: "ended"; another line ends it
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.time.Duration;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.function.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.serialization.Serializer;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public class RestingKafka {
    static final CountDownLatch HELD = new CountDownLatch(4), END = new CountDownLatch(1);
    static String port;

    static void hold() {
        HELD.countDown();
        try {
            END.await();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    static Properties settings(String... more) {
        Properties p = new Properties();
        p.put("bootstrap.servers", "127.0.0.1:" + port);
        for (int i = 0; i < more.length; i += 2) {
            p.put(more[i], more[i + 1]);
        }
        return p;
    }

    static KafkaProducer<String, String> producer(Serializer<String> values, String... more) {
        return new KafkaProducer<>(settings(more), new StringSerializer(), values);
    }

    static ProducerRecord<String, String> order(String text) {
        return new ProducerRecord<>("orders", text);
    }

    // Its first record is in hand until the end.
    static Thread consume(boolean goesOn, Consumer<KafkaConsumer<String, String>> then) {
        Thread thread = new Thread(() -> {
            KafkaConsumer<String, String> consumer = new KafkaConsumer<>(
                settings("auto.offset.reset", "earliest"), new StringDeserializer(), new StringDeserializer());
            consumer.assign(List.of(new TopicPartition("orders", 0)));
            for (boolean isHeld = false; !isHeld; ) {
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofSeconds(1))) {
                    if (!isHeld) {
                        hold();
                    }
                    isHeld = true;
                    if (!goesOn) {
                        break;
                    }
                }
            }
            then.accept(consumer);
        });
        thread.start();
        return thread;
    }

    public static void main(String[] arguments) throws Exception {
        port = arguments[0];
        KafkaProducer<String, String> quick = producer(new StringSerializer());
        quick.send(order("one")).get();
        quick.send(order("two")).get();
        KafkaProducer<String, String> slow = producer(new StringSerializer(), "linger.ms", "3600000",
            "delivery.timeout.ms", String.valueOf(Integer.MAX_VALUE));
        Future<?> sent = slow.send(order("late"));
        KafkaProducer<String, String> large = producer((topic, text) -> {
            hold();
            return new byte[2 << 20];
        });
        boolean[] isTooLarge = {false};
        Thread sender = new Thread(() -> {
            try {
                large.send(order("large")).get();
            } catch (ExecutionException e) {
                isTooLarge[0] = e.getCause() instanceof RecordTooLargeException;
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
        });
        sender.start();
        List<Thread> consumers = List.of(consume(true, c -> { }), consume(false, c -> c.poll(Duration.ZERO)),
            consume(false, KafkaConsumer::close));
        HELD.await();
        Busy.begin();
        System.out.println("begun");
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        in.readLine();
        Busy.end();
        END.countDown();
        slow.flush();
        sent.get();
        sender.join();
        for (Thread thread : consumers) {
            thread.join();
        }
        if (!isTooLarge[0]) {
            throw new IllegalStateException("a record of 2 MB was sent");
        }
        System.out.println("ended");
        in.readLine();
        System.exit(0);
    }
}
