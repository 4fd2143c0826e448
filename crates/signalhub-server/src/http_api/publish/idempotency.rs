//! What tells a repeat of a publish from another publish: the publisher, the key that it gave, and the content.

use aws_lc_rs::digest::{Context, SHA256};
use http::{HeaderMap, HeaderValue};
use portos_notifications::PublishSender;
use signalhub::events::{Action, Event, Fingerprint, Idempotency, IdempotencyKey, Organisation, ResourceName};

use super::content::MediaType;
use super::rate::Who;
use crate::http_api::problem::{Problem, ProblemCode};

/// The header of a key (draft-ietf-httpapi-idempotency-key-header-07).
const HEADER: &str = "idempotency-key";

/// The most characters of a key.
const LONGEST_KEY: usize = 255;

/// A key as a publisher gave it.
#[derive(Clone, Copy, Debug)]
pub(super) enum GivenKey<'a> {
    /// That of the header.
    Header(&'a str),
    /// That of the header, for the item of a batch with this number.
    Item(&'a str, usize),
    /// What identifies a CloudEvent.
    CloudEvent { source: &'a str, id: &'a str },
}

/// Reads the key in the header of a request. CloudEvents have keys of their own.
pub(super) fn header(headers: &HeaderMap, media: MediaType) -> Result<Option<String>, Problem> {
    let invalid = |detail: &str| Problem::new(ProblemCode::InvalidIdempotencyKey, format!("Idempotency-Key: {detail}"));
    let mut values = headers.get_all(HEADER).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(invalid("expected one header, found several"));
    }
    if media != MediaType::Json {
        return Err(invalid("expected none, because source and id are the key of a CloudEvent"));
    }
    let key = unquoted(value).filter(|key| is_key(key));
    key.map(Some).ok_or_else(|| invalid(&format!("expected 1 to {LONGEST_KEY} visible ASCII characters")))
}

/// A key without the quotes of a string (RFC 9651, section 3.3.3), which the draft asks for. Without them it is the key itself.
fn unquoted(value: &HeaderValue) -> Option<String> {
    let text = value.to_str().ok()?;
    let Some(quoted) = text.strip_prefix('"') else { return Some(text.to_owned()) };
    let mut characters = quoted.strip_suffix('"')?.chars();
    let mut key = String::with_capacity(quoted.len());
    while let Some(character) = characters.next() {
        key.push(match character {
            '"' => return None,
            '\\' => characters.next().filter(|escaped| matches!(escaped, '"' | '\\'))?,
            other => other,
        });
    }
    Some(key)
}

fn is_key(key: &str) -> bool {
    (1..=LONGEST_KEY).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Makes the problem of a key that was used for another event.
pub(super) fn reused(key: Option<GivenKey<'_>>) -> Problem {
    let detail = match key {
        Some(GivenKey::CloudEvent { .. }) => "source, id: another event was published with them",
        _ => "Idempotency-Key: another event was published with this key",
    };
    Problem::new(ProblemCode::IdempotencyKeyReused, detail)
}

impl GivenKey<'_> {
    /// What a repeat of this publish is recognised by. The event is what becomes of what the publisher sent, and the sender is what
    /// stands in that, because the event names this process where it names none.
    pub(super) fn idempotency(&self, who: &Who, event: &Event, sender: Option<&PublishSender>) -> Idempotency {
        let key = self.add_to(who.add_to(Digest::new()));
        Idempotency {
            key: IdempotencyKey::new(key.first()),
            fingerprint: Fingerprint::new(u64::from_le_bytes(fingerprint(event, sender).first())),
        }
    }

    fn add_to(&self, digest: Digest) -> Digest {
        match self {
            Self::Header(key) => digest.add(b"header").add(key.as_bytes()),
            Self::Item(key, item) => digest.add(b"header").add(format!("{key}/{item}").as_bytes()),
            Self::CloudEvent { source, id } => digest.add(b"CloudEvent").add(source.as_bytes()).add(id.as_bytes()),
        }
    }
}

impl Who {
    /// Keys of different publishers must not meet. The order of API keys in the configuration does not matter, and a client with a name
    /// keeps its keys when it gets another API key or certificate.
    fn add_to(&self, digest: Digest) -> Digest {
        match self {
            Self::Key(key) => digest.add(b"key").add(key.bytes()),
            Self::Operator => digest.add(b"operator"),
            Self::Client(name) => digest.add(b"client").add(name.as_str().as_bytes()),
            Self::User(user, organisation) => {
                digest.add(b"user").add(user.as_bytes()).add_optional(organisation.as_deref().map(str::as_bytes))
            }
        }
    }
}

/// The digest of what makes an event, without what the server adds: id, node and time of creation.
fn fingerprint(event: &Event, sender: Option<&PublishSender>) -> Digest {
    let sender = sender.map(|sender| serde_json::to_vec(sender).expect("texts always serialise"));
    let expires = event.expires.map(|expires| expires.unix_timestamp_nanos().to_le_bytes());
    Digest::new()
        .add(event.name.as_str().as_bytes())
        .add(&event.payload)
        .add_optional(event.organisation.as_ref().map(Organisation::as_str).map(str::as_bytes))
        .add_optional(event.resource.as_ref().map(ResourceName::as_str).map(str::as_bytes))
        .add_optional(event.action.map(Action::as_str).map(str::as_bytes))
        .add_optional(sender.as_deref())
        .add_optional(expires.as_ref().map(<[u8; 16]>::as_slice))
}

/// A SHA-256 of parts. Each is preceded by its length, so that no two lists of parts have the same bytes.
struct Digest(Context);

impl Digest {
    fn new() -> Self {
        Self(Context::new(&SHA256))
    }

    fn add(mut self, part: &[u8]) -> Self {
        self.0.update(&(part.len() as u64).to_le_bytes());
        self.0.update(part);
        self
    }

    fn add_optional(self, part: Option<&[u8]>) -> Self {
        match part {
            Some(part) => self.add(&[1]).add(part),
            None => self.add(&[0]),
        }
    }

    /// The first bytes of the digest.
    fn first<const LENGTH: usize>(self) -> [u8; LENGTH] {
        let digest = self.0.finish();
        std::array::from_fn(|index| digest.as_ref()[index])
    }
}

#[cfg(test)]
mod tests;
