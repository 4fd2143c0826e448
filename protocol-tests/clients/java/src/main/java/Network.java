import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;

/** A network in front of the server: it loses connections when it is told to. */
final class Network implements AutoCloseable {
    private static final byte[] REFUSAL =
        "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n".getBytes(StandardCharsets.US_ASCII);

    private final ServerSocket listener;
    private final int upstream;
    private final Set<Socket> sockets = ConcurrentHashMap.newKeySet();
    private final Queue<String> toRefuse = new ConcurrentLinkedQueue<>();
    private volatile boolean down;

    Network(int upstream) throws IOException {
        this.upstream = upstream;
        listener = new ServerSocket(0, 50, InetAddress.getByName("127.0.0.1"));
        inBackground(this::accept);
    }

    int port() {
        return listener.getLocalPort();
    }

    /** Resets all connections. New ones succeed. */
    void cut() {
        sockets.forEach(Network::reset);
    }

    /** Resets all connections, and new ones too, until it is up again. */
    void goDown() {
        down = true;
        cut();
    }

    void comeUp() {
        down = false;
    }

    /** Answers the next request that contains this text with 503. Texts of more than one call are waited for in order. */
    void refuse(String text) {
        toRefuse.add(text);
    }

    boolean hasRefusedAll() {
        return toRefuse.isEmpty();
    }

    private void accept() {
        try {
            while (true) {
                Socket client = listener.accept();
                sockets.add(client);
                inBackground(() -> serve(client));
            }
        } catch (IOException closed) {
            cut();
        }
    }

    private void serve(Socket client) {
        try {
            Socket server = new Socket("127.0.0.1", upstream);
            sockets.add(server);
            if (down) {
                cut();
            }
            inBackground(() -> forwardRequests(client, server));
            forward(server, client);
        } catch (IOException refused) {
            // The server is restarted.
            reset(client);
        }
    }

    private void forward(Socket from, Socket to) {
        try {
            from.getInputStream().transferTo(to.getOutputStream());
            to.shutdownOutput();
        } catch (IOException lost) {
            reset(from);
            reset(to);
        }
        sockets.remove(from);
    }

    /** Clients send a small request in one piece, so that one read gets it whole. */
    private void forwardRequests(Socket client, Socket server) {
        byte[] request = new byte[8192];
        try {
            for (int length = client.getInputStream().read(request); length >= 0; length = client.getInputStream().read(request)) {
                String text = toRefuse.peek();
                if (text != null && new String(request, 0, length, StandardCharsets.ISO_8859_1).contains(text)) {
                    toRefuse.remove(text);
                    client.getOutputStream().write(REFUSAL);
                } else {
                    server.getOutputStream().write(request, 0, length);
                }
            }
            server.shutdownOutput();
        } catch (IOException lost) {
            reset(client);
            reset(server);
        }
        sockets.remove(client);
    }

    private static void reset(Socket socket) {
        try {
            socket.setSoLinger(true, 0);
            socket.close();
        } catch (IOException closed) {
            // Then it is what was asked for.
        }
    }

    private static void inBackground(Runnable work) {
        Thread thread = new Thread(work);
        thread.setDaemon(true);
        thread.start();
    }

    @Override
    public void close() throws IOException {
        listener.close();
        cut();
    }
}
