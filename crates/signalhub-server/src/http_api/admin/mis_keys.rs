//! `/admin/api/v1/miskeys`: the keys of PrintFactory, as `signalhub miskey` has them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use signalhub_dialects::printfactory::{KeyChange, KeysError, MisKeys, Notifications};
use time::format_description::well_known::Rfc3339;

use super::call::{Answer, Call, no_content};
use super::operated::Operated;
use crate::http_api::problem::{Problem, ProblemCode};
use crate::http_api::response::json_response;

/// The body of a request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    organisation: String,
    user: String,
    change: Change,
}

/// What is done with the key of a user.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Change {
    Generate,
    Regenerate,
    Cancel,
    NotificationsOn,
    NotificationsOff,
}

#[derive(Serialize)]
struct NewKey<'a> {
    key: &'a str,
}

#[derive(Serialize)]
struct Entry {
    organisation: String,
    user: String,
    notifications: Notifications,
    created: String,
}

impl From<Change> for KeyChange {
    fn from(change: Change) -> Self {
        match change {
            Change::Generate => Self::Generate,
            Change::Regenerate => Self::Regenerate,
            Change::Cancel => Self::Cancel,
            Change::NotificationsOn => Self::Notifications(Notifications::On),
            Change::NotificationsOff => Self::Notifications(Notifications::Off),
        }
    }
}

/// The keys, if the dialect is on.
fn keys(operated: &Operated) -> Result<MisKeys, Problem> {
    let off = || Problem::new(ProblemCode::NotFound, "the dialect PrintFactory is off (dialects.printfactory.listen)");
    operated.mis_keys.clone().ok_or_else(off)
}

/// Changes the key of a user at once, and answers with a new key, which is not shown again.
pub(super) async fn change(operated: Arc<Operated>, call: Call) -> Answer {
    let keys = keys(&operated)?;
    let Request { organisation, user, change } = call.json().await?;
    let key = keys.change(&organisation, &user, change.into()).await.map_err(problem)?;
    tracing::info!(?change, "the key of a user of PrintFactory was changed");
    Ok(key.map_or_else(no_content, |key| json_response(&NewKey { key: key.reveal() })))
}

/// Lists whose keys there are.
pub(super) async fn list(operated: Arc<Operated>, _: Call) -> Answer {
    let keys = keys(&operated)?;
    let entries = keys.list().await.map_err(problem)?;
    let entries = entries.into_iter().map(|entry| Entry {
        organisation: entry.organisation.to_string(),
        user: entry.user.to_string(),
        notifications: entry.notifications,
        created: entry.created.format(&Rfc3339).unwrap_or_default(),
    });
    Ok(json_response(&entries.collect::<Vec<_>>()))
}

fn problem(error: KeysError) -> Problem {
    match error {
        KeysError::Key(error) => Problem::new(ProblemCode::InvalidMember, error.to_string()),
        error => {
            tracing::error!(%error, "the MisKeys could not be read or replaced");
            let place = if matches!(error, KeysError::Store(_)) { "keys of the cluster" } else { "file of MisKeys" };
            Problem::new(ProblemCode::Unavailable, format!("the {place} cannot be read or replaced"))
        }
    }
}
