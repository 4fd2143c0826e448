use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::{anchors, dead, left_out, links};

fn targets(text: &str) -> Vec<&str> {
    links(text).into_iter().map(|link| link.target).collect()
}

#[test]
fn links_are_found_in_prose_and_not_in_code() {
    let text =
        "see [one](a.md) and [`two`](b.md#x)\n```\n[no](c.md)\n```\nnor `[this](d.md)`, but ![a picture](e.svg)\n";
    assert_eq!(targets(text), ["a.md", "b.md#x", "e.svg"]);
    let [first, ..] = &links(text)[..] else { panic!("no link") };
    assert_eq!((first.text, &text[first.start..first.end]), ("one", "[one](a.md)"));
}

#[test]
fn headings_have_the_anchors_that_sites_give_them() {
    let text = "# A page\n## `cors.origins`\n### C#\n## Two: of them, 1st\n## C#\n```\n# code\n```\n#no heading\n";
    assert_eq!(anchors(text), ["a-page", "corsorigins", "c", "two-of-them-1st", "c-1"]);
}

#[test]
fn links_to_files_and_headings_that_are_not_there_are_told() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pages = HashMap::from([(PathBuf::from("docs/a.md"), "# Here\n".to_owned())]);
    let check = |text: &str, expected: &[&str]| {
        let found = dead(root, Path::new("docs/a.md"), text, &pages);
        let ends: Vec<&str> = found.iter().map(|line| line.rsplit("leads to ").next().unwrap_or_default()).collect();
        assert_eq!(ends, expected, "{text}");
    };
    check("[manifest](../Cargo.toml), [out](https://example.com/#x), [mail](mailto:a@b.c)", &[]);
    check("[nothing](nothing.md)", &["no file"]);
    check("[nothing](../../../nothing.md)", &["no file"]);
}

#[test]
fn a_heading_of_the_page_itself_is_looked_for() {
    // This package has no folder `docs`; its manifest stands for a page.
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = Path::new("Cargo.toml");
    let pages = HashMap::from([(page.to_owned(), "# Here\n".to_owned())]);
    assert!(dead(root, page, "[up](#here)", &pages).is_empty());
    assert_eq!(dead(root, page, "[up](#there)", &pages), ["Cargo.toml: the link to #there leads to no heading"]);
}

#[test]
fn each_page_is_in_the_book_once() {
    let page = |name: &str, text: &str| (PathBuf::from(name), text.to_owned());
    let summary = "- [One](one.md)\n- [Two](two.md)\n- [Two again](two.md)\n";
    let pages = [page("docs/SUMMARY.md", summary), page("docs/one.md", ""), page("README.md", "")];
    assert!(left_out(&HashMap::from(pages.clone())).is_empty());
    let mut more = HashMap::from(pages);
    more.extend([page("docs/two.md", ""), page("docs/three.md", "")]);
    let mut found = left_out(&more);
    found.sort();
    assert_eq!(found, ["docs/three.md is 0 times in docs/SUMMARY.md", "docs/two.md is 2 times in docs/SUMMARY.md"]);
}
