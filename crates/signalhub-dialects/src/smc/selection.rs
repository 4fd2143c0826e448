//! Selections: the elements that a client subscribes to, as `{"context": …}` names them.

use super::element::{ElementType, ElementTypes, list};

/// The longest context. The names of all types of a server fit into it.
const LONGEST: usize = 4096;

/// The elements that a subscription is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Selection {
    /// All elements: `*`, or an empty text (the package's docstring).
    All,
    /// The elements of these types, each once.
    Types(Vec<ElementType>),
}

/// Why a context is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SelectionError {
    #[error("the context is too long: at most {LONGEST} bytes are allowed, found {0}")]
    TooLong(usize),
    #[error("the context names no element type between two commas: expected a list such as \"host, router\"")]
    EmptyName,
    #[error("unknown element type \"{name}\" in the context: expected \"*\", or a list of {allowed}")]
    Unknown { name: String, allowed: String },
}

impl Selection {
    /// Reads a context: `*`, nothing, or names with commas between them, with or without blanks. A name that `may_see` refuses is
    /// as unknown as one that does not exist.
    pub(super) fn read(
        text: &str,
        types: &ElementTypes,
        may_see: impl Fn(&ElementType) -> bool,
    ) -> Result<Self, SelectionError> {
        if text.len() > LONGEST {
            return Err(SelectionError::TooLong(text.len()));
        }
        if matches!(text.trim(), "" | "*") {
            return Ok(Self::All);
        }
        let mut named = Vec::new();
        for name in text.split(',').map(str::trim) {
            if name.is_empty() {
                return Err(SelectionError::EmptyName);
            }
            let known = types.get(name).filter(|known| may_see(known)).ok_or_else(|| {
                let allowed = list(types.iter().filter(|known| may_see(known)));
                SelectionError::Unknown { name: shortened(name), allowed }
            })?;
            named.push(known.clone());
        }
        named.sort_unstable();
        named.dedup();
        Ok(Self::Types(named))
    }
}

/// The beginning of a text of a client, for an error.
pub(super) fn shortened(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types() -> ElementTypes {
        ElementTypes::new(["host", "network", "router", "secret"].map(|name| name.parse().unwrap()))
    }

    fn read(text: &str) -> Result<Selection, SelectionError> {
        Selection::read(text, &types(), |known| known.as_str() != "secret")
    }

    fn named(names: &[&str]) -> Result<Selection, SelectionError> {
        Ok(Selection::Types(names.iter().map(|name| name.parse().unwrap()).collect()))
    }

    #[test]
    fn all_elements_or_lists_of_types_with_and_without_blanks_are_read() {
        for all in ["*", "", " ", " * "] {
            assert_eq!(read(all), Ok(Selection::All), "{all:?}");
        }
        assert_eq!(read("host"), named(&["host"]));
        for list in ["host,router", "host, router", " router ,host", "router,host,router, host"] {
            assert_eq!(read(list), named(&["host", "router"]), "{list:?}");
        }
    }

    #[test]
    fn errors_tell_what_is_wrong_and_what_is_allowed() {
        let allowed = || "host, network, router".to_owned();
        for name in ["nothing", "Host", "secret", "*"] {
            let error = Err(SelectionError::Unknown { name: name.to_owned(), allowed: allowed() });
            assert_eq!(read(&format!("host,{name}")), error);
        }
        for list in [",", "host,", ",host", "host,,router"] {
            assert_eq!(read(list), Err(SelectionError::EmptyName), "{list:?}");
        }
        assert_eq!(read(&"host,".repeat(10_000)), Err(SelectionError::TooLong(50_000)));
        let Err(SelectionError::Unknown { name, .. }) = read(&"é".repeat(1000)) else { panic!("it is unknown") };
        assert_eq!(name.chars().count(), 81);
    }
}
