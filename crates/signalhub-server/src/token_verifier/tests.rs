//! Tokens of the shapes that the page about identity providers shows, with the configurations that it shows.

use std::path::Path;
use std::sync::LazyLock;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::RsaKeyPair;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};
use signalhub::Identity;
use signalhub::connections::{TokenAlgorithm, TokenError};

use super::*;
use crate::Configuration;

const PAGE: &str = include_str!("../../../../docs/identity-providers.md");

static KEY: LazyLock<EncodingKey> = LazyLock::new(|| {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let private: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    // The PKCS #1 key is the last part of a PKCS #8 key, behind a head of 26 bytes.
    EncodingKey::from_rsa_der(&private.as_ref()[26..])
});

/// The blocks of a language in a section of the page.
fn blocks(section: &str, language: &str) -> Vec<&'static str> {
    let start = PAGE.find(&format!("\n## {section}\n")).unwrap() + 4;
    let section = PAGE[start..].split("\n## ").next().unwrap();
    let fence = format!("```{language}\n");
    let blocks = section.split(&fence).skip(1);
    blocks.map(|block| block.split("```").next().unwrap()).collect()
}

fn file(name: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let name = format!("signalhub-{}-{name}", std::process::id());
    let path = std::env::temp_dir().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn key_set() -> String {
    let mut jwk = serde_json::to_value(Jwk::from_encoding_key(&KEY, TokenAlgorithm::RS256).unwrap()).unwrap();
    jwk["kid"] = "1".into();
    jwk["use"] = "sig".into();
    let encryption = json!({"kty": "RSA", "kid": "2", "use": "enc", "alg": "RSA-OAEP", "n": jwk["n"], "e": "AQAB"});
    json!({ "keys": [encryption, jwk] }).to_string()
}

fn auth(text: &str) -> Auth {
    let mut configuration = Configuration::default();
    configuration.read_toml("page", text).unwrap();
    configuration.auth
}

fn sign(claims: &Value) -> String {
    let header = Header { kid: Some("1".to_owned()), ..Header::new(TokenAlgorithm::RS256) };
    jsonwebtoken::encode(&header, claims, &KEY).unwrap()
}

fn grants(identity: &Identity) -> Value {
    identity.claims.get("grants").unwrap().unwrap_or_default()
}

/// What the first example of a section configures, with the keys of these tests in place of those that would be fetched.
fn verifier(section: &str) -> TokenVerifier {
    let auth = auth(blocks(section, "toml")[0]);
    let verifier = configured(&auth).unwrap().unwrap();
    assert_eq!(verifier.fetches.missing_keys().unwrap(), format!("no keys of {} yet", auth.issuers[0].issuer));
    let keys = KeySet::from_jwks(key_set().as_bytes()).unwrap();
    assert!(verifier.tokens.replace_keys(&auth.issuers[0].issuer, keys));
    verifier
}

#[test]
fn the_keys_of_four_providers_are_discovered_where_they_publish_their_configuration() {
    for (section, base) in [
        ("Keycloak", "https://login.acme.example/realms/acme"),
        ("Auth0", "https://acme.eu.auth0.com"),
        ("Entra ID", "https://login.microsoftonline.com/6babcaad-604b-40ac-a9d7-9fd97c0b779f/v2.0"),
        ("Cognito", "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_Ab12Cd34E"),
    ] {
        let auth = auth(blocks(section, "toml")[0]);
        let Some(IssuerKeys::Discovery(url)) = auth.issuers[0].keys() else { panic!("{section}") };
        assert_eq!(url.to_string(), format!("{base}/.well-known/openid-configuration"));
    }
}

#[test]
fn tokens_of_the_shapes_of_four_providers_are_accepted_with_the_documented_configurations() {
    let tickets = json!({"e": "portos.resources.changed", "r": "tickets"});
    let some_tickets = json!({"e": "portos.resources.changed", "r": "tickets", "a": ["created", "updated"]});
    for (section, user, organisation, grant, role) in [
        ("Keycloak", "ann", "acme", &some_tickets, "/realm_access/roles"),
        ("Auth0", "auth0|6553da60a54af58e29493993", "org_9ybsU1dN2dKfDkBi", &tickets, "/permissions"),
        (
            "Entra ID",
            "690222be-ff1a-4d56-abd1-7e4f7d38e474",
            "6babcaad-604b-40ac-a9d7-9fd97c0b779f",
            &tickets,
            "/roles",
        ),
        ("Cognito", "ann", "", &tickets, "/cognito:groups"),
    ] {
        let verifier = verifier(section);
        let mut claims: Value = serde_json::from_str(blocks(section, "json")[0]).unwrap();
        let old = claims.clone();
        assert_eq!(claims["exp"], 1_735_689_900, "{section}");
        claims["exp"] = 4_000_000_000_u64.into();
        let identity = verifier.tokens.verify(&sign(&claims)).unwrap_or_else(|error| panic!("{section}: {error}"));
        assert_eq!(identity.user.as_deref(), Some(user), "{section}");
        assert_eq!(identity.organisation.as_deref().unwrap_or_default(), organisation, "{section}");
        assert_eq!(grants(&identity), json!([grant]), "{section}");
        let refused = |name: &str, value: Value, error: &TokenError| {
            let mut claims = claims.clone();
            claims[name] = value;
            assert_eq!(verifier.tokens.verify(&sign(&claims)).as_ref(), Err(error), "{section} {name}");
        };
        let audience = if section == "Cognito" { "client_id" } else { "aud" };
        refused(audience, "account".into(), &TokenError::WrongIssuerOrAudience);
        refused("iss", format!("{}x", old["iss"].as_str().unwrap()).into(), &TokenError::UnknownIssuer);
        refused("exp", 1_600_000_000.into(), &TokenError::Expired);
        *claims.pointer_mut(role).unwrap() = json!(["other"]);
        assert_eq!(grants(&verifier.tokens.verify(&sign(&claims)).unwrap()), Value::Null, "{section}");
    }
}

#[test]
fn id_tokens_and_tokens_without_the_required_scope_are_refused() {
    for (section, name, value) in [
        ("Cognito", "token_use", json!("id")),
        ("Cognito", "token_use", json!(null)),
        ("Entra ID", "scp", json!("User.Read Hub.ConnectAll")),
    ] {
        let verifier = verifier(section);
        let mut claims: Value = serde_json::from_str(blocks(section, "json")[0]).unwrap();
        claims["exp"] = 4_000_000_000_u64.into();
        claims[name] = value;
        let error = TokenError::Claim { name: name.into(), expected: "as required" };
        assert_eq!(verifier.tokens.verify(&sign(&claims)), Err(error), "{section}");
    }
}

#[test]
fn the_other_examples_of_the_page_are_configurations() {
    let examples = blocks("Any other provider", "toml");
    assert_eq!(examples.len(), 2);
    let error = configured(&auth(examples[0])).unwrap_err().to_string();
    let expected = "\"auth.issuers[0].ca\": /etc/signalhub/acme-ca.pem: it cannot be read: ";
    assert!(error.starts_with(expected), "{error}");
    let keys = file("any", key_set());
    let text = examples[1].replace("/etc/signalhub/acme.json", keys.to_str().unwrap());
    let verifier = configured(&auth(&text)).unwrap().unwrap();
    std::fs::remove_file(&keys).unwrap();
    assert!(verifier.warnings[0].ends_with("the key \"2\" is not used: it is not for signatures"), "{verifier:?}");
    assert_eq!(verifier.fetches.missing_keys(), None);
    let examples = blocks("Another hub, or your own service", "toml");
    assert_eq!(examples.len(), 2);
    assert!(configured(&auth(examples[0])).unwrap().unwrap().warnings.is_empty());
    let error = configured(&auth(examples[1])).unwrap_err().to_string();
    let expected = "\"auth.issuers[0].pem\": /etc/signalhub/billing.pem: it cannot be read: ";
    assert!(error.starts_with(expected), "{error}");
    let shell = blocks("Another hub, or your own service", "sh")[0].trim();
    let (name, value) = shell.split_once('=').unwrap();
    let variable = (name.to_owned(), value.trim_matches('\'').to_owned());
    let configuration = Configuration::load(Some("/dev/null".as_ref()), [variable], &[]).unwrap();
    let in_file = auth(examples[1]);
    assert_eq!(format!("{:?}", configuration.auth.issuers), format!("{:?}", in_file.issuers));
}

#[test]
fn keys_that_cannot_be_used_are_refused_with_the_key_and_the_file() {
    let garbage = file("garbage", "garbage");
    let long = file("long", "x".repeat(1024 * 1024));
    let keys = file("keys", key_set());
    let rows: [(&str, &Path, &str, &str); 7] = [
        ("jwks", "/there/is/none".as_ref(), "", "it cannot be read: "),
        ("jwks", "/".as_ref(), "", "it cannot be read: "),
        ("jwks", &garbage, "", "it is not a JSON object with a list \"keys\""),
        ("pem", &garbage, "", "it is not a PEM file"),
        ("jwks", &long, "", "it is longer than 256 KiB"),
        ("pem", "/dev/zero".as_ref(), "", "it is longer than 256 KiB"),
        ("jwks", &keys, "algorithms = [\"ES256\", \"EdDSA\"]", "it has no key for ES256, EdDSA"),
    ];
    for (key, path, more, reason) in rows {
        let path = path.display();
        let text = format!("[[auth.issuers]]\nissuer = \"a\"\n{key} = \"{path}\"\n{more}");
        let error = configured(&auth(&text)).unwrap_err().to_string();
        let expected = format!("\"auth.issuers[0].{key}\": {path}: {reason}");
        assert!(error.starts_with(&expected), "{error}");
    }
    let text = format!("[[auth.issuers]]\nissuer = \"https://a\"\nca = \"{}\"", garbage.display());
    let error = configured(&auth(&text)).unwrap_err().to_string();
    assert_eq!(error, format!("\"auth.issuers[0].ca\": {}: it has no certificate in PEM", garbage.display()));
    let short =
        "[[auth.issuers]]\nissuer = \"a\"\nsecret = \"a secret of thirty-two bytes or so\"\nalgorithms = [\"HS512\"]";
    let error = configured(&auth(short)).unwrap_err().to_string();
    assert_eq!(error, "\"auth.issuers[0].secret\": it has no key for HS512");
    for path in [garbage, long, keys] {
        std::fs::remove_file(path).unwrap();
    }
}

#[test]
fn settings_that_an_issuer_does_not_have_are_those_of_auth() {
    let text = "[auth]\nuser_claim = \"a.b\"\norganisation_claim = \"tenant\"\nleeway = \"0s\"\n\
                [[auth.issuers]]\nissuer = \"a\"\nsecret = \"a secret of at least thirty-two bytes\"";
    let own = "\nuser_claim = \"a.b\"\norganisation_claim = \"x.y\"\nleeway = \"5m\"\ngrants_claim = \"x.g\"\npublish_claim = \"x.p\"";
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let claims = |expires| {
        json!({
            "iss": "a", "exp": expires, "a.b": "ann", "a": {"b": "bob"}, "tenant": "acme", "grants": [{"e": "all"}],
            "publish": ["all"], "x": {"y": "shop", "g": [{"e": "some"}], "p": ["some"]},
        })
    };
    let secret = EncodingKey::from_secret(b"a secret of at least thirty-two bytes");
    let verify = |text: &str, claims: &Value| {
        let token = jsonwebtoken::encode(&Header::default(), claims, &secret).unwrap();
        configured(&auth(text)).unwrap().unwrap().tokens.verify(&token)
    };
    let shown = |identity: &Identity| {
        let publish: Value = identity.claims.get("publish").unwrap().unwrap();
        let (user, organisation) = (identity.user.as_deref().unwrap(), identity.organisation.as_deref().unwrap());
        format!("{user} {organisation} {} {publish}", grants(identity))
    };
    let common = verify(text, &claims(now + 60)).unwrap();
    assert_eq!(shown(&common), "ann acme [{\"e\":\"all\"}] [\"all\"]");
    assert_eq!(verify(text, &claims(now - 5)), Err(TokenError::Expired));
    let own = verify(&format!("{text}{own}"), &claims(now - 5)).unwrap();
    assert_eq!(shown(&own), "bob shop [{\"e\":\"some\"}] [\"some\"]");
}
