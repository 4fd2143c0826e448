//! What clients of dialects are told when an operator ends their connection.

use signalhub_connections::{CloseCode, CloseFrame, Dismissal};

/// The close frame for a dismissal: 1001 lets clients reconnect, 1008 does not. The reason of the operator is not sent: it may
/// be longer than a close frame, and clients of dialects do not show it.
pub(crate) fn dismissed(dismissal: Option<&Dismissal>) -> CloseFrame {
    let code = match dismissal {
        Some(Dismissal { allow_reconnect: true, .. }) => CloseCode::GOING_AWAY,
        _ => CloseCode::POLICY_VIOLATION,
    };
    CloseFrame::new(code, "an operator ended the connection")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_close_code_tells_whether_to_reconnect() {
        let code = |allow_reconnect| dismissed(Some(&Dismissal { allow_reconnect, reason: Some("x".into()) })).code();
        assert_eq!((code(true), code(false)), (CloseCode::GOING_AWAY, CloseCode::POLICY_VIOLATION));
    }
}
