//! Values in MessagePack, as MessagePack-CSharp reads and writes them.

mod bind;
pub(crate) mod format;
mod names;
mod portable;
mod scan;
mod time;
mod write;

pub(crate) use bind::{ArgumentReader, bind, forward};
pub use format::{Container, write_bin, write_head, write_nil, write_signed, write_str, write_unsigned};
pub(crate) use portable::check_portable;
pub use scan::{ScanError, Scanner, Token};
pub(crate) use write::{write_arguments, write_value};
