//! Who a client is, and the conditions that the application sets.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::auth::attachment::Attachment;
use crate::auth::claims::Claims;

/// What authentication found out about a client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Identity {
    /// The name of the user, by which hubs address all connections of one person. Users of the same name in two
    /// organisations are two users. `None` is an anonymous client.
    pub user: Option<Arc<str>>,
    /// The organisation, whose data alone the client may see.
    pub organisation: Option<Arc<str>>,
    /// All claims of the credentials.
    pub claims: Claims,
    /// When the credentials expire.
    pub expires: Option<SystemTime>,
    attachment: Attachment,
}

impl Identity {
    /// Makes the identity of a client without credentials.
    pub fn anonymous() -> Self {
        Self::default()
    }

    /// Makes the identity of a known user.
    pub fn user(name: impl Into<Arc<str>>) -> Self {
        Self { user: Some(name.into()), ..Self::default() }
    }

    /// Sets the organisation.
    #[must_use]
    pub fn with_organisation(mut self, organisation: impl Into<Arc<str>>) -> Self {
        self.organisation = Some(organisation.into());
        self
    }

    /// Adds a claim, or replaces the one of this name. An application adds what it knows from elsewhere.
    ///
    /// ```
    /// use signalhub_connections::{Authenticate, Authentication, BearerToken, Identity, RequestHead};
    ///
    /// /// Adds the tenant, which is part of the host name, to the claims of a token.
    /// struct WithTenant(BearerToken);
    ///
    /// impl Authenticate for WithTenant {
    ///     fn authenticate(&self, request: &RequestHead) -> Authentication {
    ///         let host = request.headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or_default();
    ///         let tenant = host.split('.').next().unwrap_or_default();
    ///         match self.0.authenticate(request) {
    ///             Authentication::Identified(identity) => Authentication::Identified(identity.with_claim("tenant", tenant)),
    ///             other => other,
    ///         }
    ///     }
    /// }
    ///
    /// let identity = Identity::user("ann").with_claim("tenant", "shop").with_claim("level", 3);
    /// assert_eq!(identity.claims.get::<u8>("level").unwrap(), Some(3));
    /// ```
    #[must_use]
    pub fn with_claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.set(name, &value.into());
        self
    }

    /// Replaces all claims.
    #[must_use]
    pub fn with_claims(mut self, claims: Map<String, Value>) -> Self {
        self.claims = Claims::new(claims);
        self
    }

    /// Sets the time at which the credentials expire.
    #[must_use]
    pub fn with_expiry(mut self, expires: SystemTime) -> Self {
        self.expires = Some(expires);
        self
    }

    /// Attaches an object of the application, such as the session of the credentials. It is dropped with the identity: when
    /// the request is refused, or else with its connection.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use signalhub_connections::Identity;
    /// struct Session(u32);
    ///
    /// let identity = Identity::user("ann").with_attachment(Arc::new(Session(7)));
    /// assert_eq!(identity.attachment::<Session>().unwrap().0, 7);
    /// assert!(identity.attachment::<String>().is_none());
    /// ```
    #[must_use]
    pub fn with_attachment(mut self, object: Arc<impl Any + Send + Sync>) -> Self {
        self.attachment = Attachment::new(object);
        self
    }

    /// The object that was [attached](Self::with_attachment), if it is of this type.
    pub fn attachment<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        self.attachment.get()
    }

    /// When the credentials expire by their own claim `exp`, or else by [`Identity::expires`], which also covers the clock
    /// difference that is tolerated.
    pub fn stated_expiry(&self) -> Option<SystemTime> {
        let stated = self.claims.get::<f64>("exp").ok().flatten();
        let stated = stated.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        stated.and_then(|since| SystemTime::UNIX_EPOCH.checked_add(since)).or(self.expires)
    }

    /// The whole seconds until [`Identity::stated_expiry`], 0 after it.
    pub(crate) fn lifetime_seconds(&self, now: SystemTime) -> Option<u64> {
        Some(self.stated_expiry()?.duration_since(now).unwrap_or_default().as_secs())
    }

    /// When the credentials end by the clock that connections are measured with. It is computed once, when the credentials
    /// arrive. `None` is never: they have no end, or none that the clock can express.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let left = self.expires?.duration_since(SystemTime::now()).unwrap_or_default();
        Instant::now().checked_add(left)
    }
}

/// A user of an organisation: the part of an identity that never changes during a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Principal {
    pub(crate) organisation: Option<Arc<str>>,
    pub(crate) user: Option<Arc<str>>,
}

impl Principal {
    pub(crate) fn of(identity: &Identity) -> Self {
        Self { organisation: identity.organisation.clone(), user: identity.user.clone() }
    }
}

/// Who a connection belongs to. It stays the same when credentials are renewed.
///
/// Every request for a connection must come from its owner, through the endpoint that negotiated it, because that endpoint's
/// policies were checked. If the owner is anonymous, all of its requests must be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Owner {
    /// The number of the endpoint within its server.
    pub(crate) endpoint: usize,
    pub(crate) principal: Principal,
}

/// New credentials of a connection's owner, and when they expire.
#[derive(Debug)]
pub(crate) struct Renewal {
    pub(crate) identity: Arc<Identity>,
    pub(crate) expires: Option<Instant>,
}

/// A condition that an identity must meet to use an endpoint or a hub method.
#[derive(Clone)]
pub struct Policy(Arc<dyn Fn(&Identity) -> bool + Send + Sync>);

impl Policy {
    /// Admits the identities for which the condition returns `true`.
    pub fn new(condition: impl Fn(&Identity) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(condition))
    }

    /// Admits all clients that are not anonymous.
    pub fn authenticated() -> Self {
        Self::new(|identity| identity.user.is_some())
    }

    /// Tells whether the identity is admitted.
    pub fn admits(&self, identity: &Identity) -> bool {
        (self.0)(identity)
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Policy(..)")
    }
}
