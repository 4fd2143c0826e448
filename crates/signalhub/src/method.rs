//! The methods of a hub, by name.

use std::collections::HashMap;
use std::sync::Arc;

use signalhub_connections::Policy;
use signalhub_protocol::{Arguments, BindError};

use crate::handler::{BoundCall, Handler};

type Bind = Box<dyn Fn(&Arguments<'_>) -> Result<BoundCall, BindError> + Send + Sync>;

/// One method: what clients call it, who may, and how a call begins.
pub(crate) struct Method {
    name: Arc<str>,
    policy: Option<Policy>,
    bind: Bind,
}

impl Method {
    pub(crate) fn new<P, S, H>(name: &str, handler: H, state: S) -> Self
    where
        H: Handler<P, S>,
        S: Send + Sync + 'static,
    {
        let policy = handler.policy();
        let handler = Arc::new(handler);
        let bind = Box::new(move |arguments: &Arguments<'_>| Arc::clone(&handler).bind(arguments, &state));
        Self { name: name.into(), policy, bind }
    }

    pub(crate) fn without_arguments<P, S, H>(name: &str, handler: H, state: S) -> Self
    where
        H: Handler<P, S>,
        S: Send + Sync + 'static,
    {
        assert!(H::ARGUMENTS == 0, "{name} takes no arguments of the client");
        Self::new(name, handler, state)
    }

    /// The name as it was registered.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(crate) fn policy(&self) -> Option<&Policy> {
        self.policy.as_ref()
    }

    pub(crate) fn bind(&self, arguments: &Arguments<'_>) -> Result<BoundCall, BindError> {
        (self.bind)(arguments)
    }

    /// Begins a call that needs no arguments.
    pub(crate) fn bind_nothing(&self) -> BoundCall {
        self.bind(&Arguments::Json(b"[]")).expect("`without_arguments` has seen that it takes none")
    }
}

/// Finds methods regardless of the case of their names.
#[derive(Default)]
pub(crate) struct MethodTable {
    /// By the registered spelling, which is what nearly all clients send, and by the lower-case one.
    by_name: HashMap<Arc<str>, Arc<Method>>,
}

impl MethodTable {
    pub(crate) fn new(methods: impl Iterator<Item = Method>) -> Self {
        let mut by_name = HashMap::new();
        for method in methods.map(Arc::new) {
            by_name.insert(method.name.to_lowercase().into(), Arc::clone(&method));
            by_name.insert(Arc::clone(&method.name), method);
        }
        Self { by_name }
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Arc<Method>> {
        self.by_name.get(name).or_else(|| self.by_name.get(name.to_lowercase().as_str()))
    }
}
