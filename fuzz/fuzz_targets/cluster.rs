//! Connection tokens and headers of forwarded requests: no panic, and what is read is the same when it was written and is
//! read again. Without a secret none is accepted.

#![no_main]

use libfuzzer_sys::fuzz_target;
use signalhub::connections::fuzzing::{connection_token, forward_header};

fuzz_target!(|text: &str| {
    connection_token(text);
    forward_header(text);
});
