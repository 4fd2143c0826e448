//! The page of all problems is made of their definition.

use std::fmt::Write;

use super::*;
use crate::documents::check;

#[test]
fn the_page_of_problems_is_true() {
    let mut page = String::from(
        "# Problems\n\n\
         What the publish API refuses is answered with `application/problem+json` (RFC 9457): a `status`, a stable `code`\n\
         for programs, a `title`, and in `detail` what was expected. In the answer to a batch, a problem stands in the\n\
         place of its item's receipt. Whatever was refused was not published.\n\n\
         | code | status | what is the matter | what to do |\n|---|---|---|---|\n",
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
