//! Whatever comes first on a connection, at either end: no panic, and a request that was read can be written.

#![no_main]

use libfuzzer_sys::fuzz_target;
use signalhub_protocol::{HandshakeRequest, HandshakeResponse};

fuzz_target!(|input: &[u8]| {
    if let Ok(Some((request, consumed))) = HandshakeRequest::parse(input) {
        assert!(0 < consumed && consumed <= input.len());
        let mut written = Vec::new();
        request.encode(&mut written);
        let len = written.len();
        assert_eq!(HandshakeRequest::parse(&written), Ok(Some((request, len))));
    }
    if let Ok(Some((response, consumed))) = HandshakeResponse::parse(input) {
        assert!(0 < consumed && consumed <= input.len());
        let mut written = Vec::new();
        HandshakeResponse::encode(response.error.as_deref(), &mut written);
        let len = written.len();
        assert_eq!(HandshakeResponse::parse(&written), Ok(Some((response, len))));
    }
});
