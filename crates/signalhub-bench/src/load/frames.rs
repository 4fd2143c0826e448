//! Just enough of the WebSocket protocol to send and to count.

/// The end of a record (HubProtocol, JSON encoding).
const SEPARATOR: u8 = 0x1e;

/// What a server sends: frames, and in them records, of which one frame may hold several.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    header: [u8; 10],
    filled: usize,
    /// Of the payload that is being read.
    missing: u64,
    /// Bytes of the record that is being read.
    record: u64,
}

impl Frames {
    /// Reads bytes and tells the length of each record that is whole now, with its separator.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], mut on_record: impl FnMut(u64)) {
        while !bytes.is_empty() {
            if self.missing > 0 {
                let taken = bytes.len().min(usize::try_from(self.missing).unwrap_or(usize::MAX));
                let (payload, rest) = bytes.split_at(taken);
                self.missing -= taken as u64;
                bytes = rest;
                for piece in payload.split_inclusive(|byte| *byte == SEPARATOR) {
                    self.record += piece.len() as u64;
                    if piece.ends_with(&[SEPARATOR]) {
                        on_record(self.record);
                        self.record = 0;
                    }
                }
            } else {
                self.header[self.filled] = bytes[0];
                self.filled += 1;
                bytes = &bytes[1..];
                if let Some(length) = self.announced() {
                    (self.missing, self.filled) = (length, 0);
                }
            }
        }
    }

    /// The length of the payload, once the header is whole. Servers do not mask.
    fn announced(&self) -> Option<u64> {
        let header = &self.header[..self.filled];
        match header {
            [_, length @ ..=125] => Some(u64::from(*length)),
            [_, 126, high, low] => Some(u64::from(u16::from_be_bytes([*high, *low]))),
            [_, 127, rest @ ..] => rest.try_into().ok().map(u64::from_be_bytes),
            _ => None,
        }
    }
}

/// A text frame of a server that holds one record.
pub(crate) fn of_server(record: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x81];
    append_length(record.len() + 1, 0, &mut frame);
    frame.extend_from_slice(record);
    frame.push(SEPARATOR);
    frame
}

/// A text frame of a client that holds one record; its mask is zero.
pub(crate) fn of_client(record: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    append_length(record.len() + 1, 0x80, &mut frame);
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(record.as_bytes());
    frame.push(SEPARATOR);
    frame
}

fn append_length(length: usize, mask: u8, frame: &mut Vec<u8>) {
    match u16::try_from(length) {
        Ok(length @ ..126) => frame.push(mask | length as u8),
        Ok(length) => {
            frame.push(mask | 126);
            frame.extend_from_slice(&length.to_be_bytes());
        }
        Err(_) => {
            frame.push(mask | 127);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_counted_however_they_are_framed_and_cut() {
        let lengths = [1, 29, 125, 126, 65_535, 65_536];
        let mut bytes: Vec<u8> = lengths.iter().flat_map(|length| of_server(&vec![b'x'; *length - 1])).collect();
        // Two records in one frame, and one in two frames.
        bytes.extend(b"\x81\x05ab\x1ec\x1e\x01\x02de\x80\x02f\x1e");
        for size in [1, 3, 4096, usize::MAX] {
            let (mut frames, mut seen) = (Frames::default(), Vec::new());
            bytes
                .chunks(size.min(bytes.len()))
                .for_each(|piece| frames.feed(piece, |length| seen.push(length as usize)));
            assert_eq!(seen, [1, 29, 125, 126, 65_535, 65_536, 3, 2, 4], "in pieces of {size}");
        }
    }

    #[test]
    fn records_are_masked_with_nothing() {
        assert_eq!(of_client("{}"), b"\x81\x83\0\0\0\0{}\x1e");
    }
}
