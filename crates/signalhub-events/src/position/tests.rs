use super::*;

#[test]
fn positions_round_trip_and_have_one_text_each() {
    let check =
        |text: &str, good: bool| assert_eq!(text.parse::<Position>().map(|p| p.to_string()).is_ok(), good, "{text}");
    assert_eq!(Position::new(Epoch::new(0xAB), 12).to_string(), "00000000000000ab:12");
    check("00000000000000ab:12", true);
    check("ffffffffffffffff:18446744073709551615", true);
    check("00000000000000AB:12", false);
    check("ab:12", false);
    check("00000000000000ab:+12", false);
    check("00000000000000ab:", false);
    check("00000000000000ab", false);
    check("", false);
}
