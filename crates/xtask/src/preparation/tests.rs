use super::Preparations;
use crate::gate::select;

#[test]
fn a_gate_that_runs_alone_is_not_prepared() {
    let fuzz = select(&["fuzz".to_owned()]).unwrap();
    assert!(Preparations::start(&fuzz).unwrap().waiting.is_empty());
}

#[test]
fn gates_without_preparation_are_not_waited_for() {
    let gates = select(&["fmt".to_owned(), "tidy".to_owned()]).unwrap();
    let mut preparations = Preparations::start(&gates).unwrap();
    assert!(preparations.wait(&gates[1]).is_empty());
}
