//! Messages of other servers of a cluster: reading one never panics, and what was read is the same when it was written again.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use signalhub::ConnectionId;
use signalhub::backplane::{Channel, ServerName};
use signalhub_redis::backplane::channels::Names;
use signalhub_redis::backplane::envelope::{decode, encode};

fuzz_target!(|input: &[u8]| {
    let Some((kind, payload)) = input.split_first() else { return };
    let names = Names::new("app1:", "Demo.ChatHub");
    let server = ServerName::new("web-1");
    let channel = match kind % 7 {
        0 => Channel::All,
        1 => Channel::Group("room".into()),
        2 => Channel::User { organisation: None, name: "ann".into() },
        3 => Channel::Connection(ConnectionId::new("1")),
        4 => Channel::GroupCommands,
        5 => Channel::Completions(names.return_address(&server)),
        _ => Channel::Acks(server),
    };
    if let Ok(envelope) = decode(&channel, &Bytes::copy_from_slice(payload)) {
        let written = Bytes::from(encode(&envelope));
        assert_eq!(decode(&channel, &written), Ok(envelope));
    }
    let name = String::from_utf8_lossy(payload);
    if let Some(channel) = names.channel(&name) {
        assert_eq!(names.channel(&names.name(&channel)), Some(channel));
    }
});
