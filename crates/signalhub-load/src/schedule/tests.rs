use proptest::prelude::*;

use super::*;

fn schedule(count: u32, per: Unit, warm_up: u64, duration: u64, senders: u32, groups: u32) -> Schedule {
    let number = |number| NonZeroU32::new(number).unwrap();
    Schedule {
        rate: Rate { count: number(count), per },
        warm_up: Duration::from_millis(warm_up),
        duration: Duration::from_millis(duration),
        senders: number(senders),
        groups: number(groups),
    }
}

#[test]
fn rates_are_read_as_they_are_written() {
    for text in ["100/s", "1/m", "4294967295/h"] {
        assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
    }
    for text in ["", "100", "0/s", "-1/s", "1.5/s", "100/d", "/s", "100/", "100 /s"] {
        assert_eq!(text.parse::<Rate>(), Err(ParseRateError), "{text}");
    }
}

#[test]
fn a_schedule_has_the_events_that_its_rate_and_times_say() {
    let schedule = schedule(100, Unit::Second, 5_000, 30_000, 4, 1);
    assert_eq!((schedule.warm_up_events(), schedule.events()), (500, 3500));
    assert_eq!(schedule.rate.due(3499), Duration::from_millis(34_990));
}

proptest! {
    /// An event is counted as due exactly from its time on, and the times do not drift from the rate.
    #[test]
    fn times_follow_from_numbers(count in 1_u32..2_000_000, per in 0_usize..3, number in 0_u64..1 << 40) {
        let rate = Rate { count: NonZeroU32::new(count).unwrap(), per: Unit::ALL[per] };
        let (this, next) = (rate.due(number), rate.due(number + 1));
        prop_assert!(this <= next);
        prop_assert!(rate.before(this) <= number);
        prop_assert!(rate.before(this + Duration::from_nanos(1)) > number);
        let exact = number as f64 * Unit::ALL[per].nanoseconds() as f64 / f64::from(count);
        prop_assert!((this.as_nanos() as f64 - exact).abs() <= 1.0 + exact * 1e-12);
    }

    /// Each event has one place, in the order of its stream; and each stream has all of its numbers.
    #[test]
    fn events_and_places_are_the_same(
        senders in 1_u32..9, groups in 1_u32..9, end in 0_u64..500, warm_up in 0_u64..1000, duration in 0_u64..1000,
    ) {
        let schedule = schedule(500, Unit::Second, warm_up, duration, senders, groups);
        let mut counts = std::collections::BTreeMap::new();
        for event in 0..end {
            let (stream, sequence) = schedule.place(event);
            prop_assert_eq!(schedule.event(stream, sequence), event);
            let count = counts.entry((stream.sender, stream.group)).or_insert(0);
            prop_assert_eq!(*count, sequence);
            *count += 1;
        }
        for group in 0..groups {
            for stream in schedule.streams_of(group) {
                let count = counts.get(&(stream.sender, stream.group)).copied().unwrap_or(0);
                prop_assert_eq!(schedule.sequence_before(stream, end), count);
            }
        }
        prop_assert!(schedule.warm_up_events() <= schedule.events());
    }
}
