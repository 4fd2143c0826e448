//! Who the client of a connection is, for operators who look into the broker.

use std::sync::Arc;

use signalhub_connections::Connection;
use signalhub_events::ClientName;

pub(crate) fn client_name(connection: &Connection) -> ClientName {
    ClientName { connection: Arc::from(connection.id().for_log()), user: connection.identity().user.clone() }
}
