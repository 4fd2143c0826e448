//! The first bytes of values (MessagePack specification, Formats), and how they are written in the shortest form.

pub(crate) const NIL: u8 = 0xC0;
pub(crate) const FALSE: u8 = 0xC2;
pub(crate) const TRUE: u8 = 0xC3;
pub(crate) const BIN_8: u8 = 0xC4;
pub(crate) const EXT_8: u8 = 0xC7;
pub(crate) const FLOAT_32: u8 = 0xCA;
pub(crate) const FLOAT_64: u8 = 0xCB;
pub(crate) const UINT_8: u8 = 0xCC;
pub(crate) const INT_8: u8 = 0xD0;
pub(crate) const FIXEXT_1: u8 = 0xD4;
pub(crate) const STR_8: u8 = 0xD9;
pub(crate) const ARRAY_16: u8 = 0xDC;
pub(crate) const MAP_16: u8 = 0xDE;

/// Gives the specification's name of the format that a first byte announces; the original's texts use it.
pub(crate) fn name(code: u8) -> &'static str {
    const FROM_NIL: [&str; 32] = [
        "nil",
        "(never used)",
        "false",
        "true",
        "bin 8",
        "bin 16",
        "bin 32",
        "ext 8",
        "ext 16",
        "ext 32",
        "float 32",
        "float 64",
        "uint 8",
        "uint 16",
        "uint 32",
        "uint 64",
        "int 8",
        "int 16",
        "int 32",
        "int 64",
        "fixext 1",
        "fixext 2",
        "fixext 4",
        "fixext 8",
        "fixext 16",
        "str 8",
        "str 16",
        "str 32",
        "array 16",
        "array 32",
        "map 16",
        "map 32",
    ];
    match code {
        0x00..=0x7F => "positive fixint",
        0x80..=0x8F => "fixmap",
        0x90..=0x9F => "fixarray",
        0xA0..=0xBF => "fixstr",
        0xC0..=0xDF => FROM_NIL[usize::from(code - NIL)],
        0xE0..=0xFF => "negative fixint",
    }
}

/// Appends nil.
pub fn write_nil(out: &mut Vec<u8>) {
    out.push(NIL);
}

/// Appends an integer that is not negative.
pub fn write_unsigned(number: u64, out: &mut Vec<u8>) {
    if let Ok(number) = u8::try_from(number) {
        if number >= 0x80 {
            out.push(UINT_8);
        }
        out.push(number);
    } else if let Ok(number) = u16::try_from(number) {
        out.push(UINT_8 + 1);
        out.extend_from_slice(&number.to_be_bytes());
    } else if let Ok(number) = u32::try_from(number) {
        out.push(UINT_8 + 2);
        out.extend_from_slice(&number.to_be_bytes());
    } else {
        out.push(UINT_8 + 3);
        out.extend_from_slice(&number.to_be_bytes());
    }
}

/// Appends an integer; one that is not negative is written as unsigned, as the original does.
pub fn write_signed(number: i64, out: &mut Vec<u8>) {
    if let Ok(number) = u64::try_from(number) {
        write_unsigned(number, out);
    } else if let Ok(number) = i8::try_from(number) {
        if number < -32 {
            out.push(INT_8);
        }
        out.extend_from_slice(&number.to_be_bytes());
    } else if let Ok(number) = i16::try_from(number) {
        out.push(INT_8 + 1);
        out.extend_from_slice(&number.to_be_bytes());
    } else if let Ok(number) = i32::try_from(number) {
        out.push(INT_8 + 2);
        out.extend_from_slice(&number.to_be_bytes());
    } else {
        out.push(INT_8 + 3);
        out.extend_from_slice(&number.to_be_bytes());
    }
}

/// Appends a string.
pub fn write_str(text: &str, out: &mut Vec<u8>) {
    match u8::try_from(text.len()) {
        Ok(len @ 0..=31) => out.push(0xA0 | len),
        _ => write_len(STR_8, text.len(), out),
    }
    out.extend_from_slice(text.as_bytes());
}

/// Appends bytes.
pub fn write_bin(bytes: &[u8], out: &mut Vec<u8>) {
    write_len(BIN_8, bytes.len(), out);
    out.extend_from_slice(bytes);
}

/// Appends the first byte of the family's format with a wide enough length, and the length.
fn write_len(of_8_bits: u8, len: usize, out: &mut Vec<u8>) {
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(len), _) => out.extend_from_slice(&[of_8_bits, len]),
        (_, Ok(len)) => {
            out.push(of_8_bits + 1);
            out.extend_from_slice(&len.to_be_bytes());
        }
        _ => {
            out.push(of_8_bits + 2);
            out.extend_from_slice(&wide(len).to_be_bytes());
        }
    }
}

/// What holds other values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    /// An array.
    Array,
    /// A map.
    Map,
}

/// Appends the head of an array with this number of elements, or of a map with this number of entries.
pub fn write_head(container: Container, count: usize, out: &mut Vec<u8>) {
    let (short, of_16_bits) = match container {
        Container::Array => (0x90, ARRAY_16),
        Container::Map => (0x80, MAP_16),
    };
    match (u8::try_from(count), u16::try_from(count)) {
        (Ok(count @ 0..=15), _) => out.push(short | count),
        (_, Ok(count)) => {
            out.push(of_16_bits);
            out.extend_from_slice(&count.to_be_bytes());
        }
        _ => {
            out.push(of_16_bits + 1);
            out.extend_from_slice(&wide(count).to_be_bytes());
        }
    }
}

/// No message is as long as the greatest length: its own prefix ends at two gigabytes.
fn wide(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
