//! Whatever two clients of a hub do: each call ends once, nothing follows a Close message, nothing is left.
//!
//! It is the property test `sequences` of the hub, led by the fuzzer: two bytes are one operation.

#![no_main]

#[path = "../../crates/signalhub/tests/support/mod.rs"]
mod support;

#[path = "../../crates/signalhub/tests/support/sequence.rs"]
mod sequence;

use libfuzzer_sys::fuzz_target;
use sequence::Operation;

/// Longer sequences find nothing else, and take their time.
const OPERATIONS: usize = 100;

fuzz_target!(|input: &[u8]| {
    let operations: Vec<_> =
        input.chunks_exact(2).take(OPERATIONS).map(|two| Operation::from([two[0], two[1]])).collect();
    sequence::run(&operations);
});
