use futures_util::FutureExt;

use super::Commands;
use crate::backplane::CommandId;

#[test]
fn a_command_is_pending_until_it_is_acknowledged_or_given_up() {
    let commands = Commands::default();
    let (first, second) = (commands.begin(), commands.begin());
    assert_eq!([first.id(), second.id()], [CommandId(1), CommandId(2)]);
    commands.acknowledge(CommandId(2));
    commands.acknowledge(CommandId(2));
    commands.acknowledge(CommandId(3));
    assert!(second.acknowledged().now_or_never().is_some());
    assert!(!commands.is_empty());
    assert!(first.acknowledged().now_or_never().is_none());
    assert!(commands.is_empty());
}
