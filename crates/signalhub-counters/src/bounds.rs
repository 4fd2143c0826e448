//! The bounds of the buckets that our histograms have.

use std::time::Duration;

const fn micros<const BUCKETS: usize>(micros: [u64; BUCKETS]) -> [Duration; BUCKETS] {
    let mut bounds = [Duration::ZERO; BUCKETS];
    let mut bucket = 0;
    while bucket < BUCKETS {
        bounds[bucket] = Duration::from_micros(micros[bucket]);
        bucket += 1;
    }
    bounds
}

/// From a publish to the sockets of clients, and other times inside the server: 0.1 ms to 10 s.
pub const LATENCIES: [Duration; 16] = micros([
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000,
]);

/// Requests and calls: 5 ms to 10 s (OpenTelemetry semantic conventions, `http.server.request.duration`).
pub const REQUESTS: [Duration; 14] = micros([
    5_000, 10_000, 25_000, 50_000, 75_000, 100_000, 250_000, 500_000, 750_000, 1_000_000, 2_500_000, 5_000_000,
    7_500_000, 10_000_000,
]);

/// The lives of connections: 10 ms to 5 min (OpenTelemetry semantic conventions, `signalr.server.connection.duration`).
pub const CONNECTIONS: [Duration; 14] = micros([
    10_000,
    20_000,
    50_000,
    100_000,
    200_000,
    500_000,
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    120_000_000,
    300_000_000,
]);
