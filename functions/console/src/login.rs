//! Logging in and out.

use askama::Template;
use kairos_engine::bounds::{CONSOLE_LOGINS_ALL_MAX, CONSOLE_LOGINS_MAX};
use kairos_engine::time::Timestamp;
use kairos_protocol::port::Fault;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::answer::Answer;
use crate::console::Console;
use crate::page::{Bare, Rendered};
use crate::problem::Problem;
use crate::request::{Asked, own_address};
use crate::sessions::{Token, set_cookie};

/// Attempts of everybody together.
const ALL: &str = "all";

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage<'a> {
    to: &'a str,
    said: Option<&'static str>,
    is_wrong: bool,
}

/// The page that asks for the password. `said`: what became of an attempt.
fn page(asked: &Asked, to: &str, status: u16, said: Option<&'static str>) -> Answer {
    let is_wrong = status != 200;
    let content = Rendered::of(&LoginPage { to, said, is_wrong });
    Bare { title: "Log in", theme: asked.theme, content: &content }.answer(status)
}

/// Asks for the password.
pub fn ask(asked: &Asked) -> Answer {
    let said = asked.query.get("out").map(|out| match out {
        "everywhere" => "All sessions have ended, on every machine.",
        _ => "You are logged out.",
    });
    page(asked, own_address(asked.query.get("to")), 200, said)
}

/// Leads somebody who is not logged in to the login, and afterwards to where they wanted to go.
pub fn lead(asked: &Asked) -> Answer {
    let parts: Vec<String> = asked.path.iter().map(|part| crate::request::encoded(part)).collect();
    let wanted = format!("/{}{}", parts.join("/"), asked.query.query());
    let to = crate::request::Fields::default().with("to", Some(&wanted)).query();
    match wanted.as_str() {
        "/" => Answer::redirect("/log-in"),
        _ => Answer::redirect(&format!("/log-in{to}")),
    }
}

/// Looks at a password, and opens a new session when it is the one.
///
/// # Errors
/// When the request comes from elsewhere, or nobody can say now.
pub async fn attempt(console: &Console, asked: &Asked, now: Timestamp) -> Result<Answer, Problem> {
    if !asked.is_from_here {
        return Err(Problem::NotFromHere);
    }
    let to = own_address(asked.form.get("to"));
    let who = hashed(&asked.address);
    // Noted before it is looked at, so that attempts at the same time count as well. What one address tries beyond its own
    // limit does not count for everybody: else it could lock out the shop.
    let is_limited = console.store.tried(&who, now).await? > CONSOLE_LOGINS_MAX
        || console.store.tried(ALL, now).await? > CONSOLE_LOGINS_ALL_MAX;
    if is_limited {
        kairos_cloud::telemetry::count("login_limited", 1);
        tracing::warn!("logins are refused for a while: too many attempts");
        let said = "Too many attempts. Wait a quarter of an hour, then try again.";
        return Ok(page(asked, to, 429, Some(said)));
    }
    let password = console.password(now).await?;
    if !is_same(asked.form.get("password").unwrap_or_default(), &password) {
        kairos_cloud::telemetry::count("login_wrong", 1);
        let said = "This is not the password. It is the secret that the stack's ConsolePasswordArn names.";
        return Ok(page(asked, to, 401, Some(said)));
    }
    let key = console.key(now).await?;
    let token = Token::random().map_err(|error| no_randomness(&error))?;
    // Whatever session the browser has come with ends: nobody can have prepared the one that follows.
    if let Some(former) = asked.cookie.as_deref().and_then(|cookie| Token::of_cookie(cookie, &key)) {
        console.store.close(&former.hash()).await?;
    }
    console.store.open(&token.hash(), now).await?;
    console.store.forgive(&who, now).await?;
    kairos_cloud::telemetry::count("login", 1);
    Ok(Answer::redirect(to).with_cookie(set_cookie(Some(&token.cookie(&key)), console.is_local)))
}

/// The machine gives no random numbers.
pub fn no_randomness(error: &getrandom::Error) -> Problem {
    Problem::Unavailable(Fault::Retryable { what: "drawing a random number", why: error.to_string() })
}

/// Whether two texts are the same, in a time that tells nothing of them, nor of their lengths.
fn is_same(one: &str, other: &str) -> bool {
    bool::from(Sha256::digest(one).ct_eq(&Sha256::digest(other)))
}

/// Addresses are personal data: the table knows them by their hash.
fn hashed(address: &str) -> String {
    Sha256::digest(address).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_password_is_the_password() {
        for (given, expected) in
            [("secret", true), ("secre", false), ("secrets", false), ("", false), ("SECRET", false)]
        {
            assert_eq!(is_same(given, "secret"), expected, "{given}");
        }
    }
}
