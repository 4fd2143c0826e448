//! The methods of a hub, by name.

use std::collections::HashMap;
use std::sync::Arc;

use signalhub_connections::{BoxFuture, Policy};
use signalhub_protocol::{Arguments, BindError};
use tokio::sync::Notify;

use super::binding::Bindings;
use super::call::{Call, RawArguments};
use super::handler::{BoundCall, CallResult, Handler, RunPlain, Signature, StreamHandler};
use super::hub_filter::HubFilters;
use crate::method_counts::MethodCounts;

type Bind = Box<dyn Fn(&Arguments<'_>, &mut Bindings<'_>) -> Result<BoundCall, BindError> + Send + Sync>;

/// One method: its name, the policy for its callers, and how its arguments are bound.
pub(crate) struct Method {
    name: Arc<str>,
    signature: Signature,
    policy: Option<Policy>,
    usage: Option<&'static str>,
    purpose: Purpose,
    bind: Bind,
    counts: Arc<MethodCounts>,
}

/// What a method is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Anything.
    Any,
    /// It replaces the token of its caller: it gets the means for it, and no filter sees its argument.
    TokenRefresh,
}

impl Method {
    /// A method with one result.
    pub(crate) fn plain<P, S, H>(name: &str, handler: H, state: S) -> Self
    where
        H: Handler<P, S>,
        S: Send + Sync + 'static,
    {
        let policy = handler.policy();
        let handler = Arc::new(handler);
        Self::new(name, H::SIGNATURE, policy, move |arguments, bindings| {
            Arc::clone(&handler).bind(arguments, bindings, &state)
        })
    }

    /// A streaming method.
    pub(crate) fn stream<P, S, H>(name: &str, handler: H, state: S) -> Self
    where
        H: StreamHandler<P, S>,
        S: Send + Sync + 'static,
    {
        let policy = handler.policy();
        let handler = Arc::new(handler);
        Self::new(name, H::SIGNATURE, policy, move |arguments, bindings| {
            Arc::clone(&handler).bind(arguments, bindings, &state)
        })
    }

    fn new<B>(name: &str, signature: Signature, policy: Option<Policy>, bind: B) -> Self
    where
        B: Fn(&Arguments<'_>, &mut Bindings<'_>) -> Result<BoundCall, BindError> + Send + Sync + 'static,
    {
        Self {
            name: name.into(),
            signature,
            policy,
            usage: None,
            purpose: Purpose::Any,
            bind: Box::new(bind),
            counts: Arc::default(),
        }
    }

    /// Sets what the method expects, which clients read when their arguments do not fit.
    pub(crate) fn with_usage(self, usage: &'static str) -> Self {
        Self { usage: Some(usage), ..self }
    }

    pub(crate) fn with_purpose(self, purpose: Purpose) -> Self {
        Self { purpose, ..self }
    }

    /// Runs filters around each call.
    pub(crate) fn filtered(self, filters: &HubFilters) -> Self {
        let (bind, filters, count, purpose) = (self.bind, filters.clone(), self.signature.arguments, self.purpose);
        let bind = move |arguments: &Arguments<'_>, bindings: &mut Bindings<'_>| {
            let bound = bind(arguments, bindings)?;
            let arguments = match purpose {
                Purpose::Any => RawArguments::new(arguments, count),
                Purpose::TokenRefresh => RawArguments::hidden(),
            };
            Ok(filters.clone().around_call(bound, arguments))
        };
        Self { bind: Box::new(bind), ..self }
    }

    pub(crate) fn counts(&self) -> &Arc<MethodCounts> {
        &self.counts
    }

    pub(crate) fn purpose(&self) -> Purpose {
        self.purpose
    }

    pub(crate) fn usage(&self) -> Option<&'static str> {
        self.usage
    }

    /// The name as it was registered.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(crate) fn signature(&self) -> Signature {
        self.signature
    }

    pub(crate) fn policy(&self) -> Option<&Policy> {
        self.policy.as_ref()
    }

    pub(crate) fn bind(&self, arguments: &Arguments<'_>, bindings: &mut Bindings<'_>) -> Result<BoundCall, BindError> {
        (self.bind)(arguments, bindings)
    }
}

/// What runs when a client connects or disconnects: a handler, if the hub has one, and the filters around it.
pub(crate) struct Hook {
    handler: Option<Method>,
    filters: Option<HubFilters>,
}

impl Hook {
    /// # Panics
    /// When the handler takes arguments or streams, or has a policy: these belong to calls of clients.
    pub(crate) fn new<P, S, H>(name: &str, handler: H, state: S) -> Self
    where
        H: Handler<P, S>,
        S: Send + Sync + 'static,
    {
        let Signature { arguments, streams, .. } = H::SIGNATURE;
        assert!(arguments == 0 && streams == 0, "{name} takes no arguments of the client");
        assert!(handler.policy().is_none(), "{name} has no caller to judge: an endpoint has policies of its own");
        Self { handler: Some(Method::plain(name, handler, state)), filters: None }
    }

    /// The hook of a hub with filters, which may have no handler.
    pub(crate) fn filtered(hook: Option<Self>, filters: &HubFilters) -> Self {
        Self { handler: hook.and_then(|hook| hook.handler), filters: Some(filters.clone()) }
    }

    pub(crate) fn run(&self, call: Call) -> BoxFuture<CallResult> {
        let handler = self.handler.as_ref().map(begin);
        match (&self.filters, handler) {
            (Some(filters), handler) => filters.clone().around_hook(call, handler),
            (None, Some(handler)) => handler(call),
            (None, None) => Box::pin(std::future::ready(CallResult::Value(Vec::new()))),
        }
    }
}

/// Begins a handler that [`Hook::new`] has checked.
fn begin(handler: &Method) -> RunPlain {
    let resume = Arc::new(Notify::new());
    let mut bindings = Bindings { capacity: 0, resume: &resume, uploads: Vec::new() };
    match handler.bind(&Arguments::Json(b"[]"), &mut bindings) {
        Ok(BoundCall::Plain(run)) => run,
        Ok(BoundCall::Stream(_)) | Err(_) => unreachable!("`new` has seen a plain method without arguments"),
    }
}

/// Finds methods by name, ignoring case.
#[derive(Default)]
pub(crate) struct MethodTable {
    /// Each method is here under its registered name, which is what nearly all clients send, and in lower case.
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

    /// All methods, by name.
    pub(crate) fn all(&self) -> Vec<&Method> {
        let registered = self.by_name.iter().filter(|(name, method)| **name == method.name);
        let mut methods: Vec<&Method> = registered.map(|(_, method)| &**method).collect();
        methods.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        methods
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Arc<Method>> {
        self.by_name.get(name).or_else(|| self.by_name.get(name.to_lowercase().as_str()))
    }
}
