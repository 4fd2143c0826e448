//! The documentation of the crates and the book build, and none of their links is broken.

pub(crate) mod book;
mod links;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::command::{cargo, run as run_command, say};
use crate::counts::Counts;
use crate::workspace::Workspace;

/// What stands around a link that rustdoc could not resolve, in what it writes.
const OPEN: &str = "[<code>";
const CLOSE: &str = "</code>]";

pub(crate) fn run(workspace: &Workspace) -> io::Result<Counts> {
    let folder = workspace.target.join("doc");
    // Pages of a run before would hide links that only lead somewhere because of them.
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    let mut command = cargo(&["doc", "--workspace", "--no-deps"]);
    run_command(command.env("RUSTDOCFLAGS", "-D warnings").current_dir(&workspace.root))?;
    let mut counts = Counts::PASSED;
    let front_pages = workspace.packages.iter().map(|package| folder.join(package.name.replace('-', "_")));
    for page in front_pages.map(|folder| folder.join("index.html")).filter(|page| page.exists()) {
        let html = fs::read_to_string(&page)?;
        let dead = dead_links(&html);
        for link in &dead {
            say(&format!("{}: the link [{link}] leads nowhere", relative(&page, workspace).display()))?;
        }
        counts += if dead.is_empty() { Counts::PASSED } else { Counts::FAILED };
    }
    counts += check_links(workspace)?;
    counts += book::build(workspace)?;
    Ok(counts)
}

/// Checks the links of the Markdown files, without a tool that may be missing.
fn check_links(workspace: &Workspace) -> io::Result<Counts> {
    let findings = links::check(&workspace.root)?;
    for finding in &findings {
        say(finding)?;
    }
    Ok(if findings.is_empty() { Counts::PASSED } else { Counts::FAILED })
}

fn relative(page: &Path, workspace: &Workspace) -> PathBuf {
    page.strip_prefix(&workspace.root).unwrap_or(page).to_owned()
}

/// The links that a page shows as they were written. rustdoc does not warn when the page that one leads to is not there.
fn dead_links(html: &str) -> Vec<&str> {
    let dead = html.split(OPEN).skip(1);
    dead.filter_map(|rest| rest.split_once(CLOSE)).map(|(link, _)| link).filter(|link| !link.contains('<')).collect()
}

#[cfg(test)]
mod tests {
    use super::dead_links;

    #[test]
    fn links_that_stayed_text_are_found() {
        let html = "<p>see [<code>connections</code>] and <a href=\"x\"><code>Hub</code></a>, [<code>a::B</code>]</p>";
        assert_eq!(dead_links(html), ["connections", "a::B"]);
        assert!(dead_links("<p>an array <code>[1]</code>, [<code>1</code>, 2]</p>").is_empty());
    }
}
