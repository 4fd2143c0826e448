//! Lists of tables, such as `[[auth.issuers]]`.

use std::ops::Deref;

use super::setting::{Fault, Given, Setting, TableKeyDoc, quoted};

/// A table of which the configuration has a list, in TOML or as JSON.
pub(super) trait Table: Default + 'static {
    /// What a list of them looks like, to stand after "expected".
    const EXPECTED: &'static str;

    /// The documents of its keys.
    const DOCS: &'static [TableKeyDoc];

    /// Its keys.
    const KEYS: &'static [TableKey<Self>];

    /// Keys that do not exist, although an operator may expect them, and what to use instead.
    const MISSING: &'static [(&'static str, &'static str)] = &[];

    /// Checks rules between several tables or several keys of one table.
    fn check(tables: &[Self]) -> Result<(), TableFault>;
}

/// Defines one key of a table.
pub(super) struct TableKey<T> {
    pub(super) name: &'static str,
    pub(super) written: fn(&T) -> String,
    pub(super) set: fn(&mut T, &Given<'_>) -> Result<(), Fault>,
}

/// What is wrong with a key of a table, or with the table itself, where the other keys and tables are known.
pub(super) struct TableFault {
    pub(super) index: usize,
    /// The key; empty for the table.
    pub(super) key: &'static str,
    pub(super) expected: &'static str,
}

/// Defines a table: its struct, its place, its defaults, its keys and their documents.
macro_rules! table {
    (
        $(#[doc = $about:literal])+
        $Table:ident $path:literal { $( $(#[doc = $doc:literal])+ $key:ident: $type:ty = $default:expr; )+ }
        missing { $( $missing:literal: $instead:literal, )* }
        check($tables:ident) $check:block
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug)]
        pub struct $Table {
            $( $(#[doc = $doc])+ pub $key: $type, )+
        }

        impl Default for $Table {
            fn default() -> Self {
                Self { $( $key: $default, )+ }
            }
        }

        impl Table for $Table {
            const EXPECTED: &'static str =
                concat!("tables [[", $path, "]], or a list of JSON objects outside of the file");

            const DOCS: &'static [TableKeyDoc] = &[
                $( TableKeyDoc {
                    name: stringify!($key),
                    doc: concat!($($doc),+),
                    expected: <$type as Setting>::EXPECTED,
                    default_text: || <$type as Setting>::written(&$default),
                }, )+
            ];

            const KEYS: &'static [TableKey<Self>] = &[
                $( TableKey {
                    name: stringify!($key),
                    written: |table| Setting::written(&table.$key),
                    set: |table, given| {
                        table.$key = Setting::read(given)?;
                        Ok(())
                    },
                }, )+
            ];

            const MISSING: &'static [(&'static str, &'static str)] = &[$( ($missing, $instead), )*];

            fn check($tables: &[Self]) -> Result<(), TableFault> $check
        }
    };
}

pub(super) use table;

/// A list of tables.
#[derive(Clone, Debug)]
pub struct Tables<T>(Vec<T>);

impl<T> Default for Tables<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Deref for Tables<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: Table> Setting for Tables<T> {
    const EXPECTED: &'static str = T::EXPECTED;

    const TABLE: &'static [TableKeyDoc] = T::DOCS;

    fn parse(given: &Given<'_>) -> Option<Self> {
        Self::read(given).ok()
    }

    /// Reads a list. In a variable or a flag it is JSON.
    fn read(given: &Given<'_>) -> Result<Self, Fault> {
        if let Given::Text(text) = given {
            let value: serde_json::Value = serde_json::from_str(text).map_err(|_| Fault::here(T::EXPECTED))?;
            return Self::read(&Given::Json(&value));
        }
        let list = given.items().ok_or(Fault::here(T::EXPECTED))?;
        let tables = list.iter().enumerate().map(|(index, (place, given))| {
            let table = given.members().ok_or_else(|| Fault::here(T::EXPECTED)).and_then(read_table);
            table.map_err(|fault| fault.or_at(*place).inside(&format!("[{index}]")))
        });
        let tables = tables.collect::<Result<Vec<T>, _>>()?;
        T::check(&tables).map_err(|TableFault { index, key, expected }| {
            let path = if key.is_empty() { format!("[{index}]") } else { format!("[{index}].{key}") };
            Fault::here(expected).or_at(list[index].0).inside(&path)
        })?;
        Ok(Self(tables))
    }

    /// Writes the keys of each table that are not at their defaults.
    fn written(&self) -> String {
        let defaults = T::default();
        let tables = self.iter().map(|table| {
            let changed = T::KEYS.iter().filter(|key| (key.written)(table) != (key.written)(&defaults));
            let keys: Vec<_> = changed.map(|key| format!("{} = {}", key.name, (key.written)(table))).collect();
            format!("{{ {} }}", keys.join(", "))
        });
        format!("[{}]", tables.collect::<Vec<_>>().join(", "))
    }
}

fn read_table<T: Table>(members: Vec<(&str, Option<usize>, Given<'_>)>) -> Result<T, Fault> {
    let mut table = T::default();
    for (name, place, given) in members {
        let fault = match T::KEYS.iter().find(|key| key.name == name) {
            Some(key) => match (key.set)(&mut table, &given) {
                Ok(()) => continue,
                Err(fault) => fault,
            },
            None => match T::MISSING.iter().find(|(missing, _)| *missing == name) {
                Some((_, instead)) => Fault::here(*instead),
                None => {
                    let names: Vec<_> = T::KEYS.iter().map(|key| key.name).collect();
                    Fault::here(format!("one of the keys {}", names.join(", ")))
                }
            },
        };
        return Err(fault.or_at(place).inside(&format!(".{name}")));
    }
    Ok(table)
}

/// Writes members as an inline table of TOML.
pub(super) fn inline_table(members: impl Iterator<Item = (String, String)>) -> String {
    let members: Vec<_> = members.map(|(name, value)| format!("{} = {value}", quoted(&name))).collect();
    if members.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", members.join(", ")) }
}
