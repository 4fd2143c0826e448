//! The frames of a server, which are not masked.

use tungstenite::protocol::frame::coding::{Control, OpCode};

use super::header::End;

/// The longest payload of a control frame (RFC 6455, 5.5).
const CONTROL_MAX: usize = 125;

/// Encodes the header of a server's frame, with the shortest form of its length. Returns ten bytes, and how many of them
/// are the header.
pub(crate) fn encode_header(opcode: OpCode, end: End, payload_len: usize) -> ([u8; 10], usize) {
    let mut header = [0; 10];
    header[0] = u8::from(opcode) | if end == End::Last { 0x80 } else { 0 };
    let length = payload_len as u64;
    let header_len = match length {
        0..=125 => {
            header[1] = length as u8;
            2
        }
        126..=0xffff => {
            header[1] = 126;
            header[2..4].copy_from_slice(&(length as u16).to_be_bytes());
            4
        }
        _ => {
            header[1] = 127;
            header[2..].copy_from_slice(&length.to_be_bytes());
            10
        }
    };
    (header, header_len)
}

/// Encodes a Close frame. A reason that is too long for it is [cut](cut_close_reason).
pub(crate) fn close_frame(code: u16, reason: &str) -> Vec<u8> {
    let reason = cut_close_reason(reason);
    let mut body = Vec::with_capacity(2 + reason.len());
    body.extend_from_slice(&code.to_be_bytes());
    body.extend_from_slice(reason.as_bytes());
    control_frame(Control::Close, &body)
}

/// Cuts the reason of a Close frame at the last whole character that fits behind the code.
pub(crate) fn cut_close_reason(reason: &str) -> &str {
    let mut len = reason.len().min(CONTROL_MAX - 2);
    while !reason.is_char_boundary(len) {
        len -= 1;
    }
    &reason[..len]
}

/// Encodes a ping without payload.
pub(crate) fn ping_frame() -> Vec<u8> {
    control_frame(Control::Ping, &[])
}

/// Encodes a pong. A payload of more than 125 bytes is cut.
pub(crate) fn pong_frame(payload: &[u8]) -> Vec<u8> {
    control_frame(Control::Pong, payload)
}

fn control_frame(opcode: Control, payload: &[u8]) -> Vec<u8> {
    let payload = &payload[..payload.len().min(CONTROL_MAX)];
    let (header, header_len) = encode_header(OpCode::Control(opcode), End::Last, payload.len());
    let mut frame = Vec::with_capacity(header_len + payload.len());
    frame.extend_from_slice(&header[..header_len]);
    frame.extend_from_slice(payload);
    frame
}
