use super::url;

#[test]
fn the_address_is_found_in_what_a_server_prints() {
    assert_eq!(url("listening on http://127.0.0.1:4711"), Some("http://127.0.0.1:4711"));
    assert_eq!(url("starting"), None);
}
