//! Types of elements, and the ids of elements.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use signalhub_events::ResourceName;

/// How many types an error names.
const NAMED: usize = 20;

/// The longest id of an element.
const LONGEST_ID: usize = 64;

/// The type of an element, such as `host`: a `rel` of the entry points, a segment of paths, and the resource of an event.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ElementType(Arc<str>);

/// Why a text is no type of elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a type of elements is 1 to 64 lower-case letters, digits, underscores and hyphens, such as host or fw_single")]
pub struct ElementTypeError;

impl ElementType {
    /// The type as clients write it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The resource of events about elements of this type.
    pub(super) fn resource(&self) -> ResourceName {
        ResourceName::new(Arc::clone(&self.0))
    }
}

impl FromStr for ElementType {
    type Err = ElementTypeError;

    fn from_str(text: &str) -> Result<Self, ElementTypeError> {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
        let is_good = (1..=64).contains(&text.len()) && text.bytes().all(is_plain);
        if is_good { Ok(Self(text.into())) } else { Err(ElementTypeError) }
    }
}

impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::borrow::Borrow<str> for ElementType {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// Tells whether a text can be the id of an element, as a segment of a path.
pub(super) fn is_element_id(id: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.~".contains(&byte);
    (1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(is_plain) && id != "." && id != ".."
}

/// The types of elements that a server has. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct ElementTypes(Arc<BTreeSet<ElementType>>);

impl ElementTypes {
    pub(super) fn new(types: impl IntoIterator<Item = ElementType>) -> Self {
        Self(Arc::new(types.into_iter().collect()))
    }

    pub(super) fn get(&self, name: &str) -> Option<&ElementType> {
        self.0.get(name)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &ElementType> {
        self.0.iter()
    }
}

/// Lists some types in an error text.
pub(super) fn list<'a>(types: impl Iterator<Item = &'a ElementType>) -> String {
    let mut types = types.fuse();
    let mut text = types.by_ref().take(NAMED).map(ElementType::as_str).collect::<Vec<_>>().join(", ");
    match types.count() {
        0 if text.is_empty() => "none".clone_into(&mut text),
        0 => {}
        more => text += &format!(" and {more} more"),
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_and_ids_are_plain_segments_of_paths() {
        for good in ["host", "fw_single", "l2-policy", "x", &"x".repeat(64)] {
            assert_eq!(good.parse::<ElementType>().unwrap().as_str(), good);
        }
        for bad in ["", "Host", "a b", "a/b", "a,b", "*", "é", &"x".repeat(65)] {
            assert_eq!(bad.parse::<ElementType>(), Err(ElementTypeError), "{bad}");
        }
        assert!(["1732", "a", "A-b_c.d~e", "..."].into_iter().all(is_element_id));
        assert!(!["", ".", "..", "a/b", "a b", "\"", "é", &"1".repeat(65)].into_iter().any(is_element_id));
    }

    #[test]
    fn long_lists_are_cut() {
        let types = |count: usize| ElementTypes::new((0..count).map(|n| format!("t{n:02}").parse().unwrap()));
        assert_eq!(list(types(0).iter()), "none");
        assert_eq!(list(types(2).iter()), "t00, t01");
        assert!(list(types(25).iter()).ends_with("t18, t19 and 5 more"));
    }
}
