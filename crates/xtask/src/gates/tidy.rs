//! The house rules that a machine can check.

use std::io;

use crate::command::say;
use crate::counts::Counts;
use crate::tidy::{RULES, Tree, long_files};
use crate::workspace::Workspace;

pub(crate) fn run(workspace: &Workspace) -> io::Result<Counts> {
    let tree = Tree::read(workspace)?;
    let mut counts = Counts::default();
    for (name, rule) in RULES {
        let findings = rule(&tree);
        for finding in &findings {
            say(&format!("{name}: {finding}"))?;
        }
        counts += if findings.is_empty() { Counts::PASSED } else { Counts::FAILED };
    }
    say(&format!("{} rules; {} files are longer than they should be", RULES.len(), long_files(&tree)))?;
    Ok(counts)
}
