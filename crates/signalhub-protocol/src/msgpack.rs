//! Values in MessagePack, as MessagePack-CSharp reads and writes them.

mod bind;
pub(crate) mod format;
mod names;
mod portable;
mod scan;
mod time;
mod write;

pub(crate) use bind::{ArgumentReader, bind, forward};
pub(crate) use portable::check_portable;
pub(crate) use scan::{ScanError, Scanner, Token};
pub(crate) use write::{write_arguments, write_value};
