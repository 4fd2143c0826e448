use super::*;

#[test]
fn bytes_are_written_with_the_largest_unit_that_fits() {
    for (bytes, written) in [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        (1 << 20, "1 MiB"),
        ((1 << 20) + 1, "1.0 MiB"),
    ] {
        assert_eq!(in_units(bytes), written);
    }
}

#[test]
fn an_offer_that_is_not_remembered_is_skipped_whatever_would_happen_now() {
    let step = |offered, would| {
        let step = matched(offered, OffsetDateTime::UNIX_EPOCH, 1_010, would);
        (step.outcome, step.detail.unwrap())
    };
    for would in [true, false] {
        let (outcome, detail) = step(Offered::Unknown(10), would);
        assert_eq!(outcome, "skip");
        assert!(
            detail.starts_with("not remembered: ")
                && detail.ends_with(" matched 1010, and 10 of them are not remembered")
        );
        assert_eq!(step(Offered::Yes, would).0, "pass");
        assert_eq!(step(Offered::No, would).0, "fail");
    }
}

#[test]
fn a_queue_beyond_its_free_share_needs_room_among_those_of_all_clients() {
    let outcome =
        |own: usize, all: usize| queue_outcome(Room { used: own, limit: 160 }, Room { used: all, limit: 100 });
    for (own, all, expected) in [
        (0, 0, StepOutcome::Pass),
        (159, 99, StepOutcome::Pass),
        (160, 0, StepOutcome::Fail),
        (9, 100, StepOutcome::Pass),
        (10, 100, StepOutcome::Fail),
    ] {
        assert_eq!(outcome(own, all), expected, "{own} {all}");
    }
    assert_eq!(Room { used: 0, limit: 1 << 20 }.to_string(), "0 bytes of 1 MiB");
}
