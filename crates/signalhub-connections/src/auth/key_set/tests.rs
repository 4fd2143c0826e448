use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::signature::{
    ECDSA_P256K1_SHA256_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, KeyPair,
    RsaPublicKeyComponents,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD as URL};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::*;
use crate::auth::test_keys::{ED25519, OTHER_RSA, P256, P384, RSA, pem, spki};

const ALGORITHMS: [Algorithm; 12] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
    Algorithm::HS256,
    Algorithm::HS384,
    Algorithm::HS512,
];

fn jwks(keys: &[Value]) -> Result<KeySet, KeySetError> {
    KeySet::from_jwks(json!({ "keys": keys }).to_string().as_bytes())
}

fn with(mut jwk: Value, name: &str, value: impl Into<Value>) -> Value {
    jwk[name] = value.into();
    jwk
}

/// The key of a PEM file with one block.
fn spki_of(pem: &str) -> Vec<u8> {
    STANDARD.decode(pem.lines().filter(|line| !line.starts_with('-')).collect::<String>()).unwrap()
}

fn supported(set: &KeySet) -> Vec<Algorithm> {
    ALGORITHMS.into_iter().filter(|algorithm| set.supports(*algorithm)).collect()
}

#[test]
fn the_type_of_a_key_decides_which_algorithms_it_verifies() {
    let rows = [
        (&*RSA, &ALGORITHMS[..6]),
        (&*P256, &[Algorithm::ES256]),
        (&*P384, &[Algorithm::ES384]),
        (&*ED25519, &[Algorithm::EdDSA]),
    ];
    for (key, algorithms) in rows {
        assert_eq!(supported(&jwks(&[key.jwk("1")]).unwrap()), algorithms);
        assert_eq!(supported(&KeySet::from_pem(key.pem().as_bytes()).unwrap()), algorithms);
    }
    let only = jwks(&[with(RSA.jwk("1"), "alg", "PS384")]).unwrap();
    assert_eq!(supported(&only), [Algorithm::PS384]);
    for (bytes, algorithms) in [(32, &ALGORITHMS[9..10]), (48, &ALGORITHMS[9..11]), (64, &ALGORITHMS[9..])] {
        assert_eq!(supported(&KeySet::from_secret(&vec![b'x'; bytes]).unwrap()), algorithms);
    }
    assert_eq!(KeySet::from_secret(&[b'x'; 31]).unwrap_err(), KeySetError::ShortSecret);
}

#[test]
fn keys_that_cannot_be_used_are_skipped_with_a_reason_and_the_others_stay() {
    let short = json!({"kty": "RSA", "kid": "bad", "n": URL.encode([255; 128]), "e": "AQAB"});
    let rows = [
        (short, "needs 2048 to 8192 bits, and it has 1024"),
        (json!({"kty": "RSA", "kid": "bad", "n": URL.encode([255; 1025]), "e": "AQAB"}), "and it has 8200"),
        (json!({"kty": "RSA", "kid": "bad", "n": URL.encode([254; 256]), "e": "AQAB"}), "not a valid RSA key"),
        (json!({"kty": "RSA", "kid": "bad", "n": URL.encode([255; 256]), "e": "AQ"}), "not a valid RSA key"),
        (json!({"kty": "RSA", "kid": "bad", "n": "a/b", "e": "AQAB"}), "not base64url"),
        (json!({"kty": "RSA", "kid": "bad", "e": "AQAB"}), "a member is missing"),
        (with(RSA.jwk("bad"), "use", "enc"), "not for signatures"),
        (with(RSA.jwk("bad"), "key_ops", json!(["encrypt"])), "not for signatures"),
        (with(RSA.jwk("bad"), "alg", "RSA-OAEP"), "\"RSA-OAEP\" is not supported"),
        (with(RSA.jwk("bad"), "alg", "none"), "\"none\" is not supported"),
        (with(RSA.jwk("bad"), "alg", "HS256"), "does not fit its type"),
        (with(RSA.jwk("bad"), "d", "AQAB"), "private key"),
        (with(P256.jwk("bad"), "crv", "P-521"), "\"P-521\" is not supported"),
        (with(P256.jwk("bad"), "crv", "secp256k1"), "\"secp256k1\" is not supported"),
        (with(P256.jwk("bad"), "crv", "P-384"), "not a point"),
        (with(P256.jwk("bad"), "x", URL.encode([1; 32])), "not a point"),
        (with(ED25519.jwk("bad"), "x", URL.encode([1; 31])), "not a point"),
        (with(ED25519.jwk("bad"), "crv", "X25519"), "\"X25519\" is not supported"),
        (json!({"kty": "oct", "kid": "bad", "k": URL.encode([1; 32])}), "it is a secret"),
        (json!({"kty": "AKP", "kid": "bad"}), "\"AKP\" is not supported"),
        (json!({"kid": "bad"}), "not a JSON Web Key"),
        (json!({"kty": "RSA", "kid": "bad", "n": 5}), "not a JSON Web Key"),
    ];
    for (bad, reason) in rows {
        let set = jwks(&[bad.clone(), P256.jwk("good")]).unwrap();
        let skipped: Vec<_> = set.skipped().iter().map(SkippedKey::to_string).collect();
        assert_eq!(skipped.len(), 1, "{bad}");
        assert!(skipped[0].starts_with("the key \"bad\" is not used: ") && skipped[0].contains(reason), "{skipped:?}");
        assert_eq!(supported(&set), [Algorithm::ES256], "{bad}");
        let alone = jwks(std::slice::from_ref(&bad)).unwrap_err();
        assert!(matches!(alone, KeySetError::NoUsableKey { .. }) && alone.to_string().contains(reason), "{alone}");
    }
    assert_eq!(jwks(&[json!(5), P256.jwk("good")]).unwrap().skipped()[0].name, "number 1");
}

#[test]
fn pem_files_hold_public_keys_of_known_curves_alone() {
    let other_curve = |algorithm: &'static EcdsaSigningAlgorithm| {
        pem("PUBLIC KEY", &spki(EcdsaKeyPair::generate(algorithm).unwrap().public_key()))
    };
    let modulus = [255; 128];
    let short = RsaPublicKeyComponents { n: &modulus[..], e: &[1, 0, 1][..] };
    let short: PublicKeyX509Der<'_> = short.as_der().unwrap();
    let rows = [
        (pem("PUBLIC KEY", short.as_ref()), "is not used"),
        (other_curve(&ECDSA_P521_SHA512_FIXED_SIGNING), "it is not an RSA, P-256, P-384 or Ed25519 key"),
        (other_curve(&ECDSA_P256K1_SHA256_FIXED_SIGNING), "it is not an RSA, P-256, P-384 or Ed25519 key"),
        (pem("PUBLIC KEY", b"no key"), "it is not an RSA"),
        (pem("PRIVATE KEY", b""), "private key"),
        (pem("EC PRIVATE KEY", b""), "private key"),
        (pem("CERTIFICATE", b""), "certificate"),
        (pem("PUBLIC KEY", b"x").replace("END", "BEGIN"), "not a PEM file"),
        (pem("PUBLIC KEY", b"x").replace("END PUBLIC", "END RSA PUBLIC"), "not a PEM file"),
        (RSA.pem().replacen('M', "%", 1), "not a PEM file"),
        (format!("{}{}", RSA.pem(), pem("PRIVATE KEY", b"")), "private key"),
        (String::new(), "not a PEM file"),
        ("{\"keys\":[]}".to_owned(), "not a PEM file"),
    ];
    for (text, reason) in rows {
        let error = KeySet::from_pem(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(reason), "{text}: {error}");
    }
    assert_eq!(KeySet::from_pem(&[0xff]).unwrap_err(), KeySetError::NotPem);
    let both = KeySet::from_pem(format!("our keys\n{}between\n{}", RSA.pem(), P384.pem()).as_bytes()).unwrap();
    assert!(both.supports(Algorithm::RS256) && both.supports(Algorithm::ES384));
    let pkcs1 = aws_lc_rs::rsa::PublicKey::from_der(&spki_of(&RSA.pem())).unwrap();
    let pkcs1 = KeySet::from_pem(pem("RSA PUBLIC KEY", pkcs1.as_ref()).as_bytes()).unwrap();
    assert_eq!(supported(&pkcs1), &ALGORITHMS[..6]);
}

#[test]
fn sets_have_a_limited_number_of_keys_and_a_limited_length() {
    let keys = |count: usize| jwks(&(0..count).map(|id| P256.jwk(&id.to_string())).collect::<Vec<_>>());
    assert!(keys(100).is_ok());
    assert_eq!(keys(101).unwrap_err(), KeySetError::TooManyKeys { count: 101 });
    assert_eq!(
        KeySet::from_pem(P256.pem().repeat(101).as_bytes()).unwrap_err(),
        KeySetError::TooManyKeys { count: 101 }
    );
    let set = json!({ "keys": [P256.jwk("1")] }).to_string();
    let padded = |length: usize| set.clone() + &" ".repeat(length - set.len());
    assert!(KeySet::from_jwks(padded(KeySet::MAX_BYTES).as_bytes()).is_ok());
    for length in [KeySet::MAX_BYTES + 1, 1024 * 1024] {
        assert_eq!(KeySet::from_jwks(padded(length).as_bytes()).unwrap_err(), KeySetError::TooLong);
        assert_eq!(KeySet::from_pem(padded(length).as_bytes()).unwrap_err(), KeySetError::TooLong);
    }
    for text in ["", "[]", "{}", "{\"keys\":{}}", "{\"keys\":[}", "null", "-----BEGIN PUBLIC KEY-----"] {
        assert_eq!(KeySet::from_jwks(text.as_bytes()).unwrap_err(), KeySetError::NotJwks, "{text}");
    }
    assert_eq!(jwks(&[]).unwrap_err().to_string(), "it has no key that can be used");
}

#[test]
fn a_key_id_chooses_the_key_and_without_one_few_keys_are_tried() {
    let set = jwks(&[RSA.jwk("a"), OTHER_RSA.jwk("b"), P256.jwk("a")]).unwrap();
    for (id, algorithm, count) in [
        (Some("a"), Algorithm::RS256, 1),
        (Some("a"), Algorithm::ES256, 1),
        (Some("b"), Algorithm::ES256, 0),
        (Some("c"), Algorithm::RS256, 0),
        (None, Algorithm::RS256, 2),
        (None, Algorithm::EdDSA, 0),
    ] {
        assert_eq!(set.candidates(id, algorithm).count(), count, "{id:?} {algorithm:?}");
    }
    let many = jwks(&(0..20).map(|id| P256.jwk(&id.to_string())).collect::<Vec<_>>()).unwrap();
    assert_eq!(many.candidates(None, Algorithm::ES256).count(), 8);
    // A key of a PEM file has no id, and fits every token.
    let pem = KeySet::from_pem(RSA.pem().as_bytes()).unwrap();
    assert_eq!(pem.candidates(Some("a"), Algorithm::RS256).count(), 1);
}

#[test]
fn a_key_set_shows_no_key() {
    let secret = KeySet::from_secret(b"a secret of at least thirty-two bytes").unwrap();
    assert_eq!(format!("{secret:?}"), "KeySet { keys: 1, skipped: [] }");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_text_makes_the_readers_of_keys_panic(text in any_text()) {
        let _ = KeySet::from_jwks(text.as_bytes());
        let _ = KeySet::from_pem(text.as_bytes());
    }
}

/// Pieces of key sets and PEM files in any order.
fn any_text() -> impl Strategy<Value = String> {
    let pieces = [
        "-----BEGIN PUBLIC KEY-----",
        "-----END PUBLIC KEY-----",
        "-----BEGIN ",
        "-----",
        "\n",
        "MIIB",
        "AQAB",
        "==",
        "{\"keys\":[",
        "{\"kty\":\"RSA\",\"n\":\"",
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"",
        "\",\"e\":\"",
        "\",\"y\":\"",
        "\"}",
        "]}",
        ",",
    ];
    let piece = prop_oneof![select(pieces.to_vec()).prop_map(str::to_owned), "[A-Za-z0-9_-]{0,90}", any::<String>()];
    vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

#[test]
fn a_key_that_is_skipped_is_described_in_a_limited_length() {
    let long = "k".repeat(100_000);
    for bad in [json!({"kty": "RSA", "kid": long}), json!({"kty": long}), with(RSA.jwk("1"), "alg", long.as_str())] {
        let error = jwks(std::slice::from_ref(&bad)).unwrap_err().to_string();
        assert!(error.contains("is not used: ") && error.len() < 700, "{} characters", error.len());
    }
}
