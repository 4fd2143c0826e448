use super::*;

fn name(number: usize) -> EventName {
    EventName::new(format!("event-{number}"))
}

fn next(names: &mut Undeclared, number: usize) -> u64 {
    names.next_offset(&name(number), |_| false)
}

#[test]
fn the_name_that_was_not_used_for_the_longest_time_is_forgotten() {
    let mut names = Undeclared::new(3);
    for (number, offset) in [(1, 1), (2, 1), (3, 1), (1, 2), (1, 3), (2, 2)] {
        assert_eq!(next(&mut names, number), offset, "{number}");
    }
    // The fourth name takes the place of the third.
    assert_eq!((next(&mut names, 4), names.names.len(), names.by_use.len()), (1, 3, 3));
    assert_eq!(next(&mut names, 1), 4);
    // Its offset was 1, and no other name may have it again.
    assert_eq!(next(&mut names, 3), 2);
    // That took the place of the second, whose offset was 2.
    assert_eq!((next(&mut names, 2), names.names.len(), names.by_use.len()), (3, 3, 3));
}

#[test]
fn no_position_of_a_name_is_given_twice() {
    let mut names = Undeclared::new(10);
    let mut latest = HashMap::new();
    for use_of in 0..5000_usize {
        let number = use_of * use_of % 37;
        let offset = next(&mut names, number);
        assert!(latest.insert(number, offset).is_none_or(|before| before < offset), "{number}: {offset}");
        assert!(names.names.len() <= 10 && names.by_use.len() == names.names.len());
    }
}

#[test]
fn a_name_that_is_wanted_is_not_forgotten() {
    let mut names = Undeclared::new(20);
    let wanted = |event: &EventName| event.as_str() == "event-0" || event.as_str() == "event-7";
    for number in 0..1000 {
        names.next_offset(&name(number), wanted);
    }
    assert_eq!(names.names.len(), 20);
    assert_eq!([0, 7].map(|number| names.next_offset(&name(number), wanted)), [2, 2]);
    // Where all are wanted, all are kept: each of them costs its subscriber a subscription.
    for number in 1000..1100 {
        names.next_offset(&name(number), |_| true);
    }
    assert_eq!(names.names.len(), 120);
    for _ in 0..20 {
        next(&mut names, 2000);
    }
    assert_eq!((names.names.len(), names.by_use.len()), (20, 20));
}
