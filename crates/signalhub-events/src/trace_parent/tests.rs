use proptest::prelude::*;

use super::*;

/// The example of the specification.
const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn read(text: &str) -> Option<String> {
    TraceParent::from_traceparent(text.as_bytes()).map(|context| context.to_traceparent())
}

#[test]
fn a_trace_parent_has_25_bytes_also_where_there_may_be_none() {
    assert_eq!(size_of::<TraceParent>(), 25);
    assert_eq!(size_of::<Option<TraceParent>>(), 25);
}

#[test]
fn a_traceparent_is_read_as_the_specification_says() {
    let ids = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7";
    let read_as = |text: &str, expected: Option<&str>| {
        assert_eq!(read(text), expected.map(|flags| format!("00-{ids}-{flags}")), "{text}");
    };
    read_as(EXAMPLE, Some("01"));
    read_as(&format!("00-{ids}-00"), Some("00"));
    // Unknown flags are not passed on.
    read_as(&format!("00-{ids}-ff"), Some("01"));
    read_as(&format!("00-{ids}-fe"), Some("00"));
    // A later version is read as this one, and may have more behind a dash.
    read_as(&format!("01-{ids}-01"), Some("01"));
    read_as(&format!("cc-{ids}-01-what-the-future-brings"), Some("01"));
    read_as(&format!("cc-{ids}-01-"), Some("01"));
    let zeros = ["0".repeat(32), "0".repeat(16)];
    let malformed = [
        String::new(),
        "00".to_owned(),
        format!("ff-{ids}-01"),
        format!("00-{ids}-01-more"),
        format!("00-{ids}-01-"),
        format!("00-{ids}-01 "),
        format!(" 00-{ids}-01"),
        format!("cc-{ids}-01.more"),
        format!("cc-{ids}-011"),
        format!("00-{ids}-1"),
        format!("00-{ids}"),
        format!("00-{}-01", ids.to_uppercase()),
        format!("0x-{ids}-01"),
        format!("00-{ids}-0g"),
        format!("00_{ids}_01"),
        format!("00-{}-00f067aa0ba902b7-01", zeros[0]),
        format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{}-01", zeros[1]),
        EXAMPLE.replacen("e4736-", "e4736+", 1),
        format!("{EXAMPLE},{EXAMPLE}"),
        // A text whose 55th byte is inside a character.
        format!("00-{ids}-0\u{e4}"),
    ];
    malformed.iter().for_each(|text| read_as(text, None));
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(text in proptest::collection::vec(any::<u8>(), 0..80)) {
        let _ = TraceParent::from_traceparent(&text);
    }

    #[test]
    fn one_changed_byte_gives_another_trace_or_none_but_never_a_panic(place in 0..55_usize, byte: u8) {
        let mut text = EXAMPLE.as_bytes().to_vec();
        text[place] = byte;
        if let Some(context) = TraceParent::from_traceparent(&text) {
            let written = context.to_traceparent();
            // The ids are as they were sent; a later version becomes 00, and unknown flags are dropped.
            prop_assert_eq!(&written.as_bytes()[3..53], &text[3..53]);
        }
    }

    #[test]
    fn what_is_written_is_read_again(trace_id: [u8; 16], span_id: [u8; 8], is_sampled: bool) {
        prop_assume!(trace_id != [0; 16] && span_id != [0; 8]);
        let sampled = if is_sampled { Sampled::Yes } else { Sampled::No };
        let context = TraceParent { trace_id: TraceId(trace_id), span_id: SpanId(span_id), sampled };
        prop_assert_eq!(TraceParent::from_traceparent(context.to_traceparent().as_bytes()), Some(context));
    }
}
