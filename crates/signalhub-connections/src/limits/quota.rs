//! Who connections count for, and how many each has.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};

use http::request::Parts;

use crate::RemoteAddress;
use crate::auth::identity::{Owner, Principal};

/// Who a connection belongs to, and where its request came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Party {
    pub(crate) owner: Owner,
    address: Option<IpAddr>,
}

impl Party {
    pub(crate) fn new(owner: Owner, head: &Parts) -> Self {
        let address = head.extensions.get::<RemoteAddress>().map(|address| network(address.ip()));
        Self { owner, address }
    }
}

/// What one IPv6 client can choose its addresses from is one network.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

/// How many of something one user and one address may have; `None` is without limit.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Shares {
    pub(crate) per_user: Option<usize>,
    pub(crate) per_address: Option<usize>,
}

/// Whose share is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spent {
    User,
    Address,
}

/// How many of something each user and each address has, as far as there are limits for them.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    users: HashMap<Principal, usize>,
    addresses: HashMap<IpAddr, usize>,
}

/// One connection's part in a tally, to be given back by [`Tally::release`].
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Charge {
    user: Option<Principal>,
    address: Option<IpAddr>,
}

impl Tally {
    /// Counts one more, unless that is beyond a share. A client without user counts for its address alone.
    pub(crate) fn charge(&mut self, party: &Party, shares: Shares) -> Result<Charge, Spent> {
        let principal = Some(&party.owner.principal).filter(|principal| principal.user.is_some());
        let user = principal.zip(shares.per_user);
        let address = party.address.as_ref().zip(shares.per_address);
        if user.is_some_and(|(user, most)| is_full(&self.users, user, most)) {
            return Err(Spent::User);
        }
        if address.is_some_and(|(address, most)| is_full(&self.addresses, address, most)) {
            return Err(Spent::Address);
        }
        let (user, address) = (user.map(|(user, _)| user.clone()), address.map(|(address, _)| *address));
        Ok(self.add(Charge { user, address }))
    }

    /// Counts a connection where its transport comes from, which may be another address than negotiated it.
    pub(crate) fn recharge(&mut self, charge: &mut Charge, party: &Party, shares: Shares) -> Result<(), Spent> {
        let before = self.release(std::mem::take(charge));
        match self.charge(party, shares) {
            Ok(new) => {
                *charge = new;
                Ok(())
            }
            Err(spent) => {
                *charge = self.add(before);
                Err(spent)
            }
        }
    }

    fn add(&mut self, charge: Charge) -> Charge {
        if let Some(user) = &charge.user {
            *self.users.entry(user.clone()).or_default() += 1;
        }
        if let Some(address) = charge.address {
            *self.addresses.entry(address).or_default() += 1;
        }
        charge
    }

    pub(crate) fn release(&mut self, charge: Charge) -> Charge {
        if let Some(user) = &charge.user {
            take_one(self.users.entry(user.clone()));
        }
        if let Some(address) = charge.address {
            take_one(self.addresses.entry(address));
        }
        charge
    }
}

fn is_full<K: Hash + Eq>(counts: &HashMap<K, usize>, key: &K, most: usize) -> bool {
    counts.get(key).copied().unwrap_or(0) >= most
}

/// What has reached zero is forgotten.
fn take_one<K>(entry: Entry<'_, K, usize>) {
    if let Entry::Occupied(mut entry) = entry {
        *entry.get_mut() -= 1;
        if *entry.get() == 0 {
            entry.remove();
        }
    }
}

#[cfg(test)]
mod tests;
