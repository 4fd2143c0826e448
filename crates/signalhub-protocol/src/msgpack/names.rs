//! Names of fields: serde declares them in the style of Rust or JSON, and they are sent in that of .NET.

/// Gives the characters of the name that a .NET type has for a field: `ShipTo` for `ship_to` and `shipTo`.
pub(super) fn pascal_case(name: &str) -> impl Iterator<Item = char> {
    let mut begins = true;
    name.chars().enumerate().filter_map(move |(index, character)| match character {
        // An underscore that begins a name is part of it.
        '_' if index > 0 => {
            begins = true;
            None
        }
        character if begins => {
            begins = false;
            Some(character.to_ascii_uppercase())
        }
        character => Some(character),
    })
}

/// Finds a declared name: the same one first, else one that is the same in the style of .NET.
pub(super) fn position(name: &str, names: &[&str]) -> Option<usize> {
    let exact = names.iter().position(|known| *known == name);
    exact.or_else(|| names.iter().position(|known| pascal_case(known).eq(name.chars())))
}

#[cfg(test)]
mod tests;
