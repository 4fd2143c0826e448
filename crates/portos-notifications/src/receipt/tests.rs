use super::{AnsweredNodes, Delivered, Receipt, ReceiptScope};

fn read(json: &str) -> Receipt {
    serde_json::from_str(json).unwrap()
}

#[test]
fn absent_members_have_defaults_and_unknown_ones_are_ignored() {
    let receipt = read(r#"{"id":"e-1","position":"e:1","matched":2,"later":{"x":[1]}}"#);
    assert_eq!((receipt.duplicate, receipt.durable, receipt.delivered), (false, false, None));
    let written = r#"{"id":"e-1","position":"e:1","matched":2,"duplicate":false}"#;
    assert_eq!(serde_json::to_string(&receipt).unwrap(), written);
}

#[test]
fn what_was_waited_for_is_read_and_written() {
    let durable = r#"{"id":"e-1","position":"e:1","matched":0,"duplicate":true,"durable":true}"#;
    let receipt = read(durable);
    assert_eq!((receipt.duplicate, receipt.durable), (true, true));
    assert_eq!(serde_json::to_string(&receipt).unwrap(), durable);

    let delivered = concat!(
        r#"{"id":"e-1","position":"e:1","matched":12,"duplicate":false,"#,
        r#""delivered":{"written":11,"ended":1,"waiting":0}}"#
    );
    let receipt = read(delivered);
    assert_eq!(receipt.delivered, Some(Delivered { written: 11, ended: 1, waiting: 0 }));
    assert_eq!(serde_json::to_string(&receipt).unwrap(), delivered);
}

#[test]
fn what_a_cluster_tells_is_read_and_written() {
    let written = concat!(
        r#"{"id":"e-1","position":"e:1","matched":34,"duplicate":false,"scope":"cluster","#,
        r#""nodes":{"answered":3,"expected":3},"replicated":1}"#
    );
    let receipt = read(written);
    assert_eq!((receipt.scope, receipt.replicated), (Some(ReceiptScope::Cluster), Some(1)));
    assert_eq!(receipt.nodes, Some(AnsweredNodes { answered: 3, expected: 3 }));
    assert_eq!(serde_json::to_string(&receipt).unwrap(), written);
}
