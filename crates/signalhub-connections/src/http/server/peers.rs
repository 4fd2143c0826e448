//! Lets the kernel detect clients that have vanished, such as those whose network or machine has failed.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

/// After how much idle time the first keep-alive probe is sent.
const KEEP_ALIVE_TIME: Duration = Duration::from_secs(30);

/// The time between two probes.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// After how many probes without an answer the socket is closed.
const KEEP_ALIVE_RETRIES: u32 = 3;

/// How long a peer may acknowledge nothing before the socket is closed: 30 s of idle time and three probes.
const VANISHED: Duration = Duration::from_secs(60);

/// The longest time for acknowledgements that Linux takes (tcp(7)): an `int` of milliseconds, which is almost 25 days.
const LONGEST: Duration = Duration::from_millis(i32::MAX.unsigned_abs() as u64);

/// Sets the options that close sockets whose peer has vanished. Sockets that a listener accepts inherit them.
///
/// Keep-alive (`SO_KEEPALIVE`) detects vanished peers of idle sockets, and a maximum time for acknowledgements
/// (`TCP_USER_TIMEOUT`, on Linux) those to which something was sent. The latter also applies to a live peer that does not
/// read, so it is at least the send timeout, as far as the kernel's maximum permits.
pub(super) fn watch(socket: &SockRef<'_>, send_timeout: Duration) -> io::Result<()> {
    let keep_alive = TcpKeepalive::new()
        .with_time(KEEP_ALIVE_TIME)
        .with_interval(KEEP_ALIVE_INTERVAL)
        .with_retries(KEEP_ALIVE_RETRIES);
    socket.set_tcp_keepalive(&keep_alive)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(send_timeout.clamp(VANISHED, LONGEST)))?;
    #[cfg(not(target_os = "linux"))]
    let _ = (VANISHED, LONGEST, send_timeout);
    Ok(())
}
