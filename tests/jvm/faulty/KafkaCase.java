// SPDX-License-Identifier: Apache-2.0
// Purpose: plug-in kafka: records that throw, sent to nobody and taken out of a batch.
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.serialization.StringSerializer;

public class KafkaCase implements Faults.Case {
    static class Sent extends ProducerRecord<String, String> {
        Sent() {
            super("orders", "a");
        }

        @Override public String topic() { Fault.meet(); return super.topic(); }
        @Override public Headers headers() { Fault.meet(); return super.headers(); }
    }

    static class Got extends ConsumerRecord<String, String> {
        Got(long offset) {
            super("orders", 0, offset, "k", "v" + offset);
        }

        @Override public String topic() { Fault.meet(); return super.topic(); }
        @Override public int partition() { Fault.meet(); return super.partition(); }
        @Override public long offset() { Fault.meet(); return super.offset(); }
        @Override public Headers headers() { Fault.meet(); return super.headers(); }
    }

    @Override
    public void run(Faults to) {
        Map<String, Object> settings = Map.of("bootstrap.servers", "127.0.0.1:1", "max.block.ms", "1");
        KafkaProducer<String, String> producer =
            new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer());
        to.calls("send", () -> {
            try {
                return producer.send(new Sent()).get();
            } catch (ExecutionException e) {
                return e.getCause().getClass();
            }
        }, "PRODUCER");
        to.calls("batch", () -> {
            StringBuilder seen = new StringBuilder();
            for (ConsumerRecord<String, String> r : new ConsumerRecords<>(
                Map.of(new TopicPartition("orders", 0), List.<ConsumerRecord<String, String>>of(new Got(1), new Got(2))))) {
                seen.append(r.value());
            }
            return seen;
        }, "CONSUMER", "CONSUMER");
        producer.close();
    }
}
