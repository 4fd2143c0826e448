//! What the issuer of credentials says about their bearer.

use std::fmt;

use serde_json::{Map, Value};

/// All claims of some credentials, as their issuer wrote them.
///
/// They are kept as text, because a connection holds them for as long as it lives and hardly ever looks at them.
///
/// ```
/// # use signalhub_connections::Claims;
/// let claims = Claims::new(serde_json::from_str(r#"{"role":"admin"}"#)?);
/// assert_eq!(claims.get("role"), Some("admin".into()));
/// assert_eq!(claims.to_string(), r#"{"role":"admin"}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Claims(Option<Box<str>>);

impl Claims {
    /// Keeps claims.
    pub fn new(claims: Map<String, Value>) -> Self {
        Self((!claims.is_empty()).then(|| Value::Object(claims).to_string().into()))
    }

    /// Looks a claim up.
    pub fn get(&self, name: &str) -> Option<Value> {
        let mut claims: Map<String, Value> = serde_json::from_str(self.0.as_deref()?).ok()?;
        claims.remove(name)
    }
}

/// Writes them as a JSON object.
impl fmt::Display for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_deref().unwrap_or("{}"))
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
