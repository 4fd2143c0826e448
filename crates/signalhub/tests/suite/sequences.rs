//! For any sequence of operations: each call ends once, nothing follows a Close message, and nothing is left.

use crate::sequence::Operation;
use proptest::collection::vec;
use proptest::prelude::*;

/// The usual number of cases is few for sequences, and these are quick.
fn config() -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig { cases: usual.cases.saturating_mul(8), failure_persistence: None, ..usual }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_sequence_of_operations_leaves_nothing_behind(
        operations in vec(any::<[u8; 2]>().prop_map(Operation::from), 0..80)
    ) {
        crate::sequence::run(&operations);
    }
}
