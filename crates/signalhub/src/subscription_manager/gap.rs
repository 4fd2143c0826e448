//! A gap as clients read it.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use signalhub_events::Gap;

/// A gap as clients read it.
pub(super) struct GapMembers(pub(super) Gap);

impl Serialize for GapMembers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Gap { from, first, reason } = self.0;
        let mut members = serializer.serialize_map(Some(3))?;
        members.serialize_entry("from", &from.to_string())?;
        members.serialize_entry("first", &first.map(|first| first.to_string()))?;
        members.serialize_entry("reason", reason.as_str())?;
        members.end()
    }
}
