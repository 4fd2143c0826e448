use super::{Batch, Confirmed, Subscriptions};

fn is_confirmed(confirmed: &mut Confirmed) -> bool {
    confirmed
        .as_mut()
        .is_none_or(|confirmed| !matches!(confirmed.try_recv(), Err(tokio::sync::oneshot::error::TryRecvError::Empty)))
}

fn subscribe(names: &[&str]) -> Option<Batch> {
    Some(Batch::Subscribe(names.iter().map(|&name| name.into()).collect()))
}

fn unsubscribe(names: &[&str]) -> Option<Batch> {
    Some(Batch::Unsubscribe(names.iter().map(|&name| name.into()).collect()))
}

/// Sends all batches and confirms them.
fn settle(subscriptions: &Subscriptions) -> Vec<Batch> {
    std::iter::from_fn(|| {
        let batch = subscriptions.next_batch()?;
        subscriptions.confirm(&batch);
        Some(batch)
    })
    .collect()
}

#[test]
fn each_member_waits_until_the_channel_is_confirmed() {
    let subscriptions = Subscriptions::default();
    let mut waits = [subscriptions.join("a"), subscriptions.join("a"), subscriptions.join("b")];
    let batch = subscriptions.next_batch();
    assert_eq!(batch, subscribe(&["a", "b"]));
    let mut late = subscriptions.join("a");
    assert_eq!(subscriptions.next_batch(), None);
    assert!(waits.iter_mut().all(|wait| !is_confirmed(wait)) && !is_confirmed(&mut late));
    subscriptions.confirm(&batch.unwrap());
    assert!(waits.iter_mut().all(is_confirmed) && is_confirmed(&mut late));
    assert!(subscriptions.join("a").is_none());
    assert_eq!(subscriptions.next_batch(), None);
}

#[test]
fn changes_during_a_command_follow_in_the_next_ones() {
    let subscriptions = Subscriptions::default();
    drop(subscriptions.join("a"));
    drop(subscriptions.join("b"));
    let batch = subscriptions.next_batch().unwrap();
    let mut left = subscriptions.leave("a");
    drop(subscriptions.join("c"));
    subscriptions.confirm(&batch);
    assert!(!is_confirmed(&mut left));
    assert_eq!(settle(&subscriptions), [unsubscribe(&["a"]), subscribe(&["c"])].map(Option::unwrap));
    assert!(is_confirmed(&mut left));
    // What was joined and left before it was sent is not sent.
    drop(subscriptions.join("d"));
    assert!(subscriptions.leave("d").is_none());
    assert_eq!(subscriptions.next_batch(), None);
    // What was left and joined again before that was sent is confirmed as it is.
    let mut waits = [subscriptions.leave("b"), subscriptions.join("b")];
    assert_eq!(subscriptions.next_batch(), None);
    assert!(waits.iter_mut().all(is_confirmed));
    assert!(subscriptions.join("b").is_none());
    // Joined again while it is being left.
    drop(subscriptions.leave("b"));
    let batch = subscriptions.next_batch().unwrap();
    assert_eq!(Some(&batch), unsubscribe(&["b"]).as_ref());
    let mut joined = subscriptions.join("b");
    assert_eq!(subscriptions.next_batch(), None);
    subscriptions.confirm(&batch);
    assert!(!is_confirmed(&mut joined));
    assert_eq!(settle(&subscriptions), [subscribe(&["b"]).unwrap()]);
    assert!(is_confirmed(&mut joined));
}

#[test]
fn what_is_wanted_is_subscribed_again_and_what_was_left_meanwhile_is_not() {
    let subscriptions = Subscriptions::default();
    for name in ["kept", "left", "leaving"] {
        drop(subscriptions.join(name));
    }
    settle(&subscriptions);
    let mut leaving = subscriptions.leave("leaving");
    assert_eq!(subscriptions.next_batch(), unsubscribe(&["leaving"]));
    subscriptions.lost();
    assert!(is_confirmed(&mut leaving));
    // During the outage a channel that was confirmed can be joined, and another one waits.
    assert!(subscriptions.leave("left").is_none());
    assert!(subscriptions.join("kept").is_none());
    let mut new = subscriptions.join("new");
    let Some(Batch::Subscribe(mut names)) = subscriptions.next_batch() else { panic!("channels are subscribed again") };
    names.sort_unstable();
    assert_eq!(names.iter().map(|name| &**name).collect::<Vec<_>>(), ["kept", "new"]);
    subscriptions.lost();
    assert!(!is_confirmed(&mut new));
    assert_eq!(settle(&subscriptions).len(), 1);
    assert!(is_confirmed(&mut new));
    for name in ["kept", "new"] {
        drop(subscriptions.leave(name));
    }
    settle(&subscriptions);
    assert!(subscriptions.lock().channels.is_empty());
}
