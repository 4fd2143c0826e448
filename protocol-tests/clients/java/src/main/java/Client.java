import com.microsoft.signalr.HubConnection;
import com.microsoft.signalr.HubConnectionBuilder;
import com.microsoft.signalr.HubException;
import com.microsoft.signalr.TransportEnum;
import io.reactivex.rxjava3.core.Observable;
import io.reactivex.rxjava3.core.Single;
import io.reactivex.rxjava3.schedulers.Schedulers;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;

/** The official Java client, unmodified: each case against the conformance server over each of its transports, and {@link History}. */
public final class Client {
    /** No case takes longer than a moment; a machine under load gets some more. */
    private static final long SECONDS = 20;

    private interface Case {
        void run(HubConnection connection) throws Exception;
    }

    /** An object with one property of each common kind. */
    private static final class ComplexObject {
        int id;
        String name;
        String created;
        String key;
        int[] values;
    }

    private static void invokesMethodsAndGetsResults(HubConnection connection) {
        same(42, connection.invoke(Integer.class, "Add", 40, 2).blockingGet());
        for (String text : List.of("", "plain", "Grüße, 世界 🦀", "x".repeat(30_000))) {
            same(text, connection.invoke(String.class, "EchoString", text).blockingGet());
        }
        connection.invoke("NoResult").blockingAwait();
    }

    private static void sendsAndGetsObjects(HubConnection connection) {
        ComplexObject sent = new ComplexObject();
        sent.id = 7;
        sent.name = "till";
        sent.created = "2024-07-01T12:51:52.558Z";
        sent.key = "6f9619ff-8b86-d011-b42d-00cf4fc964ff";
        sent.values = new int[] {1, 2, 3};
        ComplexObject got = connection.invoke(ComplexObject.class, "EchoObject", sent).blockingGet();
        same(List.of(sent.id, sent.name, sent.created, sent.key), List.of(got.id, got.name, got.created, got.key));
        same(6, IntStream.of(got.values).sum());
    }

    private static void hearsTheErrorOfAMethod(HubConnection connection) {
        String error = "nothing was thrown";
        try {
            connection.invoke("ThrowHub", "no such ticket").blockingAwait();
        } catch (HubException thrown) {
            error = thrown.getMessage();
        }
        same("An unexpected error occurred invoking 'ThrowHub' on the server. HubException: no such ticket", error);
    }

    private static void receivesCallsOfTheServerInOrder(HubConnection connection) throws Exception {
        same(texts(), new ArrayList<>(sentAndReceived(connection)));
    }

    private static void receivesEveryCallOfTheServer(HubConnection connection) throws Exception {
        same(new TreeSet<>(texts()), new TreeSet<>(sentAndReceived(connection)));
    }

    private static List<String> texts() {
        return IntStream.range(0, 50).mapToObj(number -> "text " + number).toList();
    }

    private static List<String> sentAndReceived(HubConnection connection) throws Exception {
        BlockingQueue<String> calls = received(connection, "Notify");
        for (String text : texts()) {
            connection.send("SendSelf", "Notify", text);
        }
        List<String> received = new ArrayList<>();
        for (String ignored : texts()) {
            received.add(calls.poll(SECONDS, TimeUnit.SECONDS));
        }
        return received;
    }

    private static void receivesWhatIsSentToItsGroup(HubConnection connection) throws Exception {
        BlockingQueue<String> calls = received(connection, "News");
        connection.invoke("Join", "readers").blockingAwait();
        connection.send("SendGroup", "readers", "News", "first");
        same("first", calls.poll(SECONDS, TimeUnit.SECONDS));
    }

    private static void answersWhenTheServerAsks(HubConnection connection) {
        connection.onWithResult("Question", question -> Single.just(question + ", answered"), String.class);
        String answer = connection.invoke(String.class, "AskCaller", "Question", "who are you").blockingGet();
        same("who are you, answered", answer);
    }

    private static void streamsFromTheServer(HubConnection connection) {
        List<Integer> items = connection.stream(Integer.class, "Count", 100, 0).toList().blockingGet();
        same(IntStream.range(0, 100).boxed().toList(), items);
    }

    private static void hearsTheErrorOfAStream(HubConnection connection) {
        String error = connection.stream(Integer.class, "CountThenThrowHub", 3)
            .map(String::valueOf)
            .onErrorReturn(Throwable::getMessage)
            .lastOrError()
            .blockingGet();
        same(true, error.endsWith("HubException: stream refused"));
    }

    private static void streamsToTheServer(HubConnection connection) {
        Observable<Integer> numbers = Observable.range(1, 100);
        same(5050, connection.invoke(Integer.class, "Sum", numbers).blockingGet());
    }

    private static BlockingQueue<String> received(HubConnection connection, String method) {
        BlockingQueue<String> calls = new LinkedBlockingQueue<>();
        connection.on(method, calls::add, String.class);
        return calls;
    }

    private static void same(Object expected, Object found) {
        if (!expected.equals(found)) {
            throw new AssertionError("expected " + expected + ", found " + found);
        }
    }

    /**
     * The cases of a transport. Over long polling this client posts without waiting for the answer to the post before, so
     * its own messages may overtake each other, whichever server it talks to: what depends on their order is left out.
     */
    private static Map<String, Case> cases(TransportEnum transport) {
        boolean inOrder = transport == TransportEnum.WEBSOCKETS;
        Map<String, Case> cases = new LinkedHashMap<>();
        cases.put("invokes methods and gets results", Client::invokesMethodsAndGetsResults);
        cases.put("sends and gets objects", Client::sendsAndGetsObjects);
        cases.put("hears the error of a method", Client::hearsTheErrorOfAMethod);
        cases.put("receives every call of the server", Client::receivesEveryCallOfTheServer);
        cases.put("receives what is sent to its group", Client::receivesWhatIsSentToItsGroup);
        cases.put("answers when the server asks", Client::answersWhenTheServerAsks);
        cases.put("streams from the server", Client::streamsFromTheServer);
        cases.put("hears the error of a stream", Client::hearsTheErrorOfAStream);
        if (inOrder) {
            cases.put("receives calls of the server in order", Client::receivesCallsOfTheServerInOrder);
            cases.put("streams to the server", Client::streamsToTheServer);
        }
        return cases;
    }

    /** The cases over TLS: what is below the messages is different there, not the messages. */
    private static Map<String, Case> casesOverTls() {
        Map<String, Case> cases = new LinkedHashMap<>();
        cases.put("invokes methods and gets results over TLS", Client::invokesMethodsAndGetsResults);
        cases.put("receives every call of the server over TLS", Client::receivesEveryCallOfTheServer);
        return cases;
    }

    /** Makes the client trust the certificates of a file in PEM, as an installation does: by the trust store of Java. */
    private static void trust(String file) throws Exception {
        KeyStore trusted = KeyStore.getInstance("PKCS12");
        trusted.load(null, null);
        try (InputStream pem = Files.newInputStream(Path.of(file))) {
            for (Certificate certificate : CertificateFactory.getInstance("X.509").generateCertificates(pem)) {
                trusted.setCertificateEntry("root " + trusted.size(), certificate);
            }
        }
        Path store = Files.createTempFile("trusted", ".p12");
        store.toFile().deleteOnExit();
        try (OutputStream out = Files.newOutputStream(store)) {
            trusted.store(out, "password".toCharArray());
        }
        System.setProperty("javax.net.ssl.trustStore", store.toString());
        System.setProperty("javax.net.ssl.trustStorePassword", "password");
    }

    private static boolean passes(String url, TransportEnum transport, Map.Entry<String, Case> entry) {
        String title = transport + "/json: " + entry.getKey();
        HubConnection connection = HubConnectionBuilder.create(url).withTransport(transport).build();
        try {
            connection.start().timeout(SECONDS, TimeUnit.SECONDS).blockingAwait();
            Single.fromCallable(() -> {
                entry.getValue().run(connection);
                return true;
            }).subscribeOn(Schedulers.io()).timeout(SECONDS, TimeUnit.SECONDS).blockingGet();
            connection.stop().timeout(SECONDS, TimeUnit.SECONDS).blockingAwait();
        } catch (Throwable thrown) {
            System.out.println("FAILED " + title);
            thrown.printStackTrace(System.out);
            return false;
        }
        System.out.println("ok " + title);
        return true;
    }

    /** Takes the binary, the URL of the recorded hub, and the URL of the same hub over TLS with the file of its certificate. */
    public static void main(String[] arguments) throws Exception {
        if (arguments.length > 2) {
            trust(arguments[3]);
        }
        List<Boolean> results = new ArrayList<>(History.results(arguments[0]));
        for (TransportEnum transport : List.of(TransportEnum.WEBSOCKETS, TransportEnum.LONG_POLLING)) {
            cases(transport).entrySet().forEach(entry -> results.add(passes(arguments[1], transport, entry)));
            if (arguments.length > 2) {
                casesOverTls().entrySet().forEach(entry -> results.add(passes(arguments[2], transport, entry)));
            }
        }
        int failed = Collections.frequency(results, false);
        System.out.println(results.size() - failed + " passed, " + failed + " failed");
        // The client's threads would keep the program alive.
        System.exit(failed == 0 ? 0 : 1);
    }
}
