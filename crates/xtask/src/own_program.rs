//! Where this program is.

use std::env;
use std::path::PathBuf;
use std::sync::LazyLock;

/// The path of this program when it started; `main` reads it first.
///
/// The gate of the tests compiles the program again and replaces its file. The system then tells a path that does not exist, while the
/// new file is at the old path.
pub(crate) static PATH: LazyLock<PathBuf> =
    LazyLock::new(|| env::current_exe().unwrap_or_else(|_| PathBuf::from("xtask")));
