use super::{Package, selections};

#[test]
fn each_feature_is_tried_alone_and_none_first() {
    let check = |features: &[&str], expected: &[&str]| {
        let features = features.iter().copied().map(str::to_owned).collect();
        let package = Package { name: "notes".to_owned(), features, ..Package::default() };
        let selections: Vec<String> = selections(&package).iter().map(|words| words.join(" ")).collect();
        assert_eq!(selections, expected);
    };
    check(&[], &[]);
    check(
        &["broker", "default", "http"],
        &["--package notes", "--package notes --features broker", "--package notes --features http"],
    );
}
