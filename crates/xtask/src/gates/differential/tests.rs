use super::Original;

#[test]
fn a_url_is_one_that_runs_already() {
    let original = Original::start("http://127.0.0.1:5001").unwrap();
    assert_eq!((original.url.as_str(), original.child.is_none()), ("http://127.0.0.1:5001", true));
}

#[test]
fn what_cannot_be_started_says_why() {
    let error = |reference| Original::start(reference).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error("").contains("is empty"), "{}", error(""));
    assert!(error("/no/such/program --fast").contains("/no/such/program"), "{}", error("/no/such/program --fast"));
    assert!(error("cargo --version --no-such-option").contains("before it listened"));
}
