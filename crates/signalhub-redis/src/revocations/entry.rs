//! One revocation, as it is written to Redis.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use signalhub_connections::Revocation;

/// The version of the format.
const VERSION: u32 = 1;

/// A revocation and when it ends. Entries are ordered by their ends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    /// In milliseconds since 1970.
    ends: u64,
    text: Box<str>,
}

/// What is revoked. Times are in microseconds since 1970.
#[derive(Serialize, Deserialize)]
struct Written {
    v: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    organisation: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<u64>,
}

impl Entry {
    /// How long it is at most, in bytes.
    pub(super) const LONGEST: usize = 1024;

    /// How long a revocation lasts at most in a cluster.
    pub(super) const LONGEST_TIME: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

    /// Writes a revocation; `None` if it is too long.
    pub(super) fn new(revocation: &Revocation, ends: SystemTime) -> Option<Self> {
        let written = match revocation {
            Revocation::Token { id } => {
                Written { v: VERSION, jti: Some(id.clone()), user: None, organisation: None, before: None }
            }
            Revocation::User { user, organisation, before } => Written {
                v: VERSION,
                jti: None,
                user: Some(user.clone()),
                organisation: organisation.clone(),
                // Rounded up: it must not let a token through that the node which was given it refuses.
                before: Some(since_1970(*before).as_nanos().div_ceil(1_000).try_into().ok()?),
            },
            _ => return None,
        };
        let ends = since_1970(ends).as_millis().try_into().ok()?;
        let text = format!("{ends} {}", serde_json::to_string(&written).ok()?);
        (text.len() <= Self::LONGEST).then(|| Self { ends, text: text.into() })
    }

    /// Reads what another node has written.
    pub(super) fn read(member: &[u8]) -> Option<(Self, Revocation)> {
        let text = std::str::from_utf8(member).ok().filter(|text| text.len() <= Self::LONGEST)?;
        let (ends, _) = text.split_once(' ')?;
        let most = since_1970(SystemTime::now() + 2 * Self::LONGEST_TIME).as_millis();
        let ends = ends.parse().ok().filter(|ends| u128::from(*ends) <= most)?;
        let entry = Self { ends, text: text.into() };
        let revocation = entry.revocation()?;
        Some((entry, revocation))
    }

    /// What is revoked.
    pub(super) fn revocation(&self) -> Option<Revocation> {
        let (_, json) = self.text.split_once(' ')?;
        match serde_json::from_str(json).ok()? {
            Written { v: VERSION, jti: Some(id), user: None, organisation: None, before: None } => {
                Some(Revocation::Token { id })
            }
            Written { v: VERSION, jti: None, user: Some(user), organisation, before: Some(before) } => {
                let before = UNIX_EPOCH.checked_add(Duration::from_micros(before))?;
                Some(Revocation::User { user, organisation, before })
            }
            _ => None,
        }
    }

    /// When it ends.
    pub(super) fn ends(&self) -> SystemTime {
        UNIX_EPOCH.checked_add(Duration::from_millis(self.ends)).unwrap_or(UNIX_EPOCH)
    }

    /// The member of the set.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }
}

fn since_1970(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}
