import com.google.gson.Gson;
import com.google.gson.JsonElement;
import com.google.gson.reflect.TypeToken;
import com.microsoft.signalr.HubConnection;
import com.microsoft.signalr.HubConnectionBuilder;
import com.microsoft.signalr.TransportEnum;
import io.reactivex.rxjava3.core.Single;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * The client with the wrapper of examples/resuming, for the tests that kill the server: a line of JSON for each event and each gap.
 *
 * <p>The tests name the hub, a token and the requests in the environment, and end it by closing its input.
 */
public final class Ledger {
    private static final long SECONDS = 60;
    private static final Gson GSON = new Gson();

    /** What the tests read of a notification. */
    private static final class Event extends Resuming.Notification {
        JsonElement p;
    }

    /** What the tests read of a gap. */
    private static final class Told {
        final Object event;
        final String from;
        final String first;
        final String reason;

        Told(Object event, Resuming.Gap gap) {
            this.event = event;
            this.from = gap.from;
            this.first = gap.first;
            this.reason = gap.reason;
        }
    }

    private static synchronized void say(String member, Object value) {
        System.out.println(GSON.toJson(Map.of(member, value)));
    }

    /** Takes the transport. */
    public static void main(String[] arguments) throws Exception {
        Single<String> token = Single.just(System.getenv("LEDGER_TOKEN"));
        HubConnection connection = HubConnectionBuilder.create(System.getenv("LEDGER_HUB"))
            .withTransport(TransportEnum.valueOf(arguments[0]))
            .withAccessTokenProvider(token)
            .build();
        Resuming<Event> resuming =
            new Resuming<>(connection, Event.class, event -> say("event", event), (request, gap) ->
                say("gap", new Told(request.get("e"), gap)));
        resuming.start().timeout(SECONDS, TimeUnit.SECONDS).blockingAwait();
        List<Map<String, Object>> requests =
            GSON.fromJson(System.getenv("LEDGER_REQUESTS"), new TypeToken<List<Map<String, Object>>>() {}.getType());
        for (Map<String, Object> request : requests) {
            resuming.subscribe(request).timeout(SECONDS, TimeUnit.SECONDS).blockingAwait();
        }
        while (System.in.read() >= 0) {}
        // The client's threads would keep the program alive.
        System.exit(0);
    }
}
