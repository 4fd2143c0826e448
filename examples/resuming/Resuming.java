// Subscriptions that miss no event: the wrapper of docs/history.md, for com.microsoft.signalr.

import com.google.gson.TypeAdapter;
import com.google.gson.annotations.JsonAdapter;
import com.google.gson.stream.JsonReader;
import com.google.gson.stream.JsonWriter;
import com.microsoft.signalr.HubConnection;
import com.microsoft.signalr.HubConnectionState;
import io.reactivex.rxjava3.core.Completable;
import io.reactivex.rxjava3.core.Observable;
import io.reactivex.rxjava3.core.Single;
import io.reactivex.rxjava3.schedulers.Schedulers;
import java.io.IOException;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.BiConsumer;
import java.util.function.Consumer;

/**
 * Keeps a connection, which this client does not do by itself, and asks after each reconnect for what was missed meanwhile.
 *
 * <p>One thread at a time calls {@code onEvent}. {@code onGap} is called with the request when events are missing, and fetches the state
 * anew.
 */
public final class Resuming<N extends Resuming.Notification> {
    private static final long MILLISECONDS_BETWEEN_ATTEMPTS = 500;
    private static final Duration ANSWER_TIMEOUT = Duration.ofSeconds(30);

    /** What the wrapper reads of a notification. A subclass has what the application reads, such as {@code p}. */
    public static class Notification {
        public String e;
        public String r;
    }

    public static final class Gap {
        public String from;
        public String first;
        public String reason;
    }

    private static final class Answer {
        String position;
        long replayed;
        Gap gap;
    }

    private static final class Wanted {
        final Map<String, Object> request;
        /** Everything up to this position was handled. */
        String since;
        /** The epoch before that of {@code since}: the server was restarted. */
        String formerEpoch;
        volatile long eventsHandled;

        Wanted(Map<String, Object> request) {
            this.request = request;
        }
    }

    private final HubConnection connection;
    private final Consumer<N> onEvent;
    private final BiConsumer<Map<String, Object>, Gap> onGap;
    private final Duration answerTimeout;
    private final Map<String, Wanted> wanted = new ConcurrentHashMap<>(); // One request for each event.
    private final Semaphore lost = new Semaphore(0);
    private volatile boolean stopped;

    public Resuming(HubConnection connection, Class<N> type, Consumer<N> onEvent, BiConsumer<Map<String, Object>, Gap> onGap) {
        this(connection, type, onEvent, onGap, ANSWER_TIMEOUT);
    }

    /**
     * As above; {@code answerTimeout} is how long the server may send neither an answer nor an event after a reconnect, before the wrapper
     * replaces the connection.
     */
    public Resuming(
        HubConnection connection,
        Class<N> type,
        Consumer<N> onEvent,
        BiConsumer<Map<String, Object>, Gap> onGap,
        Duration answerTimeout
    ) {
        this.connection = connection;
        this.onEvent = onEvent;
        this.onGap = onGap;
        this.answerTimeout = answerTimeout;
        connection.on("OnEvent", this::handle, type);
        connection.on("OnPosition", (event, position) -> moved(wanted.get(event), position), String.class, String.class);
        connection.on("OnGap", this::missed, String.class, Gap.class);
        connection.onClosed(error -> lost.release());
    }

    /** Connects. After that, each connection that is lost is replaced until {@link #stop}. */
    public Completable start() {
        return Completable.defer(() -> {
            lost.drainPermits();
            return connection.start();
        }).doOnComplete(() -> {
            Thread thread = new Thread(this::stayConnected, "resuming");
            thread.setDaemon(true);
            thread.start();
        });
    }

    public Completable stop() {
        stopped = true;
        // A connection that is about to be opened cannot be stopped yet: the thread does it.
        return connection.getConnectionState() == HubConnectionState.CONNECTED ? connection.stop() : Completable.complete();
    }

    /** Subscribes once the result is subscribed to, and asks again after each reconnect. */
    public Completable subscribe(Map<String, Object> request) {
        Wanted one = new Wanted(request);
        wanted.put((String) request.get("e"), one);
        return ask(one);
    }

    private Completable ask(Wanted one) {
        Map<String, Object> request = new LinkedHashMap<>(one.request);
        request.put("since", one.since == null ? new Null() : one.since);
        // `onGap` may take its time, so it must not run on the thread that reads.
        Single<Answer> asked = Single.defer(() -> connection.invoke(Answer.class, "Subscribe", request));
        return asked.observeOn(Schedulers.io()).doOnSuccess(answer -> {
            // This client does not wait for handlers before it completes a call: those of replayed events move the position.
            if (answer.replayed == 0 || answer.gap != null) {
                moved(one, answer.position);
            }
            if (answer.gap != null) {
                onGap.accept(one.request, answer.gap);
            }
        }).ignoreElement();
    }

    /**
     * With long polling a call is a request of its own. If that fails, this client does not notice: the call stays open, and the connection
     * too. So a connection that does not answer is replaced, and the next one asks again.
     */
    private Completable askOrReconnect(Wanted one) {
        return ask(one)
            .ambWith(silence(one))
            .onErrorResumeNext(error -> error instanceof TimeoutException ? connection.stop() : Completable.complete())
            .onErrorComplete();
    }

    /** Fails when no event was handled for {@code answerTimeout}: replayed events come before the answer, and may take longer than that. */
    private Completable silence(Wanted one) {
        long period = answerTimeout.toMillis();
        return Observable.interval(period, TimeUnit.MILLISECONDS)
            .map(tick -> one.eventsHandled)
            .startWithItem(one.eventsHandled)
            .buffer(2, 1)
            .filter(counts -> counts.get(0).equals(counts.get(1)))
            .firstOrError()
            .flatMapCompletable(counts -> Completable.error(new TimeoutException()));
    }

    private synchronized void handle(N event) {
        Wanted one = wanted.get(event.e);
        if (one != null) {
            one.eventsHandled++;
        }
        // Events of a lost connection may still wait for their handler when the next connection is asked for the same ones.
        if (one == null || moved(one, event.r)) {
            onEvent.accept(event);
        }
    }

    /** In a cluster, events can also be lost while the connection stands. */
    private void missed(String event, Gap gap) {
        Wanted one = wanted.get(event);
        if (one != null) {
            // `onGap` may take its time, so it must not run on the thread that reads.
            Schedulers.io().scheduleDirect(() -> onGap.accept(one.request, gap));
        }
    }

    /** Remembers a position; false if a later one was reached before. */
    private synchronized boolean moved(Wanted one, String position) {
        if (one == null || position == null) {
            return true;
        }
        String epoch = epoch(position);
        boolean sameEpoch = one.since != null && epoch.equals(epoch(one.since));
        if (epoch.equals(one.formerEpoch) || sameEpoch && offset(position) <= offset(one.since)) {
            return false;
        }
        if (one.since != null && !sameEpoch) {
            one.formerEpoch = epoch(one.since);
        }
        one.since = position;
        return true;
    }

    private static String epoch(String position) {
        return position.substring(0, position.indexOf(':'));
    }

    private static long offset(String position) {
        return Long.parseLong(position.substring(position.indexOf(':') + 1));
    }

    private void stayConnected() {
        try {
            for (lost.acquire(); !stopped; lost.acquire()) {
                while (!connects() && !stopped) {
                    Thread.sleep(MILLISECONDS_BETWEEN_ATTEMPTS);
                }
                // A connection that is lost again asks again after its next reconnect.
                wanted.values().forEach(one -> askOrReconnect(one).subscribe());
            }
            connection.stop();
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private boolean connects() {
        lost.drainPermits();
        return connection.start().toSingleDefault(true).onErrorReturnItem(false).blockingGet();
    }

    /** A null in JSON: as a value of a map, null would be left out. */
    @JsonAdapter(NullAdapter.class)
    private static final class Null {}

    private static final class NullAdapter extends TypeAdapter<Null> {
        @Override
        public void write(JsonWriter out, Null value) throws IOException {
            out.jsonValue("null");
        }

        @Override
        public Null read(JsonReader in) throws IOException {
            in.nextNull();
            return new Null();
        }
    }
}
