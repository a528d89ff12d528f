import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Properties;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

/** Produces the lines of standard input with Kafka's own client, once per codec: JavaProducer BROKERS (TOPIC CODEC)... */
public class JavaProducer {
  public static void main(String[] arguments) throws Exception {
    List<String> lines =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8)).lines().toList();
    for (int at = 1; at < arguments.length; at += 2) {
      Properties settings = new Properties();
      settings.put("bootstrap.servers", arguments[0]);
      settings.put("compression.type", arguments[at + 1]);
      settings.put("linger.ms", "50");
      settings.put("key.serializer", StringSerializer.class.getName());
      settings.put("value.serializer", StringSerializer.class.getName());
      try (KafkaProducer<String, String> producer = new KafkaProducer<>(settings)) {
        for (String line : lines) producer.send(new ProducerRecord<>(arguments[at], 0, null, line));
      }
    }
  }
}
