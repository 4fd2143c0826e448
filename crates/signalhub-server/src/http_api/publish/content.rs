//! The content of a body: one notification or a batch, as publish bodies or as CloudEvents.

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use portos_notifications::members::kind;
use serde_json::value::RawValue;
use signalhub::connections::content_coding;

use crate::http_api::problem::{Problem, ProblemCode};

/// The content types that are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MediaType {
    /// One notification, or an array of them.
    Json,
    /// One CloudEvent (CloudEvents JSON format, structured mode).
    CloudEvent,
    /// An array of CloudEvents (CloudEvents JSON format, batched mode).
    CloudEventBatch,
}

impl MediaType {
    pub(crate) const ALL: [Self; 3] = [Self::Json, Self::CloudEvent, Self::CloudEventBatch];

    /// Its name in `Content-Type`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::CloudEvent => "application/cloudevents+json",
            Self::CloudEventBatch => "application/cloudevents-batch+json",
        }
    }

    /// Reads the content type of a request; one without it is taken as JSON. The body must need no decoding.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        if let Some(coding) = content_coding(headers) {
            let detail = format!("expected a body without Content-Encoding, found \"{coding}\"");
            return Err(Problem::new(ProblemCode::UnsupportedEncoding, detail));
        }
        let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(Self::Json) };
        let value = value.to_str().unwrap_or_default();
        let essence = value.split(';').next().unwrap_or_default().trim();
        Self::ALL.into_iter().find(|known| known.name().eq_ignore_ascii_case(essence)).ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            let detail = format!("expected one of the content types {known}, found \"{essence}\"");
            Problem::new(ProblemCode::UnsupportedMediaType, detail)
        })
    }
}

/// Refuses a body that begins with a byte order mark, which JSON must not (RFC 8259, section 8.1), and names it, because
/// editors do not show one.
fn refuse_byte_order_mark(body: &[u8]) -> Result<(), Problem> {
    let begins = |mark: &[u8]| body.starts_with(mark);
    let (code, found) = if begins(b"\xef\xbb\xbf") {
        (ProblemCode::InvalidJson, "of UTF-8 (EF BB BF): send the JSON without it")
    } else if begins(b"\xff\xfe") || begins(b"\xfe\xff") {
        (ProblemCode::InvalidUtf8, "of UTF-16 or UTF-32: send UTF-8 without a mark")
    } else {
        return Ok(());
    };
    Err(Problem::new(code, format!("the body begins with the byte order mark {found}")))
}

/// A body, split into notifications that have not been read.
#[derive(Debug)]
pub(super) enum Content<'a> {
    /// One notification.
    One(&'a RawValue),
    /// A batch.
    Many(Vec<&'a RawValue>),
}

impl<'a> Content<'a> {
    /// Splits a body of this type; a batch may have at most `maximum_batch_size` items.
    pub(super) fn read(media: MediaType, body: &'a [u8], maximum_batch_size: usize) -> Result<Self, Problem> {
        refuse_byte_order_mark(body)?;
        let text = std::str::from_utf8(body).map_err(|error| {
            Problem::new(ProblemCode::InvalidUtf8, format!("not UTF-8 after {} bytes", error.valid_up_to()))
        })?;
        let invalid = |error: serde_json::Error| Problem::new(ProblemCode::InvalidJson, error.to_string());
        let value: &RawValue = serde_json::from_str(text).map_err(invalid)?;
        let batch = value.get().starts_with('[');
        match media {
            MediaType::CloudEvent if batch => Err(misplaced("one CloudEvent, an object", value)),
            MediaType::CloudEventBatch if !batch => Err(misplaced("an array of CloudEvents", value)),
            _ if !batch => Ok(Self::One(value)),
            _ => {
                let items: Vec<&RawValue> = serde_json::from_str(value.get()).map_err(invalid)?;
                if items.len() > maximum_batch_size {
                    let found = items.len();
                    let detail = format!(
                        "a batch may have {maximum_batch_size} items (publish.maximum_batch_size), found {found}"
                    );
                    return Err(Problem::new(ProblemCode::BatchTooLarge, detail));
                }
                Ok(Self::Many(items))
            }
        }
    }
}

fn misplaced(expected: &str, found: &RawValue) -> Problem {
    Problem::new(ProblemCode::InvalidNotification, format!("expected {expected}, found {}", kind(found)))
}
