package worldtick;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;

/**
 * Counts each world's ticks and sums their seq, exactly once: one event out for each tick in.
 * Arguments: bootstrap servers, application id, input topic, output topic, state directory, threads,
 * commit interval in ms, store (rocksdb | memory). Runs until it is terminated.
 */
public final class CountAndSum {
    private static final String TOTALS = "totals";

    private CountAndSum() {}

    public static void main(String[] args) {
        Properties config = new Properties();
        config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, args[0]);
        config.put(StreamsConfig.APPLICATION_ID_CONFIG, args[1]);
        config.put(StreamsConfig.STATE_DIR_CONFIG, args[4]);
        config.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, Integer.parseInt(args[5]));
        config.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, Long.parseLong(args[6]));
        // With its default (100) an idle thread looks at the commit interval only when its poll ends: 109 ms a lone record.
        config.put(StreamsConfig.POLL_MS_CONFIG, 10L);
        config.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        config.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        config.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.ByteArraySerde.class);
        config.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.ByteArraySerde.class);
        config.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");

        KafkaStreams streams = new KafkaStreams(topology(args[2], args[3], "memory".equals(args[7])), config);
        Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
        streams.start();
    }

    private static Topology topology(String input, String output, boolean inMemory) {
        StoreBuilder<KeyValueStore<byte[], byte[]>> totals = Stores.keyValueStoreBuilder(
                inMemory ? Stores.inMemoryKeyValueStore(TOTALS) : Stores.persistentKeyValueStore(TOTALS),
                Serdes.ByteArray(), Serdes.ByteArray());
        Topology topology = new Topology();
        topology.addSource("ticks", input);
        topology.addProcessor("count", Counter::new, "ticks");
        // Cached, so that the changelog gets one record per world and commit and not one per tick: the faster setting.
        topology.addStateStore(totals.withCachingEnabled(), "count");
        topology.addSink("events", output, "count");
        return topology;
    }

    /** The step: totals of one world are two longs, count then sum. */
    private static final class Counter implements Processor<byte[], byte[], byte[], byte[]> {
        private final ObjectMapper json = new ObjectMapper();
        private ProcessorContext<byte[], byte[]> context;
        private KeyValueStore<byte[], byte[]> totals;

        @Override
        public void init(ProcessorContext<byte[], byte[]> given) {
            context = given;
            totals = given.getStateStore(TOTALS);
        }

        @Override
        public void process(Record<byte[], byte[]> tick) {
            try {
                JsonNode data = json.readTree(tick.value()).get("data");
                byte[] before = totals.get(tick.key());
                long count = 1;
                long sum = data.get("seq").longValue();
                if (before != null) {
                    ByteBuffer read = ByteBuffer.wrap(before);
                    count += read.getLong();
                    sum += read.getLong();
                }
                totals.put(tick.key(), ByteBuffer.allocate(16).putLong(count).putLong(sum).array());
                context.forward(tick.withValue(json.writeValueAsBytes(event(data, count, sum))));
            } catch (IOException unreadable) {
                throw new UncheckedIOException(unreadable);
            }
        }

        private ObjectNode event(JsonNode tick, long count, long sum) {
            ObjectNode event = json.createObjectNode();
            event.put("event_id", tick.get("tick_id").textValue());
            event.put("event_type", "simulation.event.counted");
            event.put("timestamp", tick.get("game_time").textValue());
            event.put("version", "1.0.0");
            event.put("source", "simulation.counter");
            ObjectNode data = event.putObject("data");
            data.put("world", tick.get("world").textValue());
            data.put("seq", tick.get("seq").longValue());
            data.put("count", count);
            data.put("sum", sum);
            return event;
        }
    }
}
