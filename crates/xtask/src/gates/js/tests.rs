use super::{NODE, version};

#[test]
fn versions_of_node_are_compared_by_number() {
    assert!(version("v20.20.2\n") >= Some(NODE));
    assert!(version("v100.0.0") >= Some(NODE));
    assert!(version("v20.9.0") < Some(NODE));
    assert_eq!(version("node"), None);
}
