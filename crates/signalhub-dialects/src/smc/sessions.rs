//! Sessions: what a login gives, and a logout or a long silence ends.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use signalhub_connections::Outbound;
use tokio::time::Instant;

use super::accounts::Account;

/// How many sessions there may be. A login beyond a limit is refused.
#[derive(Clone, Copy, Debug)]
pub struct SessionLimits {
    /// In all.
    pub total: usize,
    /// Of one account.
    pub per_account: usize,
    /// From one address; an IPv6 /64 counts as one.
    pub per_address: usize,
}

/// A limit that a login exceeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum LoginRefusal {
    #[error("there are too many sessions on this server")]
    TooMany,
    #[error("there are too many sessions of this account")]
    TooManyOfAccount,
    #[error("there are too many sessions from this address")]
    TooManyOfAddress,
    /// The system gives no random bytes for a token.
    #[error("the server cannot make a session")]
    NoRandom,
}

/// All sessions, by their tokens.
pub(super) struct Sessions {
    limits: SessionLimits,
    idle_time: Duration,
    sessions: Mutex<HashMap<Arc<str>, Arc<Session>>>,
}

/// One session.
pub(super) struct Session {
    account: Arc<Account>,
    address: Option<IpAddr>,
    state: Mutex<State>,
}

struct State {
    last_used: Instant,
    is_ended: bool,
    /// The open sockets, by their numbers.
    sockets: HashMap<u64, Outbound>,
    next_socket: u64,
}

/// An open socket of a session. While it exists, the session does not idle out.
pub(super) struct OpenSocket {
    session: Arc<Session>,
    number: u64,
}

impl Sessions {
    pub(super) fn new(limits: SessionLimits, idle_time: Duration) -> Self {
        Self { limits, idle_time, sessions: Mutex::default() }
    }

    /// Starts a session, and returns its token, which has no blanks and no commas, so that it can be offered as a subprotocol.
    pub(super) fn start(&self, account: &Arc<Account>, address: Option<IpAddr>) -> Result<Arc<str>, LoginRefusal> {
        let mut random = [0; 32];
        getrandom::fill(&mut random).map_err(|_| LoginRefusal::NoRandom)?;
        let token: Arc<str> = random.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into();
        let now = Instant::now();
        let mut sessions = self.lock();
        // There are few enough sessions to look at all of them at each login.
        let (mut of_account, mut of_address) = (0, 0);
        sessions.retain(|_, session| {
            let stays = !session.is_idle(now, self.idle_time);
            of_account += usize::from(stays && Arc::ptr_eq(&session.account, account));
            of_address += usize::from(stays && address.is_some() && session.address == address);
            stays
        });
        if sessions.len() >= self.limits.total {
            return Err(LoginRefusal::TooMany);
        }
        if of_account >= self.limits.per_account {
            return Err(LoginRefusal::TooManyOfAccount);
        }
        if of_address >= self.limits.per_address {
            return Err(LoginRefusal::TooManyOfAddress);
        }
        let state = State { last_used: now, is_ended: false, sockets: HashMap::new(), next_socket: 0 };
        let session = Session { account: Arc::clone(account), address, state: Mutex::new(state) };
        sessions.insert(Arc::clone(&token), Arc::new(session));
        Ok(token)
    }

    /// Finds a session that has not ended, and restarts its idle time.
    pub(super) fn find(&self, token: &str) -> Option<Arc<Session>> {
        let now = Instant::now();
        let mut sessions = self.lock();
        let session = Arc::clone(sessions.get(token)?);
        if session.is_idle(now, self.idle_time) {
            sessions.remove(token);
            return None;
        }
        session.lock().last_used = now;
        Some(session)
    }

    /// Ends a session and its sockets; `false` if there is none of this token.
    pub(super) fn end(&self, token: &str) -> bool {
        // The entry is removed first, so that no socket can be opened behind it.
        let Some(session) = self.lock().remove(token) else { return false };
        let was_idle = session.is_idle(Instant::now(), self.idle_time);
        let mut state = session.lock();
        state.is_ended = true;
        let sockets = std::mem::take(&mut state.sockets);
        drop(state);
        sockets.values().for_each(Outbound::abort);
        !was_idle
    }

    /// Counts the sessions, some of which may have idled out.
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Arc<Session>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    pub(super) fn account(&self) -> &Arc<Account> {
        &self.account
    }

    /// Adds a socket, which is [aborted](Outbound::abort) when the session ends; `None` if it has ended.
    pub(super) fn open_socket(self: &Arc<Self>, outbound: Outbound) -> Option<OpenSocket> {
        let mut state = self.lock();
        if state.is_ended {
            return None;
        }
        let number = state.next_socket;
        state.next_socket += 1;
        state.sockets.insert(number, outbound);
        drop(state);
        Some(OpenSocket { session: Arc::clone(self), number })
    }

    fn is_idle(&self, now: Instant, idle_time: Duration) -> bool {
        let state = self.lock();
        state.sockets.is_empty() && now.saturating_duration_since(state.last_used) >= idle_time
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for OpenSocket {
    fn drop(&mut self) {
        let mut state = self.session.lock();
        state.sockets.remove(&self.number);
        if state.sockets.is_empty() {
            state.sockets = HashMap::new();
        }
        state.last_used = Instant::now();
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("limits", &self.limits).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use signalhub_connections::{Connection, ConnectionEnded, Frame, Identity, MessageKind};

    use super::*;

    const IDLE: Duration = Duration::from_secs(30 * 60);

    fn sessions(total: usize, per_account: usize, per_address: usize) -> Sessions {
        Sessions::new(SessionLimits { total, per_account, per_address }, IDLE)
    }

    fn account(name: &str) -> Arc<Account> {
        Arc::new(Account::test(name))
    }

    fn address(last: u8) -> Option<IpAddr> {
        Some([10, 0, 0, last].into())
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_ends_after_its_idle_time_and_each_use_restarts_it() {
        let sessions = sessions(10, 10, 10);
        let token = sessions.start(&account("a"), None).unwrap();
        assert!(token.len() == 64 && token.bytes().all(|byte| byte.is_ascii_hexdigit()));
        for _ in 0..3 {
            tokio::time::advance(IDLE - Duration::from_secs(1)).await;
            assert!(sessions.find(&token).is_some());
        }
        tokio::time::advance(IDLE).await;
        assert!(sessions.find(&token).is_none());
        assert_eq!(sessions.len(), 0);
        assert!(sessions.find("other").is_none() && !sessions.end(&token));
    }

    #[tokio::test(start_paused = true)]
    async fn an_open_socket_keeps_its_session_and_the_idle_time_begins_at_its_end() {
        let sessions = sessions(10, 10, 10);
        let token = sessions.start(&account("a"), None).unwrap();
        let (connection, _peer) = Connection::pair(Identity::anonymous());
        let socket = sessions.find(&token).unwrap().open_socket(connection.outbound()).unwrap();
        tokio::time::advance(IDLE * 10).await;
        sessions.start(&account("b"), None).unwrap();
        drop(socket);
        tokio::time::advance(IDLE - Duration::from_secs(1)).await;
        assert!(sessions.find(&token).is_some());
        tokio::time::advance(IDLE).await;
        assert!(sessions.find(&token).is_none());
    }

    #[tokio::test]
    async fn the_end_of_a_session_aborts_its_sockets_alone_and_refuses_new_ones() {
        let sessions = sessions(10, 10, 10);
        let account = account("a");
        let (token, other) = (sessions.start(&account, None).unwrap(), sessions.start(&account, None).unwrap());
        let (connection, _peer) = Connection::pair(Identity::anonymous());
        let (elsewhere, _their_peer) = Connection::pair(Identity::anonymous());
        let session = sessions.find(&token).unwrap();
        let _socket = session.open_socket(connection.outbound()).unwrap();
        let _other_socket = sessions.find(&other).unwrap().open_socket(elsewhere.outbound()).unwrap();
        assert!(sessions.end(&token));
        let send = |connection: &Connection| connection.outbound().send(&Frame::new(MessageKind::Text, b"{}"));
        assert!(connection.outbound().is_aborting() && matches!(send(&connection), Err(ConnectionEnded { .. })));
        assert!(send(&elsewhere).is_ok());
        assert!(session.open_socket(connection.outbound()).is_none());
        assert!(sessions.find(&token).is_none() && sessions.find(&other).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn sessions_are_limited_in_all_by_account_and_by_address() {
        let sessions = sessions(4, 2, 3);
        let (one, two, three) = (account("one"), account("two"), account("three"));
        sessions.start(&one, address(1)).unwrap();
        let ended = sessions.start(&one, address(1)).unwrap();
        assert_eq!(sessions.start(&one, address(2)), Err(LoginRefusal::TooManyOfAccount));
        sessions.start(&two, address(1)).unwrap();
        assert_eq!(sessions.start(&three, address(1)), Err(LoginRefusal::TooManyOfAddress));
        sessions.start(&three, None).unwrap();
        assert_eq!(sessions.start(&three, None), Err(LoginRefusal::TooMany));
        sessions.end(&ended);
        sessions.start(&one, address(1)).unwrap();
        tokio::time::advance(IDLE).await;
        sessions.start(&one, address(1)).unwrap();
        assert_eq!(sessions.len(), 1, "sessions that have idled out make room");
    }
}
