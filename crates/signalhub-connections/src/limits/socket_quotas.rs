//! How many sockets each address has.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::limit::Limit;
use crate::request::remote_address::network;

/// Counts the sockets of one server by address.
#[derive(Debug)]
pub(crate) struct SocketQuotas {
    /// How many sockets one address may have; `None` is without limit.
    per_address: Option<usize>,
    sockets: Mutex<HashMap<IpAddr, usize>>,
}

/// One counted socket of an address. Dropping it subtracts it.
#[derive(Debug)]
pub(crate) struct SocketShare {
    quotas: Arc<SocketQuotas>,
    address: IpAddr,
}

impl SocketQuotas {
    pub(crate) fn new(per_address: Option<usize>) -> Arc<Self> {
        Arc::new(Self { per_address, sockets: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a socket for an address, unless the address has too many.
    pub(crate) fn take(self: &Arc<Self>, address: IpAddr) -> Result<Option<SocketShare>, Limit> {
        let Some(most) = self.per_address else { return Ok(None) };
        let address = network(address);
        let mut sockets = self.lock();
        if sockets.get(&address).is_some_and(|count| *count >= most) {
            return Err(Limit::SocketsPerAddress);
        }
        *sockets.entry(address).or_default() += 1;
        drop(sockets);
        Ok(Some(SocketShare { quotas: Arc::clone(self), address }))
    }
}

impl Drop for SocketShare {
    fn drop(&mut self) {
        let mut sockets = self.quotas.lock();
        if let Some(count) = sockets.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                sockets.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_cannot_exceed_its_number_of_sockets() {
        let quotas = SocketQuotas::new(Some(2));
        let share = |address: &str| quotas.take(address.parse().unwrap());
        let first = share("10.0.0.1").unwrap();
        let _second = share("10.0.0.1").unwrap();
        assert!(matches!(share("10.0.0.1"), Err(Limit::SocketsPerAddress)));
        assert!(share("10.0.0.2").is_ok());
        let _network = (share("2001:db8::1").unwrap(), share("2001:db8::2").unwrap());
        assert!(share("2001:db8::3").is_err(), "an IPv6 client has a whole network");
        drop(first);
        assert!(share("10.0.0.1").is_ok());
        drop(_second);
        drop(_network);
        assert!(quotas.lock().is_empty(), "addresses without sockets are removed");
        assert!(matches!(SocketQuotas::new(None).take("10.0.0.1".parse().unwrap()), Ok(None)));
    }
}
