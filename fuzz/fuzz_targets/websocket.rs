//! The frames of a client: no panic, and the same messages are read however the bytes are split.

#![no_main]

use libfuzzer_sys::fuzz_target;
use signalhub::connections::fuzzing::websocket;

fuzz_target!(|input: &[u8]| {
    let Some((portion, frames)) = input.split_first() else { return };
    assert_eq!(websocket(frames, usize::from(*portion)), websocket(frames, usize::MAX));
});
