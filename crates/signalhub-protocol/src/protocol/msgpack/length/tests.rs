use proptest::prelude::*;

use super::{first_body, write_body};
use crate::DecodeError;

type Read<'a> = Result<Option<(&'a [u8], usize)>, DecodeError>;

#[test]
fn lengths_are_read_as_the_original_reads_them() {
    let rows: [(&[u8], Read<'_>); 12] = [
        (&[], Ok(None)),
        (&[0], Ok(Some((&[], 1)))),
        (&[2, 0x91, 6, 9], Ok(Some((&[0x91, 6], 3)))),
        (&[2, 0x91], Ok(None)),
        (&[0x82, 0, 0x91, 6], Ok(Some((&[0x91, 6], 4)))),
        (&[0x81, 0x80, 0x80, 0x80, 0, 7], Ok(Some((&[7], 6)))),
        (&[0xFF], Ok(None)),
        (&[0xFF, 0xFF, 0xFF, 0xFF], Ok(None)),
        (&[0xFF, 0xFF, 0xFF, 0xFF, 7], Ok(None)),
        (&[0xFF, 0xFF, 0xFF, 0xFF, 8], Err(DecodeError::Length)),
        (&[0x80, 0x80, 0x80, 0x80, 0x80], Err(DecodeError::Length)),
        (&[0x80, 0x80, 0x80, 0x80, 0x80, 0], Err(DecodeError::Length)),
    ];
    for (input, expected) in rows {
        assert_eq!(first_body(input), expected, "{input:x?}");
    }
}

#[test]
fn lengths_are_written_in_as_few_bytes_as_they_need() {
    for (len, prefix) in [
        (0, &[0][..]),
        (127, &[127]),
        (128, &[0x80, 1]),
        (16_383, &[0xFF, 127]),
        (16_384, &[0x80, 0x80, 1]),
        (2_097_152, &[0x80, 0x80, 0x80, 1]),
    ] {
        let mut out = b"before".to_vec();
        write_body(&mut out, |out| out.resize(out.len() + len, 7));
        assert_eq!(&out[..6 + prefix.len()], [b"before", prefix].concat(), "{len}");
        assert_eq!(out.len(), 6 + prefix.len() + len);
    }
}

proptest! {
    #[test]
    fn a_body_reads_back_but_not_in_part(body in prop::collection::vec(any::<u8>(), 0..400), part: prop::sample::Index) {
        let mut bytes = Vec::new();
        write_body(&mut bytes, |out| out.extend_from_slice(&body));
        prop_assert_eq!(first_body(&bytes), Ok(Some((body.as_slice(), bytes.len()))));
        prop_assert_eq!(first_body(&bytes[..part.index(bytes.len())]), Ok(None));
    }
}
