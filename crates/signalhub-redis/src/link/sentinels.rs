//! What sentinels say about where a primary is.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::timeout;

use super::address::HostPort;

/// How long one sentinel may take for its answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// The server that sentinels name as the primary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) server: HostPort,
    /// More than half of all sentinels name it. A sentinel that is cut off may name the one that was the primary before.
    pub(super) by_majority: bool,
}

/// Asks all sentinels at once. Of the servers that are named as often as each other, it is the one of the first sentinel. `None` if no
/// sentinel knows the primary.
pub(super) async fn ask_all<F>(sentinels: &[HostPort], ask: impl Fn(HostPort) -> F) -> Option<Named>
where
    F: Future<Output = Option<HostPort>>,
{
    let asked = sentinels.iter().enumerate();
    let mut answers: FuturesUnordered<_> = asked
        .map(|(place, sentinel)| {
            let answer = timeout(PATIENCE, ask(sentinel.clone()));
            async move { (place, answer.await.ok().flatten()) }
        })
        .collect();
    let mut named = vec![None; sentinels.len()];
    while let Some((place, answer)) = answers.next().await {
        named[place] = answer;
        if let Some(named) = most_named(&named).filter(|named| named.by_majority) {
            return Some(named);
        }
    }
    most_named(&named)
}

/// What most sentinels name. `answers` are in the order of the list.
fn most_named(answers: &[Option<HostPort>]) -> Option<Named> {
    let count = |server: &HostPort| answers.iter().flatten().filter(|named| *named == server).count();
    // The last one of equal ones is the largest.
    let server = answers.iter().flatten().rev().max_by_key(|server| count(server))?;
    Some(Named { server: server.clone(), by_majority: 2 * count(server) > answers.len() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> HostPort {
        HostPort { host: "redis".to_owned(), port }
    }

    /// What sentinels name that answer after this many milliseconds.
    async fn ask(answers: &[(u64, Option<u16>)]) -> Option<(u16, bool)> {
        let sentinels: Vec<_> = (0..answers.len()).map(|number| at(u16::try_from(number).unwrap())).collect();
        let answer = |sentinel: HostPort| {
            let (delay, port) = answers[usize::from(sentinel.port)];
            async move {
                tokio::time::sleep(Duration::from_millis(delay)).await;
                port.map(at)
            }
        };
        ask_all(&sentinels, answer).await.map(|named| (named.server.port, named.by_majority))
    }

    #[tokio::test(start_paused = true)]
    async fn the_server_that_most_sentinels_name_is_the_primary() {
        assert_eq!(ask(&[(0, Some(1)), (0, Some(2)), (0, Some(2))]).await, Some((2, true)), "the first one is cut off");
        assert_eq!(ask(&[(0, Some(1)), (0, Some(2))]).await, Some((1, false)), "the first one decides");
        assert_eq!(ask(&[(0, None), (0, Some(2)), (0, None)]).await, Some((2, false)));
        assert_eq!(ask(&[(0, None), (5_000, Some(1))]).await, None);
        assert_eq!(ask(&[(0, Some(1))]).await, Some((1, true)));
        let begun = tokio::time::Instant::now();
        assert_eq!(ask(&[(5_000, Some(1)), (10, Some(2)), (20, Some(2))]).await, Some((2, true)));
        assert_eq!(begun.elapsed(), Duration::from_millis(20), "one that does not answer is not waited for");
        assert_eq!(ask(&[(5_000, Some(1)), (10, Some(2))]).await, Some((2, false)));
    }
}
