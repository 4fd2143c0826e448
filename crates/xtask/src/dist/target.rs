//! The machines that are built for.

use std::process::Command;

use crate::command::works;

/// A kind of machine, and what builds for it.
#[derive(Debug)]
pub(super) struct Target {
    /// What Rust calls it.
    pub(super) triple: &'static str,
    /// The compiler of C for it.
    compiler: &'static str,
    /// The package of Debian with the compiler.
    package: &'static str,
    /// The program that links for it. For musl it is not that of its compiler: what musl-gcc links is not static, and crashes.
    pub(super) linker: &'static str,
    /// What Debian calls it, if a package of Debian is made.
    pub(super) debian: Option<&'static str>,
    /// The largest pages of memory that kernels for it have, as a power of two, if not all have the same.
    pub(super) pages: Option<&'static str>,
    /// Whether the programs need no library, so that they run in an empty image.
    pub(super) is_static: bool,
}

/// All of them. Debian has no compiler for arm64 with musl.
pub(super) const TARGETS: [Target; 3] = [
    Target {
        triple: "x86_64-unknown-linux-musl",
        compiler: "musl-gcc",
        package: "musl-tools",
        linker: "gcc",
        debian: None,
        pages: None,
        is_static: true,
    },
    Target {
        triple: "x86_64-unknown-linux-gnu",
        compiler: "gcc",
        package: "gcc",
        linker: "gcc",
        debian: Some("amd64"),
        pages: None,
        is_static: false,
    },
    Target {
        triple: "aarch64-unknown-linux-gnu",
        compiler: "aarch64-linux-gnu-gcc",
        package: "gcc-aarch64-linux-gnu",
        linker: "aarch64-linux-gnu-gcc",
        debian: Some("arm64"),
        pages: Some("16"),
        is_static: false,
    },
];

impl Target {
    /// What is missing to build for it, and where it comes from.
    pub(super) fn missing(&self) -> Option<String> {
        if !works(Command::new(self.compiler).arg("--version")) {
            return Some(format!("{}: apt-get install {}", self.compiler, self.package));
        }
        let libraries = Command::new("rustc").args(["--print", "target-libdir", "--target", self.triple]).output().ok();
        let folder = libraries.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        let is_there = folder.is_some_and(|folder| std::path::Path::new(&folder).is_dir());
        (!is_there).then(|| format!("its standard library: rustup target add {}", self.triple))
    }

    /// Tells whether its programs run on this machine.
    pub(super) fn runs_here(&self) -> bool {
        cfg!(target_os = "linux") && self.triple.starts_with(std::env::consts::ARCH)
    }

    /// How variables of cargo and of C compilers name it.
    pub(super) fn in_variables(&self) -> String {
        self.triple.replace('-', "_")
    }
}
