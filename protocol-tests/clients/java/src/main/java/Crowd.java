import com.google.gson.Gson;
import com.google.gson.JsonObject;
import com.microsoft.signalr.HubConnection;
import com.microsoft.signalr.HubConnectionBuilder;
import com.microsoft.signalr.TransportEnum;
import io.reactivex.rxjava3.core.Completable;
import io.reactivex.rxjava3.core.Single;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/**
 * Many clients at once, for the tests of a cluster.
 *
 * <p>The tests name the hub, a token and the request in the environment. For each line with a way, a number of clients and a number of events,
 * these clients connect, and each gets this number of events.
 */
public final class Crowd {
    private static final long SECONDS = 60;
    private static final Gson GSON = new Gson();
    private static final Map<String, TransportEnum> WAYS = new LinkedHashMap<>();

    static {
        WAYS.put("WebSockets, json", TransportEnum.WEBSOCKETS);
        WAYS.put("LongPolling, json", TransportEnum.LONG_POLLING);
    }

    /** What the tests read of a notification. */
    private static final class Event {
        JsonObject p;
    }

    private static final class Round {
        int way;
        int clients;
        int events;
    }

    private static final class Client {
        final BlockingQueue<Integer> numbers = new LinkedBlockingQueue<>();
        final HubConnection connection;

        Client(TransportEnum transport) {
            connection = HubConnectionBuilder.create(System.getenv("CROWD_HUB"))
                .withTransport(transport)
                .withAccessTokenProvider(Single.just(System.getenv("CROWD_TOKEN")))
                .build();
            connection.on("OnEvent", event -> numbers.add(event.p.get("number").getAsInt()), Event.class);
        }

        Completable start() {
            JsonObject request = GSON.fromJson(System.getenv("CROWD_REQUEST"), JsonObject.class);
            return connection.start().andThen(Completable.defer(() -> connection.invoke("Subscribe", request)));
        }

        List<Integer> take(int count) throws InterruptedException {
            List<Integer> taken = new ArrayList<>();
            while (taken.size() < count) {
                Integer number = numbers.poll(SECONDS, TimeUnit.SECONDS);
                if (number == null) {
                    break;
                }
                taken.add(number);
            }
            return taken;
        }
    }

    private static void say(String member, Object value) {
        System.out.println(GSON.toJson(Map.of(member, value)));
    }

    private static void serve(Round round) throws InterruptedException {
        TransportEnum transport = new ArrayList<>(WAYS.values()).get(round.way);
        List<Client> clients = new ArrayList<>();
        for (int number = 0; number < round.clients; number++) {
            clients.add(new Client(transport));
        }
        Completable.merge(clients.stream().map(Client::start).toList()).timeout(SECONDS, TimeUnit.SECONDS).blockingAwait();
        say("ready", true);
        List<List<Integer>> got = new ArrayList<>();
        for (Client client : clients) {
            got.add(client.take(round.events));
        }
        Completable.merge(clients.stream().map(client -> client.connection.stop()).toList())
            .timeout(SECONDS, TimeUnit.SECONDS)
            .blockingAwait();
        for (int number = 0; number < round.clients; number++) {
            // What came too often is told, too.
            got.get(number).addAll(clients.get(number).numbers);
        }
        say("got", got);
    }

    public static void main(String[] arguments) throws Exception {
        say("ways", WAYS.keySet());
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            serve(GSON.fromJson(line, Round.class));
        }
        // The client's threads would keep the program alive.
        System.exit(0);
    }
}
