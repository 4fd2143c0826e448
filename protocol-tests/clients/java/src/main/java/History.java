import com.google.gson.JsonObject;
import com.microsoft.signalr.HubConnection;
import com.microsoft.signalr.HubConnectionBuilder;
import com.microsoft.signalr.TransportEnum;
import io.reactivex.rxjava3.core.Single;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;

/** Subscribe with `since`, and the wrapper of examples/resuming, against the binary. */
final class History {
    private static final long SECONDS = 20;
    private static final Duration ANSWER_TIMEOUT = Duration.ofSeconds(2);
    private static final String CHANGED = "portos.resources.changed";
    private static final Map<String, Object> REQUEST = Map.of("e", CHANGED, "r", List.of(Map.of("n", "tickets")));
    private static final String FOREIGN = "fb0cf3b05cda5e7c:41";

    private interface Case {
        void run(String binary) throws Exception;
    }

    private static final class Answer {
        String position;
        long replayed;
        Resuming.Gap gap;
    }

    /** What an application reads of a change. */
    private static final class Changed extends Resuming.Notification {
        private static final class Identifier {
            int v;
        }

        private static final class Payload {
            Identifier i;
        }

        Payload p;
    }

    /** Runs all cases, and returns which of them passed. */
    static List<Boolean> results(String binary) {
        Map<String, Case> cases = new LinkedHashMap<>();
        cases.put("subscribes with since by invoke without a type, and gets positions", History::subscribesWithoutAType);
        cases.put("reads the answer to since by invoke with a type", History::readsTheAnswer);
        cases.put("does not send a null of a map", History::doesNotSendANull);
        cases.put("fails by itself in invoke with Void, with since or without", History::failsWithVoid);
        cases.put("reads OnPosition, and does not mind if it has no handler", History::readsPositions);
        cases.put("resumes after cuts: each event once, in order", History::resumesAfterCuts);
        cases.put("resumes while handlers are behind: each event once, in order", History::resumesWhileHandlersAreBehind);
        cases.put("resumes when much was missed: each event once, in order", History::resumesWhenMuchWasMissed);
        cases.put("asks again if its call after a reconnect is lost", History::asksAgainIfItsCallIsLost);
        cases.put("resumes with a gap: trimmed", History::isToldWhatWasTrimmed);
        cases.put("resumes with a gap after a restart: epoch", History::isToldOfARestart);
        return cases.entrySet().stream().map(entry -> passes(binary, entry.getKey(), entry.getValue())).toList();
    }

    private static boolean passes(String binary, String title, Case run) {
        try {
            run.run(binary);
        } catch (Throwable thrown) {
            System.out.println("FAILED history: " + title);
            thrown.printStackTrace(System.out);
            return false;
        }
        System.out.println("ok history: " + title);
        return true;
    }

    private static HubConnection connection(int port) {
        return connection(port, TransportEnum.ALL);
    }

    private static HubConnection connection(int port, TransportEnum transport) {
        Single<String> token = Single.fromCallable(Server::token);
        return HubConnectionBuilder.create(Server.hub(port)).withTransport(transport).withAccessTokenProvider(token).build();
    }

    /** The positions of what arrives on a new connection, which is started. */
    private static HubConnection connected(Server server, BlockingQueue<String> positions) {
        HubConnection connection = connection(server.port());
        connection.on("OnEvent", event -> positions.add(event.get("r").toString()), JsonObject.class);
        connection.start().timeout(SECONDS, TimeUnit.SECONDS).blockingAwait();
        return connection;
    }

    private static Map<String, Object> since(String position) {
        Map<String, Object> request = new LinkedHashMap<>(REQUEST);
        request.put("since", position);
        return request;
    }

    private static Answer answer(HubConnection connection, String since) {
        Single<Answer> asked = connection.invoke(Answer.class, "Subscribe", since(since));
        return asked.timeout(SECONDS, TimeUnit.SECONDS).blockingGet();
    }

    private static void subscribesWithoutAType(String binary) throws Exception {
        try (Server server = Server.start(binary, Map.of())) {
            server.publish(1);
            for (String since : List.of("earliest", FOREIGN)) {
                BlockingQueue<String> positions = new LinkedBlockingQueue<>();
                HubConnection connection = connected(server, positions);
                connection.invoke("Subscribe", since(since)).timeout(SECONDS, TimeUnit.SECONDS).blockingAwait();
                server.publish(2);
                same(true, next(positions).matches("\"[0-9a-f]{16}:[0-9]+\""));
                connection.stop().blockingAwait();
            }
        }
    }

    private static void readsTheAnswer(String binary) throws Exception {
        try (Server server = Server.start(binary, Map.of())) {
            server.publish(1);
            server.publish(2);
            BlockingQueue<String> positions = new LinkedBlockingQueue<>();
            HubConnection connection = connected(server, positions);
            Answer earliest = answer(connection, "earliest");
            same(List.of(2L, "none"), List.of(earliest.replayed, earliest.gap == null ? "none" : earliest.gap.reason));
            String first = next(positions).replace("\"", "");
            same("\"" + earliest.position + "\"", next(positions));
            connection.stop().blockingAwait();

            connection = connected(server, positions);
            same(1L, answer(connection, first).replayed);
            connection.stop().blockingAwait();

            connection = connected(server, positions);
            Answer foreign = answer(connection, FOREIGN);
            same(List.of("epoch", FOREIGN, first, 0L), List.of(foreign.gap.reason, foreign.gap.from, foreign.gap.first, foreign.replayed));
            connection.stop().blockingAwait();
        }
    }

    private static void doesNotSendANull(String binary) throws Exception {
        try (Server server = Server.start(binary, Map.of())) {
            BlockingQueue<String> positions = new LinkedBlockingQueue<>();
            HubConnection connection = connected(server, positions);
            connection.invoke("Subscribe", since(null)).timeout(SECONDS, TimeUnit.SECONDS).blockingAwait();
            server.publish(1);
            // As on each connection that has not used `since`.
            same("null", next(positions));
            connection.stop().blockingAwait();
        }
    }

    private static void failsWithVoid(String binary) throws Exception {
        try (Server server = Server.start(binary, Map.of())) {
            for (Map<String, Object> request : List.of(REQUEST, since("earliest"))) {
                HubConnection connection = connected(server, new LinkedBlockingQueue<>());
                String error = "nothing was thrown";
                try {
                    connection.invoke(Void.class, "Subscribe", request).timeout(SECONDS, TimeUnit.SECONDS).blockingGet();
                } catch (RuntimeException thrown) {
                    error = thrown.getMessage();
                }
                same(true, error.contains("java.lang.Void"));
            }
        }
    }

    private static void readsPositions(String binary) throws Exception {
        try (Server server = Server.start(binary, Map.of("SIGNALHUB_HUB__KEEP_ALIVE_INTERVAL", "100ms"))) {
            BlockingQueue<String> told = new LinkedBlockingQueue<>();
            BlockingQueue<String> positions = new LinkedBlockingQueue<>();
            HubConnection reading = connection(server.port());
            reading.on("OnPosition", (event, position) -> told.add(event + " " + position), String.class, String.class);
            reading.start().blockingAwait();
            HubConnection unread = connected(server, positions);
            String start = answer(reading, "earliest").position;
            answer(unread, "earliest");
            // Not what they want: only the position moves. The second round shows that the other connection was told, too.
            for (int offset = 1; offset <= 2; offset++) {
                server.publish("devices", offset);
                same(CHANGED + " " + start.replace(":0", ":" + offset), next(told));
            }
            server.publish(3);
            same("\"" + start.replace(":0", ":3") + "\"", next(positions));
            reading.stop().blockingAwait();
            unread.stop().blockingAwait();
        }
    }

    /** A client with the wrapper, through a network that can be cut. */
    private static final class Client implements AutoCloseable {
        final Network network;
        final BlockingQueue<Integer> versions = new LinkedBlockingQueue<>();
        final BlockingQueue<String> gaps = new LinkedBlockingQueue<>();
        private final Resuming<Changed> resuming;

        Client(Server server) throws Exception {
            this(server, TransportEnum.ALL, new CountDownLatch(0));
        }

        /** A client whose handler waits for a latch. */
        Client(Server server, CountDownLatch ready) throws Exception {
            this(server, TransportEnum.ALL, ready);
        }

        Client(Server server, TransportEnum transport) throws Exception {
            this(server, transport, new CountDownLatch(0));
        }

        private Client(Server server, TransportEnum transport, CountDownLatch ready) throws Exception {
            network = new Network(server.port());
            resuming = new Resuming<>(connection(network.port(), transport), Changed.class, event -> {
                wait(ready);
                versions.add(event.p.i.v);
            }, (request, gap) -> gaps.add(gap.reason), ANSWER_TIMEOUT);
            resuming.start().timeout(SECONDS, TimeUnit.SECONDS).blockingAwait();
            resuming.subscribe(REQUEST).timeout(SECONDS, TimeUnit.SECONDS).blockingAwait();
        }

        private static void wait(CountDownLatch ready) {
            try {
                ready.await();
            } catch (InterruptedException interrupted) {
                throw new IllegalStateException(interrupted);
            }
        }

        /** The next versions, as many as there should be. */
        List<Integer> next(int count) throws InterruptedException {
            List<Integer> next = new ArrayList<>();
            while (next.size() < count) {
                next.add(History.next(versions));
            }
            return next;
        }

        @Override
        public void close() throws Exception {
            resuming.stop().timeout(SECONDS, TimeUnit.SECONDS).blockingAwait();
            network.close();
        }
    }

    private static void resumesAfterCuts(String binary) throws Exception {
        try (Server server = Server.start(binary, Map.of()); Client client = new Client(server)) {
            for (int version = 1; version <= 120; version++) {
                server.publish(version);
                if (version % 40 == 20) {
                    client.network.cut();
                }
            }
            same(IntStream.rangeClosed(1, 120).boxed().toList(), client.next(120));
            // Nothing more: what came twice would come before this one.
            client.network.cut();
            server.publish(121);
            same(List.of(121), client.next(1));
            same(0, client.gaps.size());
        }
    }

    private static void resumesWhileHandlersAreBehind(String binary) throws Exception {
        CountDownLatch ready = new CountDownLatch(1);
        // Publishing until the client is back may take many events.
        try (Server server = Server.start(binary, Map.of("SIGNALHUB_HISTORY__EVENTS", "100000")); Client client = new Client(server, ready)) {
            int version = 0;
            for (int cut = 0; cut < 2; cut++) {
                for (int event = 0; event < 5; event++) {
                    same(1, server.publish(++version));
                }
                client.network.goDown();
                while (server.publish(++version) > 0) {}
                client.network.comeUp();
                while (server.publish(++version) == 0) {}
            }
            ready.countDown();
            same(IntStream.rangeClosed(1, version).boxed().toList(), client.next(version));
            same(0, client.versions.size());
        }
    }

    private static void resumesWhenMuchWasMissed(String binary) throws Exception {
        try (Server server = Server.start(binary, Map.of()); Client client = new Client(server)) {
            client.network.goDown();
            for (int version = 1; version <= 900; version++) {
                server.publish(version);
            }
            client.network.comeUp();
            same(IntStream.rangeClosed(1, 900).boxed().toList(), client.next(900));
            same(0, client.gaps.size());
        }
    }

    private static void asksAgainIfItsCallIsLost(String binary) throws Exception {
        try (Server server = Server.start(binary, Map.of()); Client client = new Client(server, TransportEnum.LONG_POLLING)) {
            // The poll after the next event, which ends the connection; then the call of the next one.
            client.network.refuse("GET ");
            client.network.refuse("\"target\":\"Subscribe\"");
            server.publish(1);
            same(List.of(1), client.next(1));
            server.publish(2);
            same(List.of(2), client.next(1));
            same(List.of(true, 0), List.of(client.network.hasRefusedAll(), client.gaps.size()));
        }
    }

    private static void isToldWhatWasTrimmed(String binary) throws Exception {
        try (Server server = Server.start(binary, Map.of("SIGNALHUB_HISTORY__EVENTS", "3")); Client client = new Client(server)) {
            server.publish(1);
            same(List.of(1), client.next(1));
            client.network.goDown();
            for (int version = 2; version <= 6; version++) {
                server.publish(version);
            }
            client.network.comeUp();
            same("trimmed", next(client.gaps));
            // The answer has the position, although no event has come since.
            client.network.cut();
            server.publish(7);
            same(List.of(7), client.next(1));
            same(0, client.gaps.size());
        }
    }

    private static void isToldOfARestart(String binary) throws Exception {
        try (Server server = Server.start(binary, Map.of()); Client client = new Client(server)) {
            server.publish(1);
            same(List.of(1), client.next(1));
            server.restart();
            same("epoch", next(client.gaps));
            server.publish(2);
            same(List.of(2), client.next(1));
            // The position is of the new server now.
            client.network.cut();
            server.publish(3);
            same(List.of(3), client.next(1));
            same(0, client.gaps.size());
        }
    }

    private static <T> T next(BlockingQueue<T> queue) throws InterruptedException {
        T next = queue.poll(SECONDS, TimeUnit.SECONDS);
        if (next == null) {
            throw new AssertionError("nothing came within " + SECONDS + " seconds");
        }
        return next;
    }

    private static void same(Object expected, Object found) {
        if (!expected.equals(found)) {
            throw new AssertionError("expected " + expected + ", found " + found);
        }
    }

    private History() {}
}
