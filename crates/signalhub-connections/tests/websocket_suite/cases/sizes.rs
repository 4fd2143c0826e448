//! Families 9 and 10: large and many messages, in sizes that keep the test short.

use super::super::case::{Case, fragments, frame};

const MIB: usize = 1024 * 1024;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    // The odd families send text, the even ones bytes.
    for kind in [1, 2] {
        cases.extend(whole(kind));
        cases.extend(fragmented(kind));
        cases.extend(chopped(kind));
        cases.extend(many(kind));
    }
    cases.sort_by_key(|case| case.id.split('.').map(|part| part.parse().unwrap()).collect::<Vec<u32>>());
    let payload = bytes(1, 65_536);
    cases.push(Case::new("10.1.1").sends_each(fragments(1, &payload, 1300)).echoes(&payload));
    cases
}

/// A payload that does not repeat, so that a wrong boundary is noticed.
fn bytes(kind: u8, length: usize) -> Vec<u8> {
    let byte = |at: usize| (at * 31 + at / 251) as u8;
    (0..length).map(|at| if kind == 1 { b' ' + byte(at) % 95 } else { byte(at) }).collect()
}

fn whole(kind: u8) -> impl Iterator<Item = Case> {
    let lengths = [MIB / 16, MIB / 4, MIB, 4 * MIB];
    lengths.into_iter().enumerate().map(move |(index, length)| {
        let payload = bytes(kind, length);
        Case::new(format!("9.{kind}.{}", index + 1)).sends([frame(0x80 | kind, &payload)]).echoes(payload)
    })
}

fn fragmented(kind: u8) -> impl Iterator<Item = Case> {
    let payload = bytes(kind, MIB);
    (0..8).map(move |index| {
        let frames = fragments(kind, &payload, 64 << (2 * index));
        Case::new(format!("9.{}.{}", kind + 2, index + 1)).sends_each(frames).echoes(&payload)
    })
}

fn chopped(kind: u8) -> impl Iterator<Item = Case> {
    let payload = bytes(kind, MIB);
    (0..6).map(move |index| {
        let case = Case::new(format!("9.{}.{}", kind + 4, index + 1));
        case.sends_in(64 << index, [frame(0x80 | kind, &payload)]).echoes(&payload)
    })
}

fn many(kind: u8) -> impl Iterator<Item = Case> {
    [0, 16, 64, 256, 1024, 4096].into_iter().enumerate().map(move |(index, length)| {
        let payload = bytes(kind, length);
        let case = Case::new(format!("9.{}.{}", kind + 6, index + 1));
        case.sends_each(vec![frame(0x80 | kind, &payload); 1000]).echoes(payload.repeat(1000))
    })
}
