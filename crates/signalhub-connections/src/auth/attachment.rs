//! An object of the application that belongs to an identity.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// Any object, or none. Two are equal if they are the same object.
#[derive(Clone, Default)]
pub(crate) struct Attachment(Option<Arc<dyn Any + Send + Sync>>);

impl Attachment {
    pub(crate) fn new(object: Arc<impl Any + Send + Sync>) -> Self {
        Self(Some(object))
    }

    /// The object, if it is of this type.
    pub(crate) fn get<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        Arc::clone(self.0.as_ref()?).downcast().ok()
    }
}

impl PartialEq for Attachment {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            _ => false,
        }
    }
}

impl Eq for Attachment {}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Attachment" } else { "None" })
    }
}
