//! The MessagePack of a client behind its handshake.

#![no_main]

mod decode;

use libfuzzer_sys::fuzz_target;
use signalhub_protocol::Protocol;

fuzz_target!(|input: &[u8]| decode::check_all(Protocol::MessagePack, input));
