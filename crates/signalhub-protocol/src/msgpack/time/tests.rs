use proptest::prelude::*;
use time::OffsetDateTime;
use time::macros::datetime;

use super::{read, write};
use crate::msgpack::{Scanner, Token};

fn written(time: OffsetDateTime) -> Vec<u8> {
    let mut out = Vec::new();
    write(time, &mut out);
    out
}

#[test]
fn times_take_the_shortest_form() {
    for (time, expected) in [
        // Recorded: msgpack/any-time and msgpack/object-surplus.
        (datetime!(2023-11-14 13:24:16 UTC), &[0xD6, 0xFF, 0x65, 0x53, 0x75, 0][..]),
        (datetime!(0001-01-01 00:00 UTC), &[0xC7, 12, 0xFF, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xF1, 0x88, 0x6E, 9, 0]),
        (datetime!(1970-01-01 00:00 UTC), &[0xD6, 0xFF, 0, 0, 0, 0]),
        (datetime!(1970-01-01 00:00:00.000_000_001 UTC), &[0xD7, 0xFF, 0, 0, 0, 4, 0, 0, 0, 0]),
        (datetime!(2106-02-07 06:28:16 UTC), &[0xD7, 0xFF, 0, 0, 0, 1, 0, 0, 0, 0]),
        (datetime!(2514-05-30 01:53:04 UTC), &[0xC7, 12, 0xFF, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0]),
    ] {
        assert_eq!(written(time), expected, "{time}");
    }
}

#[test]
fn what_no_calendar_has_is_no_time() {
    let rows: [&[u8]; 5] =
        [&[], &[0; 5], &[0; 16], &[0xFF; 8], &[0, 0, 0, 0, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]];
    for bytes in rows {
        assert_eq!(read(bytes), None, "{bytes:x?}");
    }
}

proptest! {
    #[test]
    fn times_read_back(seconds in -62_135_596_800_i64..253_402_300_800, nanoseconds in 0..1_000_000_000_u32) {
        let time = OffsetDateTime::from_unix_timestamp(seconds).unwrap().replace_nanosecond(nanoseconds).unwrap();
        let bytes = written(time);
        let Ok(Token::Ext(-1, content)) = Scanner::new(&bytes).token() else { panic!("{bytes:x?}") };
        prop_assert_eq!(read(content), Some(time));
    }
}
