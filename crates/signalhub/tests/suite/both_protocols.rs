//! One hub serves clients of JSON and of MessagePack.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::{Client, called, ended, failed, invoking, item_of, result, soon};
use futures_util::stream;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use signalhub::protocol::{AnyValue, Protocol};
use signalhub::{Args, Clients, ErrorDetails, Hub, HubBuilder, HubError, Identity, SendError, Upload};

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Order {
    order_id: i32,
    lines: Vec<String>,
}

fn hub() -> HubBuilder<()> {
    Hub::builder()
        .configure(|options| options.error_details = ErrorDetails::Shown)
        .method("Echo", async |Args((value,)): Args<(Value,)>| Ok(value))
        .method("Next", async |Args((order,)): Args<(Order,)>| {
            Ok(Order { order_id: order.order_id + 1, lines: order.lines })
        })
        .method("Maybe", async |Args((order,)): Args<(Option<Order>,)>| Ok(order))
        .method("AskForText", async |clients: Clients| {
            Ok(clients.caller().invoke::<Option<String>>("Text", ()).await?)
        })
        .method("Ask", async |clients: Clients| Ok(clients.caller().invoke::<i32>("Number", ("which",)).await? + 1))
        .method("Sum", sum)
        .method("Pass", async |clients: Clients, Args((value,)): Args<(AnyValue,)>| {
            Ok(clients.all().send("Passed", (value,)).await?)
        })
        .stream("Count", async |Args((n,)): Args<(u32,)>| Ok(stream::iter((0..n).map(Ok::<_, HubError>))))
}

async fn sum(mut numbers: Upload<i32>) -> Result<i32, HubError> {
    let mut sum = 0;
    while let Some(number) = numbers.next().await {
        sum += number?;
    }
    Ok(sum)
}

async fn clients(hub: &Hub, protocols: &[Protocol]) -> Vec<Client> {
    let mut clients = Vec::new();
    for protocol in protocols {
        clients.push(Client::connect_speaking(hub, Identity::user("ann"), *protocol).await);
    }
    clients
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_call_works_in_both_protocols() {
    let hub = hub().build();
    for protocol in Protocol::ALL {
        let mut client = Client::connect_speaking(&hub, Identity::user("ann"), protocol).await;
        client.call("1", "next", &json!([{"orderId": 1, "lines": ["a"]}]));
        let order = match protocol {
            Protocol::Json => json!({"orderId": 2, "lines": ["a"]}),
            Protocol::MessagePack => json!({"OrderId": 2, "Lines": ["a"]}),
        };
        client.receives([result("1", &order)]).await;
        client.call("2", "Next", &json!([{"OrderId": 1, "Lines": []}]));
        assert_eq!(client.next().await["invocationId"], "2");
        client.stream("3", "Count", &json!([2]));
        client.receives([item_of("3", &json!(0)), item_of("3", &json!(1)), ended("3")]).await;
        client.call_with("4", "Sum", &["u"]);
        client.item("u", &json!(2));
        client.item("u", &json!(3));
        client.complete("u");
        client.receives([result("4", &json!(5))]).await;
        client.call("5", "Ask", &json!([]));
        let question = client.is_asked("Number").await;
        client.say(&result(&question, &json!(41)));
        client.receives([result("5", &json!(42))]).await;
        client.round_trip().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_item_of_another_type_fails_its_stream_with_the_text_of_the_original() {
    let hub = hub().build();
    let mut client = Client::connect_speaking(&hub, Identity::user("ann"), Protocol::MessagePack).await;
    client.call_with("1", "Sum", &["u"]);
    client.item("u", &json!("x"));
    let detail = " HubException: Failed to bind Stream message. InvalidDataException: Deserializing object of the `Int32` type \
                  for 'item' failed.";
    client.receives([failed("1", &invoking("Sum", detail))]).await;
}

/// Counts how often it is encoded.
struct Counted(Arc<AtomicUsize>);

impl Serialize for Counted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.fetch_add(1, Ordering::SeqCst);
        serializer.serialize_str("a text that everyone gets")
    }
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_is_encoded_once_for_each_protocol_in_use() {
    use Protocol::{Json, MessagePack};
    for (protocols, expected) in [
        (&[][..], 0),
        (&[Json, Json], 1),
        (&[MessagePack, MessagePack, MessagePack], 1),
        (&[Json, MessagePack, Json, MessagePack], 2),
    ] {
        let hub = hub().build();
        let mut clients = clients(&hub, protocols).await;
        let count = Arc::new(AtomicUsize::new(0));
        hub.clients().all().send("M", (Counted(Arc::clone(&count)),)).await.unwrap();
        assert_eq!(count.load(Ordering::SeqCst), expected, "{protocols:?}");
        let mut bytes = Vec::new();
        for client in &mut clients {
            bytes.push(soon(client.peer.receive()).await.unwrap());
        }
        let mut places: Vec<_> = bytes.iter().map(|bytes| bytes.as_ptr()).collect();
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), expected, "the bytes are shared: {protocols:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_that_one_protocol_cannot_represent_reaches_no_client() {
    let hub = hub().build();
    let mut both = clients(&hub, &Protocol::ALL).await;
    let sent = hub.clients().all().send("M", (f64::NAN,)).await;
    assert!(matches!(sent, Err(SendError::Arguments { .. })), "{sent:?}");
    for client in &mut both {
        client.receives_nothing().await;
    }
    // Readers of MessagePack in JavaScript refuse such a name.
    assert!(hub.clients().all().send("M", (json!({"__proto__": 1}),)).await.is_err());
    let [_, binary] = &mut both[..] else { panic!("two clients") };
    hub.clients().client(binary.id()).send("M", (f64::NAN,)).await.unwrap();
    assert_eq!(
        soon(binary.peer.receive()).await.unwrap(),
        b"\x11\x96\x01\x80\xc0\xa1M\x91\xcb\x7f\xf8\0\0\0\0\0\0\x90"[..]
    );
}

#[tokio::test(start_paused = true)]
async fn a_forwarded_value_reaches_clients_of_both_protocols() {
    let hub = hub().build();
    let mut both = clients(&hub, &Protocol::ALL).await;
    let [json, binary] = &mut both[..] else { panic!("two clients") };
    json.call("1", "Pass", &json!([{"camelCase": [2.50, null]}]));
    binary.receives([called("Passed", &json!([{"camelCase": [2.5, null]}]))]).await;
    json.receives([called("Passed", &json!([{"camelCase": [2.5, null]}])), result("1", &json!(null))]).await;
    // Bytes and a time, which JSON has other forms for.
    binary.peer.send(b"\x15\x96\x01\x80\xc0\xa4Pass\x91\x92\xc4\x01\x07\xd6\xff\x65\x53\x75\0\x90");
    let raw = soon(binary.peer.receive()).await.unwrap();
    assert_eq!(raw, b"\x17\x96\x01\x80\xc0\xa6Passed\x91\x92\xc4\x01\x07\xd6\xff\x65\x53\x75\0\x90"[..]);
    json.receives([called("Passed", &json!([["Bw==", "2023-11-14T13:24:16Z"]]))]).await;
}

#[tokio::test(start_paused = true)]
async fn a_value_that_one_protocol_cannot_represent_is_refused_before_it_is_forwarded() {
    let fill = async |clients: Clients, mut upload: Upload<AnyValue>| {
        while let Some(item) = upload.next().await {
            clients.all().send("Passed", (item?,)).await?;
        }
        Ok(())
    };
    let relay = async |clients: Clients, Args((value,)): Args<(Box<RawValue>,)>| {
        Ok(clients.all().send("Passed", (value,)).await?)
    };
    let answer = async |clients: Clients| {
        let answer = clients.caller().invoke::<AnyValue>("Number", ()).await?;
        clients.all().send("Passed", (&answer,)).await?;
        Ok(answer)
    };
    let hub = hub().method("Fill", fill).method("Relay", relay).method("Answer", answer).build();
    let mut every = clients(&hub, &Protocol::ALL).await;
    let json: [&[u8]; 5] = [br#""\ud83d""#, br#"{"\udc00":1}"#, b"1e309", b"[-1e999]", br#"{"__proto__":1}"#];
    let message_pack: [&[u8]; 8] = [
        b"\xcb\x7f\xf8\0\0\0\0\0\0",
        b"\x81\xc0\x01",
        b"\x81\x90\x01",
        b"\xa1\xff",
        b"\xd4\x05\0",
        b"\x91\xca\x7f\x80\0\0",
        b"\x81\xc3\x01",
        b"\x81\xa9__proto__\x01",
    ];
    for (client, protocol) in every.iter_mut().zip(Protocol::ALL) {
        let values = match protocol {
            Protocol::Json => &json[..],
            Protocol::MessagePack => &message_pack,
        };
        for value in values {
            for method in ["Pass", "Relay", "Echo"] {
                client.call_spelt("1", method, value);
                let error = client.next().await["error"].as_str().unwrap().to_owned();
                assert!(error.contains("Error binding arguments."), "{method} {}: {error}", value.escape_ascii());
            }
            client.call_with("2", "Fill", &["u"]);
            client.item_spelt("u", value);
            let error = client.next().await["error"].as_str().unwrap().to_owned();
            assert!(error.contains("Failed to bind Stream message."), "{}: {error}", value.escape_ascii());
            client.call("3", "Answer", &json!([]));
            let question = client.is_asked("Number").await;
            client.result_spelt(&question, value);
            let error = client.next().await["error"].as_str().unwrap().to_owned();
            assert!(error.contains("Error trying to deserialize result"), "{}: {error}", value.escape_ascii());
            client.round_trip().await;
        }
    }
    for client in &mut every {
        client.receives_nothing().await;
    }
}

/// A value with every kind of line break.
fn raw() -> Box<RawValue> {
    RawValue::from_string("{\"a\":\r\n\r\n1,\r\"b\":\n[]}".to_owned()).unwrap()
}

/// In an event stream, a line break ends a data line, so a record must not contain one.
#[tokio::test(start_paused = true)]
async fn line_breaks_between_tokens_reach_every_client_as_spaces() {
    let relay = async |clients: Clients, Args((value,)): Args<(Box<RawValue>,)>| {
        clients.all().send("Passed", (&value, "last")).await?;
        Ok(value)
    };
    let answer = async |clients: Clients| Ok(clients.caller().invoke::<AnyValue>("Number", ()).await?);
    let hub = hub()
        .method("Raw", async || Ok(raw()))
        .method("Relay", relay)
        .method("Answer", answer)
        .stream("Raws", async || Ok(stream::iter([Ok::<_, HubError>(raw())])))
        .stream("Back", async |upload: Upload<AnyValue>| Ok(upload))
        .build();
    let mut both = clients(&hub, &Protocol::ALL).await;
    let [json, binary] = &mut both[..] else { panic!("two clients") };
    let spelt = "{\"a\":    1, \"b\": []}";
    let call = |id: &str, target: &str, arguments: &str| {
        format!("{{\"type\":1,\"invocationId\":\"{id}\",\"target\":\"{target}\",\"arguments\":[{arguments}]}}\u{1e}")
    };
    json.peer.send(call("1", "Raw", ""));
    json.receives_text(&format!("{{\"type\":3,\"invocationId\":\"1\",\"result\":{spelt}}}")).await;
    json.peer.send(call("2", "Relay", raw().get()));
    json.receives_text(&format!("{{\"type\":1,\"target\":\"Passed\",\"arguments\":[{spelt},\"last\"]}}")).await;
    json.receives_text(&format!("{{\"type\":3,\"invocationId\":\"2\",\"result\":{spelt}}}")).await;
    binary.receives([called("Passed", &json!([{"a": 1, "b": []}, "last"]))]).await;
    json.stream("3", "Raws", &json!([]));
    json.receives_text(&format!("{{\"type\":2,\"invocationId\":\"3\",\"item\":{spelt}}}")).await;
    json.receives([ended("3")]).await;
    json.say(&json!({"type": 4, "invocationId": "4", "target": "Back", "arguments": [], "streamIds": ["u"]}));
    json.peer.send(format!("{{\"type\":2,\"invocationId\":\"u\",\"item\":{}}}\u{1e}", raw().get()));
    json.receives_text(&format!("{{\"type\":2,\"invocationId\":\"4\",\"item\":{spelt}}}")).await;
    json.complete("u");
    json.receives([ended("4")]).await;
    json.call("5", "Answer", &json!([]));
    let question = json.is_asked("Number").await;
    json.peer.send(format!("{{\"type\":3,\"invocationId\":\"{question}\",\"result\":{}}}\u{1e}", raw().get()));
    json.receives_text(&format!("{{\"type\":3,\"invocationId\":\"5\",\"result\":{spelt}}}")).await;
}

#[tokio::test(start_paused = true)]
async fn hostile_arguments_are_refused_and_the_connection_lives() {
    let hub = hub().build();
    let mut client = Client::connect_speaking(&hub, Identity::user("ann"), Protocol::MessagePack).await;
    let deep = [[0x91].repeat(30_000), vec![0xC0]].concat();
    let rows: [(&[u8], &str); 7] = [
        (&deep, "Error binding arguments."),
        (b"\x91\xc7\0\x05", "Error binding arguments."),
        (b"\x91\xa1\xff", "Error binding arguments."),
        (b"\x91\xdb\xff\xff\xff\xff", "Error binding arguments."),
        (b"\x91\xc1", "Error binding arguments."),
        (b"\xdd\xff\xff\xff\xff\xc0", "Reading array length for 'arguments' failed."),
        (b"\x81\x01\x02", "Reading array length for 'arguments' failed."),
    ];
    for (arguments, expected) in rows {
        let body = [&b"\x95\x01\x80\xa11\xa4Echo"[..], arguments].concat();
        client.peer.send(framed(&body));
        let error = client.next().await["error"].as_str().unwrap().to_owned();
        let base = "Failed to invoke 'Echo' due to an error on the server. InvalidDataException: ";
        assert!(error.starts_with(&format!("{base}{expected}")), "{error}");
        client.round_trip().await;
    }
}

/// Puts the length in front.
fn framed(body: &[u8]) -> Vec<u8> {
    let low = |bits: usize| u8::try_from(bits & 0x7F).unwrap();
    let len = body.len();
    [&[low(len) | 0x80, low(len >> 7) | 0x80, low(len >> 14)], body].concat()
}

#[tokio::test(start_paused = true)]
async fn null_is_an_argument_and_an_answer_where_there_may_be_none() {
    let hub = hub().build();
    for protocol in Protocol::ALL {
        let mut client = Client::connect_speaking(&hub, Identity::user("ann"), protocol).await;
        client.call("1", "Maybe", &json!([null]));
        client.receives([result("1", &Value::Null)]).await;
        client.call("2", "Next", &json!([null]));
        let error = client.next().await["error"].as_str().unwrap().to_owned();
        assert!(error.contains("Error binding arguments."), "{error}");
        client.call("3", "AskForText", &json!([]));
        let question = client.is_asked("Text").await;
        client.say(&result(&question, &Value::Null));
        client.receives([result("3", &Value::Null)]).await;
    }
}
