//! Sessions: a cookie that proves itself, and what the console's table knows of it.
//!
//! ```text
//! cookie = token "." HMAC-SHA-256(key, "kairos console session" ‖ token)     token: 32 random bytes, base64url
//! csrf   = HMAC-SHA-256(key, "kairos console csrf" ‖ token)
//! table  = SHA-256(token): who reads the table cannot make the cookie of it
//! ```
//!
//! A forged cookie costs no question to the table. Each login makes a new token, so that nobody can give somebody a session
//! beforehand.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use kairos_engine::bounds::CONSOLE_SESSION_MAX;
use kairos_engine::time::Timestamp;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Bytes of a token.
const TOKEN_BYTES: usize = 32;
/// What the two macs of a token begin with, so that neither passes for the other.
const SESSION_LABEL: &[u8] = b"kairos console session";
const CSRF_LABEL: &[u8] = b"kairos console csrf";

/// The token of a session: whoever has it is logged in.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl std::fmt::Debug for Token {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Token")
    }
}

impl Token {
    /// A new one, of the machine's random numbers.
    ///
    /// # Errors
    /// When the machine has none.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; TOKEN_BYTES];
        getrandom::fill(&mut bytes)?;
        Ok(Self(URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// The one that this cookie carries, when it was signed with this key. In constant time.
    pub fn of_cookie(value: &str, key: &str) -> Option<Self> {
        let (token, mac) = value.split_once('.')?;
        let expected = mac_of(key, SESSION_LABEL, token);
        bool::from(expected.as_bytes().ct_eq(mac.as_bytes())).then(|| Self(token.to_owned()))
    }

    /// The value of its cookie.
    pub fn cookie(&self, key: &str) -> String {
        format!("{}.{}", self.0, mac_of(key, SESSION_LABEL, &self.0))
    }

    /// What forms of its session carry.
    pub fn csrf(&self, key: &str) -> String {
        mac_of(key, CSRF_LABEL, &self.0)
    }

    /// The name that the table knows it by.
    pub fn hash(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(&self.0))
    }
}

fn mac_of(key: &str, label: &[u8], token: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("any length of key is one");
    let mac = mac.chain_update(label).chain_update(token.as_bytes());
    URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
}

/// Somebody who is logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The name that the table knows it by.
    pub hash: String,
    /// What its forms carry.
    pub csrf: String,
    /// When they logged in.
    pub since: Timestamp,
}

impl Session {
    /// Whether a form carries this session's token. In constant time.
    pub fn sent(&self, csrf: Option<&str>) -> bool {
        csrf.is_some_and(|csrf| bool::from(csrf.as_bytes().ct_eq(self.csrf.as_bytes())))
    }

    /// What is shown of it in the list of what was changed: enough to tell two apart, too little to be it.
    pub fn short(&self) -> &str {
        &self.hash[..8]
    }
}

/// The name of the session's cookie. Browsers take one with `__Host-` by https alone, for no other host and no part of the
/// pages; a local engine has no https.
pub const fn cookie_name(is_local: bool) -> &'static str {
    if is_local { "kairos_session" } else { "__Host-kairos_session" }
}

/// The header that makes a browser keep a session's cookie, or forget it.
pub fn set_cookie(value: Option<&str>, is_local: bool) -> String {
    let name = cookie_name(is_local);
    let secure = if is_local { "" } else { "; Secure" };
    let max_age_s = if value.is_some() { CONSOLE_SESSION_MAX.as_millis() / 1_000 } else { 0 };
    format!("{name}={}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Strict{secure}", value.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_cookie_that_this_key_has_signed_is_a_session() {
        let token = Token::random().unwrap();
        let cookie = token.cookie("key");
        assert_eq!(Token::of_cookie(&cookie, "key"), Some(token.clone()));
        assert_eq!(Token::of_cookie(&cookie, "other"), None);
        // The mac of a form is none of a session.
        assert_eq!(Token::of_cookie(&format!("{}.{}", token.0, token.csrf("key")), "key"), None);
        let other = Token::random().unwrap();
        assert_ne!(other, token);
        let mac = cookie.split_once('.').unwrap().1;
        assert_eq!(Token::of_cookie(&format!("{}.{mac}", other.0), "key"), None);
        for damaged in
            ["", ".", "a.b", cookie.trim_end_matches(|_: char| true), &cookie[..cookie.len() - 1], &cookie[1..]]
        {
            assert_eq!(Token::of_cookie(damaged, "key"), None, "{damaged}");
        }
    }

    #[test]
    fn a_form_of_another_session_is_none_of_this_one() {
        let (one, two) = (Token::random().unwrap(), Token::random().unwrap());
        let session = Session { hash: one.hash(), csrf: one.csrf("key"), since: Timestamp::default() };
        assert!(session.sent(Some(&one.csrf("key"))));
        assert!(!session.sent(Some(&two.csrf("key"))) && !session.sent(Some("")) && !session.sent(None));
        assert_ne!(one.hash(), one.csrf("key"));
    }

    #[test]
    fn the_cookie_is_for_this_host_by_https_and_for_no_script() {
        assert_eq!(
            set_cookie(Some("v"), false),
            "__Host-kairos_session=v; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict; Secure"
        );
        assert_eq!(set_cookie(None, true), "kairos_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict");
    }
}
