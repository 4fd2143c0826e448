//! The answers of Redis with events: reading one never panics, and its end does not depend on how its bytes are cut.

#![no_main]

use libfuzzer_sys::fuzz_target;
use signalhub_redis::fuzzing::read_answer;

fuzz_target!(|input: &[u8]| {
    let Some((cut, answer)) = input.split_first() else { return };
    read_answer(answer, usize::from(*cut));
});
