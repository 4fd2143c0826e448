//! The configuration: every key is defined once, here, and that definition yields the parser, the defaults and the documents.
//!
//! Values come from `signalhub.toml`, then from `SIGNALHUB_<SECTION>__<KEY>`, then from flags; the later one wins.

mod address;
mod certificate_name;
mod choice;
mod cluster;
mod event;
mod history;
mod issuer;
mod key;
mod key_digest;
mod key_url;
mod leeway;
mod log_filter;
mod maximum;
mod negotiation;
mod printfactory;
mod publish_client;
mod rate;
mod reference;
mod secret;
mod setting;
mod smc;
mod sources;
mod table;
mod tls;
mod unit;
mod warnings;

use std::num::NonZeroUsize;
use std::time::Duration;

use signalhub::connections::NegotiateVersion;
use signalhub::events::EventName;
use signalhub_dialects::smc::{ElementType, Version};

pub use address::{Address, HostName, Listener, Proxy, PublicUrl, WebOrigin};
pub use certificate_name::CertificateName;
pub use choice::{
    ClientCertificates, DefaultGrants, ForwardedHeader, HistoryStore, LogFormat, MinimumTlsVersion, SecondConnection,
    TicketClients,
};
pub use cluster::{AdvertisedAddress, ClusterNodeName, KeyPrefix, RedisUrl, RedisUrls};
pub use history::{HistoryDirectory, HistoryOverride, HistoryOverrides};
pub use issuer::{
    Audiences, GrantsByRole, IssuerKeys, KeyFile, KeyFileKind, KeySetLocation, RequiredClaims, TokenIssuer,
};
pub use key::Key;
use key::{configuration, section_path};
pub use key_digest::KeyDigest;
pub use key_url::KeyUrl;
pub use leeway::Leeway;
pub use log_filter::LogFilter;
pub(crate) use log_filter::{EXPECTED as LOG_FILTER_EXPECTED, has_directive};
pub use maximum::{Maximum, SocketShare};
pub use printfactory::MisKeysPath;
pub(crate) use publish_client::Nearness;
pub use publish_client::{ClientName, ExpiryTime, PublishClient};
pub use rate::{CallRateLimit, RateLimit};
pub(crate) use reference::{changed, defaults_text, effective, reference_page};
pub use secret::{ApiKey, Password, SigningSecret};
pub use setting::TableKeyDoc;
use setting::{Given, Setting, count};
pub use smc::{SmcAccount, SmcSessionTracking};
pub(crate) use sources::{ADMIN_TOKEN_VARIABLE, KEY_VARIABLE, Places, SHORTEST_KEY, TOKEN_VARIABLE};
pub use sources::{ConfigurationError, Place};
pub use table::Tables;
pub use tls::{PemFile, ReloadInterval};
pub use unit::ByteSize;
pub(crate) use unit::parse_duration;
pub(crate) use warnings::{expiry_warning, publishers_reserved_descriptors, reserved_descriptors, warnings};

/// The URL of a server whose configuration sets no address.
pub(crate) const DEFAULT_URL: &str = "http://127.0.0.1:3000";

configuration! {
    /// Where the server listens.
    listen: Listen {
        /// The address of the hub, and of the publish API unless `publish.listen` is set.
        public: Address = Address::new("127.0.0.1:3000");
        /// The address of `/health/live`, `/health/ready`, `/metrics` and the admin API, for operators only; empty for none.
        internal: Listener = Listener::At(Address::new("127.0.0.1:3001"));
        /// The address under which web pages reach the public listener, with the path that a reverse proxy removes, such as `https://example.com/realtime`: browsers are sent there with their tickets (`auth.tickets`). When it is absent, it is the one that the request was sent to.
        public_url: Option<PublicUrl> = None;
        /// The names under which the internal listener is reached, beside loopback names and IP addresses, such as that of a container; requests for others get 421, so that no web page reads it through its visitor's browser (DNS rebinding).
        hosts: Vec<HostName> = Vec::new();
        /// Whether this holds for the public listener, too; it does in development mode.
        check_hosts: bool = false;
        /// How long the server keeps serving after it was told to stop. During this time `/health/ready` answers 503, so that load balancers choose another server.
        shutdown_delay: Duration = Duration::ZERO;
        /// The time over which a server that stops closes its connections one after another, so that the clients do not all reconnect at once.
        drain_time: Duration = Duration::from_secs(5);
        /// The reverse proxies, as addresses or networks, whose forwarded headers are trusted.
        trusted_proxies: Vec<Proxy> = Vec::new();
        /// The headers of these proxies: `x-forwarded` for `X-Forwarded-For`, `-Proto` and `-Host`, or `forwarded` for `Forwarded` (RFC 7239).
        forwarded_header: ForwardedHeader = ForwardedHeader::XForwarded;
        /// The size of the send buffer of each socket in the kernel (`SO_SNDBUF`; Linux doubles it, and `net.core.wmem_max` limits it). A client that does not read can have this much queued beyond `hub.transport_max_buffer_size`.
        send_buffer_size: ByteSize = ByteSize::kibibytes(256);
    }
    /// TLS. With a certificate, the listeners for clients speak TLS only. How certificates are made and renewed is on the page about TLS.
    tls: Tls {
        /// The file with the certificate and those between it and a root, its own first, in PEM. Needs `tls.key`.
        certificate: Option<PemFile> = None;
        /// The file with the private key of the certificate, in PEM: PKCS#8, SEC1 or PKCS#1, without a password; RSA with 2048 bits or more, ECDSA or Ed25519.
        key: Option<PemFile> = None;
        /// The oldest version of TLS that is accepted: `1.2` or `1.3`.
        minimum_version: MinimumTlsVersion = MinimumTlsVersion::Tls12;
        /// How often these files, and the key files of `auth.issuers` and `dialects.printfactory.keys`, are looked at; a change of their content is then used. SIGHUP does the same at once.
        reload_interval: ReloadInterval = ReloadInterval::default();
        /// How long a client may take for the TLS handshake.
        handshake_timeout: Duration = Duration::from_secs(10);
        /// The file with the certificates of the authorities whose client certificates are accepted, in PEM. Needs `tls.client_auth`.
        client_ca: Option<PemFile> = None;
        /// Whether publishers are asked for a certificate: `none`, `optional` or `required`. It applies to `publish.listen` alone if that is set, else to `listen.public`, where web pages and all other clients are then asked, too. Needs `tls.client_ca`.
        client_auth: ClientCertificates = ClientCertificates::None;
        /// Whether the internal listener speaks TLS, too.
        internal: bool = false;
    }
    /// Who may connect.
    auth: Auth {
        /// The secret that tokens are signed with (HS256). Without one, and without `auth.issuers`, the server runs in development mode, on this machine only.
        secret: Option<SigningSecret> = None;
        /// The only issuer (`iss`) whose tokens are accepted; any when it is absent.
        issuer: Option<String> = None;
        /// The audience (`aud`) that tokens must be for; any when it is absent.
        audience: Option<String> = None;
        /// The clock difference that is tolerated when the times of a token are checked: a token is accepted for this time after it has expired.
        leeway: Leeway = Leeway::default();
        /// How often the keys of issuers are fetched (`discovery`, or `jwks` with a URL). `Cache-Control: max-age` of their answer wins, up to 24 hours.
        jwks_refresh: Duration = Duration::from_secs(15 * 60);
        /// The shortest time between two fetches, whatever `max-age` says; a second at least. A token whose key is not known has the keys fetched at once, if the last fetch is older than this.
        jwks_minimum_interval: Duration = Duration::from_secs(30);
        /// For how long the last keys are used while no new ones can be fetched; then no token of the issuer is accepted.
        jwks_stale: Duration = Duration::from_secs(24 * 60 * 60);
        /// The claim that names the user.
        user_claim: String = "sub".to_owned();
        /// The claim that names the organisation.
        organisation_claim: String = "org".to_owned();
        /// What a token without a `grants` claim may subscribe to: `all` events or `none`.
        default_grants: DefaultGrants = DefaultGrants::All;
        /// Which clients get a ticket in place of their token when they negotiate, so that no URL contains the token: `browsers` (negotiations with `Origin`), `all` or `off`. A ticket opens one connection. It costs one more request per connection.
        tickets: TicketClients = TicketClients::Browsers;
        /// How long a ticket waits for its client, and after each negotiation for the next one, which comes if a transport cannot be opened. `limits.pending_negotiations` and its parts limit the tickets that wait.
        ticket_lifetime: Duration = Duration::from_secs(15);
        /// How long a revocation of the admin API is kept, in memory and in a cluster in Redis: the longest lifetime of a token. A token that lives longer is accepted again afterwards.
        revocation_memory: Duration = Duration::from_secs(24 * 60 * 60);
        /// Whether a token needs an organisation to publish. Without it, a token with a `publish` claim and no organisation may publish for every organisation.
        publish_requires_organisation: bool = false;
        /// Whether clients may replace the token of an open connection with `POST {hub}/refresh`, as clients of SignalR in .NET 11 do. Negotiations then tell them for how long their token is still valid. The method `Refresh` of the hub does the same for other clients, whatever this key says.
        refresh_endpoint: bool = false;
        /// Issuers of tokens with keys and rules of their own, such as identity providers: one table for each. The claim `iss` of a token chooses the table; tokens of other issuers are accepted if `auth.secret` signed them. The page `identity-providers.md` has examples.
        issuers: Tables<TokenIssuer> = Tables::default();
    }
    /// Limits and times of the hub, named as the original's options.
    hub: HubLimits {
        /// How long after its last message a client is pinged.
        keep_alive_interval: Duration = Duration::from_secs(15);
        /// How long a client that has pinged once may be silent before its connection ends.
        client_timeout_interval: Duration = Duration::from_secs(30);
        /// How long a client may take for its handshake.
        handshake_timeout: Duration = Duration::from_secs(15);
        /// The longest message of a client.
        maximum_receive_message_size: ByteSize = ByteSize::kibibytes(32);
        /// How many calls of one client run at the same time; further calls wait.
        maximum_parallel_invocations_per_client: NonZeroUsize = count(1);
        /// How many items of a client's stream may wait for their method.
        stream_buffer_capacity: NonZeroUsize = count(10);
        /// How many streams one client may have open at the same time, in both directions together. A call that would open more is answered with an error.
        maximum_streams_per_client: NonZeroUsize = count(1_000);
        /// How long a client may read nothing while messages or answers are queued for it, before it is closed as too slow.
        transport_send_timeout: Duration = Duration::from_secs(10);
        /// How much may be queued for a client, before it is closed as too slow; a single larger message is allowed in an empty queue. Set it above the largest burst: while more than half of it is queued for a client that reads, publishers wait, each request for at most a second.
        transport_max_buffer_size: ByteSize = ByteSize::kibibytes(16 * 1024);
        /// How long a poll (long polling) waits for messages.
        poll_timeout: Duration = Duration::from_secs(90);
        /// The lowest version of negotiation that is accepted. In version 0, which clients before 3.0 use, the id of a connection, which others may know, is also the token that opens it; 1 forbids that.
        minimum_protocol_version: NegotiateVersion = NegotiateVersion::Zero;
        /// Whether clients that ask for stateful reconnect may resume their connection after its WebSocket was lost, without loss of messages.
        stateful_reconnect: bool = false;
        /// How many bytes of messages a client with stateful reconnect may leave unacknowledged, before answers and streams wait for its acknowledgements.
        stateful_reconnect_buffer_size: ByteSize = ByteSize::new(100_000);
        /// How long a connection without a transport waits for its client: with stateful reconnect, or between two polls.
        disconnect_timeout: Duration = Duration::from_secs(15);
        /// How long running calls may go on when the server stops, before their connection ends.
        shutdown_grace: Duration = Duration::from_secs(3);
        /// Whether clients get a Close message that allows reconnecting when the server stops, before their connections end. Clients come back without it, and old ones only without it.
        close_message_on_shutdown: bool = false;
        /// Whether clients read the texts of internal failures.
        enable_detailed_errors: bool = false;
        /// Whether `OnEvent` has the header `traceparent`, for events that were published with one. Official clients ignore it.
        trace_header: bool = false;
    }
    /// Limits of the server. Connections beyond a limit are refused with 503, or 429 where one client has too much, and `Retry-After`.
    limits: Limits {
        /// How many connections there may be in all.
        connections: Maximum = Maximum::of(100_000);
        /// How many connections one user of an organisation may have.
        connections_per_user: Maximum = Maximum::of(20_000);
        /// How many connections may come from one address (of IPv6, one /64). Behind a reverse proxy this needs `listen.trusted_proxies`.
        connections_per_address: Maximum = Maximum::of(20_000);
        /// How many sockets one address (of IPv6, one /64) may have open, whatever they are used for: `quarter` of the open files that the process may have, a number, or `unlimited`. A socket of a trusted proxy counts for the client whose requests it carries.
        sockets_per_address: SocketShare = SocketShare::Quarter;
        /// How many negotiated connections may wait for their transport.
        pending_negotiations: NonZeroUsize = count(10_000);
        /// How many of them one user of an organisation may have; a quarter of `limits.pending_negotiations` when it is absent.
        pending_negotiations_per_user: Option<NonZeroUsize> = None;
        /// How many of them may come from one address (of IPv6, one /64); half of `limits.pending_negotiations` when it is absent.
        pending_negotiations_per_address: Option<NonZeroUsize> = None;
        /// For how long a negotiated connection waits for its transport.
        negotiation_lifetime: Duration = Duration::from_secs(15);
        /// How long a client may take to send the head of a request.
        header_timeout: Duration = Duration::from_secs(10);
        /// How long the head of a request may be; a longer one gets 431, and so does one of more than 100 header fields.
        maximum_head_size: ByteSize = ByteSize::kibibytes(32);
        /// How long a client may take to send the body of a request, on every route; then it gets 408. For publishes there is `publish.body_timeout` beside it.
        body_timeout: Duration = Duration::from_secs(30);
        /// How long a socket may be open between two requests.
        idle_timeout: Duration = Duration::from_secs(130);
        /// How much may be queued for all clients together, beyond a sixteenth of `hub.transport_max_buffer_size` for each. The second half is for clients that read; a client that needs more is closed as too slow.
        queued_bytes: ByteSize = ByteSize::kibibytes(1024 * 1024);
        /// How many subscriptions one connection may have; a further one is refused.
        subscriptions_per_connection: NonZeroUsize = count(1_000);
        /// How many bytes the names in the subscriptions of one connection may have together: of each its event, and its resource if it has one. A single name may have 256 bytes.
        subscription_bytes_per_connection: ByteSize = ByteSize::kibibytes(128);
        /// How often one connection may call; a call above it is answered with an error.
        invocation_rate: CallRateLimit = CallRateLimit::per_second(1000);
        /// How many wrong API keys and tokens may come from one address (of IPv6, one /64), at the hub and the publish API together; further ones get 429 until some time has passed. Valid tokens and keys are accepted all the same, keys under 20 characters only while the address is below the limit. Behind a reverse proxy this needs `listen.trusted_proxies`.
        failed_authentications: RateLimit = RateLimit::new(60, Duration::from_secs(60));
        /// How many file descriptors are kept free for the rest of the process (on Linux), beside 32 for the internal listener and 32 for `publish.listen`. When there are no others left, the sockets that have been idle for the longest time are closed in favour of new ones.
        file_descriptor_headroom: usize = 64;
    }
    /// The admin API and the console, on the internal listener.
    admin: Admin {
        /// The token of the admin API, of at least 32 bytes, which operators send as `Authorization: Bearer`. Without it nothing can be changed, and only a listener on a loopback address can be read. Development mode makes one.
        token: Option<SigningSecret> = None;
        /// Whether the internal listener has the console, a page for web browsers.
        console: bool = true;
        /// More names under which the internal listener is reached, as `listen.hosts` has them; the public listener does not get these.
        hosts: Vec<HostName> = Vec::new();
        /// Whether the admin API and the console show the payloads of events; they do in development mode.
        show_payloads: bool = false;
    }
    /// The page of metrics, on the internal listener.
    metrics: Metrics {
        /// Whether the page tells about the process, too: processor time, memory and file descriptors (`process_*`, on Linux).
        process: bool = true;
    }
    /// Which web pages may use the hub. Pages of the server's own origin always may. So may clients that are not web pages: those that send no `Origin`, or a valid bearer token in `Authorization`.
    cors: Cors {
        /// The origins of other pages, such as `https://app.example.com`, and of applications with a scheme of their own, such as `capacitor://localhost` or `file://`. `null` admits pages without an origin of their own, which any site can put into a sandboxed frame.
        origins: Vec<WebOrigin> = Vec::new();
        /// Whether pages of this machine (`localhost`, `127.0.0.1`, `[::1]`, with any port) may too; they may in development mode.
        allow_loopback: bool = false;
    }
    /// The publish API.
    publish: Publish {
        /// The address of a listener of its own for the publish API and `/openapi.json`, which are then not on `listen.public`; empty for none. It has `/health`, too, and speaks TLS if there is a certificate.
        listen: Listener = Listener::Off;
        /// The API keys that may publish everything; outside development mode of at least 20 characters.
        keys: Vec<ApiKey> = Vec::new();
        /// Programs that publish, each with a name, a key and rights of its own: one table for each key. The page `publishing.md` has examples.
        clients: Tables<PublishClient> = Tables::default();
        /// The longest body of a request.
        maximum_body_size: ByteSize = ByteSize::kibibytes(1024);
        /// How long a body may take to arrive.
        body_timeout: Duration = Duration::from_secs(30);
        /// The most notifications in one batch.
        maximum_batch_size: NonZeroUsize = count(1_000);
        /// How many notifications each API key, each user of a token and each `MisKey` may publish; the same number may come at once.
        rate: RateLimit = RateLimit::new(10_000, Duration::from_secs(1));
        /// How long a repeated publish is recognised by its idempotency key. With `history.store = "disk"` the key is known after a restart, too.
        idempotency_window: Duration = Duration::from_secs(10 * 60);
        /// How many idempotency keys are remembered at once; beyond them the oldest is forgotten early. Each takes about 100 bytes.
        idempotency_keys: NonZeroUsize = count(100_000);
        /// How long a publish with `wait=delivered` waits for the clients that get it.
        wait_timeout: Duration = Duration::from_secs(5);
    }
    /// The events beside the two of Portos.
    events: Events {
        /// The names of events whose payload names a resource (`n`) and an action (`a`).
        with_resources: Vec<EventName> = Vec::new();
        /// The names of events without resources.
        without_resources: Vec<EventName> = Vec::new();
        /// Whether undeclared events are accepted too.
        allow_unknown: bool = false;
        /// For how many undeclared events the server counts positions, beside those with subscribers. Those that were not published for the longest time are forgotten, and continue at a higher position if they are published again.
        maximum_unknown: NonZeroUsize = count(10_000);
    }
    /// The history of events, from which clients that were away get what they have missed (`since` of `Subscribe`). What is promised is on the page about the history.
    history: HistorySettings {
        /// Where events are kept: on `disk`, which outlives the server; in `memory`, until the server stops; or nowhere (`off`). A cluster keeps them in Redis, whatever is set here.
        store: HistoryStore = HistoryStore::Memory;
        /// The directory of the history on disk. Only one server may use it. It is made if it is missing; the directory above it must exist.
        directory: Option<HistoryDirectory> = None;
        /// How many events of one name are kept. Without it: 10 000 on disk, 1 000 in memory.
        events: Option<NonZeroUsize> = None;
        /// How many bytes the kept events of one name may take. Without it: 16 MiB on disk, 4 MiB in memory.
        bytes: Option<ByteSize> = None;
        /// How long an event is kept. Without it: 24 hours on disk, one hour in memory.
        age: Option<Duration> = None;
        /// How many bytes the kept events of all names may take together; the oldest are removed first. Without it: 1 GiB on disk and in a cluster, 64 MiB in memory.
        maximum_bytes: Option<ByteSize> = None;
        /// Other limits for some event names, with the keys `events`, `bytes` and `age`.
        overrides: HistoryOverrides = HistoryOverrides::default();
        /// How long after its publish an event on disk may wait until a crash of the machine cannot lose it. `0s`: every event is so before any client gets it.
        sync_interval: Duration = Duration::from_secs(1);
        /// How many events may wait to be written to the disk before publishers wait.
        queue: NonZeroUsize = count(4_096);
        /// How many matching events one `Subscribe` with `since` may get. A client that has missed more gets none of them, and is told so.
        replay_limit: NonZeroUsize = count(10_000);
        /// How many events one `Subscribe` with `since` may look at, whether they match or not. A client for which there are more gets none of them, and is told so.
        scan_limit: NonZeroUsize = count(1_000_000);
        /// How many pages of events, of at most 256 each, are read from the disk at the same time; more wait in turn.
        replays: NonZeroUsize = count(64);
        /// How many undeclared events (`events.allow_unknown`) have a history. Further ones are published without one; in a cluster they are refused.
        names: NonZeroUsize = count(1_024);
    }
    /// A cluster of nodes on Redis or Valkey. All nodes need the same servers, secrets and prefixes. What is promised is on the page about the cluster.
    cluster: ClusterSettings {
        /// The Redis or Valkey servers, independent primaries, the same ones in the same order on all nodes; empty for no cluster. Each URL begins with `redis://`, `rediss://` (TLS), `redis+sentinel://` or `rediss+sentinel://`. Redis Cluster is not supported.
        redis: RedisUrls = RedisUrls::default();
        /// The user for those servers whose URL has neither a user nor a password.
        redis_username: Option<String> = None;
        /// The password for them.
        redis_password: Option<Password> = None;
        /// The file with the certificates of the authorities that may issue the certificates of Redis, in PEM; those of the system when it is absent.
        redis_tls_ca: Option<PemFile> = None;
        /// The secrets that all nodes share, of at least 32 bytes each. They sign connection tokens and the requests that nodes forward: the first one signs, and all of them verify.
        secret: Vec<SigningSecret> = Vec::new();
        /// The name of this node, which must differ from those of the others. Random when it is absent; a name that stays makes logs readable.
        node: Option<ClusterNodeName> = None;
        /// The address at which this node accepts the requests that other nodes forward. Needed in a cluster. Clients should not reach it.
        listen: Listener = Listener::Off;
        /// The address at which other nodes reach `cluster.listen`; the same one when it is absent. Without `cluster.tls` it must be private.
        advertise: Option<AdvertisedAddress> = None;
        /// Whether nodes speak TLS with each other, with `tls.certificate` and `tls.key`.
        tls: bool = false;
        /// The file with the certificates of the authorities that may issue the certificates of other nodes, in PEM; those of the system when it is absent.
        tls_ca: Option<PemFile> = None;
        /// What the keys of signalhub in Redis begin with. Clusters that share a server need different ones.
        prefix: KeyPrefix = KeyPrefix::new("signalhub:");
        /// What the channels of hubs begin with, as `ChannelPrefix` of ASP.NET Core SignalR; nodes of ASP.NET Core that share the hub need the same.
        channel_prefix: KeyPrefix = KeyPrefix::default();
        /// The name of the hub in the channels: the full name of its class where nodes of ASP.NET Core share it.
        hub: String = "Signalhub.MainHub".to_owned();
        /// How long a publish waits for Redis, before it is refused with 503.
        publish_patience: Duration = Duration::from_secs(2);
        /// How long a publish with `wait=matched` or `wait=delivered` waits for the counts of the other nodes.
        receipt_timeout: Duration = Duration::from_millis(500);
        /// How long a call of a client's method waits for its result, if the client is connected to another node.
        result_timeout: Duration = Duration::from_secs(30);
        /// Whether `/health/ready` answers 200 while Redis cannot be reached. Clients are better off connected than nowhere.
        ready_when_severed: bool = true;
        /// Whether connections that cannot be told about a gap in their events are closed, so that they begin anew.
        close_on_gap: bool = false;
        /// How many replicas of Redis should have an event before its publisher is answered; fewer are told in the receipt. Each publish then takes the time of a round trip to the replicas longer; while one is missing, each takes 100 to 200 ms.
        wait_replicas: usize = 0;
    }
    /// The dialect of PrintFactory, for listeners that connect with a `MisKey`, on a listener of its own with the TLS and the limits of the public one. The page `printfactory.md` tells what is the same as at the vendor's server.
    printfactory at "dialects.printfactory": PrintFactory {
        /// The address of the dialect; empty for none. While it is on, there are the events `printfactory.job.changed`, `printfactory.device.changed`, `printfactory.nest.changed` and `printfactory.automation-job.changed`.
        listen: Listener = Listener::Off;
        /// The file with the keys, as hashes. `signalhub miskey` changes it. The running server looks at it every `tls.reload_interval`, and at SIGHUP. It is made when the first key is generated. With `cluster.redis` it is not used: the keys are in Redis.
        keys: MisKeysPath = MisKeysPath::new("miskeys.json");
        /// What happens when a connected organisation connects once more: `replace` closes the old connection with 4409, `refuse` answers the new one with 409.
        second_connection: SecondConnection = SecondConnection::Replace;
        /// The longest body of a request that publishes the status of a device or a job.
        maximum_body_size: ByteSize = ByteSize::kibibytes(64);
    }
    /// The dialect of Forcepoint SMC, for its API clients, on a listener of its own with the TLS and the limits of the public one. The page about it says what is the same as at the vendor's server.
    smc at "dialects.smc": Smc {
        /// The address of the dialect; empty for none. While it is on, there is the event `smc.elements.changed`.
        listen: Listener = Listener::Off;
        /// Who may log in.
        accounts: Tables<SmcAccount> = Tables::default();
        /// The versions of the API, as the first segment of paths. The list that clients get names those of two numbers, oldest first. The vendor's Python client takes the first one, unless it is told another.
        versions: Vec<Version> = smc::default_versions();
        /// The types of elements: what events may be about, and what contexts may name.
        element_types: Vec<ElementType> = smc::default_element_types();
        /// How clients send their session: in `cookies`, or as `tokens` in `Authorization` and the subprotocol of the socket.
        session_tracking: SmcSessionTracking = SmcSessionTracking::Cookies;
        /// After how much time without a request and without an open socket a session ends.
        session_idle_time: Duration = Duration::from_secs(30 * 60);
        /// How many sessions there may be in all; a login beyond it gets 503.
        sessions: NonZeroUsize = count(10_000);
        /// How many sessions one account may have; a login beyond it gets 429.
        sessions_per_account: NonZeroUsize = count(1_000);
        /// How many sessions may come from one address (of IPv6, one /64); a login beyond it gets 429.
        sessions_per_address: NonZeroUsize = count(1_000);
        /// How many subscriptions one socket may have; a context beyond them is answered with a failure.
        contexts_per_connection: NonZeroUsize = count(100);
        /// How many bytes of bodies of elements are kept for clients that ask for them; the oldest are dropped first.
        element_body_bytes: ByteSize = ByteSize::kibibytes(16 * 1024);
        /// The URL in links to elements, such as `https://smc.example.com:8082`. When it is absent, it is the scheme and the host that the client uses.
        public_url: Option<PublicUrl> = None;
    }
    /// The log, which goes to the standard error stream.
    log: Log {
        /// What is logged: `error`, `warn`, `info`, `debug`, `trace`, or a filter such as `info,signalhub=debug`; `RUST_LOG` wins over it, unless it is empty.
        level: LogFilter = LogFilter::info();
        /// How it is written: `text` or `json`.
        format: LogFormat = LogFormat::Text;
        /// Whether there is an access log, whatever `log.level` says: one line at `info` with the target `signalhub::access` for each connection that ends, and for each notification of a publisher.
        access: bool = false;
    }
}

impl Auth {
    /// Tells whether tokens can be verified. Otherwise the server runs in development mode.
    pub(crate) fn has_keys(&self) -> bool {
        self.secret.is_some() || !self.issuers.is_empty()
    }
}

#[cfg(test)]
mod tests;
