//! Whether somebody is the user that they say they are: the shop's server, which knows who has signed in, makes a hash of
//! the user's id with a secret key, and the page or app shows it.
//!
//! The hash is HMAC-SHA256 (RFC 2104, FIPS 180-4) of the id, in hexadecimal, as Intercom's identity verification has it, so
//! that shops can use the code they have.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Whether this is the hash of the user's id. Compares in constant time, so that it cannot be guessed digit by digit.
pub fn is_proved(key: &str, user_id: &str, hash: &str) -> bool {
    let Some(given) = bytes(hash) else { return false };
    mac(key, user_id).verify_slice(&given).is_ok()
}

fn mac(key: &str, user_id: &str) -> Hmac<Sha256> {
    let mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("any length of key is one");
    mac.chain_update(user_id.as_bytes())
}

/// 32 bytes in hexadecimal, in either case.
fn bytes(hash: &str) -> Option<[u8; 32]> {
    let digits = hash.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? * 16 + digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf %s 42 | openssl dgst -sha256 -hmac secret`
    const HASH: &str = "93c121e7aa437a1e01e3c512c6f0ce3c821a839025dca4408f85616de4aaee70";

    #[test]
    fn only_the_hash_of_this_user_with_this_key_proves_anything() {
        for (key, user, hash, expected) in [
            ("secret", "42", HASH.to_owned(), true),
            ("secret", "42", HASH.to_uppercase(), true),
            ("secret", "43", HASH.to_owned(), false),
            ("other", "42", HASH.to_owned(), false),
            ("secret", "42", HASH[..62].to_owned(), false),
            ("secret", "42", format!("{HASH}00"), false),
            ("secret", "42", "z".repeat(64), false),
            ("secret", "42", "é".repeat(32), false),
            ("secret", "42", String::new(), false),
        ] {
            assert_eq!(is_proved(key, user, &hash), expected, "{key} {user} {hash}");
        }
    }
}
