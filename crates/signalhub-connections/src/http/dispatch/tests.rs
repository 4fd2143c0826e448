use super::*;

#[test]
fn paths_match_regardless_of_case_with_one_trailing_slash() {
    for (endpoint, path, expected) in [
        ("/hub", "/hub", Some(Route::Connect)),
        ("/hub", "/HUB/", Some(Route::Connect)),
        ("/hub", "/hub/negotiate", Some(Route::Negotiate)),
        ("/hub", "/Hub/Negotiate/", Some(Route::Negotiate)),
        ("/hub", "/hub/Refresh/", Some(Route::Refresh)),
        ("/hub", "/refresh", None),
        ("/hub", "/hub//", None),
        ("/hub", "/hub//negotiate", None),
        ("/hub", "/hub/negotiate//", None),
        ("/hub", "/hubs", None),
        ("/hub", "/hu", None),
        ("/hub", "/hub/other", None),
        ("", "/", Some(Route::Connect)),
        ("", "/negotiate", Some(Route::Negotiate)),
        ("", "/refresh", Some(Route::Refresh)),
        ("/hüb", "/h", None),
        ("/hub", "/hü", None),
    ] {
        assert_eq!(Route::matching(endpoint, path), expected, "{path} at {endpoint}");
    }
}
