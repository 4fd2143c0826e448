//! One issuer of tokens: its keys, and what its tokens must say.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use jsonwebtoken::{Algorithm, Header, Validation};
use serde_json::{Map, Value};

use crate::auth::claim_path::ClaimPath;
use crate::auth::claim_reader::{ClaimReader, ClaimRule};
use crate::auth::identity::Identity;
use crate::auth::key_set::KeySet;
use crate::auth::key_source::KeySource;
use crate::auth::token::{TokenError, verified_claims};

/// An issuer of tokens, such as an identity provider: its keys, and what its tokens must say.
///
/// The user is the claim `sub` and the organisation the claim `org`, unless other paths are set. Both are a text that is not
/// empty, or a list with one such text. A token without a user or without expiry is not valid.
pub struct Issuer {
    name: Box<str>,
    keys: RwLock<Arc<KeySet>>,
    source: Option<Arc<dyn KeySource>>,
    algorithms: Vec<Algorithm>,
    audiences: Vec<Box<str>>,
    audience_claim: ClaimPath,
    required: Vec<(ClaimPath, Value)>,
    moved: Vec<(Box<str>, ClaimPath)>,
    by_role: Vec<ClaimByRole>,
    reader: ClaimReader,
}

/// What the roles of a user add to a claim.
struct ClaimByRole {
    name: Box<str>,
    roles: ClaimPath,
    values: BTreeMap<String, Vec<Value>>,
}

impl Issuer {
    /// Makes an issuer of its name, which is what its tokens have as `iss`, and its keys.
    ///
    /// It accepts the algorithms RS256 and ES256, or HS256 if the keys are a secret.
    pub fn new(name: &str, keys: KeySet) -> Self {
        let algorithms =
            if keys.is_secret() { vec![Algorithm::HS256] } else { vec![Algorithm::RS256, Algorithm::ES256] };
        Self {
            name: name.into(),
            keys: RwLock::new(Arc::new(keys)),
            source: None,
            algorithms,
            audiences: Vec::new(),
            audience_claim: ClaimPath::name("aud"),
            required: Vec::new(),
            moved: Vec::new(),
            by_role: Vec::new(),
            reader: ClaimReader { text: one_text, ..ClaimReader::default() },
        }
    }

    /// Makes an issuer of its name whose public keys are fetched. It has none until they are set with
    /// [`Issuers::replace_keys`](crate::Issuers::replace_keys); `source` is asked for them when a token needs one that is not
    /// there.
    ///
    /// It accepts the algorithms RS256 and ES256.
    pub fn fetched(name: &str, source: Arc<dyn KeySource>) -> Self {
        Self { source: Some(source), ..Self::new(name, KeySet::empty()) }
    }

    /// Sets the algorithms that are accepted. An algorithm that does not fit the type of a key is never used with it: a public
    /// key verifies no HMAC.
    #[must_use]
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = algorithms.into_iter().collect();
        self
    }

    /// Accepts only tokens for one of these audiences. Without any, tokens that the issuer made for other applications are
    /// accepted too.
    #[must_use]
    pub fn audiences<A: AsRef<str>>(mut self, audiences: impl IntoIterator<Item = A>) -> Self {
        self.audiences = audiences.into_iter().map(|audience| audience.as_ref().into()).collect();
        self
    }

    /// Sets the claim that names the audiences; `aud` by default.
    #[must_use]
    pub fn audience_claim(mut self, path: ClaimPath) -> Self {
        self.audience_claim = path;
        self
    }

    /// Sets the clock difference that is tolerated when the times of a token are checked; 30 s by default. Whole seconds count.
    #[must_use]
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.reader.leeway = Duration::from_secs(leeway.as_secs());
        self
    }

    /// Sets the claim that names the user; `sub` by default.
    #[must_use]
    pub fn user_claim(mut self, path: ClaimPath) -> Self {
        self.reader.user = path;
        self
    }

    /// Sets the claim that names the organisation; `org` by default.
    #[must_use]
    pub fn organisation_claim(mut self, path: ClaimPath) -> Self {
        self.reader.organisation = path;
        self
    }

    /// Accepts only tokens whose claim at `path` is `value`, or a list that has it, or a text that has it as one of its words,
    /// as scopes are written.
    #[must_use]
    pub fn require(mut self, path: ClaimPath, value: impl Into<Value>) -> Self {
        self.required.push((path, value.into()));
        self
    }

    /// Takes the claim `name` of the identity from another place in the token. A claim of this name that the token has itself
    /// is removed.
    #[must_use]
    pub fn claim_from(mut self, name: &str, path: ClaimPath) -> Self {
        self.moved.push((name.into(), path));
        self
    }

    /// Adds values to the claim `name` of the identity, a list, for each role that the user has. Without any of the roles the
    /// claim stays as it is. The claim at `roles` is a list of roles, or a text whose words are roles.
    #[must_use]
    pub fn claim_by_role(mut self, name: &str, roles: ClaimPath, values: BTreeMap<String, Vec<Value>>) -> Self {
        self.by_role.push(ClaimByRole { name: name.into(), roles, values });
        self
    }

    /// Has a claim of the identity checked: a token that has it is valid only if `is_good` accepts it. `expected` describes
    /// what is accepted, such as "a list of event names".
    #[must_use]
    pub fn claim(mut self, name: &'static str, expected: &'static str, is_good: fn(&Value) -> bool) -> Self {
        self.reader.rules.push(ClaimRule { name, expected, is_good });
        self
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Tells whether verifying a token of this issuer costs much more than looking it up.
    pub(super) fn has_public_keys(&self) -> bool {
        !self.keys().is_secret()
    }

    pub(super) fn replace_keys(&self, keys: KeySet) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
    }

    /// Tells whether the keys are fetched while the server runs.
    pub(super) fn is_fetched(&self) -> bool {
        self.source.is_some()
    }

    /// How many keys there are at this moment.
    pub(super) fn key_count(&self) -> usize {
        self.keys().len()
    }

    /// Has the keys fetched for a token that was refused, if its key is not among those that are there.
    pub(super) fn fetch_key(&self, header: &Header) -> Option<BoxFuture<'static, ()>> {
        let source = self.source.as_ref().filter(|_| self.algorithms.contains(&header.alg))?;
        let is_there = header.kid.as_deref().is_some_and(|id| self.keys().has_key(id, header.alg));
        if is_there { None } else { source.fetch() }
    }

    /// Verifies a token that names this issuer. The claims of the header that tell where to find a key (`jku`, `x5u`, `jwk`,
    /// `x5c`) are ignored.
    pub(super) fn verify(&self, token: &str, header: &Header) -> Result<Identity, TokenError> {
        let algorithm = header.alg;
        if !self.algorithms.contains(&algorithm) {
            return Err(TokenError::Algorithm);
        }
        let keys = self.keys();
        if keys.is_empty() {
            return Err(TokenError::KeysNotLoaded);
        }
        let validation = self.validation(algorithm);
        let mut failure = TokenError::NoKey { id: header.kid.as_deref().map(Into::into) };
        for key in keys.candidates(header.kid.as_deref(), algorithm) {
            match verified_claims(token, key, &validation) {
                Ok(claims) => return self.identity(claims),
                Err(TokenError::Signature) => failure = TokenError::Signature,
                Err(error) => return Err(error),
            }
        }
        Err(failure)
    }

    /// When a token with this identity expires, without the leeway.
    pub(super) fn expiry(&self, identity: &Identity) -> Option<SystemTime> {
        identity.expires?.checked_sub(self.reader.leeway)
    }

    fn keys(&self) -> Arc<KeySet> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn validation(&self, algorithm: Algorithm) -> Validation {
        // The expiry is required by default.
        let mut validation = Validation::new(algorithm);
        validation.leeway = self.reader.leeway.as_secs();
        validation.validate_nbf = true;
        // Which audience is accepted is decided by `check_parties`, because it may be in any claim.
        validation.validate_aud = false;
        validation
    }

    fn identity(&self, mut claims: Map<String, Value>) -> Result<Identity, TokenError> {
        self.check_parties(&claims)?;
        let moved: Vec<_> = self.moved.iter().map(|(name, path)| (name, path.find(&claims).cloned())).collect();
        let added: Vec<_> = self
            .by_role
            .iter()
            .map(|rule| Ok((&rule.name, rule.values(&claims)?)))
            .collect::<Result<_, TokenError>>()?;
        for (name, value) in moved {
            claims.remove(&**name);
            claims.extend(value.map(|value| (name.to_string(), value)));
        }
        for (name, values) in added {
            let Some(values) = values else { continue };
            let claim = claims.entry(name.to_string()).or_insert_with(|| Value::Array(Vec::new()));
            let wrong = || TokenError::Claim { name: (**name).into(), expected: "a list" };
            claim.as_array_mut().ok_or_else(wrong)?.extend(values);
        }
        self.reader.identity(claims)
    }

    /// Checks the audience and the required claims.
    fn check_parties(&self, claims: &Map<String, Value>) -> Result<(), TokenError> {
        let is_accepted = |value: &Value| {
            value.as_str().is_some_and(|text| self.audiences.iter().any(|audience| **audience == *text))
        };
        let has_audience = match self.audience_claim.find(claims) {
            Some(Value::Array(audiences)) => audiences.iter().any(is_accepted),
            Some(audience) => is_accepted(audience),
            None => false,
        };
        if !self.audiences.is_empty() && !has_audience {
            return Err(TokenError::WrongIssuerOrAudience);
        }
        let is_missing =
            |(path, value): &&(ClaimPath, Value)| !path.find(claims).is_some_and(|found| contains(found, value));
        match self.required.iter().find(is_missing) {
            Some((path, _)) => Err(TokenError::Claim { name: path.to_string().into(), expected: "as required" }),
            None => Ok(()),
        }
    }
}

impl ClaimByRole {
    /// The values of the roles in a token; `None` if it has none of the roles.
    fn values(&self, claims: &Map<String, Value>) -> Result<Option<Vec<Value>>, TokenError> {
        let Some(roles) = self.roles.find(claims) else { return Ok(None) };
        let wrong = || TokenError::Claim { name: self.roles.to_string().into(), expected: "a text or a list of texts" };
        let roles = words(roles).ok_or_else(wrong)?;
        let held: Vec<_> = roles.into_iter().filter_map(|role| self.values.get(role)).collect();
        Ok((!held.is_empty()).then(|| held.into_iter().flatten().cloned().collect()))
    }
}

/// The words of a text, such as scopes, or the texts of a list; `None` if the value is neither.
fn words(value: &Value) -> Option<Vec<&str>> {
    match value {
        Value::String(text) => Some(text.split_ascii_whitespace().collect()),
        Value::Array(list) => list.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

fn contains(found: &Value, wanted: &Value) -> bool {
    let has_word =
        |found: &str| wanted.as_str().is_some_and(|wanted| found.split_ascii_whitespace().any(|word| word == wanted));
    match found {
        Value::Array(list) => list.contains(wanted),
        Value::String(text) => found == wanted || has_word(text),
        _ => found == wanted,
    }
}

/// A text, or that of a list with one element: some providers write every claim of a kind as a list.
fn one_text(value: &Value) -> Option<&str> {
    match value.as_array().map(Vec::as_slice) {
        Some([only]) => only.as_str(),
        Some(_) => None,
        None => value.as_str(),
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer").field("name", &self.name).finish_non_exhaustive()
    }
}
