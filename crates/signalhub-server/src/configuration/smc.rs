//! The settings of the dialect of Forcepoint SMC.

use signalhub::events::Pattern;
use signalhub_dialects::smc::{Account, Credentials, ElementType, PasswordHash, Version};

use super::setting::{Given, Setting, TableKeyDoc, quoted};
use super::table::{Table, TableFault, TableKey, table};
use super::{ApiKey, ClientName, KeyDigest};

table! {
    /// Who may log in.
    SmcAccount "dialects.smc.accounts" {
        /// The name of the account, which its clients read. Required, and with `password_hash` the name to log in with. Several entries may have the same name, such as one with the old key and one with the new one.
        name: ClientName = ClientName::default();
        /// The SHA-256 of the API key, as `signalhub key create` prints it. Each entry needs exactly one of `key_sha256`, `key` and `password_hash`.
        key_sha256: Option<KeyDigest> = None;
        /// The API key itself, outside development mode of at least 20 characters.
        key: Option<ApiKey> = None;
        /// The hash of the password, for `lms_login`.
        password_hash: Option<PasswordHash> = None;
        /// The organisation whose events the account sees, beside those of none.
        organisation: Option<String> = None;
        /// The types of elements that the account sees, names may end with `*`; all when it is absent.
        element_types: Option<Vec<Pattern>> = None;
    }
    missing {
        "password": "password_hash, because a password stands nowhere",
        "organisations": "organisation, one for each account",
    }
    check(accounts) {
        accounts.iter().enumerate().try_for_each(|(index, account)| {
            let wrong = |key, expected| Err(TableFault { index, key, expected });
            let others = &accounts[..index];
            if account.name == ClientName::default() {
                return wrong("name", "the name of the account");
            }
            let given = [account.key.is_some(), account.key_sha256.is_some(), account.password_hash.is_some()];
            if given.into_iter().filter(|is_given| *is_given).count() != 1 {
                return wrong("", "exactly one of the keys key_sha256, key and password_hash");
            }
            if account.key_digest().is_some() && others.iter().any(|other| other.key_digest() == account.key_digest()) {
                return wrong("", "an API key that no other entry has");
            }
            let has_password = |account: &SmcAccount| account.password_hash.is_some();
            if has_password(account) && others.iter().any(|other| has_password(other) && other.name == account.name) {
                return wrong("name", "a name that no other entry with a password has");
            }
            if account.element_types.as_ref().is_some_and(Vec::is_empty) {
                return wrong("element_types", "at least one type; without the key, the account sees all types");
            }
            Ok(())
        })
    }
}

impl SmcAccount {
    fn key_digest(&self) -> Option<KeyDigest> {
        self.key.as_ref().map(|key| KeyDigest::of(key.reveal().as_bytes())).or(self.key_sha256)
    }

    /// What the dialect needs of it; `None` without credentials, which the configuration does not allow.
    pub(crate) fn to_account(&self) -> Option<Account> {
        let key = self.key_digest();
        let key = key.map(|digest| Credentials::Key(signalhub_dialects::smc::KeyDigest::new(*digest.bytes())));
        let credentials = key.or_else(|| self.password_hash.clone().map(Credentials::Password))?;
        let organisation = self.organisation.as_deref().map(Into::into);
        Some(Account {
            name: self.name.as_str().into(),
            organisation,
            element_types: self.element_types.clone(),
            credentials,
        })
    }
}

impl Setting for PasswordHash {
    const EXPECTED: &'static str = "pbkdf2-sha256:ITERATIONS:SALT:HASH with at least 100000 iterations, and 16 bytes of salt and 32 of hash in hexadecimal digits";

    fn parse(given: &Given<'_>) -> Option<Self> {
        given.text()?.parse().ok()
    }

    fn written(&self) -> String {
        quoted("(hash)")
    }
}

impl Setting for Version {
    const EXPECTED: &'static str = "a version such as \"7.2\" or \"7.2.1\"";

    const EXPECTED_LIST: &'static str = "a list of versions of two or three numbers, such as [\"7.2\", \"7.2.1\"]";

    fn parse(given: &Given<'_>) -> Option<Self> {
        given.text()?.parse().ok()
    }

    fn written(&self) -> String {
        quoted(self.as_str())
    }
}

impl Setting for ElementType {
    const EXPECTED: &'static str = "a type of elements such as \"host\"";

    const EXPECTED_LIST: &'static str = "a list of names of 1 to 64 lower-case letters, digits, underscores and hyphens, such as [\"host\", \"network\"]";

    fn parse(given: &Given<'_>) -> Option<Self> {
        given.text()?.parse().ok()
    }

    fn written(&self) -> String {
        quoted(self.as_str())
    }
}

/// The versions of the API by default.
pub(super) fn default_versions() -> Vec<Version> {
    ["7.2", "7.2.1"].iter().filter_map(|version| version.parse().ok()).collect()
}

/// The types of elements by default: some that administrators change often, as the vendor's API names them.
pub(super) fn default_element_types() -> Vec<ElementType> {
    const TYPES: [&str; 8] =
        ["address_range", "domain_name", "fw_cluster", "fw_policy", "group", "host", "network", "router"];
    TYPES.iter().filter_map(|name| name.parse().ok()).collect()
}

/// How clients send their session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmcSessionTracking {
    /// In a cookie.
    Cookies,
    /// As a token.
    Tokens,
}

impl Setting for SmcSessionTracking {
    const EXPECTED: &'static str = "\"cookies\" or \"tokens\"";

    fn parse(given: &Given<'_>) -> Option<Self> {
        match given.text()? {
            "cookies" => Some(Self::Cookies),
            "tokens" => Some(Self::Tokens),
            _ => None,
        }
    }

    fn written(&self) -> String {
        quoted(match self {
            Self::Cookies => "cookies",
            Self::Tokens => "tokens",
        })
    }
}
