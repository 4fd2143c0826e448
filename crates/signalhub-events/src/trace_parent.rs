//! Trace contexts: which request of a distributed trace an event was published by (W3C Trace Context).

use std::fmt;

/// Places an event in a distributed trace, as the header `traceparent` does. The broker keeps it and does not interpret it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceParent {
    /// The trace.
    pub trace_id: TraceId,
    /// The span that published the event.
    pub span_id: SpanId,
    /// Whether that span is recorded.
    pub sampled: Sampled,
}

/// Identifies a trace. It is written as 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(pub [u8; 16]);

/// Identifies a span of a trace. It is written as 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId(pub [u8; 8]);

/// Whether a span is recorded by who began it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sampled {
    /// It is not.
    No,
    /// It is.
    Yes,
}

impl TraceParent {
    /// The length of a `traceparent` of version 00, and of what is read of one of a later version.
    const LENGTH: usize = 55;

    /// Reads a `traceparent`; `None` if it is malformed.
    ///
    /// The versions from 01 to fe are read as version 00, and may be longer (W3C Trace Context, section 3.2.4). Of the flags only `sampled`
    /// is kept, because the others must not be passed on by who does not know them.
    #[must_use]
    pub fn from_traceparent(text: &[u8]) -> Option<Self> {
        let (known, rest) = text.split_at_checked(Self::LENGTH)?;
        let [version] = hexadecimal(known.get(..2)?)?;
        let is_long_enough = match version {
            0 => rest.is_empty(),
            0xff => false,
            _ => rest.first().is_none_or(|next| *next == b'-'),
        };
        let has_dashes = [2, 35, 52].into_iter().all(|place| known[place] == b'-');
        if !is_long_enough || !has_dashes {
            return None;
        }
        let trace_id = hexadecimal(&known[3..35]).filter(|id| *id != [0; 16])?;
        let span_id = hexadecimal(&known[36..52]).filter(|id| *id != [0; 8])?;
        let [flags] = hexadecimal(&known[53..])?;
        let sampled = if flags & 1 == 1 { Sampled::Yes } else { Sampled::No };
        Some(Self { trace_id: TraceId(trace_id), span_id: SpanId(span_id), sampled })
    }

    /// Writes it as a `traceparent` of version 00.
    #[must_use]
    pub fn to_traceparent(&self) -> String {
        let Self { trace_id, span_id, sampled } = self;
        let flags = match sampled {
            Sampled::No => "00",
            Sampled::Yes => "01",
        };
        format!("00-{trace_id}-{span_id}-{flags}")
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

/// Reads bytes of two hexadecimal digits each. Capital letters are malformed (W3C Trace Context, section 3.2.2.3).
fn hexadecimal<const LENGTH: usize>(digits: &[u8]) -> Option<[u8; LENGTH]> {
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; LENGTH];
    let (pairs, rest) = digits.as_chunks::<2>();
    if pairs.len() != LENGTH || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests;
