use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Request;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::json;

use super::*;

const SECRET: &[u8] = b"a secret of at least thirty-two bytes";

fn sign(claims: &Value, secret: &[u8]) -> String {
    encode(&Header::default(), claims, &EncodingKey::from_secret(secret)).unwrap()
}

/// A number of seconds from now, as tokens write times.
fn at(seconds: i64) -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap() + seconds
}

/// A claim that is missing, or not of the type that it has in every token.
fn unreadable(name: &str) -> TokenError {
    TokenError::Claim { name: name.into(), expected: "present, with the type that RFC 7519 gives it" }
}

#[test]
fn tokens_are_checked_by_signature_times_issuer_and_audience() {
    let plain = || BearerToken::hs256(SECRET);
    let strict = || plain().issuer("us").audience("hub").leeway(Duration::ZERO);
    for (claims, judge, expected) in [
        (json!({"sub": "ann", "exp": at(60)}), plain(), Ok("ann")),
        (json!({"sub": "ann", "exp": at(-10)}), plain(), Ok("ann")),
        (json!({"sub": "ann", "exp": at(-10)}), plain().leeway(Duration::ZERO), Err(TokenError::Expired)),
        (json!({"sub": "ann", "exp": at(-60)}), plain(), Err(TokenError::Expired)),
        (json!({"sub": "ann", "exp": at(60), "nbf": at(50)}), plain(), Err(TokenError::TooEarly)),
        (json!({"sub": "ann"}), plain(), Err(unreadable("exp"))),
        (json!({"exp": at(60)}), plain(), Err(TokenError::NoUser)),
        (json!({"sub": "", "exp": at(60)}), plain(), Err(TokenError::NoUser)),
        (json!({"name": "bob", "exp": at(60)}), plain().user_claim("name"), Ok("bob")),
        (json!({"sub": "ann", "exp": at(60), "iss": "us", "aud": "hub"}), strict(), Ok("ann")),
        (
            json!({"sub": "ann", "exp": at(60), "iss": "them", "aud": "hub"}),
            strict(),
            Err(TokenError::WrongIssuerOrAudience),
        ),
        (
            json!({"sub": "ann", "exp": at(60), "iss": "us", "aud": "other"}),
            strict(),
            Err(TokenError::WrongIssuerOrAudience),
        ),
        (json!({"sub": "ann", "exp": at(60), "aud": "hub"}), strict(), Err(unreadable("iss"))),
    ] {
        let user = judge.verify(&sign(&claims, SECRET)).map(|identity| identity.user.unwrap());
        assert_eq!(user.as_deref(), expected.as_deref(), "{claims}");
    }
}

#[test]
fn claims_of_a_wrong_type_make_a_token_invalid() {
    let judge = || BearerToken::hs256(SECRET).claim("grants", "a list", Value::is_array);
    let bad = ["null", "42", "true", "1.5", "[]", "[\"acme\"]", "{}", "{\"id\":\"acme\"}", "\"\""];
    for text in bad {
        let value: Value = serde_json::from_str(text).unwrap();
        let result = judge().verify(&sign(&json!({"sub": value, "exp": at(60)}), SECRET)).map(drop);
        assert!(matches!(result, Err(TokenError::NoUser | TokenError::Malformed)), "{result:?} for {text}");
        for claim in ["org", "tenant", "grants"] {
            let judge = if claim == "tenant" { judge().organisation_claim("tenant") } else { judge() };
            let mut claims = json!({"sub": "ann", "exp": at(60)});
            claims[claim] = value.clone();
            let expected = match claim {
                "grants" if value.is_array() => Ok(()),
                "grants" => Err(TokenError::Claim { name: "grants".into(), expected: "a list" }),
                _ => Err(TokenError::Claim { name: claim.into(), expected: "a text that is not empty" }),
            };
            assert_eq!(judge.verify(&sign(&claims, SECRET)).map(drop), expected, "{claims}");
        }
    }
    let error = TokenError::Claim { name: "org".into(), expected: "a text that is not empty" };
    assert_eq!(error.to_string(), "the claim \"org\" of the token must be a text that is not empty");
    for (name, claims) in [
        ("exp", json!({"sub": "ann", "exp": "soon"})),
        ("exp", json!({"sub": "ann", "exp": null})),
        ("nbf", json!({"sub": "ann", "exp": at(60), "nbf": "soon"})),
    ] {
        let error = judge().verify(&sign(&claims, SECRET)).map(drop);
        assert_eq!(error, Err(unreadable(name)), "{claims}");
        assert!(error.is_err_and(|error| error.is_genuine()), "the signature is good");
    }
    let claims = json!({"sub": "ann", "exp": [at(60)]});
    assert_eq!(judge().verify(&sign(&claims, SECRET)).map(drop), Err(TokenError::Malformed), "{claims}");
}

#[test]
fn a_token_that_needs_extensions_is_not_valid() {
    let judge = BearerToken::hs256(SECRET);
    let claims = json!({"sub": "ann", "exp": at(60)});
    for crit in [vec!["exp"], vec!["b64"], vec!["http://example.com/unknown"], vec![]] {
        let header = Header { crit: Some(crit.into_iter().map(str::to_owned).collect()), ..Header::default() };
        let token = encode(&header, &claims, &EncodingKey::from_secret(SECRET)).unwrap();
        assert_eq!(judge.verify(&token).map(drop), Err(TokenError::Critical), "{header:?}");
    }
    for header in [r#"{"alg":"HS256","crit":null}"#, r#"{"alg":"HS256","cr\u0069t":null}"#] {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims.to_string()));
        let signature =
            jsonwebtoken::crypto::sign(signed.as_bytes(), &EncodingKey::from_secret(SECRET), Algorithm::HS256);
        let token = format!("{signed}.{}", signature.unwrap());
        assert_eq!(judge.verify(&token).map(drop), Err(TokenError::Critical), "{header}");
    }
}

#[test]
fn foreign_signatures_and_algorithms_are_refused() {
    let judge = BearerToken::hs256(SECRET);
    let claims = json!({"sub": "ann", "exp": at(60)});
    let check = |token: &str, expected| assert_eq!(judge.verify(token).map(|_| ()), Err(expected), "{token}");
    check(&sign(&claims, b"another secret"), TokenError::Signature);
    let hs512 = Header::new(Algorithm::HS512);
    check(&encode(&hs512, &claims, &EncodingKey::from_secret(SECRET)).unwrap(), TokenError::Algorithm);
    // {"alg":"none"}.{"sub":"ann"}. without a signature
    check("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4ifQ.", TokenError::Malformed);
    check("no token", TokenError::Malformed);
}

#[test]
fn the_identity_carries_organisation_expiry_and_claims() {
    let exp = at(60);
    let token = sign(&json!({"sub": "ann", "org": "acme", "exp": exp, "grants": []}), SECRET);
    let identity = BearerToken::hs256(SECRET).verify(&token).unwrap();
    assert_eq!(identity.organisation.as_deref(), Some("acme"));
    assert_eq!(identity.expires, Some(UNIX_EPOCH + Duration::from_secs(u64::try_from(exp).unwrap()) + DEFAULT_LEEWAY));
    assert!(identity.claims.get::<Value>("grants").unwrap() == Some(json!([])));
}

#[test]
fn the_token_is_found_in_header_and_query() {
    for (header, uri, expected) in [
        (Some("Bearer abc"), "/hub", Some("abc")),
        (Some("bearer abc"), "/hub?access_token=other", Some("abc")),
        (None, "/hub?id=1&access_token=a.b%2Dc", Some("a.b-c")),
        (Some("Basic abc"), "/hub?access_token=q", Some("q")),
        (Some("Basic abc"), "/hub", None),
        (None, "/hub?access_token=", None),
        (None, "/hub", None),
    ] {
        let mut request = Request::builder().uri(uri);
        if let Some(header) = header {
            request = request.header(AUTHORIZATION, header);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        assert_eq!(bearer_token(&head).as_deref(), expected, "{header:?} {uri}");
        let of_header = expected.filter(|_| header.is_some_and(|header| !header.starts_with("Basic")));
        assert_eq!(authorization_token(&head), of_header, "{header:?} {uri}");
    }
}

#[test]
fn two_authorization_headers_have_no_token_whichever_comes_first() {
    for values in [["Bearer a", "Bearer b"], ["Bearer a", "Basic b"], ["Bearer a", "Bearer a"], ["Bearer a", ""]] {
        let request = values.iter().fold(Request::get("/"), |request, value| request.header(AUTHORIZATION, *value));
        let head = request.body(()).unwrap().into_parts().0;
        assert_eq!((bearer_token(&head), authorization_token(&head)), (None, None), "{values:?}");
    }
}
