use proptest::prelude::*;

use super::{HandshakeError, HandshakeRequest, HandshakeResponse};
use crate::Protocol;

type Answer = Result<(&'static str, i32), &'static str>;

/// Records of clients, and what the original took them for or the detail it refused them with.
const ANSWERED: &[(&[u8], Answer)] = &[
    (br#"{ "version" : 1 , "x":[1], "protocol":"JSON" }"#, Ok(("JSON", 1))),
    (br#"{"protocol":"json","version":0}"#, Ok(("json", 0))),
    (br#"{"protocol":"json","version":3}"#, Ok(("json", 3))),
    (br#"{"protocol":"json","version":-2147483648}"#, Ok(("json", i32::MIN))),
    (br#"{"protocol":"json","version":-0}"#, Ok(("json", 0))),
    (br#"{"protocol":"foo","protocol":"json","version":9,"version":1}"#, Ok(("json", 1))),
    (br#"{"protocol":"json","version":1} x"#, Ok(("json", 1))),
    (br#"{"protocol":"FoO","version":1}"#, Ok(("FoO", 1))),
    (br#"{"protocol":"","version":1}"#, Ok(("", 1))),
    (br#"{"pr\u006ftocol":"json","version":1}"#, Ok(("json", 1))),
    (br#"{"protocol":"json","version":1,"x":[1,{"protocol":"y"}]}"#, Ok(("json", 1))),
    (br#"{"\ud83d":1,"protocol":"json","version":1}"#, Ok(("json", 1))),
    (br#"{"x\ud83d\ud83d":1,"protocol":"json","version":1}"#, Ok(("json", 1))),
    (
        br#"{"protoco\ud83d":1,"protocol":"json","version":1}"#,
        Err("InvalidOperationException: Cannot read incomplete UTF-16 JSON text as string with missing low surrogate."),
    ),
    (
        br#"{"\ud83d\ud83d":1,"protocol":"json","version":1}"#,
        Err(
            "InvalidOperationException: Cannot read invalid UTF-16 JSON text as string. Invalid surrogate value: '0xD83D'.",
        ),
    ),
    (
        br#"{"version":1}"#,
        Err(r#"InvalidDataException: Missing required property 'protocol'. Message content: {"version":1}"#),
    ),
    (
        br#"{"protocol":"json"}"#,
        Err(r#"InvalidDataException: Missing required property 'version'. Message content: {"protocol":"json"}"#),
    ),
    (br#"[1]"#, Err("InvalidDataException: Unexpected JSON Token Type 'Array'. Expected a JSON Object.")),
    (br#""x""#, Err("InvalidDataException: Unexpected JSON Token Type 'String'. Expected a JSON Object.")),
    (br#"null"#, Err("InvalidDataException: Unexpected JSON Token Type 'Null'. Expected a JSON Object.")),
    (br#"{"protocol":5,"version":1}"#, Err("InvalidDataException: Expected 'protocol' to be of type String.")),
    (br#"{"protocol":null,"version":1}"#, Err("InvalidDataException: Expected 'protocol' to be of type String.")),
    (br#"{"protocol":[}"#, Err("InvalidDataException: Expected 'protocol' to be of type String.")),
    (br#"{"protocol":"json","version":"1"}"#, Err("InvalidDataException: Expected 'version' to be of type Number.")),
    (br#"{"protocol":"json","version":[]}"#, Err("InvalidDataException: Expected 'version' to be of type Number.")),
    (
        br#"{"protocol":"json","version":null}"#,
        Err(
            r#"InvalidDataException: Missing required property 'version'. Message content: {"protocol":"json","version":null}"#,
        ),
    ),
    (
        br#"{"protocol":"json","version":1,"version":null}"#,
        Err(
            r#"InvalidDataException: Missing required property 'version'. Message content: {"protocol":"json","version":1,"version":null}"#,
        ),
    ),
    (
        br#"{"type":7}"#,
        Err(r#"InvalidDataException: Missing required property 'protocol'. Message content: {"type":7}"#),
    ),
    (
        br#"{"Protocol":"json","version":1}"#,
        Err(
            r#"InvalidDataException: Missing required property 'protocol'. Message content: {"Protocol":"json","version":1}"#,
        ),
    ),
    (
        b"{\"version\":1,\"x\":\"\xff\xe4\"}",
        Err(
            "InvalidDataException: Missing required property 'protocol'. Message content: {\"version\":1,\"x\":\"��\"}",
        ),
    ),
    (
        br#"{"protocol":"json","version":1.5}"#,
        Err("FormatException: Either the JSON value is not in a supported format, or is out of bounds for an Int32."),
    ),
    (
        br#"{"protocol":"json","version":2147483648}"#,
        Err("FormatException: Either the JSON value is not in a supported format, or is out of bounds for an Int32."),
    ),
    (
        br#"{"protocol":"\ud800","version":1}"#,
        Err("InvalidOperationException: Cannot read incomplete UTF-16 JSON text as string with missing low surrogate."),
    ),
    (
        b"{\"protocol\":\"\xff\",\"version\":1}",
        Err("InvalidOperationException: Cannot transcode invalid UTF-8 JSON text to UTF-16 string."),
    ),
];

#[test]
fn requests_are_taken_as_the_original_takes_them() {
    for (record, expected) in ANSWERED {
        let input = [record, b"\x1e{\"type\":6}\x1e".as_slice()].concat();
        let answer = match HandshakeRequest::parse(&input) {
            Ok(answer) => {
                let (request, consumed) = answer.unwrap();
                assert_eq!(consumed, record.len() + 1);
                Ok((request.protocol, request.version))
            }
            Err(error) => Err(format!("{}: {error}", error.exception())),
        };
        let expected = expected.map(|(protocol, version)| (protocol.to_owned(), version)).map_err(str::to_owned);
        assert_eq!(answer, expected, "{}", record.escape_ascii());
    }
}

#[test]
fn text_that_is_no_json_is_the_readers_fault() {
    let rows: [&[u8]; 7] = [
        b"hello",
        b"",
        b"{\"protocol\":\"json\"",
        b"{\"version\":1",
        b"\xef\xbb\xbf{}",
        b"/**/{}",
        b"{\"protocol\":tru}",
    ];
    for record in rows {
        let error = HandshakeRequest::parse(&[record, b"\x1e"].concat()).unwrap_err();
        assert_eq!((&error, error.exception()), (&HandshakeError::Syntax, "JsonReaderException"));
    }
}

#[test]
fn responses_are_three_bytes_or_an_error() {
    for (error, expected) in [(None, "{}\u{1e}"), (Some("a \"b\""), "{\"error\":\"a \\\"b\\\"\"}\u{1e}")] {
        let mut out = Vec::new();
        HandshakeResponse::encode(error, &mut out);
        assert_eq!(out, expected.as_bytes());
        let response = HandshakeResponse { error: error.map(str::to_owned) };
        assert_eq!(HandshakeResponse::parse(&out), Ok(Some((response, out.len()))));
    }
    assert_eq!(HandshakeResponse::parse(b"{\"type\":6}\x1e"), Err(HandshakeError::HubMessage));
    assert_eq!(HandshakeResponse::parse(b"{}"), Ok(None));
}

proptest! {
    #[test]
    fn requests_read_back_but_not_in_part(protocol: String, version: i32) {
        let request = HandshakeRequest { protocol, version };
        let mut bytes = Vec::new();
        request.encode(&mut bytes);
        prop_assert_eq!(HandshakeRequest::parse(&bytes[..bytes.len() - 1]), Ok(None));
        prop_assert_eq!(HandshakeRequest::parse(&bytes), Ok(Some((request, bytes.len()))));
    }

    #[test]
    fn no_bytes_make_the_readers_panic(bytes: Vec<u8>) {
        let record = [bytes.as_slice(), b"\x1e"].concat();
        let _ = (HandshakeRequest::parse(&record), HandshakeResponse::parse(&record));
    }
}

#[test]
fn a_request_names_its_protocol() {
    let mut bytes = Vec::new();
    HandshakeRequest::new(Protocol::Json, 1).encode(&mut bytes);
    assert_eq!(bytes, b"{\"protocol\":\"json\",\"version\":1}\x1e");
}
