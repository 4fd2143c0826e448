use http::Uri;
use proptest::prelude::*;

use super::{NulInPath, normalise};

fn normal(path: &str) -> Result<String, NulInPath> {
    let mut uri: Uri = path.parse().unwrap();
    normalise(&mut uri).map(|()| uri.to_string())
}

#[test]
fn all_spellings_of_a_path_become_one() {
    for path in [
        "/hub/negotiate",
        "/hub/%6eegotiate",
        "/%68ub/n%65gotiat%65",
        "/hub/./negotiate",
        "/./hub/negotiate",
        "/hub/x/../negotiate",
        "/../hub/negotiate",
        "/hub/%2e/negotiate",
        "/hub/%2E%2e/hub/negotiate",
        "/hub/.%2e/hub/negotiate",
        "/x/y/../../hub/negotiate",
    ] {
        assert_eq!(normal(path).as_deref(), Ok("/hub/negotiate"), "{path}");
        let with_query = format!("{path}?id=a/../%6e&b");
        assert_eq!(normal(&with_query).as_deref(), Ok("/hub/negotiate?id=a/../%6e&b"), "{path}");
    }
    for (path, expected) in [
        ("/hub/negotiate/.", "/hub/negotiate/"),
        ("/hub/negotiate/./", "/hub/negotiate/"),
        ("/hub/negotiate/..", "/hub/"),
        ("/hub/.", "/hub/"),
        ("/..", "/"),
        ("/hub/%2d%5F%7e", "/hub/-_~"),
    ] {
        assert_eq!(normal(path).as_deref(), Ok(expected), "{path}");
    }
}

#[test]
fn other_characters_stay_as_they_are() {
    for path in [
        "/hub%2fnegotiate",
        "/hub%2Fnegotiate",
        "/hub//negotiate",
        "//hub/negotiate",
        "/hub/negotiate%20",
        "/hub/negotiate%",
        "/hub/negotiate%2",
        "/hub/negotiate%zz",
        "/hub/%256e",
        "/hub/%+6",
        "/hub/...",
        "/hub/.well-known",
        "/hub%5cnegotiate",
        "/hub/%C3%A9",
        "/hub/%ff",
    ] {
        assert_eq!(normal(path).as_deref(), Ok(path));
    }
}

#[test]
fn an_encoded_nul_is_refused_wherever_it_stands() {
    for path in ["/hub/negotiate%00", "/%00", "/hub/neg%00otiate", "/hub/%00/../negotiate"] {
        assert_eq!(normal(path), Err(NulInPath), "{path}");
    }
    assert!(normal("/hub/negotiate?id=%00").is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn a_normal_path_stays_as_it_is(path in "(/|/[.a%26e]{1,4}|/%[0-9a-fA-F]{2}){1,6}") {
        // What decoding makes is not decoded again.
        if let Ok(once) = normal(&path)
            && !once.contains('%')
        {
            prop_assert_eq!(normal(&once), Ok(once));
        }
    }
}
