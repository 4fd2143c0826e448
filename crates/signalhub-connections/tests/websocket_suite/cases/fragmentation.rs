//! Family 5: messages in fragments, and what may stand between them.

use super::super::case::{Case, frame, ping, text};

pub(super) fn cases() -> Vec<Case> {
    [whole(), broken(), with_pings()].into_iter().flatten().collect()
}

fn whole() -> Vec<Case> {
    let two = || [frame(0x01, "fragment1"), frame(0x80, "fragment2")];
    let between = || [frame(0x01, "fragment1"), ping("ping"), frame(0x80, "fragment2")];
    let both = "fragment1fragment2";
    vec![
        Case::new("5.1").sends([frame(0x09, "fragment1"), frame(0x80, "fragment2")]).closes(1002),
        Case::new("5.2").sends([frame(0x0a, "fragment1"), frame(0x80, "fragment2")]).closes(1002),
        Case::new("5.3").sends(two()).echoes(both),
        Case::new("5.4").sends_each(two()).echoes(both),
        Case::new("5.5").sends_in(1, two()).echoes(both),
        Case::new("5.6").sends(between()).echoes(both).pongs("ping"),
        Case::new("5.7").sends_each(between()).echoes(both).pongs("ping"),
        Case::new("5.8").sends_in(1, between()).echoes(both).pongs("ping"),
    ]
}

fn broken() -> Vec<Case> {
    let mut cases = Vec::new();
    for (number, first) in [(9, 0x80), (12, 0x00)] {
        let frames = || [frame(first, "non-continuation payload"), text("Hello, world!")];
        cases.extend([
            Case::new(format!("5.{number}")).sends(frames()).closes(1002),
            Case::new(format!("5.{}", number + 1)).sends_each(frames()).closes(1002),
            Case::new(format!("5.{}", number + 2)).sends_in(1, frames()).closes(1002),
        ]);
    }
    let both = "fragment1fragment2";
    let twice = |first| {
        let frames = || [frame(first, "fragment1"), frame(0x81, "fragment2")].concat();
        [frames(), frames()]
    };
    cases.extend([
        Case::new("5.15")
            .sends([frame(0x01, "fragment1"), frame(0x80, "fragment2")])
            .echoes(both)
            .waits()
            .sends([frame(0x00, "fragment3"), text("fragment4")])
            .closes(1002),
        Case::new("5.16").sends(twice(0x00)).closes(1002),
        Case::new("5.17").sends(twice(0x80)).closes(1002),
        Case::new("5.18").sends([frame(0x01, "fragment1"), frame(0x81, "fragment2")]).closes(1002),
    ]);
    cases
}

fn with_pings() -> Vec<Case> {
    let frames = || {
        [
            frame(0x01, "fragment1"),
            frame(0x00, "fragment2"),
            ping("ping1"),
            frame(0x00, "fragment3"),
            frame(0x00, "fragment4"),
            ping("ping2"),
            frame(0x80, "fragment5"),
        ]
    };
    let case =
        |id: &str| Case::new(id).echoes("fragment1fragment2fragment3fragment4fragment5").pongs("ping1").pongs("ping2");
    vec![case("5.19").sends(frames()), case("5.20").sends_each(frames())]
}
