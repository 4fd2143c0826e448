//! Tables of issuers in the file and as JSON.

use serde_json::json;

use super::*;
use crate::Configuration;
use crate::configuration::changed;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn from_file(text: &str) -> Result<Configuration, String> {
    let mut configuration = Configuration::default();
    configuration.read_toml("FILE", text).map_err(|error| error.to_string())?;
    Ok(configuration)
}

fn from_variable(text: &str) -> Result<Configuration, String> {
    let variable = ("SIGNALHUB_AUTH__ISSUERS".to_owned(), text.to_owned());
    Configuration::load(Some("/dev/null".as_ref()), [variable], &[]).map_err(|error| error.to_string())
}

#[test]
fn tables_in_the_file_and_json_in_a_variable_mean_the_same() {
    let file = r#"
        [[auth.issuers]]
        issuer = "https://a.example"
        jwks = "/keys/a.json"
        audience = "hub"
        audience_claim = "client_id"
        algorithms = ["PS256", "EdDSA"]
        user_claim = "'https://a.example/user'"
        organisation_claim = "tenant.id"
        grants_claim = "g"
        publish_claim = "p"
        roles_claim = "realm_access.roles"
        grants_by_role = { "a role" = ["portos.*:tickets:created,updated", '{"e":"x"}'], none = [] }
        required = { "realm_access.roles" = "hub", level = 3, verified = true }
        leeway = "1m"

        [[auth.issuers]]
        issuer = "b"
        pem = "b.pem"
        audience = ["hub", "other"]

        [[auth.issuers]]
        issuer = "c"
        secret = "0123456789abcdef0123456789abcdef"
        algorithms = ["HS256"]

        [[auth.issuers]]
        issuer = "d"
        jwks = "https://d.example/keys?a=b"
        ca = "/keys/ca.pem"

        [[auth.issuers]]
        issuer = "http://[::1]:8080/e/"
        discovery = true
    "#;
    let variable = json!([
        {
            "issuer": "https://a.example", "jwks": "/keys/a.json", "audience": "hub", "audience_claim": "client_id",
            "algorithms": ["PS256", "EdDSA"], "user_claim": "'https://a.example/user'", "organisation_claim": "tenant.id",
            "grants_claim": "g", "publish_claim": "p", "roles_claim": "realm_access.roles",
            "grants_by_role": {"a role": ["portos.*:tickets:created,updated", "{\"e\":\"x\"}"], "none": []},
            "required": {"realm_access.roles": "hub", "level": 3, "verified": true}, "leeway": "1m",
        },
        {"issuer": "b", "pem": "b.pem", "audience": ["hub", "other"]},
        {"issuer": "c", "secret": SECRET, "algorithms": ["HS256"]},
        {"issuer": "d", "jwks": "https://d.example/keys?a=b", "ca": "/keys/ca.pem"},
        {"issuer": "http://[::1]:8080/e/", "discovery": true},
    ]);
    let configuration = from_file(file).unwrap();
    let [first, second, third, fourth, fifth] = &configuration.auth.issuers[..] else { panic!("{configuration:?}") };
    let file = KeyFile("/keys/a.json".into());
    assert_eq!(first.keys(), Some(IssuerKeys::File(KeyFileKind::Jwks(&file))));
    let url = KeyUrl::parse("https://d.example/keys?a=b").unwrap();
    assert_eq!(fourth.keys(), Some(IssuerKeys::Url(url)));
    let url = KeyUrl::parse("http://[::1]:8080/e/.well-known/openid-configuration").unwrap();
    assert_eq!(fifth.keys(), Some(IssuerKeys::Discovery(url)));
    assert_eq!(first.accepted_algorithms(), [TokenAlgorithm::PS256, TokenAlgorithm::EdDSA]);
    assert_eq!(second.accepted_algorithms(), [TokenAlgorithm::RS256, TokenAlgorithm::ES256]);
    assert_eq!(second.audience.0, ["hub", "other"]);
    assert_eq!(third.secret.as_ref().unwrap().reveal(), SECRET);
    let claims = first.grants_by_role.claims();
    let expected = json!([{"e": "portos.*", "r": "tickets", "a": ["created", "updated"]}, {"e": "x"}]);
    assert_eq!((json!(claims["a role"]), claims["none"].len()), (expected, 0));
    assert_eq!(first.required.0["level".parse().as_ref().unwrap()], json!(3));

    let same = from_variable(&variable.to_string()).unwrap();
    assert_eq!(format!("{:?}", same.auth.issuers), format!("{:?}", configuration.auth.issuers));
    // What is shown, without the secret, is read as the same again.
    let shown = changed(&configuration);
    assert!(!shown[0].contains(SECRET) && !format!("{configuration:?}").contains(SECRET), "{shown:?}");
    let again = shown[0].replace("(secret)", SECRET).replacen("auth.issuers=", "auth.issuers = ", 1);
    assert_eq!(changed(&from_file(&again).unwrap()), shown);
}

#[test]
fn a_later_source_replaces_the_whole_list() {
    let path = std::env::temp_dir().join(format!("signalhub-{}-list.toml", std::process::id()));
    std::fs::write(&path, "[[auth.issuers]]\nissuer = \"a\"\npem = \"a.pem\"").unwrap();
    let variable = ("SIGNALHUB_AUTH__ISSUERS".to_owned(), "[{\"issuer\":\"b\",\"pem\":\"b.pem\"}]".to_owned());
    let flag = ("auth.issuers".to_owned(), "[]".to_owned());
    let count = |variables: &[(String, String)], flags: &[(String, String)]| {
        let configuration = Configuration::load(Some(&path), variables.to_vec(), flags).unwrap();
        configuration.auth.issuers.iter().map(|issuer| issuer.issuer.clone()).collect::<Vec<_>>()
    };
    assert_eq!(count(&[], &[]), ["a"]);
    assert_eq!(count(std::slice::from_ref(&variable), &[]), ["b"]);
    assert_eq!(count(&[variable], &[flag]), [""; 0]);
    std::fs::remove_file(path).unwrap();
}

#[test]
fn what_is_wrong_with_an_issuer_is_told_with_its_key_and_line() {
    let issuer = "[[auth.issuers]]\nissuer = \"a\"\npem = \"a.pem\"\n";
    let rows = [
        ("pem = \"a.pem\"", "line 1: \"auth.issuers[0].issuer\": expected the issuer that tokens name as iss"),
        ("issuer = \"\"", "line 2: \"auth.issuers[0].issuer\": expected a text that is not empty"),
        (
            "issuer = \"a\"",
            "line 1: \"auth.issuers[0].issuer\": expected an https URL, or an http URL of this machine, because its keys are discovered there",
        ),
        ("issuer = \"http://a.example\"", "\"auth.issuers[0].issuer\": expected an https URL"),
        ("issuer = \"https://a.example?b\"", "\"auth.issuers[0].issuer\": expected an https URL"),
        ("issuer = \"https://a.example#b\"", "\"auth.issuers[0].issuer\": expected an https URL"),
        ("issuer = \"https://u:p@a.example\"", "\"auth.issuers[0].issuer\": expected an https URL"),
        (
            "issuer = \"https://a.example\"\ndiscovery = false",
            "line 1: \"auth.issuers[0]\": expected exactly one of the keys discovery, jwks, pem and secret",
        ),
        ("issuer = \"a\"\npem = \"a\"\njwks = \"a\"", "\"auth.issuers[0]\": expected exactly one of the keys"),
        (
            "issuer = \"https://a\"\npem = \"a\"\ndiscovery = true",
            "\"auth.issuers[0]\": expected exactly one of the keys",
        ),
        (
            "issuer = \"a\"\njwks = \"http://a.example/keys\"",
            "line 3: \"auth.issuers[0].jwks\": expected the path of a file, an https URL, or an http URL of this machine",
        ),
        ("issuer = \"a\"\njwks = \"https:///keys\"", "line 3: \"auth.issuers[0].jwks\": expected the path"),
        ("issuer = \"a\"\npem = \"https://a/b\"", "line 3: \"auth.issuers[0].pem\": expected the path of a file"),
        ("issuer = \"a\"\npem = \"\"", "line 3: \"auth.issuers[0].pem\": expected the path of a file"),
        (
            "issuer = \"a\"\npem = \"a\"\nca = \"ca.pem\"",
            "\"auth.issuers[0].ca\": expected no such key where keys are not fetched",
        ),
        (
            "issuer = \"a\"\njwks_uri = \"https://a/b\"",
            "line 3: \"auth.issuers[0].jwks_uri\": expected jwks, with a URL",
        ),
        (
            "issuer = \"a\"\nkey = 1",
            "line 3: \"auth.issuers[0].key\": expected one of the keys issuer, discovery, jwks, pem, ",
        ),
        (
            "issuer = \"a\"\nsecret = \"hidden\"",
            "line 3: \"auth.issuers[0].secret\": expected a secret of at least 32 bytes",
        ),
        (
            "pem = \"a\"\nissuer = \"a\"\nalgorithms = [\"none\"]",
            "line 4: \"auth.issuers[0].algorithms\": expected a list of RS256",
        ),
        (
            "pem = \"a\"\nissuer = \"a\"\nalgorithms = \"RS256\"",
            "\"auth.issuers[0].algorithms\": expected a list of RS256",
        ),
        (
            "pem = \"a\"\nissuer = \"a\"\nalgorithms = []",
            "line 1: \"auth.issuers[0].algorithms\": expected at least one",
        ),
        (
            "pem = \"a\"\nissuer = \"a\"\nalgorithms = [\"HS256\"]",
            "\"auth.issuers[0].algorithms\": expected at least one; HS256",
        ),
        ("pem = \"a\"\nissuer = \"a\"\nalgorithms = [\"RS256\", \"HS256\"]", "expected at least one; HS256"),
        ("pem = \"a\"\nissuer = \"a\"\naudience = [\"\"]", "line 4: \"auth.issuers[0].audience\": expected a text"),
        (
            "pem = \"a\"\nissuer = \"a\"\nuser_claim = \"https://a/b\"",
            "line 4: \"auth.issuers[0].user_claim\": expected the path",
        ),
        (
            "pem = \"a\"\nissuer = \"a\"\nleeway = \"6m\"",
            "line 4: \"auth.issuers[0].leeway\": expected a time of at most",
        ),
        (
            "pem = \"a\"\nissuer = \"a\"\nrequired = { a = [\"b\"] }",
            "line 4: \"auth.issuers[0].required\": expected a table of claims",
        ),
        (
            "pem = \"a\"\nissuer = \"a\"\nrequired = { \"a..b\" = \"b\" }",
            "\"auth.issuers[0].required\": expected a table of claims",
        ),
        (
            "pem = \"a\"\nissuer = \"a\"\nroles_claim = \"r\"\n[auth.issuers.grants_by_role]\na = [\"*\"]\nb = [\"a*b\"]",
            "line 7: \"auth.issuers[0].grants_by_role.\"b\"\": expected grants as \"token create\" takes them (",
        ),
        (
            "pem = \"a\"\nissuer = \"a\"\nroles_claim = \"r\"\ngrants_by_role = { a = \"*\" }",
            "\"auth.issuers[0].grants_by_role.\"a\"\": expected a list of grants",
        ),
        (
            "pem = \"a\"\nissuer = \"a\"\ngrants_by_role = { a = [\"*\"] }",
            "\"auth.issuers[0].roles_claim\": expected the claim with the roles of grants_by_role",
        ),
    ];
    for (keys, expected) in rows {
        let error = from_file(&format!("[[auth.issuers]]\n{keys}\n")).unwrap_err();
        assert!(error.starts_with("FILE, line ") && error.contains(expected), "{keys}: {error}");
        assert!(!error.contains("hidden"), "{error}");
    }
    let twice = from_file(&format!("{issuer}\n{issuer}")).unwrap_err();
    assert_eq!(twice, "FILE, line 5: \"auth.issuers[1].issuer\": expected an issuer that no other entry has");
    for text in ["[auth]\nissuers = \"a\"", "[auth]\nissuers = [\"a\"]", "[auth.issuers]\nissuer = \"a\""] {
        let error = from_file(text).unwrap_err();
        assert!(error.contains("expected tables [[auth.issuers]], or a list of JSON objects"), "{text}: {error}");
    }
    for (text, expected) in [
        ("", "\"auth.issuers\": expected tables"),
        ("a,b", "\"auth.issuers\": expected tables"),
        ("{}", "\"auth.issuers\": expected tables"),
        ("[5]", "\"auth.issuers[0]\": expected tables"),
        ("[{\"issuer\":5}]", "\"auth.issuers[0].issuer\": expected a text"),
        ("[{\"issuer\":\"a\",\"secret\":\"hidden\"}]", "\"auth.issuers[0].secret\": expected a secret"),
        ("[{\"issuer\":\"a\",\"pem\":\"a\",\"leeway\":null}]", "\"auth.issuers[0].leeway\": expected a time"),
    ] {
        let error = from_variable(text).unwrap_err();
        assert!(
            error.starts_with("environment variable SIGNALHUB_AUTH__ISSUERS: ") && error.contains(expected),
            "{error}"
        );
        assert!(!error.contains("hidden"), "{error}");
    }
}

#[test]
fn keys_of_publishers_are_long_where_issuers_are_configured() {
    let path = std::env::temp_dir().join(format!("signalhub-{}-short.toml", std::process::id()));
    std::fs::write(&path, "[publish]\nkeys = [\"short\"]\n[[auth.issuers]]\nissuer = \"a\"\npem = \"a.pem\"").unwrap();
    let error = Configuration::load(Some(&path), [], &[]).unwrap_err().to_string();
    assert!(error.contains("at least 20 characters"), "{error}");
    std::fs::remove_file(path).unwrap();
}

#[test]
fn the_query_of_a_key_set_url_is_not_shown() {
    let table = "[[auth.issuers]]\nissuer = \"d\"\njwks = \"https://d.example/keys?token=hidden\"";
    let shown = changed(&from_file(table).unwrap()).join("\n");
    assert!(shown.contains("jwks = \"https://d.example/keys?(secret)\"") && !shown.contains("hidden"), "{shown}");
}
