//! The verification of tokens, as it is configured: issuers, their keys and their rules.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use portos_notifications::GRANTS_CLAIM;
use signalhub::connections::{ClaimPath, Issuer, Issuers, KeySet};
use signalhub::{BearerToken, is_grants_claim};

use crate::configuration::{Auth, IssuerKeys, KeyFile, KeyFileKind, SigningSecret, TokenIssuer};
use crate::file_content::FileContent;
use crate::http_api::publish::authorize;
use crate::issuer_keys::{KeyFault, check_algorithms};
use crate::key_fetch::{KeyFetch, KeyFetches};

/// What the claim with grants must be.
const GRANTS_EXPECTED: &str = "a list of grants, as [{\"e\": \"portos.*\"}]";

/// The configured verification of tokens.
#[derive(Debug)]
pub(crate) struct TokenVerifier {
    pub(crate) tokens: Arc<Issuers>,
    pub(crate) files: KeyFiles,
    pub(crate) fetches: KeyFetches,
    /// The keys that are not used, one sentence each.
    pub(crate) warnings: Vec<String>,
}

/// The key files of issuers, which are read again while the server runs.
#[derive(Debug)]
pub(crate) struct KeyFiles {
    tokens: Arc<Issuers>,
    files: Vec<KeyFileOfIssuer>,
}

#[derive(Debug)]
struct KeyFileOfIssuer {
    index: usize,
    settings: TokenIssuer,
    /// What the file contained when it was last read.
    seen: Mutex<FileContent>,
}

/// Why the keys of an issuer cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("\"auth.issuers[{index}].{key}\": {}{reason}", .file.as_ref().map_or_else(String::new, |file| format!("{}: ", file.display())))]
pub struct IssuerKeyError {
    index: usize,
    key: &'static str,
    file: Option<PathBuf>,
    reason: KeyFault,
}

/// Reads the keys of all issuers; those that are fetched come later. `None` if neither an issuer nor a secret is configured.
///
/// # Errors
/// If the keys of an issuer cannot be read, or none of them can be used.
pub(crate) fn configured(auth: &Auth) -> Result<Option<TokenVerifier>, IssuerKeyError> {
    if !auth.has_keys() {
        return Ok(None);
    }
    let (mut tokens, mut warnings, mut files, mut fetches) = (Issuers::new(), Vec::new(), Vec::new(), Vec::new());
    for (index, settings) in auth.issuers.iter().enumerate() {
        let ca_error = |reason| {
            let file = settings.ca.as_ref().map(|file| file.path().to_owned());
            IssuerKeyError { index, key: "ca", file, reason }
        };
        if let Some(fetch) = KeyFetch::new(index, auth, settings).map_err(ca_error)? {
            tokens =
                tokens.with(with_rules(auth, settings, Issuer::fetched(&settings.issuer, Arc::clone(&fetch) as _)));
            fetches.push(fetch);
            continue;
        }
        let content = key_file(settings).map(read);
        let keys = keys(index, settings, content.as_ref())?;
        warnings.extend(skipped(index, settings, &keys));
        tokens = tokens.with(with_rules(auth, settings, Issuer::new(&settings.issuer, keys)));
        files.extend(content.map(|content| KeyFileOfIssuer {
            index,
            settings: settings.clone(),
            seen: content.into(),
        }));
    }
    if let Some(secret) = &auth.secret {
        tokens = tokens.otherwise(bearer(auth, secret));
    }
    let tokens = Arc::new(tokens);
    let files = KeyFiles { tokens: Arc::clone(&tokens), files };
    let fetches = KeyFetches::new(Arc::clone(&tokens), fetches);
    Ok(Some(TokenVerifier { tokens, files, fetches, warnings }))
}

impl KeyFiles {
    /// Reads the files again. The keys of those that have changed replace the old ones, which are kept if they cannot be used.
    pub(crate) fn reload(&self) {
        for file in &self.files {
            file.reload(&self.tokens);
        }
    }
}

impl KeyFileOfIssuer {
    fn reload(&self, tokens: &Issuers) {
        let Some(content) = key_file(&self.settings).map(read) else { return };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == content {
            return;
        }
        match keys(self.index, &self.settings, Some(&content)) {
            Ok(keys) => {
                skipped(self.index, &self.settings, &keys).for_each(|warning| tracing::warn!("{warning}"));
                tokens.replace_keys(&self.settings.issuer, keys);
                tracing::info!(issuer = self.settings.issuer, "the keys of an issuer were replaced");
            }
            Err(error) => {
                tracing::warn!(%error, "the keys of an issuer have changed and cannot be used; the old ones are kept");
            }
        }
        *seen = content;
    }
}

fn read(file: &KeyFile) -> FileContent {
    FileContent::read(file.path(), KeySet::MAX_BYTES)
}

fn key_file(settings: &TokenIssuer) -> Option<&KeyFile> {
    match settings.keys()? {
        IssuerKeys::File(kind) => Some(kind.file()),
        IssuerKeys::Discovery(_) | IssuerKeys::Url(_) | IssuerKeys::Secret(_) => None,
    }
}

/// The keys that are not used, one sentence each.
fn skipped(index: usize, settings: &TokenIssuer, keys: &KeySet) -> impl Iterator<Item = String> {
    let key = key_name(settings);
    let place = key_file(settings).map_or_else(String::new, |file| format!(" ({})", file.path().display()));
    keys.skipped().iter().map(move |skipped| format!("auth.issuers[{index}].{key}{place}: {skipped}"))
}

/// The configuration key that names or holds the keys of an issuer.
fn key_name(settings: &TokenIssuer) -> &'static str {
    match settings.keys() {
        Some(IssuerKeys::File(KeyFileKind::Jwks(_)) | IssuerKeys::Url(_)) => "jwks",
        Some(IssuerKeys::File(KeyFileKind::Pem(_))) => "pem",
        Some(IssuerKeys::Secret(_)) => "secret",
        Some(IssuerKeys::Discovery(_)) | None => "issuer",
    }
}

/// Makes the keys of an issuer of the content of its file, if it has one.
fn keys(index: usize, settings: &TokenIssuer, content: Option<&FileContent>) -> Result<KeySet, IssuerKeyError> {
    let parse = || -> Result<KeySet, KeyFault> {
        let secret = settings.secret.as_ref().map_or("", SigningSecret::reveal);
        let bytes = content.map_or(Ok(secret.as_bytes()), FileContent::bytes).map_err(KeyFault::Unreadable)?;
        match key_name(settings) {
            "jwks" => Ok(KeySet::from_jwks(bytes)?),
            "pem" => Ok(KeySet::from_pem(bytes)?),
            _ => Ok(KeySet::from_secret(bytes)?),
        }
    };
    parse().and_then(|keys| check_algorithms(settings, keys)).map_err(|reason| IssuerKeyError {
        index,
        key: key_name(settings),
        file: key_file(settings).map(|file| file.path().to_owned()),
        reason,
    })
}

/// Adds the configured rules to an issuer.
fn with_rules(auth: &Auth, settings: &TokenIssuer, issuer: Issuer) -> Issuer {
    let path = |own: &Option<ClaimPath>, common: &str| own.clone().unwrap_or_else(|| ClaimPath::name(common));
    let mut issuer = issuer
        .algorithms(settings.accepted_algorithms())
        .audiences(&settings.audience.0)
        .audience_claim(settings.audience_claim.clone())
        .leeway(settings.leeway.unwrap_or(auth.leeway).time())
        .user_claim(path(&settings.user_claim, &auth.user_claim))
        .organisation_claim(path(&settings.organisation_claim, &auth.organisation_claim))
        // A token with a claim that cannot be read is invalid for every purpose.
        .claim(GRANTS_CLAIM, GRANTS_EXPECTED, is_grants_claim)
        .claim(authorize::CLAIM, authorize::CLAIM_EXPECTED, authorize::is_publish_claim);
    for (name, path) in [(GRANTS_CLAIM, &settings.grants_claim), (authorize::CLAIM, &settings.publish_claim)] {
        if let Some(path) = path {
            issuer = issuer.claim_from(name, path.clone());
        }
    }
    if let Some(roles) = &settings.roles_claim {
        issuer = issuer.claim_by_role(GRANTS_CLAIM, roles.clone(), settings.grants_by_role.claims());
    }
    settings.required.0.iter().fold(issuer, |issuer, (path, value)| issuer.require(path.clone(), value.clone()))
}

fn bearer(auth: &Auth, secret: &SigningSecret) -> BearerToken {
    let mut bearer = BearerToken::hs256(secret.reveal().as_bytes())
        .leeway(auth.leeway.time())
        .user_claim(&auth.user_claim)
        .organisation_claim(&auth.organisation_claim)
        // A token with a claim that cannot be read is invalid for every purpose.
        .claim(GRANTS_CLAIM, GRANTS_EXPECTED, is_grants_claim)
        .claim(authorize::CLAIM, authorize::CLAIM_EXPECTED, authorize::is_publish_claim);
    if let Some(issuer) = &auth.issuer {
        bearer = bearer.issuer(issuer);
    }
    if let Some(audience) = &auth.audience {
        bearer = bearer.audience(audience);
    }
    bearer
}

#[cfg(test)]
mod tests;
