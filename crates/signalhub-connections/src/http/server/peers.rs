//! Has the kernel notice peers that have vanished: whose network has died, or whose machine is gone without a word.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

/// After how much silence the peer is asked whether it is still there.
const KEEP_ALIVE_TIME: Duration = Duration::from_secs(30);

/// How long it has for each answer.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// How often it is asked.
const KEEP_ALIVE_RETRIES: u32 = 3;

/// After how long a peer that acknowledges nothing is taken for gone: 30 s of silence and three questions.
const VANISHED: Duration = Duration::from_secs(60);

/// The longest time for acknowledgements that Linux takes (tcp(7)): an `int` of milliseconds, which is almost 25 days.
const LONGEST: Duration = Duration::from_millis(i32::MAX.unsigned_abs() as u64);

/// Sets the options by which sockets end whose peer has vanished. Those that a listener accepts inherit them.
///
/// Keep-alive (`SO_KEEPALIVE`) finds peers of idle sockets, a maximum time for acknowledgements (`TCP_USER_TIMEOUT`, on
/// Linux) those that something was sent to. The latter also counts for a peer that is there and reads nothing, so it is
/// never shorter than what such a one is given, as far as the kernel can count.
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
