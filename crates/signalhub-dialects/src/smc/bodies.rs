//! The bodies of elements, as publishers gave them with the last event of each element.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use signalhub_events::{Event, Organisation};

use super::change::{Change, is_element_type};

/// What an entry takes in memory beside its texts, roughly.
const OVERHEAD: usize = 256;

/// Keeps bodies up to a number of bytes. Those that are oldest are dropped first.
pub(super) struct Bodies {
    most_bytes: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    bodies: HashMap<Arc<Key>, Body>,
    /// The keys in the order in which their bodies came.
    order: BTreeMap<u64, Arc<Key>>,
    next: u64,
    bytes: usize,
}

#[derive(PartialEq, Eq, Hash)]
struct Key {
    organisation: Option<Organisation>,
    element_type: Box<str>,
    id: Box<str>,
}

struct Body {
    content: Bytes,
    number: u64,
}

impl Bodies {
    pub(super) fn new(most_bytes: usize) -> Self {
        Self { most_bytes, kept: Mutex::default() }
    }

    /// Keeps the body of an event that is published, or drops the one of its element if the event has none.
    pub(super) fn observe(&self, event: &Event) {
        let (Some(element_type), Ok(change)) = (&event.resource, Change::read(event, is_element_type)) else { return };
        let key = Key {
            organisation: event.organisation.clone(),
            element_type: element_type.as_str().into(),
            id: change.id.as_ref().into(),
        };
        let body = change.body.map(|body| Bytes::copy_from_slice(body.get().as_bytes()));
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.remove(&key);
        if let Some(content) = body.filter(|content| key.size() + content.len() <= self.most_bytes) {
            kept.insert(key, content);
            while kept.bytes > self.most_bytes && kept.drop_oldest() {}
        }
    }

    /// The body of an element for a client of an organisation. Of bodies for its organisation and for all, the newer one counts.
    pub(super) fn get(&self, organisation: Option<&str>, element_type: &str, id: &str) -> Option<Bytes> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |organisation: Option<Organisation>| {
            kept.bodies.get(&Key { organisation, element_type: element_type.into(), id: id.into() })
        };
        let own = organisation.and_then(|organisation| of(Some(Organisation::from(organisation))));
        own.into_iter().chain(of(None)).max_by_key(|body| body.number).map(|body| body.content.clone())
    }
}

impl Kept {
    fn insert(&mut self, key: Key, content: Bytes) {
        let (key, number) = (Arc::new(key), self.next);
        self.next += 1;
        self.bytes += key.size() + content.len();
        self.order.insert(number, Arc::clone(&key));
        self.bodies.insert(key, Body { content, number });
    }

    fn remove(&mut self, key: &Key) {
        if let Some(body) = self.bodies.remove(key) {
            self.order.remove(&body.number);
            self.bytes -= key.size() + body.content.len();
        }
    }

    /// Drops the body that came first; `false` if there is none.
    fn drop_oldest(&mut self) -> bool {
        let Some(key) = self.order.first_key_value().map(|(_, key)| Arc::clone(key)) else { return false };
        self.remove(&key);
        true
    }
}

impl Key {
    fn size(&self) -> usize {
        let organisation = self.organisation.as_ref().map_or(0, |organisation| organisation.as_str().len());
        OVERHEAD + organisation + self.element_type.len() + self.id.len()
    }
}

impl fmt::Debug for Bodies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bodies").field("most_bytes", &self.most_bytes).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::change::ELEMENTS_CHANGED;
    use super::*;

    fn event(id: u32, body: Option<&str>) -> Event {
        let body = body.map_or_else(String::new, |body| format!(r#","body":{body}"#));
        Event::new(ELEMENTS_CHANGED.into(), format!(r#"{{"n":"host","a":2,"id":{id}{body}}}"#))
            .with_resource("host".into())
    }

    fn get(bodies: &Bodies, organisation: Option<&str>, id: &str) -> Option<String> {
        bodies.get(organisation, "host", id).map(|body| String::from_utf8(body.to_vec()).unwrap())
    }

    #[test]
    fn the_body_of_the_last_event_is_kept_as_it_was_given() {
        let bodies = Bodies::new(10_000);
        bodies.observe(&event(1, Some(r#"{ "name" : "a" }"#)));
        bodies.observe(&event(2, Some("{}")));
        assert_eq!(get(&bodies, None, "1").as_deref(), Some(r#"{ "name" : "a" }"#));
        bodies.observe(&event(1, Some("{\"name\":\"b\"}")));
        assert_eq!(get(&bodies, None, "1").as_deref(), Some("{\"name\":\"b\"}"));
        bodies.observe(&event(1, None));
        assert_eq!((get(&bodies, None, "1"), get(&bodies, None, "2").as_deref()), (None, Some("{}")));
        assert_eq!(bodies.get(None, "network", "2"), None);
        bodies.observe(&event(2, None));
        let kept = bodies.kept.lock().unwrap();
        assert_eq!((kept.bytes, kept.order.len(), kept.bodies.len()), (0, 0, 0));
    }

    #[test]
    fn organisations_see_their_own_bodies_and_those_for_all() {
        let bodies = Bodies::new(10_000);
        bodies.observe(&event(1, Some("{\"of\":\"north\"}")).with_organisation("north".into()));
        assert_eq!(get(&bodies, Some("north"), "1").as_deref(), Some("{\"of\":\"north\"}"));
        assert_eq!((get(&bodies, Some("south"), "1"), get(&bodies, None, "1")), (None, None));
        bodies.observe(&event(1, Some("{\"of\":\"all\"}")));
        for organisation in [Some("north"), Some("south"), None] {
            assert_eq!(get(&bodies, organisation, "1").as_deref(), Some("{\"of\":\"all\"}"), "{organisation:?}");
        }
    }

    #[test]
    fn the_oldest_bodies_are_dropped_at_the_limit() {
        let bodies = Bodies::new(10 * 400);
        for id in 0..1000 {
            bodies.observe(&event(id, Some(&format!("{{\"text\":\"{}\"}}", "x".repeat(120)))));
        }
        let kept: Vec<u32> = (0..1000).filter(|id| get(&bodies, None, &id.to_string()).is_some()).collect();
        assert_eq!(kept, (990..1000).collect::<Vec<_>>());
        bodies.observe(&event(1, Some(&format!("{{\"text\":\"{}\"}}", "x".repeat(5000)))));
        assert_eq!(get(&bodies, None, "1"), None, "one that is larger than all that is kept");
        assert!(get(&bodies, None, "999").is_some());
    }
}
