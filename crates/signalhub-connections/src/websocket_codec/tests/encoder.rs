//! What a server sends.

use super::*;

#[test]
fn headers_take_the_shortest_length() {
    let row = |opcode, end, payload_len, expected: &[u8]| {
        let (header, header_len) = encode_header(opcode, end, payload_len);
        assert_eq!(&header[..header_len], expected, "{payload_len}");
    };
    let (text, binary) = (OpCode::Data(Data::Text), OpCode::Data(Data::Binary));
    row(text, End::Last, 0, &[0x81, 0]);
    row(text, End::Last, 125, &[0x81, 125]);
    row(binary, End::Last, 126, &[0x82, 126, 0, 126]);
    row(binary, End::More, 65_535, &[0x02, 126, 0xff, 0xff]);
    row(OpCode::Data(Data::Continue), End::Last, 65_536, &[0x80, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
}

#[test]
fn control_frames_are_encoded() {
    assert_eq!(pong_frame(b"hi"), *b"\x8a\x02hi");
    assert_eq!(close_frame(1000, ""), [0x88, 2, 0x03, 0xe8]);
    assert_eq!(close_frame(1011, "oops"), *b"\x88\x06\x03\xf3oops");
}

#[test]
fn control_frames_are_never_too_long() {
    assert_eq!(close_frame(1000, &"*".repeat(200)).len(), 2 + 125);
    // 123 bytes of reason would end within the 62nd character.
    let cut = close_frame(1000, &"é".repeat(100));
    assert_eq!(cut[1], 2 + 122);
    assert_eq!(str::from_utf8(&cut[4..]), Ok(&*"é".repeat(61)));
}
