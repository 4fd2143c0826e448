use super::tokens;

#[test]
fn comments_and_literals_are_left_out() {
    let check = |source: &str, expected: &str| {
        let texts: Vec<&str> = tokens(source).iter().map(|token| token.text).collect();
        assert_eq!(texts.join(" "), expected, "{source}");
    };
    check("use crate::hub; // crate::broker", "use crate :: hub ;");
    check("/* a /* b */ c */ d /**/ e", "d e");
    check(r#"a("crate::hub \" b", b"c", 'd', '\'', '\u{1F}')"#, "a ( , , , , )");
    check("r\"a\\\" b r#\"c \" d\"# e br##\"f\"# g\"## h", "b e h");
    check("fn a<'b>(c: &'b str, d: &'static str)", "fn a < > ( c : & str , d : & str )");
    check("r#type + 0x1F + 1.5e3", "type + + .");
    check("größe - ü", "größe - ü");
}

#[test]
fn tokens_know_their_lines() {
    let lines: Vec<usize> = tokens("a\n\"b\nc\" d\n\ne").iter().map(|token| token.line).collect();
    assert_eq!(lines, [0, 2, 4]);
}
