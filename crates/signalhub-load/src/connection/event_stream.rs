//! Reads the bytes of an event stream (TransportProtocols, ServerSentEvents).

/// What has been read of an event stream.
#[derive(Debug, Default)]
pub(crate) struct EventStream {
    /// The line that is not complete yet.
    line: Vec<u8>,
    /// The data of the event that is not complete yet, a line break between its lines.
    data: Option<Vec<u8>>,
}

impl EventStream {
    /// Takes the next bytes, and returns the data of the events that are complete now, joined.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut events = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                let line = line.strip_suffix(b"\n").unwrap_or(&line);
                self.take(line.strip_suffix(b"\r").unwrap_or(line), &mut events);
            }
        }
        events
    }

    fn take(&mut self, line: &[u8], events: &mut Vec<u8>) {
        if line.is_empty() {
            events.extend(self.data.take().unwrap_or_default());
        } else if let Some(data) = line.strip_prefix(b"data:") {
            let data = data.strip_prefix(b" ").unwrap_or(data);
            match &mut self.data {
                None => self.data = Some(data.to_vec()),
                Some(before) => {
                    before.push(b'\n');
                    before.extend_from_slice(data);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_read_however_it_comes() {
        let bytes = b":\r\n\r\ndata: {}\x1e\r\n\r\ndata: a\r\ndata: b\x1e\r\n\r\nid: 7\ndata:c\n\ndata: rest";
        for size in [1, 5, bytes.len()] {
            let mut stream = EventStream::default();
            let data: Vec<u8> = bytes.chunks(size).flat_map(|piece| stream.feed(piece)).collect();
            assert_eq!(data, b"{}\x1ea\nb\x1ec", "in pieces of {size}");
        }
    }
}
