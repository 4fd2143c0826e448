//! Accounts: who may log in, with an API key or with a name and a password.

use std::fmt;
use std::hint::black_box;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::Arc;

use aws_lc_rs::{digest, pbkdf2};
use signalhub_events::{Grant, Grants, Organisation, Pattern, Scope};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::change::ELEMENTS_CHANGED;

/// How many passwords are checked at once: each takes a processor for a moment.
const CHECKS_AT_ONCE: usize = 1;

/// How many logins with passwords may be checked or wait for it. Further ones are refused.
const CHECKS_WAITING: usize = 64;

/// Keys that are shorter could be guessed.
const LONG_KEY: usize = 20;

/// An account of the server.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its name, which clients read.
    pub name: Arc<str>,
    /// Its organisation, whose events alone it sees, beside those of none.
    pub organisation: Option<Arc<str>>,
    /// The types of elements that it sees; `None` for all.
    pub element_types: Option<Vec<Pattern>>,
    /// How it logs in.
    pub credentials: Credentials,
}

/// What an account logs in with.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// An API key, of which the SHA-256 is known.
    Key(KeyDigest),
    /// The name of the account and a password.
    Password(PasswordHash),
}

/// The SHA-256 of an API key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyDigest([u8; 32]);

/// The hash of a password: PBKDF2 with HMAC-SHA-256, as `pbkdf2-sha256:ITERATIONS:SALT:HASH`, the last two in hexadecimal digits.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    iterations: NonZeroU32,
    salt: Arc<[u8]>,
    hash: [u8; 32],
}

/// Why a text is no hash of a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a password hash is pbkdf2-sha256:ITERATIONS:SALT:HASH with at least 100000 iterations, 16 bytes of salt and 32 of hash"
)]
pub struct PasswordHashError;

/// The accounts of a server.
#[derive(Debug)]
pub(super) struct Accounts {
    keys: Vec<(KeyDigest, Arc<Account>)>,
    passwords: Vec<(PasswordHash, Arc<Account>)>,
    checks: Semaphore,
    waiting: Semaphore,
}

/// The turn of a login to have its password checked. Others wait until it is dropped.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    accounts: &'a Accounts,
    _waiting: SemaphorePermit<'a>,
    _checking: SemaphorePermit<'a>,
}

impl Account {
    /// What the account may see.
    pub(super) fn scope(&self) -> Scope {
        let grants = self.element_types.as_ref().map_or(Grants::All, |patterns| {
            let event: Pattern = ELEMENTS_CHANGED.parse().expect("a name is a pattern");
            Grants::Only(
                patterns.iter().map(|pattern| Grant::new(event.clone()).with_resource(pattern.clone())).collect(),
            )
        });
        Scope::new(self.organisation.clone().map(Organisation::new), grants)
    }

    /// Whether it sees elements of a type.
    pub(super) fn sees(&self, element_type: &str) -> bool {
        self.element_types.as_ref().is_none_or(|patterns| patterns.iter().any(|pattern| pattern.matches(element_type)))
    }

    /// The type of the element that stands for it.
    pub(super) fn element_type(&self) -> &'static str {
        match self.credentials {
            Credentials::Key(_) => "api_client",
            Credentials::Password(_) => "admin_user",
        }
    }

    #[cfg(test)]
    pub(super) fn test(name: &str) -> Self {
        let credentials = Credentials::Key(KeyDigest::of(name.as_bytes()));
        Self { name: name.into(), organisation: None, element_types: None, credentials }
    }
}

impl Accounts {
    pub(super) fn new(accounts: Vec<Account>) -> Self {
        let (mut keys, mut passwords) = (Vec::new(), Vec::new());
        for account in accounts.into_iter().map(Arc::new) {
            match &account.credentials {
                Credentials::Key(digest) => keys.push((*digest, account)),
                Credentials::Password(hash) => passwords.push((hash.clone(), account)),
            }
        }
        let (checks, waiting) = (Semaphore::new(CHECKS_AT_ONCE), Semaphore::new(CHECKS_WAITING));
        Self { keys, passwords, checks, waiting }
    }

    /// Finds the account of an API key. The time that it takes tells nothing about the digests.
    pub(super) fn by_key(&self, key: &str) -> Option<Arc<Account>> {
        let digest = KeyDigest::of(key.as_bytes());
        let found = self.keys.iter().fold(None, |found, (known, account)| {
            let is_same = black_box(known.is(&digest));
            found.or(is_same.then_some(account))
        });
        found.cloned()
    }

    /// Tells whether a key is so short that it could be guessed.
    pub(super) fn is_guessable(key: &str) -> bool {
        key.len() < LONG_KEY
    }

    /// Waits until a password may be checked; `None` if too many wait.
    pub(super) async fn turn(&self) -> Option<Turn<'_>> {
        let waiting = self.waiting.try_acquire().ok()?;
        let checking = self.checks.acquire().await.ok()?;
        Some(Turn { accounts: self, _waiting: waiting, _checking: checking })
    }
}

impl Turn<'_> {
    /// Finds the account of a name and a password. An unknown name takes as long as a wrong password.
    pub(super) async fn check(&self, name: &str, password: &str) -> Option<Arc<Account>> {
        let passwords = &self.accounts.passwords;
        let known = passwords.iter().find(|(_, account)| &*account.name == name);
        let (hash, password) = (known.or(passwords.first())?.0.clone(), password.to_owned());
        let is_right = tokio::task::spawn_blocking(move || hash.is_of(&password)).await.unwrap_or(false);
        known.filter(|_| is_right).map(|(_, account)| Arc::clone(account))
    }
}

impl KeyDigest {
    /// Computes the digest of a key.
    pub fn of(key: &[u8]) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest::digest(&digest::SHA256, key).as_ref());
        Self(bytes)
    }

    /// Wraps a digest.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Compares in constant time.
    fn is(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).fold(0, |difference, (one, two)| difference | black_box(one ^ two)) == 0
    }
}

impl PasswordHash {
    /// Fewer iterations could be tried too fast.
    const FEWEST_ITERATIONS: u32 = 100_000;

    /// Hashes a password.
    ///
    /// # Panics
    /// If there are fewer than 100 000 iterations.
    pub fn new(password: &str, salt: &[u8], iterations: u32) -> Self {
        assert!(iterations >= Self::FEWEST_ITERATIONS, "fewer iterations could be tried too fast");
        let iterations = NonZeroU32::new(iterations).expect("the number was just checked");
        let mut hash = [0; 32];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, salt, password.as_bytes(), &mut hash);
        Self { iterations, salt: salt.into(), hash }
    }

    /// Tells whether it is the hash of this password.
    fn is_of(&self, password: &str) -> bool {
        let (algorithm, password) = (pbkdf2::PBKDF2_HMAC_SHA256, password.as_bytes());
        pbkdf2::verify(algorithm, self.iterations, &self.salt, password, &self.hash).is_ok()
    }
}

impl FromStr for PasswordHash {
    type Err = PasswordHashError;

    fn from_str(text: &str) -> Result<Self, PasswordHashError> {
        let mut parts = text.split(':');
        let mut next = || parts.next().ok_or(PasswordHashError);
        let (name, iterations, salt, hash) = (next()?, next()?, next()?, next()?);
        let iterations = iterations.parse().ok().filter(|count| *count >= Self::FEWEST_ITERATIONS);
        let salt = bytes_of(salt).filter(|salt| (16..=64).contains(&salt.len())).ok_or(PasswordHashError)?;
        let hash = bytes_of(hash).and_then(|hash| hash.try_into().ok()).ok_or(PasswordHashError)?;
        match (iterations.and_then(NonZeroU32::new), name, parts.next()) {
            (Some(iterations), "pbkdf2-sha256", None) => Ok(Self { iterations, salt: salt.into(), hash }),
            _ => Err(PasswordHashError),
        }
    }
}

impl fmt::Display for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        write!(f, "pbkdf2-sha256:{}:{}:{}", self.iterations, hex(&self.salt), hex(&self.hash))
    }
}

// The digest or hash of a weak secret tells the secret.
impl fmt::Debug for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(digest)")
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hash)")
    }
}

fn bytes_of(hex: &str) -> Option<Vec<u8>> {
    let (pairs, []) = hex.as_bytes().as_chunks::<2>() else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    pairs.iter().map(|[high, low]| u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: &[u8] = b"sixteen bytes!!!";

    fn password(name: &str, password: &str) -> Account {
        let credentials = Credentials::Password(PasswordHash::new(password, SALT, 100_000));
        Account { credentials, ..Account::test(name) }
    }

    #[test]
    fn keys_are_found_by_their_digests() {
        let accounts = Accounts::new(vec![Account::test("one"), Account::test("two")]);
        assert_eq!(&*accounts.by_key("two").unwrap().name, "two");
        assert!(accounts.by_key("three").is_none() && accounts.by_key("").is_none());
    }

    #[tokio::test]
    async fn passwords_are_checked_against_their_hashes() {
        let accounts = Accounts::new(vec![password("admin", "secret"), password("other", "else")]);
        let name_of = async |accounts: &Accounts, name: &str, password: &str| match accounts.turn().await {
            Some(turn) => turn.check(name, password).await.map(|account| account.name.to_string()),
            None => Some("busy".to_owned()),
        };
        assert_eq!(name_of(&accounts, "other", "else").await.as_deref(), Some("other"));
        for (name, wrong) in [("admin", "else"), ("unknown", "secret"), ("admin", ""), ("", "")] {
            assert_eq!(name_of(&accounts, name, wrong).await, None, "{name}");
        }
        assert!(accounts.by_key("secret").is_none());
        assert_eq!(name_of(&Accounts::new(Vec::new()), "admin", "secret").await, None);
        let _all = accounts.waiting.acquire_many(64).await.unwrap();
        assert_eq!(name_of(&accounts, "admin", "secret").await.as_deref(), Some("busy"));
    }

    #[test]
    fn password_hashes_are_read_as_they_are_written() {
        // hashlib.pbkdf2_hmac("sha256", b"secret", b"sixteen bytes!!!", 100000).hex()
        let text = "pbkdf2-sha256:100000:7369787465656e206279746573212121:".to_owned()
            + "97ec6bc7291cfd64f78db6e5dff1fe2f161659e5846612e9ad37971d643bc564";
        let hash = PasswordHash::new("secret", SALT, 100_000);
        assert_eq!(hash.to_string(), text);
        assert_eq!(text.parse(), Ok(hash));
        for wrong in [
            "",
            "secret",
            &text.replace("100000", "99999"),
            &text.replace("sha256", "sha512"),
            &text[..text.len() - 2],
            &format!("{text}:"),
            &text.replace("2121:", "21zz:"),
        ] {
            assert_eq!(wrong.parse::<PasswordHash>(), Err(PasswordHashError), "{wrong}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let text = format!("{:?} {:?}", password("admin", "secret"), Account::test("key"));
        assert!(text.contains("(hash)") && text.contains("(digest)"), "{text}");
    }
}
