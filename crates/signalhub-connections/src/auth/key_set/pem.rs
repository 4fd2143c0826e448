//! Public keys in PEM (RFC 7468).

use std::borrow::Cow;

use aws_lc_rs::rsa::PublicKey;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::DecodingKey;

use super::{Key, KeyKind, KeySetError, SkippedKey, check_count};

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// Reads each key of a file, or why it is skipped. Text between the blocks is ignored, as RFC 7468 allows.
pub(super) fn read_keys(text: &[u8]) -> Result<Vec<Result<Key, SkippedKey>>, KeySetError> {
    let text = std::str::from_utf8(text).map_err(|_| KeySetError::NotPem)?;
    let blocks: Vec<&str> = text.split(BEGIN).skip(1).collect();
    check_count(blocks.len())?;
    let keys = blocks.into_iter().enumerate().map(|(index, block)| {
        let key = key(&contents(block)?);
        Ok(key.map_err(|reason| SkippedKey { name: format!("number {}", index + 1), reason }))
    });
    let keys = keys.collect::<Result<Vec<_>, KeySetError>>()?;
    if keys.is_empty() { Err(KeySetError::NotPem) } else { Ok(keys) }
}

/// The bytes of a block, whose text begins after `-----BEGIN `.
fn contents(block: &str) -> Result<Vec<u8>, KeySetError> {
    let (label, rest) = block.split_once(DASHES).ok_or(KeySetError::NotPem)?;
    match label {
        "PUBLIC KEY" | "RSA PUBLIC KEY" => {}
        "CERTIFICATE" => return Err(KeySetError::Certificate),
        private if private.ends_with("PRIVATE KEY") => return Err(KeySetError::PrivateKey),
        _ => return Err(KeySetError::NotPem),
    }
    let (body, end) = rest.split_once(END).ok_or(KeySetError::NotPem)?;
    let is_closed = end.strip_prefix(label).is_some_and(|rest| rest.starts_with(DASHES));
    let body: String = body.split_ascii_whitespace().collect();
    STANDARD.decode(body).ok().filter(|_| is_closed).ok_or(KeySetError::NotPem)
}

/// Finds out of which type a key is: it is parsed as each of them.
fn key(der: &[u8]) -> Result<Key, Cow<'static, str>> {
    let (kind, decoding) = if let Ok(key) = PublicKey::from_der(der) {
        let (modulus, exponent) = (key.modulus(), key.exponent());
        Key::rsa(modulus.big_endian_without_leading_zero(), exponent.big_endian_without_leading_zero())?
    } else if ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, der).is_ok() {
        (KeyKind::P256, DecodingKey::from_ec_der(der))
    } else if ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, der).is_ok() {
        (KeyKind::P384, DecodingKey::from_ec_der(der))
    } else if ParsedPublicKey::new(&ED25519, der).is_ok() {
        (KeyKind::Ed25519, DecodingKey::from_ed_der(der))
    } else {
        return Err("it is not an RSA, P-256, P-384 or Ed25519 key".into());
    };
    Ok(Key { id: None, kind, algorithm: None, decoding })
}
