use super::functions;

fn check(text: &str, expected: &[(usize, usize)]) {
    assert_eq!(functions(text), expected, "{text}");
}

#[test]
fn a_function_ends_with_the_brace_below_its_beginning() {
    check("fn main() {\n    if true {\n    }\n}\n", &[(0, 4)]);
    check(
        "impl A {\n    pub(crate) async fn b() {\n        c();\n    }\n\n    fn d() {\n    }\n}\n",
        &[(1, 3), (5, 2)],
    );
    check("fn long(\n    a: u8,\n) -> u8\nwhere\n    u8: Copy,\n{\n    a\n}\n", &[(0, 8)]);
}

#[test]
fn functions_without_a_body_of_their_own_lines_are_short() {
    check("fn one() {}\nfn two() -> u8 { 2 }\n", &[(0, 1), (1, 1)]);
    check("trait A {\n    fn a(&self);\n    fn b(\n        &self,\n    ) -> u8;\n}\n", &[(1, 1), (2, 3)]);
}

#[test]
fn functions_inside_functions_are_counted_both() {
    check("fn a() {\n    fn b() {\n    }\n}\n", &[(0, 4), (1, 2)]);
}
