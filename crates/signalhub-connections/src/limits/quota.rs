//! How many connections each user and each address has.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::net::IpAddr;

use http::request::Parts;

use crate::auth::identity::{Owner, Principal};
use crate::request::remote_address::RemoteAddress;

/// The owner of a connection, and the address that its request came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct QuotaKey {
    pub(crate) owner: Owner,
    pub(crate) remote: Option<RemoteAddress>,
}

impl QuotaKey {
    pub(crate) fn new(owner: Owner, head: &Parts) -> Self {
        Self { owner, remote: head.extensions.get().copied() }
    }

    /// What counts as one address.
    fn address(&self) -> Option<IpAddr> {
        self.remote.map(RemoteAddress::network)
    }
}

/// How many connections one user and one address may have; `None` is without limit.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct QuotaLimits {
    pub(crate) per_user: Option<usize>,
    pub(crate) per_address: Option<usize>,
}

/// Which quota is used up: the user's or the address's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QuotaExceeded {
    User,
    Address,
}

/// How many connections each user and each address has. If one of the limits is not set, it is not counted.
#[derive(Debug, Default)]
pub(crate) struct Quotas {
    users: HashMap<Principal, usize>,
    addresses: HashMap<IpAddr, usize>,
}

/// The share of one connection in [`Quotas`]. [`Quotas::release`] subtracts it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct QuotaShare {
    user: Option<Principal>,
    address: Option<IpAddr>,
    weight: u16,
}

impl Quotas {
    /// Counts one more connection, unless that exceeds a limit. A client without a user counts for its address alone.
    pub(crate) fn take(&mut self, quota_key: &QuotaKey, limits: QuotaLimits) -> Result<QuotaShare, QuotaExceeded> {
        self.take_many(quota_key, 1, limits)
    }

    /// Counts something that takes as much as `weight` others. It is accepted if there is room for one, so the sums may
    /// exceed the limits by less than a weight.
    pub(crate) fn take_many(
        &mut self,
        quota_key: &QuotaKey,
        weight: u16,
        limits: QuotaLimits,
    ) -> Result<QuotaShare, QuotaExceeded> {
        let principal = Some(&quota_key.owner.principal).filter(|principal| principal.user.is_some());
        let user = principal.zip(limits.per_user);
        let address = quota_key.address();
        let address = address.as_ref().zip(limits.per_address);
        if user.is_some_and(|(user, most)| is_full(&self.users, user, most)) {
            return Err(QuotaExceeded::User);
        }
        if address.is_some_and(|(address, most)| is_full(&self.addresses, address, most)) {
            return Err(QuotaExceeded::Address);
        }
        let (user, address) = (user.map(|(user, _)| user.clone()), address.map(|(address, _)| *address));
        Ok(self.add(QuotaShare { user, address, weight }))
    }

    /// Counts a connection for the address that its transport comes from, which may differ from the one that negotiated.
    pub(crate) fn retake(
        &mut self,
        share: &mut QuotaShare,
        quota_key: &QuotaKey,
        limits: QuotaLimits,
    ) -> Result<(), QuotaExceeded> {
        let before = self.release(std::mem::take(share));
        match self.take(quota_key, limits) {
            Ok(new) => {
                *share = new;
                Ok(())
            }
            Err(exceeded) => {
                *share = self.add(before);
                Err(exceeded)
            }
        }
    }

    fn add(&mut self, share: QuotaShare) -> QuotaShare {
        if let Some(user) = &share.user {
            *self.users.entry(user.clone()).or_default() += usize::from(share.weight);
        }
        if let Some(address) = share.address {
            *self.addresses.entry(address).or_default() += usize::from(share.weight);
        }
        share
    }

    pub(crate) fn release(&mut self, share: QuotaShare) -> QuotaShare {
        if let Some(user) = &share.user {
            subtract(self.users.entry(user.clone()), share.weight);
        }
        if let Some(address) = share.address {
            subtract(self.addresses.entry(address), share.weight);
        }
        share
    }
}

fn is_full<K: Hash + Eq>(counts: &HashMap<K, usize>, key: &K, most: usize) -> bool {
    counts.get(key).copied().unwrap_or(0) >= most
}

/// Subtracts a weight, and removes entries that reach zero.
fn subtract<K>(entry: Entry<'_, K, usize>, weight: u16) {
    if let Entry::Occupied(mut entry) = entry {
        *entry.get_mut() -= usize::from(weight);
        if *entry.get() == 0 {
            entry.remove();
        }
    }
}

#[cfg(test)]
mod tests;
