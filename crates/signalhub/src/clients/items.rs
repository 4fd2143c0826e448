//! Values that an application stores with a connection.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;

/// Values of a connection, at most one of each type.
#[derive(Default)]
pub(crate) struct Items(HashMap<TypeId, Box<dyn Any + Send>>);

impl Items {
    pub(crate) fn insert<T: Any + Send>(&mut self, item: T) -> Option<T> {
        let earlier = self.0.insert(TypeId::of::<T>(), Box::new(item))?;
        earlier.downcast().ok().map(|item| *item)
    }

    pub(crate) fn get<T: Any>(&self) -> Option<&T> {
        self.0.get(&TypeId::of::<T>())?.downcast_ref()
    }

    pub(crate) fn remove<T: Any>(&mut self) -> Option<T> {
        self.0.remove(&TypeId::of::<T>())?.downcast().ok().map(|item| *item)
    }
}

impl fmt::Debug for Items {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Items({})", self.0.len())
    }
}
