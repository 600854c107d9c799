//! Who speaks: a signature of the body, or a secret that only the messenger was told.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// Whether `given` is the HMAC-SHA256 of the body in hexadecimal, compared in constant time.
pub fn is_signed(key: &str, body: &[u8], given: &str) -> bool {
    let Some(given) = from_hex(given) else { return false };
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(body);
    mac.verify_slice(&given).is_ok()
}

/// Whether `given` is the secret, compared in constant time.
pub fn is_secret(secret: &str, given: &str) -> bool {
    !secret.is_empty() && bool::from(secret.as_bytes().ct_eq(given.as_bytes()))
}

/// The 32 bytes that 64 digits stand for.
fn from_hex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // RFC 4231, test case 2.
    const KEY: &str = "Jefe";
    const BODY: &[u8] = b"what do ya want for nothing?";
    const SIGNATURE: &str = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";

    #[test]
    fn only_the_signature_of_this_body_with_this_key_is_one() {
        assert!(is_signed(KEY, BODY, SIGNATURE) && is_signed(KEY, BODY, &SIGNATURE.to_uppercase()));
        assert!(!is_signed("jefe", BODY, SIGNATURE) && !is_signed(KEY, b"what", SIGNATURE));
        let cut = &SIGNATURE[..62];
        for wrong in ["", cut, &format!("{cut}zz"), &format!("{SIGNATURE}00"), &format!("{cut}é")] {
            assert!(!is_signed(KEY, BODY, wrong), "{wrong}");
        }
    }

    #[test]
    fn a_secret_is_itself_and_an_empty_one_is_none() {
        assert!(is_secret("abc", "abc"));
        for (secret, given) in [("abc", "ab"), ("abc", "abcd"), ("abc", ""), ("", "")] {
            assert!(!is_secret(secret, given));
        }
    }

    proptest! {
        #[test]
        fn whatever_stands_in_the_header_is_refused_without_a_panic(given in any::<String>()) {
            prop_assert!(!is_signed(KEY, BODY, &given));
        }
    }
}
