//! The list of parts (SBOM) in CycloneDX, for scanners.
//!
//! It is written here, and not by a tool, because it must be the same in every build: tools put a random number and the time into it.

use std::fs;
use std::io;
use std::path::Path;

use serde_json::{Value, json};

use super::parts::Part;
use super::release::Release;

/// How the list refers to all that is released.
const PRODUCT: &str = "signalhub";

/// Writes the list.
pub(super) fn write(parts: &[Part], release: &Release, file: &Path) -> io::Result<()> {
    let mut text = serde_json::to_string_pretty(&document(parts, release))?;
    text.push('\n');
    fs::write(file, text)
}

fn document(parts: &[Part], release: &Release) -> Value {
    let components: Vec<Value> = parts.iter().map(component).collect();
    let used = |part: &Part| part.uses.iter().map(|index| reference(&parts[*index])).collect::<Vec<_>>();
    let mut dependencies: Vec<Value> =
        parts.iter().map(|part| json!({ "ref": reference(part), "dependsOn": used(part) })).collect();
    // Readers follow the graph from the product, whose packages are those that no other uses.
    let is_used = |index: usize| parts.iter().any(|user| user.uses.contains(&index));
    let roots = parts.iter().enumerate().filter(|(index, _)| !is_used(*index)).map(|(_, part)| reference(part));
    dependencies.insert(0, json!({ "ref": PRODUCT, "dependsOn": roots.collect::<Vec<_>>() }));
    json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": PRODUCT,
                "name": "signalhub",
                "version": release.version,
                "licenses": [{ "expression": "MIT OR Apache-2.0" }],
                "properties": [{ "name": "signalhub:revision", "value": release.revision }],
            },
        },
        "components": components,
        "dependencies": dependencies,
    })
}

fn component(part: &Part) -> Value {
    let mut component = json!({
        "type": "library",
        "bom-ref": reference(part),
        "name": part.name,
        "version": part.version,
        "licenses": [{ "expression": expression(&part.licence) }],
    });
    // A package of ours is in no registry, so nothing there has its address.
    if let Some(checksum) = &part.checksum {
        component["purl"] = reference(part).into();
        component["hashes"] = json!([{ "alg": "SHA-256", "content": checksum }]);
    }
    component
}

/// The address of a package, in which `+` is escaped.
fn reference(part: &Part) -> String {
    format!("pkg:cargo/{}@{}", part.name, part.version.replace('+', "%2B"))
}

/// Old packages write `/` where SPDX writes `OR`.
fn expression(licence: &str) -> String {
    licence.split('/').map(str::trim).collect::<Vec<_>>().join(" OR ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_has_its_address_its_licence_and_what_it_uses() {
        let part = |name: &str, checksum: Option<&str>, uses| Part {
            name: name.to_owned(),
            version: "1.0.0+b".to_owned(),
            licence: "MIT/Apache-2.0".to_owned(),
            folder: "/x".into(),
            checksum: checksum.map(str::to_owned),
            uses,
        };
        let parts = [part("ours", None, vec![1]), part("theirs", Some("00ff"), Vec::new())];
        let (version, revision) = ("0.1.0".to_owned(), "abc".to_owned());
        let bom = document(&parts, &Release { version, revision, time: "0".to_owned(), is_changed: false });
        assert_eq!(bom["components"][1]["purl"], "pkg:cargo/theirs@1.0.0%2Bb");
        assert_eq!(bom["components"][1]["hashes"][0]["content"], "00ff");
        assert_eq!(bom["components"][1]["licenses"][0]["expression"], "MIT OR Apache-2.0");
        assert!(bom["components"][0]["purl"].is_null());
        let dependencies = [("signalhub", "ours"), ("pkg:cargo/ours@1.0.0%2Bb", "theirs")];
        for (index, (user, used)) in dependencies.into_iter().enumerate() {
            let used = format!("pkg:cargo/{used}@1.0.0%2Bb");
            assert_eq!(bom["dependencies"][index], json!({ "ref": user, "dependsOn": [used] }));
        }
    }
}
