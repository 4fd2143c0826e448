//! Values in JSON, as System.Text.Json reads and writes them.

mod bind;
mod elements;
mod escape;
mod escape_table;
mod number;
mod portable;
mod scan;
mod text;
mod write;

pub(crate) use bind::{bind, forward};
pub(crate) use elements::RawElements;
pub(crate) use escape::write_string;
pub(crate) use portable::Portable;
pub(crate) use scan::{Kind, Scanner, SyntaxError};
pub(crate) use text::{Text, TextError};
pub(crate) use write::{write_arguments, write_value};
