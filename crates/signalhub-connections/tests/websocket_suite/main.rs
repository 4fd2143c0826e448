//! The WebSocket codec on a real socket, case by case: families 1 to 7, 9 and 10 as the Autobahn testsuite numbers them.
//! Some families have a case or two more at their end; 9 and 10 have smaller sizes.
//!
//! `websocket-results.txt` holds what was observed, and in its second section where tokio-tungstenite answers otherwise.
//! `UPDATE_RESULTS=1` writes the file anew instead of comparing it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod case;
mod cases;
mod observe;
mod servers;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use case::{Case, Close, Observed};
use futures_util::{StreamExt, stream};

/// How many cases run side by side.
const CONCURRENCY: usize = 16;

/// The results of all cases at one server, in their order.
async fn run(cases: &[Arc<Case>], address: SocketAddr) -> Vec<Observed> {
    let runs = cases.iter().map(|case| {
        let case = Arc::clone(case);
        async move { tokio::spawn(observe::observe(address, case)).await.unwrap() }
    });
    stream::iter(runs).buffered(CONCURRENCY).collect().await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_case_ends_as_recorded() {
    let cases: Vec<_> = cases::all().into_iter().map(Arc::new).collect();
    let ids: BTreeSet<_> = cases.iter().map(|case| &case.id).collect();
    assert_eq!(ids.len(), cases.len(), "two cases have one id");
    let (ours, theirs) = (servers::ours().await, servers::tungstenite().await);
    let ours = run(&cases, ours).await;
    let theirs = run(&cases, theirs).await;

    let results = results(&cases, &ours, &theirs);
    compare(&results);
    let failed: Vec<_> = results.lines().filter(|line| line.contains("FAILED") || line.contains("UNKNOWN")).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

fn results(cases: &[Arc<Case>], ours: &[Observed], theirs: &[Observed]) -> String {
    let mut rows = String::new();
    let mut counts = [0; 3];
    for (case, observed) in cases.iter().zip(ours) {
        let (verdict, reason) = case.verdict(observed);
        counts[verdict as usize] += 1;
        let row = format!("{:<8} {:<14} {}", case.id, format!("{verdict:?}").to_uppercase(), case.describe(observed));
        writeln!(rows, "{row}{}", reason.map(|reason| format!("  # {reason}")).unwrap_or_default()).unwrap();
    }
    let mut differences = String::new();
    let mut different = 0;
    for ((case, ours), theirs) in cases.iter().zip(ours).zip(theirs).filter(|((_, ours), theirs)| ours != theirs) {
        different += 1;
        let (we, they) = (case.describe(ours), case.describe(theirs));
        writeln!(differences, "{:<8} {we} | {they}  # {}", case.id, difference(case, ours, theirs)).unwrap();
    }
    let [ok, informational, failed] = counts;
    format!(
        "# {} cases: {ok} ok, {informational} informational, {failed} failed\n{rows}\n\
         # {different} of them end otherwise at tokio-tungstenite: ours | theirs\n{differences}",
        cases.len()
    )
}

/// Why the two servers may differ in this case.
fn difference(case: &Case, ours: &Observed, theirs: &Observed) -> &'static str {
    let violation = |observed: &Observed| matches!(observed.close, Close::Code(1002 | 1007));
    match (ours.close, theirs.close) {
        _ if ours.unexpected || theirs.unexpected => "UNKNOWN",
        _ if case.id == "7.7.14" => "tungstenite has no name for code 1014",
        (Close::Code(1000), _) if case.expected_close() == theirs.close && ours.payload == theirs.payload => {
            "the original answers every Close with 1000"
        }
        (Close::Code(_), Close::Missing) if violation(ours) => {
            "tungstenite judges a frame once it is whole, we as soon as its bytes tell"
        }
        (our, their) if our == their && ours.payload.len() < theirs.payload.len() => {
            "what ends the connection came in one read with the message, and after a Close frame nothing is sent"
        }
        _ => "UNKNOWN",
    }
}

/// Compares the results to the committed file, or writes them there.
fn compare(results: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("websocket-results.txt");
    if std::env::var_os("UPDATE_RESULTS").is_some() {
        return fs::write(path, results).unwrap();
    }
    let committed = fs::read_to_string(path).unwrap().replace("\r\n", "\n");
    let changed: Vec<_> = results.lines().filter(|line| !committed.lines().any(|before| before == *line)).collect();
    assert!(committed == results, "UPDATE_RESULTS=1 accepts what changed:\n{}", changed.join("\n"));
}
