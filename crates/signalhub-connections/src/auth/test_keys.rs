//! Keys of issuers, made for each run of the tests.

use std::sync::LazyLock;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair, KeyPair, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::Value;

/// A key pair.
pub(crate) struct TestKey {
    encoding: EncodingKey,
    algorithm: Algorithm,
    /// The public key as X.509 has it.
    public: Vec<u8>,
}

pub(crate) static RSA: LazyLock<TestKey> = LazyLock::new(rsa);
pub(crate) static OTHER_RSA: LazyLock<TestKey> = LazyLock::new(rsa);
pub(crate) static P256: LazyLock<TestKey> =
    LazyLock::new(|| elliptic(&ECDSA_P256_SHA256_FIXED_SIGNING, Algorithm::ES256));
pub(crate) static P384: LazyLock<TestKey> =
    LazyLock::new(|| elliptic(&ECDSA_P384_SHA384_FIXED_SIGNING, Algorithm::ES384));
pub(crate) static ED25519: LazyLock<TestKey> = LazyLock::new(ed25519);

fn rsa() -> TestKey {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let private: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    // The PKCS #1 key is the last part of a PKCS #8 key, behind a head of 26 bytes.
    let encoding = EncodingKey::from_rsa_der(&private.as_ref()[26..]);
    TestKey { encoding, algorithm: Algorithm::RS256, public: spki(pair.public_key()) }
}

fn elliptic(signing: &'static EcdsaSigningAlgorithm, algorithm: Algorithm) -> TestKey {
    let private = EcdsaKeyPair::generate_pkcs8(signing, &SystemRandom::new()).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(signing, private.as_ref()).unwrap();
    TestKey { encoding: EncodingKey::from_ec_der(private.as_ref()), algorithm, public: spki(pair.public_key()) }
}

fn ed25519() -> TestKey {
    let private = Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()).unwrap();
    let pair = Ed25519KeyPair::from_pkcs8(private.as_ref()).unwrap();
    let encoding = EncodingKey::from_ed_der(private.as_ref());
    TestKey { encoding, algorithm: Algorithm::EdDSA, public: spki(pair.public_key()) }
}

pub(crate) fn spki<'a>(key: &impl AsDer<PublicKeyX509Der<'a>>) -> Vec<u8> {
    key.as_der().unwrap().as_ref().to_vec()
}

pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

impl TestKey {
    /// The public key as a JSON Web Key, without an algorithm.
    pub(crate) fn jwk(&self, id: &str) -> Value {
        let mut jwk = serde_json::to_value(Jwk::from_encoding_key(&self.encoding, self.algorithm).unwrap()).unwrap();
        let members = jwk.as_object_mut().unwrap();
        members.remove("alg");
        members.insert("kid".to_owned(), id.into());
        jwk
    }

    /// The public key in PEM.
    pub(crate) fn pem(&self) -> String {
        pem("PUBLIC KEY", &self.public)
    }

    pub(crate) fn sign_with(&self, header: &Header, claims: &Value) -> String {
        jsonwebtoken::encode(header, claims, &self.encoding).unwrap()
    }

    /// Signs claims with the first algorithm of the type of the key.
    pub(crate) fn sign(&self, id: Option<&str>, claims: &Value) -> String {
        let header = Header { kid: id.map(str::to_owned), ..Header::new(self.algorithm) };
        self.sign_with(&header, claims)
    }
}
