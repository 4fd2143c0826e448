//! The cases that the server is tested with (`tests/websocket_suite`), at the bare codec, cut in several ways.

use super::super::{Decoded, Decoder, End, Event};

#[path = "../../../tests/websocket_suite/case.rs"]
#[allow(dead_code, reason = "some of it is for servers alone")]
mod case;
#[path = "../../../tests/websocket_suite/cases/mod.rs"]
mod cases;

use case::{Case, Close, FENCE, Observed, Step, Tail, Verdict};

/// Longer cases are not cut into smaller pieces than they ask for.
const LONG: usize = 16 * 1024;

/// What became of the cases at the server.
const COMMITTED: &str = include_str!("../../../websocket-results.txt");

/// A server that echoes whole messages at once, and answers every Close with 1000 as ours does.
#[derive(Default)]
struct Echo {
    /// The message that has not ended yet.
    begun: Vec<u8>,
    observed: Observed,
}

fn observe(case: &Case, cut: impl Fn(usize) -> usize) -> Observed {
    let (mut decoder, mut echo) = (Decoder::new(), Echo::default());
    for (mut bytes, length) in input(case) {
        for piece in bytes.chunks_mut(cut(length).max(1)) {
            echo.decode(&mut decoder, piece);
        }
    }
    echo.observed
}

/// What the client sends, and in which pieces.
fn input(case: &Case) -> Vec<(Vec<u8>, usize)> {
    let mut input = Vec::new();
    for step in &case.steps {
        match step {
            Step::Write(bytes) => input.push((bytes.clone(), bytes.len())),
            Step::Pieces(bytes, length) => input.push((bytes.clone(), *length)),
            Step::Echoed(_) => {}
        }
    }
    if case.tail == Tail::Fence {
        let end = [case::ping(FENCE), case::close(1000, "")].concat();
        input.push((end, usize::MAX));
    }
    input
}

impl Echo {
    fn decode(&mut self, decoder: &mut Decoder, mut bytes: &mut [u8]) {
        let observed = &mut self.observed;
        while observed.close == Close::Missing {
            match decoder.decode(bytes) {
                Ok(Decoded { used, event }) => {
                    match event {
                        Some(Event::Data { payload, end, .. }) => {
                            self.begun.extend_from_slice(payload);
                            if end == End::Last {
                                observed.payload.append(&mut self.begun);
                            }
                        }
                        Some(Event::Ping(payload)) if &*payload == FENCE => {}
                        Some(Event::Ping(payload)) => observed.pongs.push(payload.to_vec()),
                        Some(Event::Close(_)) => observed.close = Close::Code(1000),
                        Some(Event::Pong(_)) => {}
                        None => return,
                    }
                    bytes = &mut bytes[used..];
                }
                Err(violation) => observed.close = Close::Code(violation.close_code()),
            }
        }
    }
}

#[test]
fn the_codec_ends_every_case_as_the_server_does() {
    for case in cases::all() {
        let row = COMMITTED.lines().find(|row| row.split(' ').next() == Some(&case.id)).unwrap();
        let ways: [(&str, &dyn Fn(usize) -> usize); 3] =
            [("as written", &|length| length), ("by bytes", &|_| 1), ("by seven", &|_| 7)];
        // Nothing new is learnt from cutting a long message into small pieces.
        let long = input(&case).iter().map(|(bytes, _)| bytes.len()).sum::<usize>() > LONG;
        for (way, cut) in &ways[..if long { 1 } else { 3 }] {
            let observed = observe(&case, cut);
            let (verdict, _) = case.verdict(&observed);
            let described = case.describe(&observed);
            assert!(!matches!(verdict, Verdict::Failed), "{} {way}: {described}", case.id);
            let end = described.rsplit(", ").next().unwrap();
            assert!(row.contains(end), "{} {way}: {described}, but {row}", case.id);
        }
    }
}
