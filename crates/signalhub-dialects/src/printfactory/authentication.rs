//! The handshake: who may connect, and what the others get.

use std::sync::Arc;

use bytes::Bytes;
use signalhub_connections::{
    Authenticate, Authentication, BoxFuture, HttpResponse, Identity, Page, RequestHead, StatusCode,
};

use super::key_list::{KeyEntry, Notifications};
use super::keys::MisKeys;
use super::organisations::{Answer, Place, SecondConnection};

/// The header of a key.
pub(super) const HEADER: &str = "miskey";

/// Why an organisation that is connected cannot connect once more.
pub(super) const CONNECTED_ALREADY: &str = "Only one connection per organisation is possible";

/// Reads the header `MisKey`.
pub(super) struct MisKeyHeader {
    keys: MisKeys,
    second: SecondConnection,
}

impl MisKeyHeader {
    pub(super) fn new(keys: MisKeys, second: SecondConnection) -> Self {
        Self { keys, second }
    }

    /// Identifies the owner of a key. The place of the organisation is attached to the identity, so that it is free again when the
    /// request fails or the connection ends.
    fn identify(&self, entry: &KeyEntry) -> Authentication {
        if entry.notifications == Notifications::Off {
            return denied(StatusCode::FORBIDDEN, "Notifications are disabled");
        }
        let (organisations, organisation) = (self.keys.organisations(), &entry.organisation);
        let place = match self.second {
            SecondConnection::Replace => organisations.place(organisation, entry.sha256),
            SecondConnection::Refuse => match organisations.reserve(organisation, entry.sha256) {
                Some(place) => place,
                None => return denied(StatusCode::CONFLICT, CONNECTED_ALREADY),
            },
        };
        let identity = Identity::user(Arc::clone(&entry.user)).with_organisation(Arc::clone(organisation));
        Authentication::Identified(identity.with_attachment(place))
    }
}

impl Authenticate for MisKeyHeader {
    fn authenticate(&self, request: &RequestHead) -> Authentication {
        let Some(given) = request.headers.get(HEADER) else { return Authentication::Missing };
        match self.keys.find(given.as_bytes()) {
            Some(entry) => self.identify(&entry),
            None => Authentication::Invalid("the MisKey is not known".into()),
        }
    }

    fn confirm(&self, identity: &Identity) -> Option<BoxFuture<Authentication>> {
        let asked = self.keys.organisations().ask(&identity.attachment::<Place>()?)?;
        let identity = identity.clone();
        Some(Box::pin(async move {
            match asked.await {
                Answer::Free => Authentication::Identified(identity),
                Answer::Taken => denied(StatusCode::CONFLICT, CONNECTED_ALREADY),
            }
        }))
    }

    fn refusal(&self, request: &RequestHead) -> Option<HttpResponse<Bytes>> {
        Some(message(StatusCode::UNAUTHORIZED, unauthenticated(request)).into())
    }
}

/// What a request without a valid key is told.
pub(super) fn unauthenticated(request: &RequestHead) -> &'static str {
    match request.headers.contains_key(HEADER) {
        true => "Invalid MisKey",
        false => "\"MisKey\" header is required",
    }
}

fn denied(status: StatusCode, text: &str) -> Authentication {
    Authentication::Denied(Box::new(message(status, text).into()))
}

/// The answer with a message, as all answers of the vendor's server are.
pub(super) fn message(status: StatusCode, text: &str) -> Page {
    Page::json(serde_json::json!({ "Message": text }).to_string()).status(status)
}
