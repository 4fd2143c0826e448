//! Links between the documents, as they are written in Markdown: each file that one leads to is there, and each heading.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

/// Folders whose Markdown is not ours, or is read by rustdoc, which checks its links itself.
const PASSED_OVER: [&str; 4] = [".git", "node_modules", "target", "crates"];

/// The table of contents of the book.
const SUMMARY: &str = "docs/SUMMARY.md";

/// A link or an image in a Markdown text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Link<'a> {
    /// What is between the brackets.
    pub(super) text: &'a str,
    /// What is between the parentheses.
    pub(super) target: &'a str,
    /// Where its `[` is in the whole text.
    pub(super) start: usize,
    /// Where its `)` ends in the whole text.
    pub(super) end: usize,
}

/// Returns a line for each link of the documents that leads nowhere, and for each page that the book leaves out or has twice.
pub(super) fn check(root: &Path) -> io::Result<Vec<String>> {
    let mut pages = HashMap::new();
    collect(root, Path::new(""), &mut pages)?;
    let mut findings: Vec<String> = pages.iter().flat_map(|(page, text)| dead(root, page, text, &pages)).collect();
    findings.extend(left_out(&pages));
    findings.sort();
    Ok(findings)
}

/// Finds the links in a Markdown text, which are not in code.
pub(super) fn links(text: &str) -> Vec<Link<'_>> {
    let mut found = Vec::new();
    for (line_start, line) in lines_of_prose(text) {
        for (middle, _) in line.match_indices("](") {
            let is_in_code = line[..middle].matches('`').count() % 2 == 1;
            let (Some(open), Some(len)) = (line[..middle].rfind('['), line[middle + 2..].find(')')) else { continue };
            if !is_in_code {
                let end = middle + 2 + len;
                let (text, target) = (&line[open + 1..middle], &line[middle + 2..end]);
                found.push(Link { text, target, start: line_start + open, end: line_start + end + 1 });
            }
        }
    }
    found
}

/// Returns the lines outside of fenced code, with the place where each begins.
fn lines_of_prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_code = false;
    let mut place = 0;
    text.split_inclusive('\n').filter_map(move |line| {
        let start = place;
        place += line.len();
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        (!is_code && !is_fence).then_some((start, line.trim_end()))
    })
}

/// Returns what links to the headings of a page are called, as web sites of repositories and mdBook make it of their words.
fn anchors(text: &str) -> Vec<String> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let titles = lines_of_prose(text).filter_map(|(_, line)| {
        let title = line.trim_start_matches('#');
        (title.len() < line.len()).then(|| title.strip_prefix(' ')).flatten()
    });
    let is_kept = |letter: &char| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_');
    let anchor =
        |title: &str| title.trim().chars().filter(is_kept).collect::<String>().to_lowercase().replace(' ', "-");
    titles
        .map(|title| {
            let anchor = anchor(title);
            let before = seen.entry(anchor.clone()).or_default();
            *before += 1;
            if *before == 1 { anchor } else { format!("{anchor}-{}", *before - 1) }
        })
        .collect()
}

/// Returns the links of a page that lead nowhere.
fn dead(root: &Path, page: &Path, text: &str, pages: &HashMap<PathBuf, String>) -> Vec<String> {
    let is_ours = |link: &Link<'_>| !link.target.contains("://") && !link.target.starts_with("mailto:");
    let problem = |link: Link<'_>| {
        let (file, anchor) = link.target.split_once('#').map_or((link.target, None), |(file, at)| (file, Some(at)));
        let path = if file.is_empty() { page.to_owned() } else { resolve(page, file) };
        let place = format!("{}: the link to {}", page.display(), link.target);
        if !root.join(&path).exists() {
            return Some(format!("{place} leads to no file"));
        }
        let (anchor, target) = (anchor?, pages.get(&path)?);
        (!anchors(target).iter().any(|known| known == anchor)).then(|| format!("{place} leads to no heading"))
    };
    links(text).into_iter().filter(is_ours).filter_map(problem).collect()
}

/// Returns where a relative link of a page leads, from the root.
fn resolve(page: &Path, link: &str) -> PathBuf {
    let mut path = page.parent().unwrap_or(Path::new("")).to_owned();
    for part in Path::new(link).components() {
        match part {
            Component::ParentDir if path.file_name().is_some() => drop(path.pop()),
            Component::CurDir => {}
            part => path.push(part),
        }
    }
    path
}

/// Compares the pages with the table of contents: mdBook neither shows a page that is not in it, nor says so.
fn left_out(pages: &HashMap<PathBuf, String>) -> Vec<String> {
    let Some(summary) = pages.get(Path::new(SUMMARY)) else { return vec![format!("there is no {SUMMARY}")] };
    let listed: Vec<PathBuf> = links(summary).iter().map(|link| resolve(Path::new(SUMMARY), link.target)).collect();
    let folder = Path::new(SUMMARY).parent();
    let of_the_book = pages.keys().filter(|page| page.parent() == folder && *page != Path::new(SUMMARY));
    let counted = of_the_book.map(|page| (page, listed.iter().filter(|path| *path == page).count()));
    counted
        .filter(|(_, count)| *count != 1)
        .map(|(page, count)| format!("{} is {count} times in {SUMMARY}", page.display()))
        .collect()
}

/// Reads the Markdown files of a folder and the folders in it.
fn collect(root: &Path, folder: &Path, pages: &mut HashMap<PathBuf, String>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let path = folder.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() && !PASSED_OVER.iter().any(|name| entry.file_name() == *name) {
            collect(root, &path, pages)?;
        } else if kind.is_file() && path.extension().is_some_and(|extension| extension == "md") {
            pages.insert(path, fs::read_to_string(entry.path())?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
