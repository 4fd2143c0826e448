//! Sends events by the publish API.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use serde::Deserialize;

use super::pace::{Due, Pace};
use super::tally::Sent;
use crate::course::Course;
use crate::http::{Http, HttpError};
use crate::plan::{group_name, with_group};

/// The time limit for the answer to a publish.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Where events are published.
#[derive(Debug, Clone)]
pub(crate) struct PublishApi {
    pub(crate) http: Http,
    pub(crate) url: String,
    pub(crate) headers: HeaderMap,
    pub(crate) event: String,
}

/// The part of a receipt that counts. Other servers answer with other bodies.
#[derive(Deserialize)]
struct Receipt {
    matched: u64,
}

/// Sends the events of a sender, one after another, so that the server gets them in order.
pub(crate) async fn publish(api: PublishApi, sender: u32, course: Arc<Course>, mut pace: Pace) -> Sent {
    let mut sent = Sent::new(Arc::clone(&course), sender);
    let senders = u64::from(course.schedule.senders.get());
    let mut event = u64::from(sender);
    while event < course.schedule.events() {
        let due = pace.wait_for(event).await;
        if due == Due::Never {
            break;
        }
        sent.begin(event, due == Due::Now);
        let (stream, _) = course.schedule.place(event);
        let body = body(&api.event, stream.group, &course.payload(event));
        let answer = pace.unless_halted(api.http.post(&api.url, &api.headers, body, TIMEOUT)).await;
        let refused = match answer {
            None => {
                sent.leave_out(event);
                break;
            }
            Some(Ok(answer)) => {
                let receipt = serde_json::from_slice::<Receipt>(&answer).ok();
                sent.accept(event, receipt.map(|receipt| receipt.matched));
                false
            }
            Some(Err(error)) => sent.refuse(event, &explained(&error), error.is_final()),
        };
        if refused {
            break;
        }
        event += senders;
    }
    sent
}

/// A notification of the form that Portos documents: a changed resource, named as the group, with the payload as its new state.
fn body(event: &str, group: u32, payload: &str) -> Bytes {
    let (event, name) = (serde_json::Value::from(with_group(event, group)), group_name(group));
    format!(
        r#"{{"e":{event},"p":{{"u":{{"u":"bench","d":"bench","f":null}},"n":"{name}","a":1,"i":{{"i":"1","n":"{name}","v":1}},"r":[{{"bench":"{payload}"}}]}}}}"#
    )
    .into()
}

fn explained(error: &HttpError) -> String {
    format!("a publish failed: {error}")
}
