//! The issuers of tokens.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use portos_notifications::GrantClaim;
use serde_json::Value;
use signalhub::connections::{ClaimPath, TokenAlgorithm};

use super::setting::{Fault, Given, Setting, TableKeyDoc, quoted};
use super::table::{Table, TableFault, TableKey, inline_table, table};
use super::{KeyUrl, Leeway, PemFile, SigningSecret};
use crate::grant::parse_grant;

table! {
    /// An issuer of tokens.
    TokenIssuer "auth.issuers" {
        /// The issuer, compared exactly with the `iss` of a token. Required, and each entry has another one.
        issuer: String = String::new();
        /// Whether the keys are found as OpenID Connect Discovery says: the issuer is a URL, and `/.well-known/openid-configuration` below it tells where they are. Each entry has one of `discovery`, `jwks`, `pem` and `secret`; an entry with none of them has `discovery`.
        discovery: Option<bool> = None;
        /// The issuer's JSON Web Key set: the path of a file, or a URL from which it is fetched: `https`, or `http` on this machine.
        jwks: Option<KeySetLocation> = None;
        /// A file with one or more public keys of the issuer in PEM (`PUBLIC KEY`).
        pem: Option<KeyFile> = None;
        /// A secret that the issuer signs with (HMAC).
        secret: Option<SigningSecret> = None;
        /// A file with the certificate authorities that are trusted instead of the system's when the keys are fetched, in PEM.
        ca: Option<PemFile> = None;
        /// The audiences of this server, one of which a token must name. Without any, tokens that the issuer made for other applications are accepted.
        audience: Audiences = Audiences::default();
        /// The claim that names the audience.
        audience_claim: ClaimPath = ClaimPath::name("aud");
        /// The algorithms that are accepted; `RS256` and `ES256` when it is absent, or `HS256` with a `secret`.
        algorithms: Option<Vec<TokenAlgorithm>> = None;
        /// The claim that names the user; `auth.user_claim` when it is absent.
        user_claim: Option<ClaimPath> = None;
        /// The claim that names the organisation; `auth.organisation_claim` when it is absent.
        organisation_claim: Option<ClaimPath> = None;
        /// The claim with grants; `grants` when it is absent.
        grants_claim: Option<ClaimPath> = None;
        /// The claim with the names of the events that the token may publish; `publish` when it is absent.
        publish_claim: Option<ClaimPath> = None;
        /// The claim with roles or scopes: a list of texts, or a text whose words count.
        roles_claim: Option<ClaimPath> = None;
        /// What a role or scope may subscribe to, beside the grants that the token has itself. A token with neither is treated as `auth.default_grants` says.
        grants_by_role: GrantsByRole = GrantsByRole::default();
        /// Claims that a token must have. A claim that is a list must contain the value; of a text, one word is enough.
        required: RequiredClaims = RequiredClaims::default();
        /// The clock difference that is tolerated when the times of a token are checked; `auth.leeway` when it is absent.
        leeway: Option<Leeway> = None;
    }
    missing {
        "jwks_uri": "jwks, with a URL",
    }
    check(issuers) {
        issuers.iter().enumerate().try_for_each(|(index, issuer)| {
            let wrong = |key, expected| Err(TableFault { index, key, expected });
            if issuer.issuer.is_empty() {
                return wrong("issuer", "the issuer that tokens name as iss");
            }
            if issuers[..index].iter().any(|other| other.issuer == issuer.issuer) {
                return wrong("issuer", "an issuer that no other entry has");
            }
            let sources = [issuer.jwks.is_some(), issuer.pem.is_some(), issuer.secret.is_some(), issuer.discovery == Some(true)];
            let count = sources.into_iter().filter(|is_set| *is_set).count();
            if count > 1 || count == 0 && issuer.discovery == Some(false) {
                return wrong("", "exactly one of the keys discovery, jwks, pem and secret");
            }
            match issuer.keys() {
                None => return wrong("issuer", "an https URL, or an http URL of this machine, because its keys are discovered there"),
                Some(IssuerKeys::File(_) | IssuerKeys::Secret(_)) if issuer.ca.is_some() => {
                    return wrong("ca", "no such key where keys are not fetched");
                }
                Some(_) => {}
            }
            let is_hmac = |algorithm| matches!(algorithm, TokenAlgorithm::HS256 | TokenAlgorithm::HS384 | TokenAlgorithm::HS512);
            let fits = |algorithm: &TokenAlgorithm| is_hmac(*algorithm) == issuer.secret.is_some();
            if issuer.algorithms.as_ref().is_some_and(|list| list.is_empty() || !list.iter().all(fits)) {
                return wrong("algorithms", "at least one; HS256, HS384 and HS512 with a secret, and the others with public keys");
            }
            if issuer.roles_claim.is_none() && !issuer.grants_by_role.0.is_empty() {
                return wrong("roles_claim", "the claim with the roles of grants_by_role");
            }
            Ok(())
        })
    }
}

impl TokenIssuer {
    /// Where its keys come from; `None` if they are to be discovered and the issuer is no URL for that, which no table of a
    /// configuration has.
    pub fn keys(&self) -> Option<IssuerKeys<'_>> {
        let keys = match (&self.jwks, &self.pem, &self.secret) {
            (Some(KeySetLocation::File(file)), _, _) => IssuerKeys::File(KeyFileKind::Jwks(file)),
            (Some(KeySetLocation::Url(url)), _, _) => IssuerKeys::Url(url.clone()),
            (None, Some(file), _) => IssuerKeys::File(KeyFileKind::Pem(file)),
            (None, None, Some(secret)) => IssuerKeys::Secret(secret),
            (None, None, None) => IssuerKeys::Discovery(KeyUrl::of_discovery(&self.issuer)?),
        };
        Some(keys)
    }

    /// The algorithms that are accepted.
    pub(crate) fn accepted_algorithms(&self) -> Vec<TokenAlgorithm> {
        match (&self.algorithms, &self.secret) {
            (Some(algorithms), _) => algorithms.clone(),
            (None, Some(_)) => vec![TokenAlgorithm::HS256],
            (None, None) => vec![TokenAlgorithm::RS256, TokenAlgorithm::ES256],
        }
    }
}

/// Where the keys of an issuer come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IssuerKeys<'a> {
    /// The configuration of an OpenID provider, which tells where its key set is.
    Discovery(KeyUrl),
    /// A key set that is fetched.
    Url(KeyUrl),
    /// A file.
    File(KeyFileKind<'a>),
    /// A secret that both sides know.
    Secret(&'a SigningSecret),
}

/// A file with keys, and how it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFileKind<'a> {
    /// A JSON Web Key set.
    Jwks(&'a KeyFile),
    /// Public keys in PEM.
    Pem(&'a KeyFile),
}

impl<'a> KeyFileKind<'a> {
    /// The file.
    pub fn file(self) -> &'a KeyFile {
        match self {
            Self::Jwks(file) | Self::Pem(file) => file,
        }
    }
}

/// Where a JSON Web Key set is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySetLocation {
    /// A file, which is read again when it changes.
    File(KeyFile),
    /// A URL, from which it is fetched again and again.
    Url(KeyUrl),
}

impl Setting for KeySetLocation {
    const EXPECTED: &'static str = "the path of a file, an https URL, or an http URL of this machine";

    fn parse(given: &Given<'_>) -> Option<Self> {
        match KeyFile::parse(given) {
            Some(file) => Some(Self::File(file)),
            None => KeyUrl::parse(given.text()?).map(Self::Url),
        }
    }

    fn written(&self) -> String {
        match self {
            Self::File(file) => file.written(),
            // Its query may contain a secret.
            Self::Url(url) if url.uri().query().is_some() => quoted(&format!("{url}?(secret)")),
            Self::Url(url) => quoted(&url.to_string()),
        }
    }
}

/// The path of a file with keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFile(PathBuf);

impl KeyFile {
    /// The path.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Setting for KeyFile {
    const EXPECTED: &'static str = "the path of a file";

    fn parse(given: &Given<'_>) -> Option<Self> {
        given.text().filter(|path| !path.is_empty() && !path.contains("://")).map(|path| Self(path.into()))
    }

    fn written(&self) -> String {
        quoted(&self.0.display().to_string())
    }
}

/// The audiences of this server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audiences(pub Vec<String>);

impl Setting for Audiences {
    const EXPECTED: &'static str = "a text that is not empty, or a list of such texts";

    fn parse(given: &Given<'_>) -> Option<Self> {
        let one = given.text().map(|_| String::parse(given).map(|audience| vec![audience]));
        one.unwrap_or_else(|| Vec::parse(given)).map(Self)
    }

    fn written(&self) -> String {
        self.0.written()
    }
}

impl Setting for ClaimPath {
    const EXPECTED: &'static str =
        "the path of a claim such as \"sub\", \"realm_access.roles\" or \"'https://acme.example/roles'\"";

    fn parse(given: &Given<'_>) -> Option<Self> {
        given.text()?.parse().ok()
    }

    fn written(&self) -> String {
        quoted(&self.to_string())
    }
}

impl Setting for TokenAlgorithm {
    const EXPECTED: &'static str = "an algorithm such as \"RS256\"";

    const EXPECTED_LIST: &'static str =
        "a list of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 and EdDSA, or of HS256, HS384 and HS512";

    fn parse(given: &Given<'_>) -> Option<Self> {
        given.text()?.parse().ok()
    }

    fn written(&self) -> String {
        quoted(&format!("{self:?}"))
    }
}

/// The grants of each role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GrantsByRole(pub BTreeMap<String, Vec<GrantClaim>>);

impl GrantsByRole {
    /// The grants as claims have them.
    pub(crate) fn claims(&self) -> BTreeMap<String, Vec<Value>> {
        let claim = |grant: &GrantClaim| serde_json::to_value(grant).unwrap_or_default();
        self.0.iter().map(|(role, grants)| (role.clone(), grants.iter().map(claim).collect())).collect()
    }
}

impl Setting for GrantsByRole {
    const EXPECTED: &'static str =
        "a table of lists of grants such as { dispatcher = [\"portos.resources.changed:tickets:updated\"] }";

    fn parse(given: &Given<'_>) -> Option<Self> {
        Self::read(given).ok()
    }

    fn read(given: &Given<'_>) -> Result<Self, Fault> {
        let roles = given.members().ok_or(Fault::here(Self::EXPECTED))?;
        let grants = roles.into_iter().map(|(role, place, given)| {
            let inside = |fault: Fault| fault.or_at(place).inside(&format!(".{}", quoted(role)));
            let list = given.list().ok_or_else(|| inside(Fault::here("a list of grants")))?;
            let grant = |given: &Given<'_>| {
                let text = given.text().ok_or_else(|| "a text".to_owned())?;
                parse_grant(text)
            };
            let list = list.iter().map(grant).collect::<Result<_, _>>();
            let list =
                list.map_err(|error| inside(Fault::here(format!("grants as \"token create\" takes them ({error})"))))?;
            Ok((role.to_owned(), list))
        });
        grants.collect::<Result<_, _>>().map(Self)
    }

    fn written(&self) -> String {
        let written = |grants: &Vec<GrantClaim>| {
            let grants = grants.iter().map(|grant| quoted(&serde_json::to_string(grant).unwrap_or_default()));
            format!("[{}]", grants.collect::<Vec<_>>().join(", "))
        };
        inline_table(self.0.iter().map(|(role, grants)| (role.clone(), written(grants))))
    }
}

/// The claims that a token must have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequiredClaims(pub BTreeMap<ClaimPath, Value>);

impl Setting for RequiredClaims {
    const EXPECTED: &'static str =
        "a table of claims and their values such as { token_use = \"access\", \"realm_access.roles\" = \"hub\" }";

    fn parse(given: &Given<'_>) -> Option<Self> {
        let claims = given.members()?.into_iter().map(|(name, _, given)| {
            let text = given.text().map(Value::from);
            let value = text.or_else(|| given.boolean().map(Value::from)).or_else(|| given.count().map(Value::from));
            Some((name.parse().ok()?, value?))
        });
        claims.collect::<Option<_>>().map(Self)
    }

    fn written(&self) -> String {
        // Texts, whole numbers and truth values are written in JSON as in TOML.
        inline_table(self.0.iter().map(|(path, value)| (path.to_string(), value.to_string())))
    }
}

#[cfg(test)]
mod tests;
