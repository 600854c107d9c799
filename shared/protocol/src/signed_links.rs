//! What makes a link of ours unforgeable: short tokens that carry a few bytes and prove that we have written them.
//!
//! ```text
//! token   = base64url, without padding, of: header ‖ payload ‖ mac
//! header  = one byte: version (upper half), purpose (lower half)
//! payload = up to 512 bytes, whose meaning is the purpose's own
//! mac     = the first bytes of HMAC-SHA-256(key, "kairos link" ‖ header ‖ payload)
//! ```
//!
//! The header is part of what is signed, so a token of one purpose never passes for another. The mac is checked in
//! constant time. Payloads can be read by whoever holds the link: nothing that is secret or names a person goes in.
//!
//! How many bytes of the mac stand in a token depends on what a forged one could do: see [`Purpose::mac_bytes`].

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use kairos_engine::bounds::{SECRET_BYTES_MIN, SIGNED_LINK_PAYLOAD_BYTES_MAX};
use sha2::Sha256;

/// What is signed begins with this, so that no other use of the same key makes a token.
const LABEL: &[u8] = b"kairos link";

/// The version that is written; another one is refused.
const VERSION: u8 = 1;

/// The most bytes of a mac that any purpose has.
const MAC_BYTES_MAX: usize = 16;

/// Longest token, in characters.
const TOKEN_CHARS_MAX: usize = (1 + SIGNED_LINK_PAYLOAD_BYTES_MAX + MAC_BYTES_MAX).div_ceil(3) * 4;

/// What a token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// Leads somewhere, and counts that somebody went there.
    Click,
    /// Shows a picture of one pixel, and counts that a message was opened.
    Open,
    /// Ends messages of a channel.
    Unsubscribe,
    /// Shows and changes what somebody wants to get.
    Preferences,
    /// Says yes to messages of a channel (double opt-in).
    Confirm,
}

impl Purpose {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Click, Self::Open, Self::Unsubscribe, Self::Preferences, Self::Confirm];

    /// The lower half of the header. Never changes: messages that were sent carry it.
    const fn number(self) -> u8 {
        match self {
            Self::Click => 1,
            Self::Open => 2,
            Self::Unsubscribe => 3,
            Self::Preferences => 4,
            Self::Confirm => 5,
        }
    }

    /// How many bytes of the mac a token has.
    ///
    /// Ten for clicks and opens, which have to fit into an SMS: 80 bits, the least that RFC 2104 (section 5) advises. They
    /// can only be tried out by asking us: a million times a second for a year hits one in 10¹⁰ times, and what was hit
    /// counts a click. Sixteen, half of the hash as that section advises, where a forged one could change what somebody
    /// gets.
    pub const fn mac_bytes(self) -> usize {
        match self {
            Self::Click | Self::Open => 10,
            Self::Unsubscribe | Self::Preferences | Self::Confirm => MAC_BYTES_MAX,
        }
    }

    const fn header(self) -> u8 {
        VERSION << 4 | self.number()
    }
}

/// A symmetric key.
#[derive(Clone, PartialEq, Eq)]
pub struct LinkKey(Vec<u8>);

impl fmt::Debug for LinkKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("LinkKey")
    }
}

/// Why a token is refused. Which of these it is nobody vouches for: it is for counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No token at all: other characters, too short, too long.
    #[error("this is no token")]
    NotAToken,
    /// A version that this program does not write.
    #[error("the token is of another version")]
    OtherVersion,
    /// A token, but for something else.
    #[error("the token is for something else")]
    OtherPurpose,
    /// Nobody with this key has written it.
    #[error("the token was not written with this key, or was changed")]
    Forged,
}

impl Refusal {
    /// The name it is counted by.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotAToken => "not_a_token",
            Self::OtherVersion => "other_version",
            Self::OtherPurpose => "other_purpose",
            Self::Forged => "forged",
        }
    }
}

/// A payload that no token takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a signed link carries at most {SIGNED_LINK_PAYLOAD_BYTES_MAX} bytes, this one has {0}")]
pub struct TooLong(pub usize);

impl LinkKey {
    /// Reads a secret: any text of at least 32 bytes.
    ///
    /// # Errors
    /// When it is shorter; the secret itself is not shown.
    pub fn parse(secret: &str) -> Result<Self, String> {
        let secret = secret.trim();
        match secret.len() {
            SECRET_BYTES_MIN.. => Ok(Self(secret.as_bytes().to_vec())),
            length => Err(format!(
                "the secret that signs links has {length} characters: store one of at least {SECRET_BYTES_MIN}"
            )),
        }
    }

    /// The token for these bytes: always the same one.
    ///
    /// # Errors
    /// When they are too many.
    pub fn sign(&self, purpose: Purpose, payload: &[u8]) -> Result<String, TooLong> {
        if payload.len() > SIGNED_LINK_PAYLOAD_BYTES_MAX {
            return Err(TooLong(payload.len()));
        }
        let mac = self.mac(purpose, payload).finalize().into_bytes();
        let token = [&[purpose.header()], payload, &mac[..purpose.mac_bytes()]].concat();
        Ok(URL_SAFE_NO_PAD.encode(token))
    }

    /// The bytes that a token of this purpose carries.
    ///
    /// # Errors
    /// Whatever else the text is.
    pub fn open(&self, purpose: Purpose, token: &str) -> Result<Vec<u8>, Refusal> {
        if token.len() > TOKEN_CHARS_MAX {
            return Err(Refusal::NotAToken);
        }
        // One text for the same bytes: padding, other alphabets and stray last bits are refused.
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| Refusal::NotAToken)?;
        let (&header, rest) = bytes.split_first().ok_or(Refusal::NotAToken)?;
        if header >> 4 != VERSION {
            return Err(Refusal::OtherVersion);
        }
        if header != purpose.header() {
            return Err(Refusal::OtherPurpose);
        }
        let payload_bytes = rest.len().checked_sub(purpose.mac_bytes()).ok_or(Refusal::NotAToken)?;
        let (payload, mac) = rest.split_at(payload_bytes);
        if payload.len() > SIGNED_LINK_PAYLOAD_BYTES_MAX {
            return Err(Refusal::NotAToken);
        }
        // In constant time.
        self.mac(purpose, payload).verify_truncated_left(mac).map_err(|_| Refusal::Forged)?;
        Ok(payload.to_vec())
    }

    fn mac(&self, purpose: Purpose, payload: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(LABEL);
        mac.update(&[purpose.header()]);
        mac.update(payload);
        mac
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use proptest::prelude::*;

    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    fn key() -> LinkKey {
        LinkKey::parse("a secret of more than thirty-two letters").unwrap()
    }

    #[test]
    fn tokens_that_were_sent_stay_good_for_ever() {
        // By another implementation (Python's hmac and base64): a message of yesterday carries these.
        for (purpose, token) in [
            (Purpose::Click, "EXBheWxvYWTm8nIe65D8GkVa"),
            (Purpose::Open, "EnBheWxvYWSkxrSAoPkn3860"),
            (Purpose::Unsubscribe, "E3BheWxvYWQAuAjvimhCER4l6NnFObs4"),
            (Purpose::Preferences, "FHBheWxvYWScL9osPg5GBozdMIKznjYT"),
            (Purpose::Confirm, "FXBheWxvYWS46e7A3BiDg-1jlO1zFcnn"),
        ] {
            assert_eq!(key().sign(purpose, b"payload").unwrap(), token, "{purpose:?}");
            assert_eq!(key().open(purpose, token).unwrap(), b"payload", "{purpose:?}");
        }
    }

    #[test]
    fn a_token_of_seven_bytes_is_24_characters_in_an_sms() {
        assert_eq!(key().sign(Purpose::Click, &[7; 7]).unwrap().len(), 24);
    }

    #[test]
    fn no_character_of_a_token_can_be_changed_left_out_or_added() {
        for purpose in Purpose::ALL {
            let token = key().sign(purpose, b"\x00payload").unwrap();
            for at in 0..token.len() {
                for other in ALPHABET.iter().filter(|other| **other != token.as_bytes()[at]) {
                    let mut changed = token.clone().into_bytes();
                    changed[at] = *other;
                    let changed = String::from_utf8(changed).unwrap();
                    assert!(key().open(purpose, &changed).is_err(), "{changed}");
                }
                assert!(key().open(purpose, &token[..at]).is_err(), "{}", &token[..at]);
                assert!(key().open(purpose, &format!("{}{}", &token[..at], &token[at + 1..])).is_err());
                assert!(key().open(purpose, &format!("{}A{}", &token[..at], &token[at..])).is_err());
            }
        }
    }

    #[test]
    fn what_is_wrong_with_a_token_is_counted_by_its_name() {
        let good = key().sign(Purpose::Click, b"payload").unwrap();
        let unsubscribe = key().sign(Purpose::Unsubscribe, b"payload").unwrap();
        let next_version = URL_SAFE_NO_PAD.encode([&[2 << 4 | 1][..], &[0; 17]].concat());
        for (token, refusal) in [
            ("", Refusal::NotAToken),
            ("EQ", Refusal::NotAToken),
            ("not a token", Refusal::NotAToken),
            (&format!("{good}="), Refusal::NotAToken),
            (&format!("{good}\n"), Refusal::NotAToken),
            (&good.replace(&good[2..3], "é"), Refusal::NotAToken),
            (&good.repeat(40), Refusal::NotAToken),
            (&next_version, Refusal::OtherVersion),
            (&unsubscribe, Refusal::OtherPurpose),
            (&good.to_lowercase(), Refusal::OtherVersion),
            (&good[..20], Refusal::Forged),
        ] {
            assert_eq!(key().open(Purpose::Click, token).map_err(Refusal::as_str), Err(refusal.as_str()), "{token}");
        }
    }

    #[test]
    fn secrets_are_long_enough_and_shown_nowhere() {
        assert!(LinkKey::parse(&"x".repeat(31)).unwrap_err().contains("at least 32"));
        assert!(LinkKey::parse(" \n").is_err());
        assert_eq!(LinkKey::parse(&format!("{}\n", "x".repeat(32))), LinkKey::parse(&"x".repeat(32)));
        assert_eq!(format!("{:?}", key()), "LinkKey");
    }

    proptest! {
        #[test]
        fn a_token_carries_its_bytes_to_its_own_purpose_under_its_own_key(
            payload in prop::collection::vec(any::<u8>(), 0..=SIGNED_LINK_PAYLOAD_BYTES_MAX),
            other in "[a-z]{32,64}",
        ) {
            let other = LinkKey::parse(&other).unwrap();
            for purpose in Purpose::ALL {
                let token = key().sign(purpose, &payload).unwrap();
                prop_assert!(token.len() <= TOKEN_CHARS_MAX);
                prop_assert!(token.bytes().all(|character| ALPHABET.contains(&character)));
                prop_assert_eq!(key().open(purpose, &token), Ok(payload.clone()));
                prop_assert_eq!(other.open(purpose, &token), Err(Refusal::Forged));
                for wrong in Purpose::ALL.into_iter().filter(|wrong| *wrong != purpose) {
                    prop_assert_eq!(key().open(wrong, &token), Err(Refusal::OtherPurpose));
                    // Nor with a header that says otherwise: the header is signed.
                    let mut bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
                    bytes[0] = wrong.header();
                    let relabelled = URL_SAFE_NO_PAD.encode(bytes);
                    prop_assert!(key().open(wrong, &relabelled).is_err());
                }
            }
        }

        #[test]
        fn too_many_bytes_get_no_token(more in 1_usize..100) {
            let length = SIGNED_LINK_PAYLOAD_BYTES_MAX + more;
            prop_assert_eq!(key().sign(Purpose::Click, &vec![0; length]), Err(TooLong(length)));
        }

        #[test]
        fn no_text_opens_or_panics(text in ".{0,100}", symbols in "[A-Za-z0-9_-]{0,100}") {
            for purpose in Purpose::ALL {
                prop_assert!(key().open(purpose, &text).is_err());
                prop_assert!(key().open(purpose, &symbols).is_err());
            }
        }
    }
}
