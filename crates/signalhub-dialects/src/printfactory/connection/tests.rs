use signalhub_connections::Identity;
use signalhub_events::Catalogue;

use super::*;
use crate::printfactory::messages::declare;
use crate::printfactory::{MisKey, MisKeyFile};

#[tokio::test]
async fn a_connection_whose_key_was_cancelled_before_it_began_is_closed() {
    let keys = MisKeys::open(MisKeyFile::new("there-is-no-such-file.json")).unwrap();
    let place = keys.organisations().reserve(&"acme".into(), MisKey::random().hash()).unwrap();
    keys.organisations().end(|_| Some(Ending::KeyGone));
    let identity = Identity::user("ann").with_organisation("acme").with_attachment(place);
    let (connection, peer) = Connection::pair(identity);
    let broker = Broker::builder(declare(Catalogue::new())).build();
    let closing = Arc::new(Listener::new(broker, keys)).handle(connection);
    tokio::time::timeout(Duration::from_secs(20), closing).await.unwrap();
    assert_eq!(peer.close_frame().unwrap().code(), CloseCode::POLICY_VIOLATION);
}
