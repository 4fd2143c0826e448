//! Family 7: how connections end.

use super::super::case::{Case, close, frame, ping, text};
use super::ENDED_BEFORE_ECHO;

const HELLO: &str = "Hello, world!";

pub(super) fn cases() -> Vec<Case> {
    [orders(), bodies(), codes()].into_iter().flatten().collect()
}

fn orders() -> Vec<Case> {
    let normal_close = || close(1000, "");
    let long = vec![b'B'; 256 * 1024];
    vec![
        Case::new("7.1.1").sends([text(HELLO)]).echoes(HELLO).waits().sends([normal_close()]).closes(1000),
        Case::new("7.1.2").sends([normal_close(), normal_close()]).closes(1000),
        Case::new("7.1.3").sends([normal_close(), ping("")]).closes(1000),
        Case::new("7.1.4").sends([normal_close(), text(HELLO)]).closes(1000),
        Case::new("7.1.5").sends([frame(0x01, "fragment1"), normal_close(), frame(0x80, "fragment2")]).closes(1000),
        Case::new("7.1.6").sends([text(&long)]).echoes(&long).waits().sends([normal_close(), ping("")]).closes(1000),
        Case::new("7.1.7")
            .sends([text(HELLO), normal_close()])
            .echoes(HELLO)
            .closes(1000)
            .or_no_echo(ENDED_BEFORE_ECHO),
    ]
}

fn bodies() -> Vec<Case> {
    let bad = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited";
    vec![
        Case::new("7.3.1").sends([frame(0x88, "")]).closes_without_code().or_1000(),
        Case::new("7.3.2").sends([frame(0x88, "a")]).closes(1002),
        Case::new("7.3.3").sends([close(1000, "")]).closes(1000),
        Case::new("7.3.4").sends([close(1000, HELLO)]).closes(1000),
        Case::new("7.3.5").sends([close(1000, [b'*'; 123])]).closes(1000),
        Case::new("7.3.6").sends([close(1000, [b'*'; 124])]).closes(1002),
        Case::new("7.5.1").sends([close(1000, bad)]).closes(1007),
    ]
}

fn codes() -> Vec<Case> {
    let valid = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999, 1014, 1012, 1013];
    let invalid = [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 1015];
    let numbered = |family: &'static str| move |index: usize| Case::new(format!("{family}.{}", index + 1));
    let (seven, nine, thirteen) = (numbered("7.7"), numbered("7.9"), numbered("7.13"));
    let valid = valid.into_iter().enumerate();
    let invalid = invalid.into_iter().enumerate();
    let beyond = [5000, 65_535].into_iter().enumerate();
    valid
        .map(|(index, code)| seven(index).sends([close(code, "")]).closes(code).or_1000())
        .chain(invalid.map(|(index, code)| nine(index).sends([close(code, "")]).closes(1002)))
        .chain(beyond.map(|(index, code)| thirteen(index).sends([close(code, "")]).closes(1002)))
        .collect()
}
