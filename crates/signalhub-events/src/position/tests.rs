use proptest::prelude::*;

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

proptest! {
    #[test]
    fn every_position_is_read_from_its_text(epoch: u64, offset: u64) {
        let position = Position::new(Epoch::new(epoch), offset);
        prop_assert_eq!(position.to_string().parse(), Ok(position));
    }

    #[test]
    fn only_the_text_of_a_position_is_read(text in "[0-9a-fA-F]{15,17}:[+0-9]{0,21}|\\PC{0,24}") {
        if let Ok(position) = text.parse::<Position>() {
            prop_assert_eq!(position.to_string(), text);
        }
    }
}
