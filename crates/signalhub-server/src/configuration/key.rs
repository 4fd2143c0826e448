//! One key of the configuration, and the macro that makes the keys, their structs and their defaults out of one table.

use super::Configuration;
use super::setting::{Fault, Given, TableKeyDoc};

/// The prefix of environment variables.
pub(super) const PREFIX: &str = "SIGNALHUB_";

/// Defines one key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// The section it stands in.
    pub section: &'static str,
    /// Its name within the section.
    pub name: &'static str,
    /// What it does.
    pub doc: &'static str,
    /// What its values look like.
    pub expected: &'static str,
    /// The keys of its tables, if its value is a list of tables.
    pub table: &'static [TableKeyDoc],
    pub(super) written: fn(&Configuration) -> String,
    pub(super) set: fn(&mut Configuration, &Given<'_>) -> Result<(), Fault>,
}

impl Key {
    /// Writes its name with its section, such as `listen.public`.
    pub fn path(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }

    /// Writes its default as in a configuration file; empty for a key without one.
    pub(crate) fn default_text(&self) -> String {
        (self.written)(&Configuration::default())
    }

    /// Names the environment variable that sets it.
    pub fn variable(&self) -> String {
        format!("{}{}", PREFIX, self.path().replace('.', "__")).to_uppercase()
    }
}

/// The name of a section in the file: that of its field, unless it is inside another section.
macro_rules! section_path {
    ($section:ident) => {
        stringify!($section)
    };
    ($section:ident $path:literal) => {
        $path
    };
}

/// Defines the sections and keys: a struct for each section, their defaults, `KEYS` and `SECTIONS`.
macro_rules! configuration {
    ($(
        $(#[doc = $about:literal])+
        $section:ident $(at $path:literal)?: $Section:ident {
            $( $(#[doc = $doc:literal])+ $key:ident: $type:ty = $default:expr; )+
        }
    )+) => {
        /// Holds what an operator can configure.
        #[derive(Clone, Debug, Default)]
        pub struct Configuration {
            $( $(#[doc = $about])+ pub $section: $Section, )+
            /// Where the keys that are not at their defaults were set.
            pub(crate) places: Places,
        }

        $(
            $(#[doc = $about])+
            #[derive(Clone, Debug)]
            pub struct $Section {
                $( $(#[doc = $doc])+ pub $key: $type, )+
            }

            impl $Section {
                /// Its name in the file.
                const PATH: &'static str = section_path!($section $($path)?);
            }

            impl Default for $Section {
                fn default() -> Self {
                    Self { $( $key: $default, )+ }
                }
            }
        )+

        /// All sections and what they are about, in the order of the documents.
        pub(crate) const SECTIONS: &[(&str, &str)] = &[$( ($Section::PATH, concat!($($about),+)), )+];

        /// All keys, in the order of the documents.
        pub const KEYS: &[Key] = &[
            $( $( Key {
                section: $Section::PATH,
                name: stringify!($key),
                doc: concat!($($doc),+),
                expected: <$type as Setting>::EXPECTED,
                written: |configuration| Setting::written(&configuration.$section.$key),
                table: <$type as Setting>::TABLE,
                set: |configuration, given| {
                    configuration.$section.$key = Setting::read(given)?;
                    Ok(())
                },
            }, )+ )+
        ];
    };
}

pub(super) use {configuration, section_path};
