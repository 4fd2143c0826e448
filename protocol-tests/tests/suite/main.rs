//! The programs of this package.

mod command_line;
