//! Sealed tickets: any node can open one, and so keeps nothing of it.
//!
//! ```text
//! sht_ base64url( version 1 | nonce 12 | sealed ( issued 4 | path | organisation | user | bearer token ) | tag 16 )
//! ```
//! The content is encrypted with AES-256-GCM-SIV, so the token of the client stands in no URL that can be read. Each text is
//! behind its length in four bytes; a missing one has the length `u32::MAX`.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::secrets::ClusterSecrets;
use super::token::{CLOCK_TOLERANCE, seconds};
use crate::auth::identity::Principal;
use crate::auth::ticket::PREFIX;

const VERSION: u8 = 1;
const MISSING: u32 = u32::MAX;

/// What a ticket stands for.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SealedTicket {
    /// In whole seconds since 1970.
    issued: u32,
    /// The path of its endpoint, in lower case.
    pub(super) path: String,
    pub(crate) principal: Principal,
    /// The token of the client.
    pub(crate) bearer: String,
}

impl SealedTicket {
    pub(super) fn new(path: &str, principal: Principal, bearer: &str, now: SystemTime) -> Self {
        Self { issued: seconds(now), path: path.to_owned(), principal, bearer: bearer.to_owned() }
    }

    /// Encrypts it.
    pub(super) fn seal(&self, secrets: &ClusterSecrets) -> String {
        let mut content = self.issued.to_be_bytes().to_vec();
        let Principal { organisation, user } = &self.principal;
        for text in [Some(&*self.path), organisation.as_deref(), user.as_deref(), Some(&self.bearer)] {
            let length = text.map_or(MISSING, |text| u32::try_from(text.len()).unwrap_or(MISSING));
            content.extend_from_slice(&length.to_be_bytes());
            content.extend_from_slice(text.unwrap_or_default().as_bytes());
        }
        let sealed = [vec![VERSION], secrets.seal(content)].concat();
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(sealed))
    }

    /// Decrypts a ticket. `None` if no node has made it.
    pub(super) fn open(secrets: &ClusterSecrets, text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
        let (&VERSION, sealed) = bytes.split_first()? else { return None };
        let content = secrets.open(sealed)?;
        let mut rest = &content[..];
        let issued = u32::from_be_bytes(take(&mut rest)?);
        let path = read(&mut rest)??;
        let organisation = read(&mut rest)?.map(Arc::from);
        let user = read(&mut rest)?.map(Arc::from);
        let bearer = read(&mut rest)??;
        let principal = Principal { organisation, user };
        rest.is_empty().then_some(Self { issued, path, principal, bearer })
    }

    /// How long it may still negotiate. A ticket that is from the future may not.
    pub(crate) fn time_left(&self, now: SystemTime, lifetime: Duration) -> Duration {
        let issued = UNIX_EPOCH + Duration::from_secs(self.issued.into());
        if issued.duration_since(now).is_ok_and(|ahead| ahead > CLOCK_TOLERANCE) {
            return Duration::ZERO;
        }
        // The time was cut to whole seconds.
        let end = issued.checked_add(lifetime).and_then(|end| end.checked_add(Duration::from_secs(1)));
        end.and_then(|end| end.duration_since(now).ok()).unwrap_or_default()
    }
}

fn take<const LENGTH: usize>(rest: &mut &[u8]) -> Option<[u8; LENGTH]> {
    let (taken, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(*taken)
}

/// Reads a text that may be missing. `None` if there is none that can be read.
fn read(rest: &mut &[u8]) -> Option<Option<String>> {
    let length = u32::from_be_bytes(take(rest)?);
    if length == MISSING {
        return Some(None);
    }
    let (text, behind) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    *rest = behind;
    String::from_utf8(text.to_vec()).ok().map(Some)
}

impl fmt::Debug for SealedTicket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealedTicket(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(byte: u8) -> ClusterSecrets {
        ClusterSecrets::new([[byte; 32]]).unwrap()
    }

    fn ticket() -> SealedTicket {
        let principal = Principal { organisation: None, user: Some("ann".into()) };
        SealedTicket::new("/hub", principal, "a.bearer.token", UNIX_EPOCH + Duration::from_secs(1000))
    }

    #[test]
    fn only_nodes_of_the_cluster_can_read_a_ticket() {
        let text = ticket().seal(&secrets(7));
        assert!(text.starts_with("sht_"));
        let readable = URL_SAFE_NO_PAD.decode(&text[4..]).unwrap();
        assert!(!String::from_utf8_lossy(&readable).contains("bearer"));
        assert_eq!(SealedTicket::open(&secrets(7), &text), Some(ticket()));
        assert_eq!(SealedTicket::open(&secrets(8), &text), None);
        assert_ne!(ticket().seal(&secrets(7)), text, "no two tickets are the same");
        let rotated = ClusterSecrets::new([[8; 32], [7; 32]]).unwrap();
        assert_eq!(SealedTicket::open(&rotated, &text), Some(ticket()));
    }

    #[test]
    fn a_ticket_that_was_changed_anywhere_is_none() {
        let text = ticket().seal(&secrets(7));
        for position in 0..text.len() {
            let other = if text.as_bytes()[position] == b'A' { "B" } else { "A" };
            let mut changed = text.clone();
            changed.replace_range(position..=position, other);
            assert_eq!(SealedTicket::open(&secrets(7), &changed), None, "{position}");
            assert_eq!(SealedTicket::open(&secrets(7), &text[..position]), None, "{position}");
        }
        for text in ["", "sht_", "sht_x", "sht_AQ"] {
            assert_eq!(SealedTicket::open(&secrets(7), text), None);
        }
    }

    #[test]
    fn a_ticket_may_negotiate_for_its_lifetime() {
        for (now, left) in [(969, 0), (970, 46), (1000, 16), (1015, 1), (1016, 0), (5000, 0)] {
            let now = UNIX_EPOCH + Duration::from_secs(now);
            assert_eq!(ticket().time_left(now, Duration::from_secs(15)), Duration::from_secs(left), "{now:?}");
        }
    }
}
