//! The messages: each kind fills the number of bytes that it is given.

use signalhub::protocol::Protocol;

/// One kind of message.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) protocol: Protocol,
    /// Makes what is sent, of about this length in all.
    pub(crate) says: fn(usize) -> Vec<Said>,
}

/// What a client does.
pub(crate) enum Said {
    /// Sends this at once.
    AtOnce(Vec<u8>),
    /// Sends this in pieces of 16 bytes, each of which is taken before the next one comes.
    InPieces(Vec<u8>),
    /// Waits for this number of messages.
    Answers(usize),
}

const fn json(name: &'static str, says: fn(usize) -> Vec<Said>) -> Row {
    Row { name, protocol: Protocol::Json, says }
}

const fn message_pack(name: &'static str, says: fn(usize) -> Vec<Said>) -> Row {
    Row { name, protocol: Protocol::MessagePack, says }
}

pub(crate) const ROWS: [Row; 37] = [
    json("json: unknown members", |n| ping(&list(n, |i| format!("\"{i:x}\":\"\"")))),
    json("json: one member again and again", |n| ping(&list(n, |_| "\"item\":[]".to_owned()))),
    json("json: headers, 100 of them", |n| {
        ping(&headers(&list_of(100, |i| format!("\"{i}\":\"{}\"", "x".repeat(n / 100)))))
    }),
    json("json: headers, too many", |n| ping(&headers(&list(n, |i| format!("\"{i:x}\":\"\""))))),
    json("json: headers, too many of one name", |n| ping(&headers(&list(n, |_| "\"a\":\"\"".to_owned())))),
    json("json: headers, again and again", |n| ping(&list(n, |_| headers("\"a\":\"\"")))),
    json("json: stream ids", |n| call("Hold", "", &list(n, |i| format!("\"{i:x}\"")))),
    json("json: arguments", |n| call("Take", &list(n, |i| i.to_string()), "")),
    json("json: an argument with members", |n| {
        call("Take", &format!("{{{}}}", list(n, |i| format!("\"{i:x}\":1"))), "")
    }),
    json("json: an argument with one member again and again", |n| {
        call("Take", &format!("{{{}}}", list(n, |_| "\"a\":1".to_owned())), "")
    }),
    json("json: an argument of nested arrays", |n| {
        call("Take", &format!("[{}]", list(n, |_| format!("{}{}", "[".repeat(50), "]".repeat(50)))), "")
    }),
    json("json: an argument of escapes", |n| call("Take", &format!("\"{}\"", "\\u0041".repeat(n / 6)), "")),
    json("json: a number of many digits", |n| call("Take", &format!("0.{}", "7".repeat(n)), "")),
    json("json: an integer of many digits", |n| call("Take", &"7".repeat(n), "")),
    json("json: a value that is passed on", |n| {
        call("Pass", &format!("{{{}}}", list(n, |i| format!("\"{i:x}\":[\"\\u0041\",1e3]"))), "")
    }),
    json("json: a value with one member again and again that is passed on", |n| {
        call("Pass", &format!("{{{}}}", list(n, |_| "\"a\":1".to_owned())), "")
    }),
    json("json: a target without a method", |n| call(&"x".repeat(n), "", "")),
    json("json: Subscribe, resources", |n| subscribe(&list(n, |i| format!("{{\"n\":\"{i}\"}}")))),
    json("json: Subscribe, one resource again and again", |n| subscribe(&list(n, |_| "{\"n\":\"a\"}".to_owned()))),
    json("json: Subscribe, actions", |n| {
        subscribe(&format!("{{\"n\":\"a\",\"a\":[{}]}}", list(n, |_| "\"created\"".to_owned())))
    }),
    json("json: Subscribe and Unsubscribe, resources", |n| {
        let resources = list(n / 2, |i| format!("{{\"n\":\"{i}\"}}"));
        let unsubscribe = format!("{{\"e\":\"portos.resources.changed\",\"r\":[{resources}]}}");
        let mut both = subscribe(&resources);
        both.extend(call("Unsubscribe", &unsubscribe, ""));
        both
    }),
    json("json: many Subscribe", |n| {
        let call = |i| format!("{{\"e\":\"e{i}\"}}");
        many(n, |i| record(&format!("\"type\":1,\"target\":\"Subscribe\",\"arguments\":[{}]", call(i))))
    }),
    json("json: pings", |n| many(n, |_| record("\"type\":6"))),
    json("json: calls", |n| {
        many(n, |i| record(&format!("\"type\":1,\"invocationId\":\"{i}\",\"target\":\"Mark\",\"arguments\":[]")))
    }),
    json("json: calls with a stream each, then calls", |n| {
        let mut says = many(n / 2, |i| {
            record(&format!("\"type\":1,\"target\":\"Hold\",\"arguments\":[],\"streamIds\":[\"{i}\"]"))
        });
        says.extend(many(n / 2, |_| record("\"type\":1,\"target\":\"Mark\",\"arguments\":[]")));
        says
    }),
    json("json: calls with a stream each, and their ends", |n| {
        let calls = n / 2 / 70;
        let says = |i: usize| {
            let call = format!("\"type\":1,\"target\":\"Hold\",\"arguments\":[],\"streamIds\":[\"{i}\"]");
            if i < calls { record(&call) } else { record(&format!("\"type\":3,\"invocationId\":\"{}\"", i - calls)) }
        };
        vec![Said::AtOnce((0..2 * calls).map(says).collect::<String>().into_bytes())]
    }),
    json("json: questions of the server and their answers", |n| questions(n / 80)),
    json("json: cancellations and completions of nothing", |n| {
        many(n, |i| record(&format!("\"type\":{},\"invocationId\":\"s{i}\"", if i % 2 == 0 { 3 } else { 5 })))
    }),
    json("json: a call in pieces", |n| in_pieces(call("Take", &format!("\"{}\"", "x".repeat(n)), ""))),
    json("json: line breaks in pieces", |n| in_pieces(vec![Said::AtOnce(vec![b'\n'; n])])),
    message_pack("messagepack: headers, 100 of them", |n| {
        cancel(100, |i, out| out.extend([&text(&i.to_string())[..], &text(&"x".repeat(n / 100))].concat()))
    }),
    message_pack("messagepack: headers, too many", |n| {
        cancel(n / 8, |i, out| out.extend([&text(&format!("{i:x}"))[..], &text("x")].concat()))
    }),
    message_pack("messagepack: stream ids", |n| {
        let mut body = [&b"\x96\x01\x80\xa11\xa4Hold\x90"[..], &array(n / 5)].concat();
        (0..n / 5).for_each(|i| body.extend(text(&format!("{i:x}"))));
        framed(&body)
    }),
    message_pack("messagepack: arguments", |n| {
        framed(&[&b"\x95\x01\x80\xa11\xa4Take"[..], &array(n), &vec![1; n]].concat())
    }),
    message_pack("messagepack: an argument with members", |n| call_with_map("Take", n / 5)),
    message_pack("messagepack: a value that is passed on", |n| call_with_map("Pass", n / 5)),
    message_pack("messagepack: a call in pieces", |n| {
        in_pieces(framed(&[&b"\x95\x01\x80\xa11\xa4Take\x91"[..], &text(&"x".repeat(n))].concat()))
    }),
];

/// What shows that all before it was taken: a call, and what its answer holds.
pub(crate) fn mark(protocol: Protocol) -> (Vec<u8>, &'static [u8]) {
    let call = match protocol {
        Protocol::Json => record("\"type\":1,\"invocationId\":\"m\",\"target\":\"Mark\",\"arguments\":[]").into_bytes(),
        Protocol::MessagePack => b"\x0b\x95\x01\x80\xa1m\xa4Mark\x90".to_vec(),
    };
    let answer = match protocol {
        Protocol::Json => &b"\"invocationId\":\"m\""[..],
        Protocol::MessagePack => b"\xa1m\x03",
    };
    (call, answer)
}

/// As many elements as fill the length, with commas between them.
fn list(length: usize, element: impl Fn(usize) -> String) -> String {
    let mut list = element(0);
    for i in 1.. {
        if list.len() >= length {
            break;
        }
        list.push(',');
        list.push_str(&element(i));
    }
    list
}

fn list_of(count: usize, element: impl Fn(usize) -> String) -> String {
    (0..count).map(element).collect::<Vec<_>>().join(",")
}

fn record(members: &str) -> String {
    format!("{{{members}}}\u{1e}")
}

fn headers(members: &str) -> String {
    format!("\"headers\":{{{members}}}")
}

fn ping(members: &str) -> Vec<Said> {
    vec![Said::AtOnce(record(&format!("\"type\":6,{members}")).into_bytes())]
}

fn call(target: &str, arguments: &str, stream_ids: &str) -> Vec<Said> {
    let call = format!(
        "\"type\":1,\"invocationId\":\"1\",\"target\":\"{target}\",\"arguments\":[{arguments}],\"streamIds\":[{stream_ids}]"
    );
    vec![Said::AtOnce(record(&call).into_bytes())]
}

fn subscribe(resources: &str) -> Vec<Said> {
    call("Subscribe", &format!("{{\"e\":\"portos.resources.changed\",\"r\":[{resources}]}}"), "")
}

/// As many messages as fill the length, in one write.
fn many(length: usize, message: impl Fn(usize) -> String) -> Vec<Said> {
    let mut bytes = String::new();
    for i in 0.. {
        if bytes.len() >= length {
            break;
        }
        bytes.push_str(&message(i));
    }
    vec![Said::AtOnce(bytes.into_bytes())]
}

/// Calls that each ask their client something, and then all answers.
fn questions(count: usize) -> Vec<Said> {
    let calls: String = (0..count).map(|_| record("\"type\":1,\"target\":\"Ask\",\"arguments\":[]")).collect();
    // The server numbers its questions from 1, in each process.
    let answers: String =
        (1..=count).map(|i| record(&format!("\"type\":3,\"invocationId\":\"s{i}\",\"result\":1"))).collect();
    vec![Said::AtOnce(calls.into_bytes()), Said::Answers(count), Said::AtOnce(answers.into_bytes())]
}

fn in_pieces(says: Vec<Said>) -> Vec<Said> {
    let piecewise = |said| match said {
        Said::AtOnce(bytes) => Said::InPieces(bytes),
        other => other,
    };
    says.into_iter().map(piecewise).collect()
}

fn framed(body: &[u8]) -> Vec<Said> {
    let low = |bits: usize| u8::try_from(bits & 0x7F).unwrap();
    let len = body.len();
    vec![Said::AtOnce([&[low(len) | 0x80, low(len >> 7) | 0x80, low(len >> 14)], body].concat())]
}

fn text(text: &str) -> Vec<u8> {
    [&[0xDA][..], &u16::try_from(text.len()).unwrap().to_be_bytes(), text.as_bytes()].concat()
}

fn array(count: usize) -> Vec<u8> {
    [&[0xDD][..], &u32::try_from(count).unwrap().to_be_bytes()].concat()
}

fn map(count: usize) -> Vec<u8> {
    [&[0xDF][..], &u32::try_from(count).unwrap().to_be_bytes()].concat()
}

fn cancel(count: usize, header: impl Fn(usize, &mut Vec<u8>)) -> Vec<Said> {
    let mut body = [&b"\x93\x05"[..], &map(count)].concat();
    (0..count).for_each(|i| header(i, &mut body));
    body.extend(b"\xa1x");
    framed(&body)
}

fn call_with_map(target: &str, count: usize) -> Vec<Said> {
    let mut body = [&b"\x95\x01\x80\xa11\xa4"[..], target.as_bytes(), b"\x91", &map(count)].concat();
    (0..count).for_each(|i| body.extend([&text(&format!("{i:x}"))[..], &[1]].concat()));
    framed(&body)
}
