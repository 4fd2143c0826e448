//! The arguments of `Subscribe`, in either protocol: a request that was read is the same after it was written, and a position has one text.

#![no_main]

use libfuzzer_sys::fuzz_target;
use signalhub::events::Since;
use signalhub::portos::broker::{filters, since};
use signalhub::portos::{RequestedSince, SubscriptionRequest};
use signalhub_protocol::{BindError, Protocol};

fn read(protocol: Protocol, arguments: &[u8]) -> Result<SubscriptionRequest, BindError> {
    let mut binder = protocol.arguments(arguments).bind(1)?;
    let request = binder.next()?;
    binder.finish().map(|()| request)
}

fuzz_target!(|input: &[u8]| {
    let Some((which, arguments)) = input.split_first() else { return };
    let protocol = Protocol::ALL[usize::from(*which) % Protocol::ALL.len()];
    let Ok(request) = read(protocol, arguments) else { return };
    let mut written = Vec::new();
    protocol.encode_arguments(&(&request,), &mut written).expect("what was read can be written");
    assert_eq!(read(protocol, &written).expect("what we write is read"), request);
    if let Ok(Some(Since::Position(position))) = since(&request) {
        assert_eq!(request.since, Some(RequestedSince::Text(position.to_string())));
    }
    if let Ok(filters) = filters(request.clone()) {
        assert_eq!(filters[0].event.as_str(), request.event.expect("only an event has filters"));
    }
});
