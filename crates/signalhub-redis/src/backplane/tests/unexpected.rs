//! Payloads that no server should send.

use serde_json::Value;
use signalhub::Hub;
use signalhub::protocol::Protocol;

use super::support::{Client, Raw, connect};
use crate::test_server::TestServer;

fn bytes(hex: &str) -> Vec<u8> {
    hex.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

#[tokio::test]
async fn each_recorded_unexpected_payload_leaves_the_server_and_its_clients_as_they_were() {
    let Some(redis) = TestServer::start() else { return };
    let (hub, backplane) = connect(&redis, "one", Hub::builder()).await;
    let raw = Raw::connect(&redis).await;
    let mut clients = [
        Client::connect(&hub, Some("ann"), Protocol::Json).await,
        Client::connect(&hub, Some("ann"), Protocol::MessagePack).await,
    ];
    for client in &clients {
        hub.groups().add(&client.id, "room").await.unwrap();
    }
    let recording: Value =
        serde_json::from_str(include_str!("../../../tests/recordings/redis-backplane.json")).unwrap();
    for row in recording["tolerance"].as_array().unwrap() {
        let payload = bytes(row["payload_hex"].as_str().unwrap());
        let one = clients.each_ref().map(|client| format!("connection:{}", client.id.as_str()));
        for channel in ["all", "group:room", "user:ann", &one[0], &one[1]] {
            raw.publish(&format!("Demo.ChatHub:{channel}"), &payload).await;
            // The channel works afterwards, and so does every other one.
            hub.clients().all().send("end", ()).await.unwrap();
            for (index, (client, kind)) in clients.iter_mut().zip(["json", "messagepack"]).enumerate() {
                let is_for_other = channel.starts_with("connection:") && channel != one[index];
                let is_delivered = row[format!("{kind}_connection")] == "delivered" && !is_for_other;
                let mut received = 0;
                while !client.next().await.windows(3).any(|part| part == b"end") {
                    received += 1;
                }
                assert_eq!(received, usize::from(is_delivered), "{} on {channel}, {kind}", row["label"]);
            }
        }
    }
    let own = signalhub::backplane::Backplane::server(&*backplane).as_str().to_owned();
    for channel in ["internal:groups".to_owned(), format!("internal:ack:{own}"), format!("internal:return:{own}")] {
        for payload in [
            "",
            "abc",
            "90",
            "91a131",
            "91",
            "c1",
            "ddffffffff",
            "92a46a736f6ec4017b",
            "92ab6d6573736167657061636bc401c1",
        ] {
            let payload = if payload == "abc" { payload.as_bytes().to_vec() } else { bytes(payload) };
            raw.publish(&format!("Demo.ChatHub:{channel}"), &payload).await;
        }
    }
    hub.clients().all().send("end", ()).await.unwrap();
    for client in &mut clients {
        client.next().await;
    }
    let counts = hub.backplane_counts().unwrap();
    assert!(counts.malformed > 40 && counts.missing_copies > 0, "{counts:?}");
}
