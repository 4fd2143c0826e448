//! Random conversations with the recorded hubs.
//!
//! They avoid inputs for which the servers are known to differ; `deviations.json` describes each of them.

use serde_json::{Value, json};

use super::random::Random;
use crate::recording::{RecordingError, Scenario};

/// Ends each record of JSON.
const SEPARATOR: char = '\u{1e}';

const HANDSHAKES: [&str; 14] = [
    r#"{"version":1,"protocol":"json"}"#,
    r#" {"protocol":"JSON","version":2,"x":[{}]} "#,
    r#"{"protocol":"json","version":-1}"#,
    r#"{"protocol":"json","version":3}"#,
    r#"{"protocol":"json","version":1.0}"#,
    r#"{"protocol":"json","version":"1"}"#,
    r#"{"protocol":"json","version":null}"#,
    r#"{"protocol":"xml","version":1}"#,
    r#"{"Protocol":"json","version":1}"#,
    r#"{"protocol":null,"version":1}"#,
    r#"{"protocol":"\u006ason","version":1}rest"#,
    r#"{"protocol":"json","version":1,"\ud83d\ud83d":1}"#,
    "[]",
    "x",
];

const INTEGERS: [&str; 6] = ["0", "1", "-1", "42", "2147483647", "-0"];
const DOUBLES: [&str; 8] = ["1.5", "-0.0", "1e5", "1e-7", "1e21", "0.1", "12345678901234567890123", "5e-324"];
const TEXTS: [&str; 9] = [
    r#""""#,
    r#""abc""#,
    r#""é😀""#,
    r#""\u00e9\ud83d\ude00""#,
    r#""\u0000\u001e""#,
    r#""<>&'+`\"""#,
    r#""\u2028""#,
    r#""/\/""#,
    "null",
];
const BYTES: [&str; 8] = [r#""""#, r#""AQID""#, r#"" A Q==\n""#, r#""AQ=""#, r#""____""#, "[1,2]", r#""AR==""#, "null"];
const OBJECTS: [&str; 8] = [
    "{}",
    "null",
    r#"{"Id":1,"NAME":"n","values":[1,-0]}"#,
    r#"{"id":"x"}"#,
    r#"{"created":"2024-01-02T03:04:05","key":"6F9619FF-8B86-D011-B42D-00CF4FC964FF"}"#,
    r#"{"created":"2024-01-02T03:04:05.5+02:00","unknown":{"a":[]}}"#,
    r#"{"created":"2024-02-30"}"#,
    "[]",
];
const DYNAMIC: [&str; 8] =
    ["null", "true", "2.50", r#"[1,{"a":[]},"x"]"#, r#" { "A" : 1 , "a" : 2 } "#, r#""é""#, "[[[]]]", r#"{"":-1E-0}"#];
const SMALL: [&str; 4] = ["0", "1", "3", "-1"];
const NAMES: [&str; 5] = [r#""M""#, r#""é""#, r#""a\u0062""#, r#""""#, "null"];
const WRONG: [&str; 9] = ["1.5", "true", "{}", "[]", r#""\ud83d""#, r#""5""#, "2147483648", "null", "1e2"];
const UNKNOWN: [&str; 8] = [
    r#""foo":{"a":[1,{"b":null}]}"#,
    r#""Type":6"#,
    r#""headers":{"a":"b"}"#,
    r#""headers":{"a":1}"#,
    r#""x":"\ud83d""#,
    r#""\ud83d":1"#,
    r#""allowReconnect":1"#,
    r#""sequenceId":"4""#,
];
const PATHS: [&str; 12] = [
    "/conformance/negotiate",
    "/Conformance/NEGOTIATE/",
    "/conformance/%6eegotiate",
    "/conformance/x/../negotiate",
    "/conformance//negotiate",
    "/conformance%2fnegotiate",
    "/conformance/negotiate%00",
    "/authorized/negotiate",
    "/pollingonly/negotiate",
    "/websocketsonly",
    "/conformance",
    "/nope",
];
const VERSIONS: [&str; 10] = ["0", "1", "99", "-1", "%201", "1.0", "", "1%00", "%E2%80%831", "1&negotiateVersion="];

/// The kind of a method's parameter.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Integer,
    Double,
    Text,
    Bytes,
    Object,
    Dynamic,
    Small,
    Name,
}

/// The methods that are called: the type of their messages, their parameters and how many streams they take.
const METHODS: [(&str, u8, &[Kind], usize); 20] = [
    ("EchoString", 1, &[Kind::Text], 0),
    ("EchoInt", 1, &[Kind::Integer], 0),
    ("EchoDouble", 1, &[Kind::Double], 0),
    ("EchoAny", 1, &[Kind::Dynamic], 0),
    ("EchoObject", 1, &[Kind::Object], 0),
    ("EchoBytes", 1, &[Kind::Bytes], 0),
    ("Add", 1, &[Kind::Integer, Kind::Integer], 0),
    ("NoResult", 1, &[], 0),
    ("ReturnNull", 1, &[], 0),
    ("Throw", 1, &[Kind::Text], 0),
    ("ThrowHub", 1, &[Kind::Text], 0),
    ("SendSelf", 1, &[Kind::Name, Kind::Text], 0),
    ("SendSelfMany", 1, &[Kind::Name], 0),
    ("AskCaller", 1, &[Kind::Name, Kind::Text], 0),
    ("Restricted", 1, &[], 0),
    ("Sum", 1, &[], 1),
    ("JoinTwo", 1, &[], 2),
    ("Count", 4, &[Kind::Small, Kind::Small], 0),
    ("CountThenThrow", 4, &[Kind::Small], 0),
    ("UploadEcho", 4, &[], 1),
];

/// Generates one conversation: usually over a WebSocket, sometimes an HTTP request.
pub(super) fn conversation(seed: u64, number: u64, idle_ms: u64) -> Result<Scenario, RecordingError> {
    let mut random = Random::new(seed, number);
    let steps = if random.percent(15) { vec![request(&mut random)] } else { web_socket(&mut random, idle_ms) };
    Scenario::generated(json!({"id": format!("random/{seed}-{number}"), "steps": steps}))
}

fn request(random: &mut Random) -> Value {
    let version = random.pick(&VERSIONS);
    let path = format!("{}?negotiateVersion={version}", random.pick(&PATHS));
    let method = random.pick(&["POST", "POST", "POST", "GET", "DELETE", "PUT"]);
    let mut headers = json!({"Content-Length": "0"});
    if random.percent(30) {
        headers["Authorization"] = random.pick(&["Bearer ann", "Bearer bad", "Basic YTpi"]).into();
    }
    json!({"do": "request", "method": method, "path": path, "headers": headers,
           "save": {"id": "connectionId", "token": "connectionToken"}})
}

fn web_socket(random: &mut Random, idle_ms: u64) -> Vec<Value> {
    let path = random.pick(&["/conformance", "/detailed", "/parallel", "/small"]);
    let usual = r#"{"protocol":"json","version":1}"#;
    let handshake = if random.percent(88) { usual } else { random.pick(&HANDSHAKES) };
    let mut steps = vec![json!({"do": "ws.open", "as": "c", "path": path})];
    let mut records = Records { random, next: 0, streams: Vec::new() };
    let count = 1 + records.random.below(5);
    let texts = std::iter::once(handshake.to_owned()).chain((0..count).map(|_| records.record())).collect::<Vec<_>>();
    for text in texts {
        steps.push(json!({"do": "ws.send", "as": "c", "text": format!("{text}{SEPARATOR}")}));
        // The ids of the server's calls count over all connections.
        let save = json!({"asked": "\"invocationId\":\"(s[0-9]+)\""});
        steps.push(json!({"do": "ws.drain", "as": "c", "idle_ms": idle_ms, "save": save}));
    }
    steps
}

/// The messages of one client.
struct Records<'r> {
    random: &'r mut Random,
    next: usize,
    /// The streams that it announced.
    streams: Vec<String>,
}

impl Records<'_> {
    fn record(&mut self) -> String {
        match self.random.below(100) {
            0..=19 if !self.streams.is_empty() => self.of_a_stream(),
            0..=9 => self.other(),
            10..=14 => r#"{"type":3,"invocationId":"${asked}","result":"answer"}"#.to_owned(),
            _ => self.call(),
        }
    }

    fn of_a_stream(&mut self) -> String {
        let at = self.random.below(self.streams.len());
        let id = self.streams[at].clone();
        if self.random.percent(30) {
            let error = self.random.pick(&["", r#","error":"oops""#, r#","error":"""#]);
            return format!(r#"{{"type":3,"invocationId":"{id}"{error}}}"#);
        }
        let value = if self.random.percent(70) { self.random.pick(&INTEGERS) } else { self.random.pick(&TEXTS) };
        format!(r#"{{"type":2,"invocationId":"{id}","item":{value}}}"#)
    }

    fn other(&mut self) -> String {
        let others = [
            r#"{"type":6}"#,
            r#"{"type":8,"sequenceId":1}"#,
            r#"{"type":9,"sequenceId":1.5}"#,
            r#"{"type":5,"invocationId":"nope"}"#,
            r#"{"type":3,"invocationId":"nope","result":1,"error":"e"}"#,
            r#"{"type":2,"invocationId":"nope","item":1}"#,
            r#"{"type":7,"error":"e"}"#,
            r#"{"type":"1"}"#,
            "{}",
            "[42]",
            "",
            "null",
            r#"{"type":6"#,
        ];
        self.random.pick(&others).to_owned()
    }

    fn call(&mut self) -> String {
        let (name, kind, parameters, streams) = METHODS[self.random.below(METHODS.len())];
        let mut arguments: Vec<&str> = parameters.iter().map(|parameter| self.value(*parameter)).collect();
        if self.random.percent(6) {
            arguments.pop();
        } else if self.random.percent(6) {
            arguments.push("1");
        }
        self.next += 1;
        let name = match self.random.below(20) {
            0 => name.to_uppercase(),
            1 => format!("{name}\\u0020"),
            2 => "Nope".to_owned(),
            _ => name.to_owned(),
        };
        let mut properties = vec![
            ("type", kind.to_string()),
            ("invocationId", format!("\"{}\"", self.next)),
            ("target", format!("\"{name}\"")),
            ("arguments", format!("[{}]", arguments.join(","))),
        ];
        let promised = if self.random.percent(5) { self.random.below(3) } else { streams };
        if promised > 0 {
            let ids: Vec<String> = (0..promised).map(|stream| format!("u{}-{stream}", self.next)).collect();
            properties.push(("streamIds", json!(ids).to_string()));
            self.streams.extend(ids);
        }
        self.spell(properties)
    }

    fn value(&mut self, kind: Kind) -> &'static str {
        if self.random.percent(12) && !matches!(kind, Kind::Dynamic) {
            return self.random.pick(&WRONG);
        }
        match kind {
            Kind::Integer => self.random.pick(&INTEGERS),
            Kind::Double => self.random.pick(&DOUBLES),
            Kind::Text => self.random.pick(&TEXTS),
            Kind::Bytes => self.random.pick(&BYTES),
            Kind::Object => self.random.pick(&OBJECTS),
            Kind::Dynamic => self.random.pick(&DYNAMIC),
            Kind::Small => self.random.pick(&SMALL),
            Kind::Name => self.random.pick(&NAMES),
        }
    }

    /// Writes the properties of a call, in random order and sometimes with a mistake.
    fn spell(&mut self, mut properties: Vec<(&str, String)>) -> String {
        if self.random.percent(25) {
            self.random.shuffle(&mut properties);
        }
        if self.random.percent(8) {
            let at = self.random.below(properties.len());
            properties[at].1 = self.random.pick(&WRONG).to_owned();
        } else if self.random.percent(4) {
            properties.swap_remove(self.random.below(properties.len()));
        }
        let mut members: Vec<String> =
            properties.into_iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        if self.random.percent(12) {
            members.insert(self.random.below(members.len() + 1), self.random.pick(&UNKNOWN).to_owned());
        }
        let record = format!("{{{}}}", members.join(self.random.pick(&[",", " ,\n"])));
        match self.random.below(30) {
            0 => record + " rest",
            1 => format!("\r\n {record}"),
            2 => record[..record.len() - 1].to_owned(),
            _ => record,
        }
    }
}
