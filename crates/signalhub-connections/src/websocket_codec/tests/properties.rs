//! What holds for any input.

use proptest::prelude::*;

use super::differential::{any_frames, valid_frames};
use super::*;
use crate::websocket_codec::utf8::Utf8;

/// Cuts `input` into pieces whose sizes are taken round and round.
fn cut<'a>(mut input: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for size in sizes.iter().cycle() {
        let (piece, rest) = input.split_at((*size).min(input.len()));
        pieces.push(piece);
        input = rest;
        if input.is_empty() {
            break;
        }
    }
    pieces
}

/// The well-formed byte sequences of UTF-8 as Unicode tabulates them (table 3-7), as the ranges of their bytes.
const WELL_FORMED: [&[(u8, u8)]; 9] = [
    &[(0x00, 0x7f)],
    &[(0xc2, 0xdf), (0x80, 0xbf)],
    &[(0xe0, 0xe0), (0xa0, 0xbf), (0x80, 0xbf)],
    &[(0xe1, 0xec), (0x80, 0xbf), (0x80, 0xbf)],
    &[(0xed, 0xed), (0x80, 0x9f), (0x80, 0xbf)],
    &[(0xee, 0xef), (0x80, 0xbf), (0x80, 0xbf)],
    &[(0xf0, 0xf0), (0x90, 0xbf), (0x80, 0xbf), (0x80, 0xbf)],
    &[(0xf1, 0xf3), (0x80, 0xbf), (0x80, 0xbf), (0x80, 0xbf)],
    &[(0xf4, 0xf4), (0x80, 0x8f), (0x80, 0xbf), (0x80, 0xbf)],
];

/// Returns how many bytes of `text` are valid before the first invalid one, and whether it ends with a whole character.
fn judge(text: &[u8]) -> (usize, bool) {
    let mut position = 0;
    while position < text.len() {
        let first = text[position];
        let Some(row) = WELL_FORMED.iter().find(|row| (row[0].0..=row[0].1).contains(&first)) else {
            return (position, false);
        };
        for (low, high) in *row {
            match text.get(position) {
                None => return (position, false),
                Some(byte) if !(low..=high).contains(&byte) => return (position, false),
                Some(_) => position += 1,
            }
        }
    }
    (position, true)
}

/// Bytes from the borders of the ranges above, which random ones seldom hit.
fn text_bytes() -> impl Strategy<Value = Vec<u8>> {
    let border = prop::sample::select(
        b"a\x7f\x80\x8f\x90\x9f\xa0\xbf\xc0\xc1\xc2\xdf\xe0\xe1\xec\xed\xee\xef\xf0\xf1\xf3\xf4\xf5\xff".to_vec(),
    );
    let character = any::<char>().prop_map(|character| character.to_string().into_bytes());
    let part = prop_oneof![4 => character, 1 => prop::collection::vec(border, 1..4)];
    prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn any_split_is_received_alike(
        input in prop_oneof![valid_frames(), any_frames()],
        sizes in prop::collection::vec(1_usize..200, 1..8),
    ) {
        let whole = decode([&input[..]]);
        prop_assert_eq!(decode(cut(&input, &sizes)), whole.clone());
        prop_assert_eq!(decode(input.chunks(1)), whole);
    }

    #[test]
    fn random_bytes_never_panic(input in prop::collection::vec(any::<u8>(), 0..400), size in 1_usize..50) {
        prop_assert_eq!(decode(input.chunks(size)), decode([&input[..]]));
    }

    #[test]
    fn payloads_are_unmasked_whatever_the_mask(
        mask: [u8; 4], payload in prop::collection::vec(any::<u8>(), 0..100), size in 1_usize..40,
    ) {
        let mut input = vec![0x82, 0x80 | payload.len() as u8];
        input.extend_from_slice(&mask);
        input.extend(payload.iter().enumerate().map(|(index, byte)| byte ^ mask[index % 4]));
        let received = vec![Received::Message(MessageKind::Binary, payload)];
        prop_assert_eq!(decode(input.chunks(size)), (received, None));
    }

    #[test]
    fn text_is_judged_as_unicode_tabulates_it(text in text_bytes(), size in 1_usize..9) {
        let (healthy, whole) = judge(&text);
        let mut utf8 = Utf8::default();
        let ruined = text.iter().position(|byte| utf8.extend(&[*byte]).is_err());
        prop_assert_eq!(ruined.unwrap_or(text.len()), healthy);
        let mut utf8 = Utf8::default();
        let accepted = text.chunks(size).all(|piece| utf8.extend(piece).is_ok()) && utf8.finish().is_ok();
        prop_assert_eq!(accepted, whole);
    }
}
