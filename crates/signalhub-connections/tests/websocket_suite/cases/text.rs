//! Family 6: UTF-8, checked as it arrives.

use super::super::case::{Case, fragments, frame, text};

/// "κόσμε", with a letter that has two forms.
const KOSME: &[u8] = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = fragmented();
    cases.extend(failing_fast());
    for (family, texts) in families() {
        for (index, payload) in texts.into_iter().enumerate() {
            let case = Case::new(format!("6.{family}.{}", index + 1)).sends([text(&payload)]);
            let valid = std::str::from_utf8(&payload).is_ok();
            assert_eq!(valid, expected_valid(family, index), "6.{family}.{}", index + 1);
            cases.push(if valid { case.echoes(&payload) } else { case.closes(1007) });
        }
    }
    cases
}

fn fragmented() -> Vec<Case> {
    let hello = "Hello-µ@ßöäüàá-UTF-8!!";
    let (first, second) = hello.as_bytes().split_at("Hello-µ@ßöä".len());
    let bad = [KOSME, b"\xed\xa0\x80edited"].concat();
    vec![
        Case::new("6.1.1").sends([text("")]),
        Case::new("6.1.2").sends([frame(0x01, ""), frame(0x00, ""), frame(0x80, "")]),
        Case::new("6.1.3").sends([frame(0x01, ""), frame(0x00, "middle"), frame(0x80, "")]).echoes("middle"),
        Case::new("6.2.1").sends([text(hello)]).echoes(hello),
        Case::new("6.2.2").sends([frame(0x01, first), frame(0x80, second)]).echoes(hello),
        Case::new("6.2.3").sends_each(fragments(1, hello.as_bytes(), 1)).echoes(hello),
        Case::new("6.2.4").sends_each(fragments(1, KOSME, 1)).echoes(KOSME),
        Case::new("6.3.1").sends([text(&bad)]).closes(1007),
        // In one write: an echo that streams would else send back, or not, what came before the violation.
        Case::new("6.3.2").sends(fragments(1, &bad, 1)).closes(1007),
    ]
}

/// The message goes on behind what is sent: it must not be waited for.
fn failing_fast() -> Vec<Case> {
    let cut = |payload: &[u8], sent: usize| {
        let mut frame = text(payload);
        frame.truncate(frame.len() - payload.len() + sent);
        frame
    };
    let bad = [KOSME, b"\xf4\x90\x80\x80edited"].concat();
    vec![
        Case::new("6.4.1").sends([frame(0x01, KOSME), frame(0x00, b"\xf4\x90\x80\x80")]).closes(1007),
        Case::new("6.4.2").sends([frame(0x01, [KOSME, b"\xf4"].concat()), frame(0x00, b"\x90")]).closes(1007),
        Case::new("6.4.3").sends([cut(&bad, KOSME.len() + 4)]).closes(1007),
        Case::new("6.4.4").sends([cut(&bad, KOSME.len() + 2)]).closes(1007),
    ]
}

/// Which texts of a family the standard calls valid; the tables are checked against it, and it against the tables.
fn expected_valid(family: usize, index: usize) -> bool {
    match family {
        5 | 7 | 9 | 22 | 23 => true,
        6 => [1, 4, 6, 8, 10].contains(&index),
        11 => index < 4,
        _ => false,
    }
}

fn families() -> Vec<(usize, Vec<Vec<u8>>)> {
    let list = |texts: &[&[u8]]| texts.iter().map(|text| text.to_vec()).collect::<Vec<_>>();
    vec![
        (5, list(&["κ", "ό", "σ", "μ", "ε"].map(str::as_bytes))),
        (6, (1..=KOSME.len()).map(|length| KOSME[..length].to_vec()).collect()),
        (7, list(&[b"\x00", b"\xc2\x80", b"\xe0\xa0\x80", b"\xf0\x90\x80\x80"])),
        (8, list(&[b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80"])),
        (9, list(&[b"\x7f", b"\xdf\xbf", b"\xef\xbf\xbf", b"\xf4\x8f\xbf\xbf"])),
        (10, list(&[b"\xf7\xbf\xbf\xbf", b"\xfb\xbf\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf\xbf"])),
        (11, list(&[b"\xed\x9f\xbf", b"\xee\x80\x80", b"\xef\xbf\xbd", b"\xf4\x8f\xbf\xbf", b"\xf4\x90\x80\x80"])),
        (12, continuations()),
        (13, lonely_starts()),
        (14, truncated()),
        (15, vec![truncated().concat()]),
        (16, list(&[b"\xfe", b"\xff", b"\xfe\xfe\xff\xff"])),
        (17, overlong([0x2f, 0xaf])),
        (18, longest_overlong()),
        (19, overlong([0x00, 0x80])),
        (20, surrogates()),
        (21, surrogate_pairs()),
        (22, non_characters()),
        (23, (0xfff9..=0xfffd).chain([0xfeff, 0x200b]).map(encoded).collect()),
    ]
}

fn encoded(scalar: u32) -> Vec<u8> {
    char::from_u32(scalar).unwrap().to_string().into_bytes()
}

/// Continuation bytes without a start.
fn continuations() -> Vec<Vec<u8>> {
    let alternating = |length| [0x80, 0xbf].into_iter().cycle().take(length).collect();
    let short = [vec![0x80], vec![0xbf]].into_iter().chain((2..=6).map(alternating));
    short.chain([(0x80..=0xbf).collect()]).collect()
}

/// Start bytes of each length, each followed by a space.
fn lonely_starts() -> Vec<Vec<u8>> {
    let ranges = [0xc0..=0xdf, 0xe0..=0xef, 0xf0..=0xf7, 0xf8..=0xfb, 0xfc..=0xfd_u8];
    ranges.into_iter().map(|range| range.flat_map(|start| [start, b' ']).collect()).collect()
}

/// Characters of each length whose last byte is missing.
fn truncated() -> Vec<Vec<u8>> {
    let starts: [(u8, usize, u8); 10] = [
        (0xc0, 0, 0x80),
        (0xe0, 1, 0x80),
        (0xf0, 2, 0x80),
        (0xf8, 3, 0x80),
        (0xfc, 4, 0x80),
        (0xdf, 0, 0xbf),
        (0xef, 1, 0xbf),
        (0xf7, 2, 0xbf),
        (0xfb, 3, 0xbf),
        (0xfd, 4, 0xbf),
    ];
    starts.into_iter().map(|(start, count, byte)| [vec![start], vec![byte; count]].concat()).collect()
}

/// An ASCII character in two to six bytes, by its one byte and its last one.
fn overlong([byte, last]: [u8; 2]) -> Vec<Vec<u8>> {
    let high = 0x80 | (byte >> 6);
    vec![
        vec![0xc0, last],
        vec![0xe0, high, last],
        vec![0xf0, 0x80, high, last],
        vec![0xf8, 0x80, 0x80, high, last],
        vec![0xfc, 0x80, 0x80, 0x80, high, last],
    ]
}

/// The highest scalar for which each length is too long.
fn longest_overlong() -> Vec<Vec<u8>> {
    vec![
        vec![0xc1, 0xbf],
        vec![0xe0, 0x9f, 0xbf],
        vec![0xf0, 0x8f, 0xbf, 0xbf],
        vec![0xf8, 0x87, 0xbf, 0xbf, 0xbf],
        vec![0xfc, 0x83, 0xbf, 0xbf, 0xbf, 0xbf],
    ]
}

/// Three bytes for a code point that is half of a pair in UTF-16.
fn half(code: u16) -> Vec<u8> {
    vec![0xe0 | (code >> 12) as u8, 0x80 | (code >> 6 & 0x3f) as u8, 0x80 | (code & 0x3f) as u8]
}

fn surrogates() -> Vec<Vec<u8>> {
    [0xd800, 0xdb7f, 0xdb80, 0xdbff, 0xdc00, 0xdf80, 0xdfff].map(half).to_vec()
}

fn surrogate_pairs() -> Vec<Vec<u8>> {
    let firsts = [0xd800, 0xdb7f, 0xdb80, 0xdbff];
    firsts.iter().flat_map(|first| [0xdc00, 0xdfff].map(|second| [half(*first), half(second)].concat())).collect()
}

/// The last two code points of each plane: valid, though nothing is assigned to them.
fn non_characters() -> Vec<Vec<u8>> {
    (0..=0x10).flat_map(|plane: u32| [plane << 16 | 0xfffe, plane << 16 | 0xffff]).map(encoded).collect()
}
