use super::Modules;
use crate::tidy::tests::tree;

/// Checks which siblings use each other.
fn check(files: &[(&str, &str)], expected: &[&str]) {
    let files: Vec<(String, &str)> = files.iter().map(|(path, text)| (format!("src/{path}"), *text)).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
    let modules = Modules::read(&tree(&files, Vec::new()), "src/lib.rs".as_ref());
    let uses = modules.uses();
    let uses: Vec<String> =
        uses.iter().map(|used| format!("{} -> {}", modules.path(used.from), modules.path(used.to))).collect();
    assert_eq!(uses, expected, "{files:?}");
}

/// Checks what the module `b` uses, beside a module `a` that defines `A` and has a module `inner` that defines `B`.
fn check_uses(code: &str, expected: &[&str]) {
    let root = "mod a;\nmod b;\nmod c;\npub use a::{A, inner::B as Renamed};\nuse std::fmt;\n";
    let a = "mod inner;\npub(crate) struct A;\npub(crate) use inner::B;\npub(crate) use inner::*;\n";
    check(&[("lib.rs", root), ("a.rs", a), ("a/inner.rs", "pub struct B;"), ("b.rs", code), ("c.rs", "")], expected);
}

#[test]
fn imports_and_paths_are_uses() {
    check_uses("use crate::a::A;", &["b -> a"]);
    check_uses("use super::a;", &["b -> a"]);
    check_uses("use crate::{a::{self, A}, c as d};", &["b -> a", "b -> a", "b -> c"]);
    check_uses("fn f(x: &crate::a::A) {}", &["b -> a"]);
    check_uses("use super::a as d;\nfn f() { d::inner::B::new::<u8>() }", &["b -> a", "b -> a"]);
    check_uses("use crate::a::*;", &["b -> a"]);
    check_uses("macro_rules! m { () => { $crate::a::A } }", &["b -> a"]);
    check_uses("use a::A;\nuse std::a::A;\nfn f(x: ::a::A) -> a::A {}", &[]);
    check_uses("// crate::a::A\nconst TEXT: &str = \"crate::a::A\";", &[]);
}

#[test]
fn names_are_followed_through_re_exports() {
    check_uses("use crate::A;", &["b -> a"]);
    check_uses("use crate::Renamed;", &["b -> a"]);
    check_uses("use super::Renamed::Variant;", &["b -> a"]);
    check_uses("use crate::Unknown;\nuse crate::fmt;", &[]);
    for re_export in ["pub use b::B;", "pub use b::*;"] {
        let room = format!("mod b; mod c; {re_export}");
        let files = [("lib.rs", "mod a; pub use a::*;"), ("a.rs", room.as_str()), ("a/c.rs", "use crate::B;")];
        check(&[files[0], files[1], files[2], ("a/b.rs", "pub struct B;")], &["a::c -> a::b"]);
    }
    // An import that refers to itself leads nowhere.
    check(&[("lib.rs", "mod a; use a::X;"), ("a.rs", "use crate::X; pub use crate::X as Y;")], &[]);
}

#[test]
fn uses_between_a_module_and_what_is_inside_it_are_left_out() {
    check(
        &[("lib.rs", "mod a; struct Top;"), ("a.rs", "mod b; use b::B; use crate::Top;"), ("a/b.rs", "use super::A;")],
        &[],
    );
    check(&[("lib.rs", "mod a { use crate::Top; mod b { use super::super::Top; } } use a::b::B;")], &[]);
}

#[test]
fn uses_inside_siblings_count_between_the_siblings() {
    let root = ("lib.rs", "mod a; mod c;");
    check(
        &[root, ("a.rs", "mod b;"), ("a/b.rs", "use crate::c::d::D;"), ("c.rs", "mod d;"), ("c/d.rs", "struct D;")],
        &["a -> c"],
    );
    check(&[root, ("a/mod.rs", "use crate::c;"), ("c.rs", "")], &["a -> c"]);
}

#[test]
fn code_for_tests_does_not_count() {
    check_uses("#[cfg(test)]\nuse crate::a::{A, B};\n#[cfg(test)]\nmod tests { use crate::a; }", &[]);
    check_uses("#[cfg(all(test, unix))]\n#[allow(unused)]\nfn f<T, U>(x: crate::a::A) { crate::a::g() }", &[]);
    check_uses("struct S { #[cfg(test)] x: crate::a::A, y: crate::c::C }", &["b -> c"]);
    check_uses("#[cfg(test)]\nimpl crate::a::A {}\nuse crate::c;", &["b -> c"]);
    check_uses("#[cfg(not(test))]\nuse crate::c;", &["b -> c"]);
    check(&[("lib.rs", "mod a; #[cfg(test)] mod tests;"), ("a.rs", ""), ("tests.rs", "use crate::a;")], &[]);
}
