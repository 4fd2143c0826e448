use super::*;

#[test]
fn numbers_stay_within_six_columns() {
    for (number, text) in
        [(0, "0"), (99_999, "99999"), (100_000, "100k"), (999_700, "1.0M"), (1_250_000, "1.2M"), (u64::MAX, "18447P")]
    {
        assert_eq!(count(number), text);
    }
    for (number, text) in
        [(0, "0"), (1023, "1023"), (1536, "1.5K"), (10_240, "10K"), (1 << 20, "1.0M"), (1 << 60, "1024P")]
    {
        assert_eq!(bytes(number), text);
    }
    for (number, text) in [(0.0, "0.0"), (9.94, "9.9"), (9.96, "10"), (12_345.6, "12346"), (250_000.0, "250k")] {
        assert_eq!(rate(number), text);
    }
    for (number, text) in [(0.2, "0"), (1023.4, "1023"), (2048.0, "2.0K")] {
        assert_eq!(byte_rate(number), text);
    }
}

#[test]
fn lengths_of_time_have_their_two_largest_units() {
    for (milliseconds, text) in [
        (450, "0.4s"),
        (12_900, "12s"),
        (75_000, "1m15s"),
        (7_500_000, "2h05m"),
        (93_600_000, "1d02h"),
        (8_640_000_000, "100d"),
    ] {
        assert_eq!(duration(Duration::from_millis(milliseconds)), text);
    }
    for (length, text) in [
        (None, "–"),
        (Some(0.000_42), "0.42 ms"),
        (Some(0.0077), "7.70 ms"),
        (Some(0.25), "250 ms"),
        (Some(2.5), "2.5 s"),
    ] {
        assert_eq!(latency(length), text);
    }
    assert_eq!([seconds(-1.0), seconds(f64::NAN), seconds(1e300)], [Duration::ZERO; 3]);
}

#[test]
fn nothing_in_a_text_can_control_the_terminal() {
    for (text, shown) in [
        ("ann\x1b[2J", "ann\\u{1b}[2J"),
        ("a\r\nb\tc", "a\\r\\nb\\tc"),
        ("\u{9b}31m", "\\u{9b}31m"),
        ("a\u{202e}b\u{200b}", "a\\u{202e}b\\u{200b}"),
        ("<b>\"Žluťoučký\"</b>", "<b>\"Žluťoučký\"</b>"),
    ] {
        assert_eq!(visible(text), shown);
    }
}

#[test]
fn texts_fill_exactly_the_width_that_they_have() {
    for (text, width, alignment, shown) in [
        ("ann", 5, Alignment::Left, "ann  "),
        ("ann", 5, Alignment::Right, "  ann"),
        ("annabel", 5, Alignment::Right, "anna…"),
        ("山田太郎", 8, Alignment::Left, "山田太郎"),
        ("山田太郎", 6, Alignment::Left, "山田… "),
        ("ann", 1, Alignment::Left, "…"),
        ("ann", 0, Alignment::Left, ""),
    ] {
        assert_eq!(fitted(text, width, alignment), shown);
    }
}
