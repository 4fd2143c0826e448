//! The page of all problems is generated from their definition.

use std::fmt::Write;

use super::*;
use crate::documents::check;

#[test]
fn the_page_of_problems_is_true() {
    let mut page = String::from(
        "# Problems\n\n\
         Errors of the publish API and of the admin API are `application/problem+json` (RFC 9457): a `status`, a stable `code`\n\
         for programs, a `title`, and a `detail` that states what was expected. In the answer to a batch, a problem replaces\n\
         the receipt of its item. A notification that gets a problem is not published.\n\n\
         | code | status | title | what to do |\n|---|---|---|---|\n",
    );
    for code in ProblemCode::ALL {
        let (status, title, remedy) = (code.status().as_u16(), code.title(), code.remedy());
        writeln!(page, "| `{}` | {status} | {title} | {remedy} |", code.code()).unwrap();
    }
    check("problems.md", &page);
}

#[test]
fn codes_are_words_and_stand_for_one_kind_each() {
    let mut codes: Vec<&str> = ProblemCode::ALL.iter().map(|code| code.code()).collect();
    assert!(
        codes.iter().all(|code| code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte == b'8'))
    );
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), ProblemCode::ALL.len());
}

#[test]
fn a_problem_repeats_a_limited_part_of_what_was_sent() {
    let problem = Problem::new(ProblemCode::UnknownMember, "\u{e9}".repeat(LONGEST_DETAIL + 1));
    assert_eq!(problem.detail.chars().count(), LONGEST_DETAIL + 1);
    assert!(problem.detail.ends_with("\u{e9}\u{2026}"));
    let whole = "\u{e9}".repeat(LONGEST_DETAIL);
    assert_eq!(Problem::new(ProblemCode::UnknownMember, whole.clone()).detail, whole);
}
