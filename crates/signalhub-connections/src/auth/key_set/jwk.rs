//! JSON Web Keys (RFC 7517, and RFC 8037 for Ed25519).

use std::borrow::Cow;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, EcdsaVerificationAlgorithm, ParsedPublicKey,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::{Key, KeyKind, KeySetError, SkippedKey, check_count};

const NOT_ON_CURVE: &str = "it is not a point of its curve";

#[derive(Deserialize)]
struct JwkSet {
    keys: Vec<Value>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<Box<str>>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    /// The private part.
    d: Option<IgnoredAny>,
}

/// Reads each key of a set, or why it is skipped.
pub(super) fn read_set(json: &[u8]) -> Result<Vec<Result<Key, SkippedKey>>, KeySetError> {
    let set: JwkSet = serde_json::from_slice(json).map_err(|_| KeySetError::NotJwks)?;
    check_count(set.keys.len())?;
    Ok(set.keys.into_iter().enumerate().map(|(index, value)| read(index, value)).collect())
}

fn read(index: usize, value: Value) -> Result<Key, SkippedKey> {
    let name = match value.get("kid").and_then(Value::as_str) {
        Some(id) => format!("{id:?}"),
        None => format!("number {}", index + 1),
    };
    let jwk = Jwk::deserialize(value).map_err(|_| "it is not a JSON Web Key".into());
    jwk.and_then(Jwk::key).map_err(|reason| SkippedKey { name, reason })
}

impl Jwk {
    fn key(self) -> Result<Key, Cow<'static, str>> {
        if self.d.is_some() {
            return Err("it is a private key".into());
        }
        let verifies = |operations: &Vec<String>| operations.iter().any(|operation| operation == "verify");
        if self.usage.as_ref().is_some_and(|usage| usage != "sig") || !self.key_ops.as_ref().is_none_or(verifies) {
            return Err("it is not for signatures".into());
        }
        let algorithm = match self.alg.as_deref() {
            None => None,
            Some(name) => Some(name.parse().map_err(|_| format!("its algorithm {name:?} is not supported"))?),
        };
        let (kind, decoding) = self.material()?;
        if algorithm.is_some_and(|algorithm| !kind.supports(algorithm)) {
            return Err("its algorithm does not fit its type".into());
        }
        Ok(Key { id: self.kid, kind, algorithm, decoding })
    }

    fn material(&self) -> Result<(KeyKind, DecodingKey), Cow<'static, str>> {
        match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => Key::rsa(&bytes(&self.n)?, &bytes(&self.e)?),
            ("EC", Some("P-256")) => self.elliptic(KeyKind::P256, &ECDSA_P256_SHA256_FIXED),
            ("EC", Some("P-384")) => self.elliptic(KeyKind::P384, &ECDSA_P384_SHA384_FIXED),
            ("OKP", Some("Ed25519")) => {
                let point = bytes(&self.x)?;
                ParsedPublicKey::new(&ED25519, &point).map_err(|_| NOT_ON_CURVE)?;
                Ok((KeyKind::Ed25519, DecodingKey::from_ed_der(&point)))
            }
            ("EC" | "OKP", Some(curve)) => Err(format!("the curve {curve:?} is not supported").into()),
            ("oct", _) => Err("it is a secret, and secrets do not belong in a set of public keys".into()),
            (other, _) => Err(format!("the key type {other:?} is not supported").into()),
        }
    }

    fn elliptic(
        &self,
        kind: KeyKind,
        algorithm: &'static EcdsaVerificationAlgorithm,
    ) -> Result<(KeyKind, DecodingKey), Cow<'static, str>> {
        // The uncompressed form of a point (SEC 1, section 2.3.3).
        let point = [&[4], &*bytes(&self.x)?, &*bytes(&self.y)?].concat();
        ParsedPublicKey::new(algorithm, &point).map_err(|_| NOT_ON_CURVE)?;
        Ok((kind, DecodingKey::from_ec_der(&point)))
    }
}

fn bytes(member: &Option<String>) -> Result<Vec<u8>, Cow<'static, str>> {
    let text = member.as_ref().ok_or("a member is missing")?;
    URL_SAFE_NO_PAD.decode(text).map_err(|_| "a member is not base64url".into())
}
