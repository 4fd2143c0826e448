//! Modules do not use each other in a circle, so that each can be understood after those that it uses.
//!
//! The rule looks at sibling modules on every level: the rooms of a crate, and the modules inside a room. A use of one module
//! by another one counts between the two siblings that hold them, wherever inside they are. A module and what is inside it are
//! one idea, and may use each other.

use std::collections::BTreeMap;
use std::path::Path;

use super::modules::Modules;
use super::{Finding, Tree};

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in &tree.packages {
        let circles = package.roots.iter().flat_map(|root| circles(tree, root));
        findings.extend(circles.map(|circle| Finding::new(&package.name, circle.text())));
    }
    findings
}

/// Siblings each of which uses all others, directly or through others of them.
#[derive(Debug, PartialEq, Eq)]
struct Circle {
    /// Their paths.
    modules: Vec<String>,
    /// One place for each pair of them of which one uses the other.
    places: Vec<String>,
}

impl Circle {
    fn text(&self) -> String {
        format!("{} use each other in a circle: {}", self.modules.join(", "), self.places.join("; "))
    }
}

/// The circles of the crate whose first file is `root`.
fn circles(tree: &Tree, root: &Path) -> Vec<Circle> {
    let modules = Modules::read(tree, root);
    // The first use of each pair is reported.
    let mut edges: BTreeMap<(usize, usize), String> = BTreeMap::new();
    for used in modules.uses() {
        edges.entry((used.from, used.to)).or_insert(used.place);
    }
    let mut left: Vec<usize> = edges.keys().map(|(from, _)| *from).collect();
    left.dedup();
    let mut circles = Vec::new();
    while let Some(first) = left.first().copied() {
        let after = reached(first, &edges);
        let members: Vec<usize> =
            left.iter().copied().filter(|at| after.contains(at) && reached(*at, &edges).contains(&first)).collect();
        left.retain(|at| *at != first && !members.contains(at));
        if members.is_empty() {
            continue;
        }
        let is_inside = |((from, to), _): &(&(usize, usize), &String)| members.contains(from) && members.contains(to);
        let places = edges
            .iter()
            .filter(is_inside)
            .map(|((from, to), place)| format!("{} -> {} ({place})", modules.path(*from), modules.path(*to)));
        circles.push(Circle {
            places: places.collect(),
            modules: members.iter().map(|module| modules.path(*module)).collect(),
        });
    }
    circles
}

/// The modules that one uses, directly or through others.
fn reached(from: usize, edges: &BTreeMap<(usize, usize), String>) -> Vec<usize> {
    let mut reached: Vec<usize> = Vec::new();
    let mut open = vec![from];
    while let Some(at) = open.pop() {
        for (_, to) in edges.keys().filter(|(from, _)| *from == at) {
            if !reached.contains(to) {
                reached.push(*to);
                open.push(*to);
            }
        }
    }
    reached
}

#[cfg(test)]
mod tests;
