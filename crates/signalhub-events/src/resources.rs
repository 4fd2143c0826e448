//! Whether events are about resources.

/// Tells whether an event has resources, or whether a filter asks for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Resources {
    /// It is about a resource and an action.
    With,
    /// It is about neither.
    Without,
}
