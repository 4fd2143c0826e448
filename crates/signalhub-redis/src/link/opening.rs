//! Opens connections to a Redis server: socket, TLS, sentinels, password, and whether the server can be used.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use redis::aio::{MultiplexedConnection, PubSub};
use redis::{AsyncConnectionConfig, ErrorKind, ProtocolVersion, RedisConnectionInfo, RedisError};
use signalhub_tls_client::{CaError, TlsClient, TlsProblem};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::address::{HostPort, Place, RedisAddress};
use super::sentinels::{self, Named};
use super::{RESPONSE_TIMEOUT, RedisSettings};

/// How long it may take until a connection is open and its server was asked what it is.
const OPEN_TIMEOUT: Duration = Duration::from_secs(3);

/// What reads and writes the socket of a connection. It ends when the connection is lost.
pub type Driver = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A stream of bytes, with TLS or without.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// How connections to one server are opened.
pub(super) struct Opener {
    address: RedisAddress,
    info: RedisConnectionInfo,
    tls: Option<TlsClient>,
}

/// The settings of the servers cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenerError {
    /// There is no address.
    #[error("a cluster needs the address of a Redis server")]
    NoAddress,
    /// The certificates of authorities cannot be used.
    #[error("the certificates of the authorities of Redis cannot be used: {0}")]
    Ca(#[from] CaError),
}

/// A connection to a Redis server cannot be opened, or the server cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// Nothing answers at its address.
    #[error("{address} cannot be reached: {error}")]
    Unreachable {
        /// The host and the port.
        address: String,
        /// The error of the system.
        #[source]
        error: io::Error,
    },
    /// Its certificate is not accepted.
    #[error("{address}: {problem}")]
    Tls {
        /// The host and the port.
        address: String,
        /// What is wrong with it.
        problem: TlsProblem,
    },
    /// It did not answer in time.
    #[error("the server does not answer")]
    Silent,
    /// It refuses the user or the password.
    #[error("the server refuses the user or the password")]
    Credentials,
    /// It is a part of a Redis Cluster.
    #[error(
        "the server is a part of a Redis Cluster, which is not supported, because one XREAD cannot read several slots: list independent primaries instead"
    )]
    Cluster,
    /// It is a replica.
    #[error("the server is a replica, and a primary is needed")]
    Replica,
    /// The sentinels name another server than the one that the link for commands leads to.
    #[error("the sentinels name another primary than before")]
    Moved,
    /// No sentinel knows the primary.
    #[error("no sentinel knows the primary \"{0}\"")]
    NoPrimary(String),
    /// It answers otherwise than expected.
    #[error("the server answers: {0}")]
    Answer(#[from] RedisError),
}

impl LinkError {
    /// Whether trying again cannot help before the configuration is changed.
    #[must_use]
    pub const fn is_permanent(&self) -> bool {
        matches!(self, Self::Credentials | Self::Cluster | Self::Tls { .. })
    }
}

impl Opener {
    /// Reads the settings.
    pub(super) fn all(settings: &RedisSettings) -> Result<Vec<Self>, OpenerError> {
        let needs_tls = settings.addresses.iter().any(RedisAddress::is_encrypted);
        let tls = match (&settings.tls_ca, needs_tls) {
            (Some(pem), _) => Some(TlsClient::with_ca(pem)?),
            (None, true) => Some(TlsClient::with_system_roots()),
            (None, false) => None,
        };
        if settings.addresses.is_empty() {
            return Err(OpenerError::NoAddress);
        }
        let opener = |address: &RedisAddress| {
            let own = address.has_credentials();
            let username = if own { &address.username } else { &settings.username };
            let password = if own { &address.password } else { &settings.password };
            let info = RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP2).set_db(address.database);
            let info = info.set_lib_name("signalhub", env!("CARGO_PKG_VERSION"));
            let info = username.iter().fold(info, RedisConnectionInfo::set_username);
            let info = password.iter().fold(info, RedisConnectionInfo::set_password);
            Self { address: address.clone(), info, tls: tls.clone().filter(|_| address.is_encrypted()) }
        };
        Ok(settings.addresses.iter().map(opener).collect())
    }

    pub(super) const fn address(&self) -> &RedisAddress {
        &self.address
    }

    /// Opens a connection for commands to the primary, and tells where that is.
    pub(super) async fn open(&self) -> Result<(HostPort, MultiplexedConnection, Driver), LinkError> {
        in_time(async {
            let server = self.primary().await?;
            let (connection, driver) = self.set_up(self.stream(&server).await?).await?;
            Ok((server, connection, driver))
        })
        .await
    }

    /// Opens a connection to the primary, for a caller that reads and writes its bytes. The client library has authenticated it and
    /// chosen the database.
    pub(super) async fn open_stream(&self) -> Result<(HostPort, Box<dyn Stream>), LinkError> {
        in_time(async {
            let server = self.primary().await?;
            let (lent, returned) = Lent::new(self.stream(&server).await?);
            // Every answer was read, so dropping both loses nothing that was received.
            drop(self.set_up(lent).await?);
            Ok((server, returned.await.map_err(|_| LinkError::Silent)?))
        })
        .await
    }

    /// Authenticates a connection, and checks its server.
    async fn set_up(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> Result<(MultiplexedConnection, Driver), LinkError> {
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(RESPONSE_TIMEOUT));
        let opened = MultiplexedConnection::new_with_config(&self.info, stream, config).await;
        let (connection, driver) = opened.map_err(answer)?;
        let mut driver: Driver = Box::pin(driver);
        tokio::select! {
            checked = check(&connection) => checked?,
            () = &mut driver => return Err(LinkError::Silent),
        }
        Ok((connection, driver))
    }

    /// Opens a connection for subscriptions to the primary, and tells where that is. A replica passes on what is published at its primary,
    /// late: so the caller has an open link for commands, which is checked.
    pub(super) async fn open_channels(&self) -> Result<(HostPort, PubSub), LinkError> {
        in_time(async {
            let server = self.primary().await?;
            let channels = PubSub::new(&self.info, self.stream(&server).await?).await.map_err(answer)?;
            Ok((server, channels))
        })
        .await
    }

    /// Where the primary is.
    async fn primary(&self) -> Result<HostPort, LinkError> {
        match &self.address.place {
            Place::At(server) => Ok(server.clone()),
            Place::Sentinels { primary, .. } => {
                let named = self.named().await;
                named.map(|named| named.server).ok_or_else(|| LinkError::NoPrimary(primary.clone()))
            }
        }
    }

    /// What the sentinels name as the primary. `None` if none of them knows, or there are none.
    pub(super) async fn named(&self) -> Option<Named> {
        let Place::Sentinels { sentinels, primary } = &self.address.place else { return None };
        let ask = async |sentinel: HostPort| {
            let asked = self.ask(&sentinel, primary).await;
            asked.inspect_err(|error| tracing::debug!(%sentinel, %error, "a sentinel does not answer")).ok().flatten()
        };
        sentinels::ask_all(sentinels, ask).await
    }

    /// Asks a sentinel for the address of the primary. Sentinels get no password: most have none.
    async fn ask(&self, sentinel: &HostPort, primary: &str) -> Result<Option<HostPort>, LinkError> {
        let info = RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP2).set_skip_set_lib_name();
        let stream = self.stream(sentinel).await?;
        let (mut connection, driver) = MultiplexedConnection::new(&info, stream).await.map_err(answer)?;
        let mut command = redis::cmd("SENTINEL");
        command.arg("get-master-addr-by-name").arg(primary);
        let asked = async {
            let address: Option<(String, u16)> = command.query_async(&mut connection).await.map_err(answer)?;
            Ok(address.map(|(host, port)| HostPort { host, port }))
        };
        tokio::select! {
            answered = asked => answered,
            () = driver => Err(LinkError::Silent),
        }
    }

    async fn stream(&self, server: &HostPort) -> Result<Box<dyn Stream>, LinkError> {
        let address = || server.to_string();
        let unreachable = |error| LinkError::Unreachable { address: address(), error };
        let socket = TcpStream::connect((server.host.as_str(), server.port)).await.map_err(unreachable)?;
        socket.set_nodelay(true).map_err(unreachable)?;
        let Some(tls) = &self.tls else { return Ok(Box::new(socket)) };
        match tls.connect(&server.host, socket).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) => Err(match TlsProblem::of(&error) {
                Some(problem) => LinkError::Tls { address: address(), problem },
                None => unreachable(error),
            }),
        }
    }
}

/// A stream that is lent to the client library, and is returned when that drops it.
struct Lent {
    /// Absent once it is returned.
    stream: Option<Box<dyn Stream>>,
    owner: Option<oneshot::Sender<Box<dyn Stream>>>,
}

impl Lent {
    fn new(stream: Box<dyn Stream>) -> (Self, oneshot::Receiver<Box<dyn Stream>>) {
        let (owner, returned) = oneshot::channel();
        (Self { stream: Some(stream), owner: Some(owner) }, returned)
    }

    fn stream(&mut self) -> io::Result<Pin<&mut Box<dyn Stream>>> {
        self.stream.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some((owner, stream)) = self.owner.take().zip(self.stream.take()) {
            // The opening may have been given up.
            drop(owner.send(stream));
        }
    }
}

impl AsyncRead for Lent {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_read(context, into)
    }
}

impl AsyncWrite for Lent {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.stream()?.poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_shutdown(context)
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Opener").field(&self.address).finish()
    }
}

async fn in_time<T>(opening: impl Future<Output = Result<T, LinkError>>) -> Result<T, LinkError> {
    tokio::time::timeout(OPEN_TIMEOUT, opening).await.unwrap_or(Err(LinkError::Silent))
}

fn answer(error: RedisError) -> LinkError {
    match error.kind() {
        ErrorKind::AuthenticationFailed => LinkError::Credentials,
        _ if matches!(error.code(), Some("WRONGPASS" | "NOAUTH")) => LinkError::Credentials,
        _ => LinkError::Answer(error),
    }
}

/// Refuses a server that a cluster cannot use. A server that forbids `INFO` is believed to be a primary.
async fn check(connection: &MultiplexedConnection) -> Result<(), LinkError> {
    if section(connection, "cluster").await?.is_some_and(|info| has(&info, "cluster_enabled:1")) {
        return Err(LinkError::Cluster);
    }
    check_role(connection).await
}

/// Refuses a replica: after a failover the old primary may become one while its sockets stay open.
pub(super) async fn check_role(connection: &MultiplexedConnection) -> Result<(), LinkError> {
    match section(connection, "replication").await? {
        Some(info) if has(&info, "role:slave") => Err(LinkError::Replica),
        _ => Ok(()),
    }
}

/// A part of what the server says about itself; `None` if it forbids the question.
async fn section(connection: &MultiplexedConnection, name: &str) -> Result<Option<String>, LinkError> {
    match redis::cmd("INFO").arg(name).query_async(&mut connection.clone()).await {
        Ok(info) => Ok(Some(info)),
        Err(error) if matches!(error.code(), Some("NOPERM")) => Ok(None),
        Err(error) => Err(answer(error)),
    }
}

fn has(info: &str, line: &str) -> bool {
    info.lines().any(|found| found.trim_end() == line)
}

/// The policy by which a server removes keys when its memory is full. Only `noeviction` keeps what a cluster needs. `None` if the
/// server does not say.
pub(super) async fn eviction_policy(connection: &MultiplexedConnection) -> Option<String> {
    let info = section(connection, "memory").await.ok()??;
    info.lines().find_map(|line| line.strip_prefix("maxmemory_policy:")).map(|policy| policy.trim_end().to_owned())
}
