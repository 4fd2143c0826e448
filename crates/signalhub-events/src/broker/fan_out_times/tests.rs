use std::time::Duration;

use super::*;
use crate::event::Event;
use crate::name::EventName;
use crate::position::{Epoch, Position};

fn batch(accepted: &[Instant]) -> Vec<Arc<Delivery>> {
    let delivery = |(accepted, offset): (&Instant, u64)| {
        let event = Arc::new(Event::new(EventName::new("changed"), "{}"));
        Arc::new(Delivery::accepted_at(event, Position::new(Epoch::new(1), offset), *accepted))
    };
    accepted.iter().zip(1..).map(delivery).collect()
}

#[test]
fn each_event_counts_for_the_subscribers_that_took_it_with_its_own_time() {
    let times = FanOutTimes::default();
    let start = Instant::now();
    let batch = batch(&[start, start + Duration::from_secs(1), start]);
    let mut written = WrittenInline::default();
    for events in [0b001, 0b011, 0b011, 0b001] {
        written.add(events);
    }
    times.observe_inline(&mut written, &batch, start + Duration::from_secs(1));
    let observed = times.inline.observed();
    assert_eq!((observed.count(), observed.sum), (6, Duration::from_secs(4)));
    assert_eq!(observed.counts[0], 2, "the second event was published a second later");
    times.observe_inline(&mut written, &batch, start + Duration::from_secs(5));
    assert_eq!(times.inline.observed().count(), 6, "nothing counts twice");
}

#[test]
fn the_fan_out_of_each_event_of_a_batch_counts_once() {
    let times = FanOutTimes::default();
    let start = Instant::now();
    times.observe_fan_out(&batch(&[start, start]), start + Duration::from_secs(2));
    assert_eq!((times.fan_out.observed().count(), times.fan_out.observed().sum), (2, Duration::from_secs(4)));
}
