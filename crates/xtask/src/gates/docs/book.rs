//! The book that mdBook makes of `docs`.

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::links::links;
use crate::command::{run, say, works};
use crate::counts::Counts;
use crate::workspace::Workspace;

/// Builds the book, and checks that no link of its pages is dead. Without mdBook nothing is built.
pub(super) fn build(workspace: &Workspace) -> io::Result<Counts> {
    if !works(Command::new("mdbook").arg("--version")) {
        say("not run: mdbook is not installed, so the book is not built (cargo install mdbook --locked)")?;
        return Ok(Counts::new(0, 0, 1));
    }
    let folder = workspace.target.join("book");
    run(Command::new("mdbook").arg("build").arg(&workspace.root).arg("--dest-dir").arg(&folder))?;
    let mut pages = Vec::new();
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        // The page for addresses that do not exist has links from the root of a site.
        if path.extension().is_some_and(|extension| extension == "html") && !path.ends_with("404.html") {
            pages.push(path);
        }
    }
    let mut counts = Counts::default();
    for page in pages {
        let dead = dead_links(&page)?;
        for link in &dead {
            say(&format!("{}: the link to {link} leads nowhere", page.display()))?;
        }
        counts += if dead.is_empty() { Counts::PASSED } else { Counts::FAILED };
    }
    Ok(counts)
}

/// Returns the links of a page to files and anchors that are not in the book.
fn dead_links(page: &Path) -> io::Result<Vec<String>> {
    let html = fs::read_to_string(page)?;
    let folder = page.parent().unwrap_or(Path::new(""));
    let mut dead = Vec::new();
    for target in attributes(&html, "href").chain(attributes(&html, "src")) {
        if target.contains(':') || target.starts_with("//") {
            continue;
        }
        let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
        let path = if file.is_empty() { page.to_owned() } else { folder.join(file) };
        let has_anchor = || Ok::<_, io::Error>(attributes(&fs::read_to_string(&path)?, "id").any(|id| id == anchor));
        if !path.exists() || !anchor.is_empty() && !has_anchor()? {
            dead.push(target.to_owned());
        }
    }
    Ok(dead)
}

/// Returns the values of an attribute in the tags of a page. Text that shows a tag is not one: its `<` is written as `&lt;`.
fn attributes<'a>(html: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let opening = format!(" {name}=\"");
    let tags = html.split('<').skip(1).filter_map(|rest| rest.split('>').next());
    tags.filter_map(move |tag| tag.split_once(&opening)).filter_map(|(_, rest)| rest.split('"').next())
}

/// Is the preprocessor of `book.toml`: reads the book from standard input, and writes it with links that work outside of the repository.
///
/// mdBook asks first whether a renderer is supported (`supports html`); every one is.
pub(crate) fn rewrite_links(arguments: &[String]) -> io::Result<()> {
    if arguments.first().is_some_and(|argument| argument == "supports") {
        return Ok(());
    }
    let mut input = String::new();
    io::stdin().read_to_string(&mut input)?;
    let (context, mut book): (Value, Value) = serde_json::from_str(&input)?;
    let repository = context["config"]["output"]["html"]["git-repository-url"].as_str();
    rewrite_chapters(&mut book, repository);
    io::stdout().write_all(book.to_string().as_bytes())
}

/// Rewrites the links of all chapters: an object with a `content` is one.
fn rewrite_chapters(value: &mut Value, repository: Option<&str>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                match member {
                    Value::String(content) if name == "content" => *content = rewritten(content, repository),
                    member => rewrite_chapters(member, repository),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rewrite_chapters(item, repository)),
        _ => {}
    }
}

/// Returns a page whose links out of the book lead to the repository, or are text that names the path there.
fn rewritten(page: &str, repository: Option<&str>) -> String {
    let mut text = String::with_capacity(page.len());
    let mut written = 0;
    for link in links(page) {
        let Some(path) = link.target.strip_prefix("../") else { continue };
        text.push_str(&page[written..link.start]);
        written = link.end;
        text.push_str(&match repository {
            Some(repository) => format!("[{}]({}/blob/HEAD/{path})", link.text, repository.trim_end_matches('/')),
            None if link.text.contains(path) => link.text.to_owned(),
            None => format!("{} (`{path}`)", link.text),
        });
    }
    text.push_str(&page[written..]);
    text
}

#[cfg(test)]
mod tests;
