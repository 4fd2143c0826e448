//! The method `Refresh`: a client replaces the token of its connection.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use portos_notifications::{SubscriptionRequest, broker, format_timestamp};
use serde::de::Error;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use signalhub_connections::TokenRefresher;
use time::OffsetDateTime;

use crate::calls::call::Call;
use crate::calls::caller::Caller;
use crate::calls::extract::Extract;
use crate::calls::parameter::Args;
use crate::error::HubError;
use crate::subscription_manager::SubscriptionMethods;

/// The name of the method.
pub(crate) const NAME: &str = "Refresh";

/// The argument of the method, as error texts describe it.
pub(crate) const USAGE: &str = "one argument, a token";

/// A token that a client has sent. It is never shown, not even in the error for an argument of another type.
pub(crate) struct Token(String);

/// What replaces the token of the caller.
pub(crate) struct Refresher(Arc<TokenRefresher>);

/// The result of the method. The names of its members are the same in every protocol, as those of notifications are.
pub(crate) struct Refreshed {
    expires: Option<String>,
    ended: Vec<SubscriptionRequest>,
}

/// Replaces the token of the caller. The subscriptions that the new one does not permit end, and are the result.
pub(crate) async fn refresh(
    subscriptions: Option<SubscriptionMethods>,
    caller: Caller,
    Refresher(refresher): Refresher,
    Args((Token(token),)): Args<(Token,)>,
) -> Result<Refreshed, HubError> {
    let identity = refresher.refresh(&token).await.map_err(|error| HubError::new(error.to_string()))?;
    let expires = identity.stated_expiry().and_then(time_text);
    // The session does the same when it receives the credentials, and finds nothing more to end. Here it is known what ends.
    caller.client().renew(identity);
    let ended = subscriptions.map(|subscriptions| subscriptions.renew(caller.client())).unwrap_or_default();
    Ok(Refreshed { expires, ended: broker::requests(ended) })
}

/// Writes a time; `None` for one that the calendar does not have.
fn time_text(time: SystemTime) -> Option<String> {
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    let since = i128::try_from(since.as_nanos()).ok()?;
    OffsetDateTime::from_unix_timestamp_nanos(since).ok().map(format_timestamp)
}

impl<'de> Deserialize<'de> for Token {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The error of serde repeats what was sent.
        String::deserialize(deserializer).map(Self).map_err(|_| D::Error::custom("the token is not a text"))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl<S> Extract<S> for Refresher {
    fn extract(call: &Call, _: &S) -> Result<Self, HubError> {
        let missing = || HubError::internal("InvalidOperationException", "the call has no connection");
        call.token_refresher().cloned().map(Self).ok_or_else(missing)
    }
}

impl Serialize for Refreshed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // As values, not as structs, so that MessagePack keeps the names of the members.
        let ended = serde_json::to_value(&self.ended).unwrap_or(Value::Null);
        let mut members = serializer.serialize_map(Some(2))?;
        members.serialize_entry("expires", &self.expires)?;
        members.serialize_entry("ended", &ended)?;
        members.end()
    }
}
