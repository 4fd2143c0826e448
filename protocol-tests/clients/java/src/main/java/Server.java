import com.google.gson.JsonParser;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.Writer;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.util.Base64;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/** The binary, as a deployment runs it. */
final class Server implements AutoCloseable {
    private static final String SECRET = "a secret of the tests, of enough bytes for HS256";
    private static final String API_KEY = "key-of-the-test-publishers";
    private static final Pattern LISTENING = Pattern.compile("listening\\b.*?127\\.0\\.0\\.1:(\\d+)");

    private final String binary;
    private final Map<String, String> settings;
    private final HttpClient http = HttpClient.newHttpClient();
    private Process process;
    private int port;

    private Server(String binary, Map<String, String> settings) {
        this.binary = binary;
        this.settings = settings;
    }

    static Server start(String binary, Map<String, String> settings) throws Exception {
        Server server = new Server(binary, settings);
        server.run();
        return server;
    }

    int port() {
        return port;
    }

    /** The hub of Portos at a port, which may be that of a network in front of the server. */
    static String hub(int port) {
        return "http://127.0.0.1:" + port + "/signalr/v1/mainHub";
    }

    /** Stops it as a deployment does, and starts it again at the same port. */
    void restart() throws Exception {
        stop();
        run();
    }

    private void run() throws Exception {
        ProcessBuilder builder = new ProcessBuilder(binary, "serve").redirectErrorStream(true);
        builder.environment().keySet().removeIf(name -> name.startsWith("SIGNALHUB_"));
        builder.environment().putAll(Map.of(
            "SIGNALHUB_LISTEN__PUBLIC", "127.0.0.1:" + port,
            "SIGNALHUB_LISTEN__INTERNAL", "",
            "SIGNALHUB_LISTEN__DRAIN_TIME", "0s",
            "SIGNALHUB_AUTH__SECRET", SECRET,
            "SIGNALHUB_PUBLISH__KEYS", API_KEY));
        builder.environment().putAll(settings);
        process = builder.start();
        BufferedReader log = new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
        StringBuilder said = new StringBuilder();
        for (String line = log.readLine(); line != null; line = log.readLine()) {
            said.append(line).append('\n');
            Matcher listening = LISTENING.matcher(line);
            if (listening.find()) {
                port = Integer.parseInt(listening.group(1));
                readToItsEnd(log);
                return;
            }
        }
        throw new IOException("the server ended before it listened:\n" + said);
    }

    /** Its log must not fill the pipe. */
    private static void readToItsEnd(BufferedReader log) {
        Thread reading = new Thread(() -> {
            try (log) {
                log.transferTo(Writer.nullWriter());
            } catch (IOException ended) {
                // So has the server.
            }
        });
        reading.setDaemon(true);
        reading.start();
    }

    /** Publishes a change of a ticket with this version, and returns how many subscribers it matched. */
    int publish(int version) throws Exception {
        return publish("tickets", version);
    }

    int publish(String resource, int version) throws Exception {
        String body = """
            {"e":"portos.resources.changed","p":{"u":{"u":"999","d":"BackOffice","f":null},"n":"%s","a":2,
            "i":{"i":"573f4511088c772684a738f8","n":"%s","v":%d},"r":[{}]}}""".formatted(resource, resource, version);
        HttpRequest request = HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + "/api/v1/publish"))
            .header("Content-Type", "application/json")
            .header("X-API-Key", API_KEY)
            .POST(HttpRequest.BodyPublishers.ofString(body))
            .build();
        HttpResponse<String> response = http.send(request, HttpResponse.BodyHandlers.ofString());
        if (response.statusCode() != 202) {
            throw new AssertionError("publishing was answered: " + response.body());
        }
        return JsonParser.parseString(response.body()).getAsJsonObject().get("matched").getAsInt();
    }

    /** A token that is good for an hour. */
    static String token() {
        try {
            long expires = System.currentTimeMillis() / 1000 + 3600;
            String signed = base64("{\"alg\":\"HS256\",\"typ\":\"JWT\"}") + "." + base64("{\"sub\":\"ann\",\"exp\":" + expires + "}");
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(SECRET.getBytes(StandardCharsets.UTF_8), "HmacSHA256"));
            return signed + "." + base64(mac.doFinal(signed.getBytes(StandardCharsets.UTF_8)));
        } catch (GeneralSecurityException error) {
            throw new IllegalStateException(error);
        }
    }

    private static String base64(String text) {
        return base64(text.getBytes(StandardCharsets.UTF_8));
    }

    private static String base64(byte[] bytes) {
        return Base64.getUrlEncoder().withoutPadding().encodeToString(bytes);
    }

    private void stop() throws InterruptedException {
        process.destroy();
        if (!process.waitFor(20, TimeUnit.SECONDS)) {
            process.destroyForcibly();
        }
    }

    @Override
    public void close() throws InterruptedException {
        stop();
    }
}
