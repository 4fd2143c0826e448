use proptest::prelude::*;

use super::{ScanError, Scanner, Token};

/// Bytes, and the one value that they are (MessagePack specification, Formats).
const VALUES: &[(&[u8], Token<'static>)] = &[
    (&[0x00], Token::Unsigned(0)),
    (&[0x7F], Token::Unsigned(127)),
    (&[0xE0], Token::Negative(-32)),
    (&[0xFF], Token::Negative(-1)),
    (&[0xC0], Token::Nil),
    (&[0xC2], Token::Truth(false)),
    (&[0xC3], Token::Truth(true)),
    (&[0xCC, 5], Token::Unsigned(5)),
    (&[0xCD, 1, 0], Token::Unsigned(256)),
    (&[0xCE, 1, 0, 0, 0], Token::Unsigned(1 << 24)),
    (&[0xCF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], Token::Unsigned(u64::MAX)),
    (&[0xD0, 5], Token::Unsigned(5)),
    (&[0xD0, 0x80], Token::Negative(-128)),
    (&[0xD1, 0x80, 0], Token::Negative(-32768)),
    (&[0xD2, 0xFF, 0xFF, 0xFF, 0xFF], Token::Negative(-1)),
    (&[0xD3, 0x80, 0, 0, 0, 0, 0, 0, 0], Token::Negative(i64::MIN)),
    (&[0xCA, 0x3F, 0xC0, 0, 0], Token::Float32(1.5)),
    (&[0xCB, 0x3F, 0xF8, 0, 0, 0, 0, 0, 0], Token::Float64(1.5)),
    (&[0xA0], Token::Str(b"")),
    (&[0xA2, b'h', b'i'], Token::Str(b"hi")),
    (&[0xD9, 1, 0xFF], Token::Str(b"\xFF")),
    (&[0xDA, 0, 1, b'x'], Token::Str(b"x")),
    (&[0xDB, 0, 0, 0, 1, b'x'], Token::Str(b"x")),
    (&[0xC4, 1, 7], Token::Bin(&[7])),
    (&[0xC5, 0, 1, 7], Token::Bin(&[7])),
    (&[0xC6, 0, 0, 0, 1, 7], Token::Bin(&[7])),
    (&[0xC7, 0, 5], Token::Ext(5, &[])),
    (&[0xC8, 0, 1, 5, 7], Token::Ext(5, &[7])),
    (&[0xC9, 0, 0, 0, 1, 5, 7], Token::Ext(5, &[7])),
    (&[0xD4, 0xFF, 7], Token::Ext(-1, &[7])),
    (&[0xD5, 0x80, 7, 8], Token::Ext(-128, &[7, 8])),
    (&[0xD6, 5, 1, 2, 3, 4], Token::Ext(5, &[1, 2, 3, 4])),
    (&[0xD7, 5, 1, 2, 3, 4, 5, 6, 7, 8], Token::Ext(5, &[1, 2, 3, 4, 5, 6, 7, 8])),
    (
        &[0xD8, 5, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8],
        Token::Ext(5, &[1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8]),
    ),
];

/// Heads of arrays and maps with as many nils behind them as they count.
const CONTAINERS: &[(&[u8], Token<'static>, usize)] = &[
    (&[0x90], Token::Array(0), 0),
    (&[0x9F], Token::Array(15), 15),
    (&[0xDC, 1, 0], Token::Array(256), 256),
    (&[0xDD, 0, 1, 0, 0], Token::Array(65536), 65536),
    (&[0x80], Token::Map(0), 0),
    (&[0x8F], Token::Map(15), 30),
    (&[0xDE, 1, 0], Token::Map(256), 512),
    (&[0xDF, 0, 1, 0, 0], Token::Map(65536), 131_072),
];

#[test]
fn each_format_is_read_and_none_of_its_parts() {
    for (bytes, expected) in VALUES {
        let mut scanner = Scanner::new(bytes);
        assert_eq!((scanner.token(), scanner.rest()), (Ok(*expected), &[][..]), "{bytes:x?}");
        assert_eq!(Scanner::new(bytes).value(), Ok(*bytes), "{bytes:x?}");
        for len in 0..bytes.len() {
            let mut scanner = Scanner::new(&bytes[..len]);
            assert_eq!((scanner.token(), scanner.rest()), (Err(ScanError::End), &bytes[..len]), "{bytes:x?}");
        }
    }
    for (head, expected, members) in CONTAINERS {
        let bytes = [head, vec![0xC0; *members].as_slice()].concat();
        assert_eq!(Scanner::new(&bytes).token(), Ok(*expected), "{head:x?}");
        assert_eq!(Scanner::new(&bytes).value(), Ok(bytes.as_slice()), "{head:x?}");
        if *members > 0 {
            assert_eq!(Scanner::new(&bytes[..bytes.len() - 1]).value(), Err(ScanError::End), "{head:x?}");
        }
    }
    assert_eq!(Scanner::new(&[0xC1]).token(), Err(ScanError::Code(0xC1)));
}

#[test]
fn a_count_beyond_the_bytes_is_no_count() {
    let rows: [&[u8]; 5] = [
        &[0x92, 1],
        &[0xDD, 0xFF, 0xFF, 0xFF, 0xFF, 1],
        &[0x81, 1],
        &[0xDF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 1],
        &[0xDB, 0xFF, 0xFF, 0xFF, 0xFF, 1],
    ];
    for bytes in rows {
        assert_eq!(Scanner::new(bytes).token(), Err(ScanError::End), "{bytes:x?}");
    }
}

#[test]
fn a_value_is_64_deep_at_most() {
    for (open, close) in [(&[0x91][..], 0x90), (&[0x81, 0xA0], 0x80)] {
        let nested = |depth: usize| [open.repeat(depth - 1), vec![close]].concat();
        assert_eq!(Scanner::new(&nested(64)).value().map(<[u8]>::len), Ok(nested(64).len()));
        assert_eq!(Scanner::new(&nested(65)).value(), Err(ScanError::Depth));
        assert_eq!(Scanner::new(&nested(100_000)).value(), Err(ScanError::Depth));
    }
}

#[test]
fn a_value_ends_where_its_last_part_ends() {
    let bytes = [0x93, 0x81, 0xA1, b'a', 0x92, 1, 0x90, 0xC0, 0x82, 1, 2, 3, 0x91, 4, 0x05];
    let mut scanner = Scanner::new(&bytes);
    assert_eq!((scanner.value(), scanner.rest()), (Ok(&bytes[..14]), &bytes[14..]));
}

proptest! {
    #[test]
    fn no_bytes_make_the_scanner_panic(bytes: Vec<u8>) {
        if let Ok(value) = Scanner::new(&bytes).value() {
            prop_assert!(bytes.starts_with(value) && !value.is_empty());
        }
    }
}
