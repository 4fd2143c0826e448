//! Writes events as the sockets of clients get them.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;
use signalhub_connections::{Frame, MessageKind};
use signalhub_events::{Delivery, EncodingKey};

use super::change::{Change, is_element_type};
use super::version::EventForm;

/// How many URLs have frames that clients share. Clients can name any host, so there must be a limit.
const SHARED_URLS: usize = 16;

/// The subscriptions of a connection whose frames are shared: those with lower ids.
const SHARED_IDS: u64 = 4;

/// What an event is about, as text: its type, a blank, and the path of its element behind `elements/`. All frames share it.
const SUBJECT: EncodingKey = EncodingKey::new("smc subject");

/// The key of frames, with a number.
const FRAME: EncodingKey = EncodingKey::new("smc frame");

/// How the events of one socket are written: with the URL that its client uses, in the form of its version.
#[derive(Debug)]
pub(super) struct EventText {
    form: EventForm,
    /// The URL with the version, such as `http://localhost:8082/7.2`, escaped for JSON.
    url: Box<str>,
    /// What clients with the same form and URL have in common; `None` if they share no frames.
    number: Option<u64>,
}

impl EventText {
    /// Encodes and frames a delivery for a subscription; empty if that fails. Its payload was checked when it was published.
    pub(super) fn frame(&self, delivery: &Delivery, subscription_id: u64) -> Bytes {
        match self.number.filter(|_| subscription_id < SHARED_IDS) {
            Some(number) => {
                let key = FRAME.numbered(number * SHARED_IDS + subscription_id);
                delivery.encoded(key, |delivery| self.encode(delivery, subscription_id)).clone()
            }
            None => self.encode(delivery, subscription_id),
        }
    }

    fn encode(&self, delivery: &Delivery, subscription_id: u64) -> Bytes {
        let subject = delivery.encoded(SUBJECT, subject);
        let Some((change_type, path)) = std::str::from_utf8(subject).ok().and_then(|text| text.split_once(' ')) else {
            return Bytes::new();
        };
        let (start, end) = match self.form {
            EventForm::Single => (r#"{"event":"#, ""),
            EventForm::Array => (r#"{"events":["#, "]"),
        };
        let mut text = String::with_capacity(96 + self.url.len() + path.len());
        // Neither of them has characters that JSON escapes.
        let written = write!(
            text,
            r#"{start}{{"type":"{change_type}","element":"{}/elements/{path}"}}{end},"subscription_id":{subscription_id}}}"#,
            self.url
        );
        written.expect("writing to a string cannot fail");
        Frame::new(MessageKind::Text, text.as_bytes()).as_bytes().clone()
    }
}

fn subject(delivery: &Delivery) -> Bytes {
    let event = delivery.event();
    match (Change::read(event, is_element_type), &event.resource) {
        (Ok(change), Some(element_type)) => {
            format!("{} {element_type}/{}", change.change_type.as_str(), change.id).into()
        }
        (Err(error), _) => {
            tracing::error!(%error, "an event cannot be written for SMC clients, so none of them gets it");
            Bytes::new()
        }
        (Ok(_), None) => Bytes::new(),
    }
}

/// The texts that sockets share.
#[derive(Debug, Default)]
pub(super) struct EventTexts(Mutex<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Those of open sockets, by form and URL.
    texts: HashMap<(EventForm, Box<str>), Weak<EventText>>,
    next: u64,
}

impl EventTexts {
    /// Finds or makes the text for a URL with a version.
    pub(super) fn get(&self, form: EventForm, url: &str) -> Arc<EventText> {
        let quoted = serde_json::to_string(url).expect("a text always serialises");
        let url: Box<str> = quoted[1..quoted.len() - 1].into();
        let mut shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (form, url);
        if let Some(text) = shared.texts.get(&key).and_then(Weak::upgrade) {
            return text;
        }
        if shared.texts.len() >= SHARED_URLS {
            shared.texts.retain(|_, text| text.strong_count() > 0);
        }
        if shared.texts.len() >= SHARED_URLS {
            let (form, url) = key;
            return Arc::new(EventText { form, url, number: None });
        }
        // Numbers are not used twice, so that a frame that is being sent never has the key of another one.
        let number = shared.next;
        shared.next += 1;
        let text = Arc::new(EventText { form, url: key.1.clone(), number: Some(number) });
        shared.texts.insert(key, Arc::downgrade(&text));
        text
    }
}

#[cfg(test)]
mod tests {
    use signalhub_events::{Epoch, Event, Position};

    use super::super::change::ELEMENTS_CHANGED;
    use super::*;

    fn delivery(payload: &'static str) -> Delivery {
        let event = Event::new(ELEMENTS_CHANGED.into(), payload).with_resource("host".into());
        Delivery::new(Arc::new(event), Position::new(Epoch::new(1), 1))
    }

    fn payload(bytes: Bytes) -> String {
        String::from_utf8(Frame::from_bytes(bytes).payload().to_vec()).unwrap()
    }

    #[test]
    fn events_are_written_as_documented_in_both_forms() {
        let texts = EventTexts::default();
        let created = delivery(r#"{"n":"host","a":1,"id":1732,"body":{"name":"web"}}"#);
        for (form, id, expected) in [
            (
                EventForm::Single,
                0,
                r#"{"event":{"type":"create","element":"http://localhost:8082/7.2.1/elements/host/1732"},"subscription_id":0}"#,
            ),
            (
                EventForm::Array,
                12,
                r#"{"events":[{"type":"create","element":"http://localhost:8082/7.2.1/elements/host/1732"}],"subscription_id":12}"#,
            ),
        ] {
            assert_eq!(payload(texts.get(form, "http://localhost:8082/7.2.1").frame(&created, id)), expected);
        }
        let quoted = payload(texts.get(EventForm::Single, "http://a\"b").frame(&created, 0));
        assert!(quoted.contains(r#""http://a\"b/elements/host/1732""#), "{quoted}");
    }

    #[test]
    fn sockets_with_the_same_url_form_and_id_share_a_frame() {
        let texts = EventTexts::default();
        let delivery = delivery(r#"{"n":"host","a":1,"id":1}"#);
        let first = texts.get(EventForm::Single, "http://a/7.2");
        let frame = first.frame(&delivery, 0);
        let same = |text: &EventText, id: u64| text.frame(&delivery, id).as_ptr() == frame.as_ptr();
        assert!(same(&texts.get(EventForm::Single, "http://a/7.2"), 0));
        assert!(!same(&texts.get(EventForm::Single, "http://a/7.2"), 1));
        assert!(!same(&texts.get(EventForm::Array, "http://a/7.2"), 0));
        assert!(!same(&texts.get(EventForm::Single, "http://b/7.2"), 0));
    }

    #[test]
    fn urls_beyond_the_limit_are_written_without_sharing() {
        let texts = EventTexts::default();
        let delivery = delivery(r#"{"n":"host","a":1,"id":1}"#);
        let open: Vec<_> =
            (0..SHARED_URLS).map(|host| texts.get(EventForm::Single, &format!("http://h{host}/7.2"))).collect();
        assert!(open.iter().all(|text| text.number.is_some()));
        let beyond = texts.get(EventForm::Single, "http://other/7.2");
        assert_eq!(beyond.number, None);
        assert!(payload(beyond.frame(&delivery, 0)).contains("http://other/7.2/elements/host/1"));
        drop(open);
        let later = texts.get(EventForm::Single, "http://other/7.2");
        assert_eq!(later.number, Some(SHARED_URLS as u64), "the room of closed sockets is free again");
    }
}
