use serde_json::json;

use super::{Package, Purpose};

#[test]
fn packages_are_read_as_cargo_describes_them() {
    let package = Package::read(&json!({
        "name": "notes",
        "manifest_path": "/somewhere/crates/notes/Cargo.toml",
        "features": {"http": ["dep:hyper"], "broker": []},
        "dependencies": [
            {"name": "serde", "kind": null, "optional": false},
            {"name": "hyper", "kind": null, "optional": true},
            {"name": "proptest", "kind": "dev", "optional": false},
            {"name": "cc", "kind": "build", "optional": false},
        ],
        "targets": [
            {"kind": ["lib"], "src_path": "/somewhere/crates/notes/src/lib.rs"},
            {"kind": ["test"], "src_path": "/somewhere/crates/notes/tests/all.rs"},
        ],
    }));
    assert_eq!(package.name, "notes");
    assert!(package.folder.ends_with("crates/notes"));
    assert_eq!(package.features, ["broker", "http"]);
    let purposes: Vec<_> = package.dependencies.iter().map(|dependency| dependency.purpose).collect();
    assert_eq!(purposes, [Purpose::Always, Purpose::Feature, Purpose::Tests, Purpose::Always]);
    assert_eq!(package.roots.len(), 1);
}
