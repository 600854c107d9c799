//! The text of a promo code: how one is made, shown, and read again from whatever a person writes or says.

use core::fmt;

use kairos_engine::bounds::{PROMO_CODE_CHARS_MAX, PROMO_CODE_CHARS_MIN, PROMO_CODE_TEXT_BYTES_MAX};
use serde::{Deserialize, Serialize};

/// The symbols of made codes: none of them looks like another one, in print or by hand, and there are no words in them.
/// Left out are `0 O Q D`, `1 I L` and `U V`; of pairs that look alike the letter: `Z` (2), `S` (5), `G` (6), `B` (8);
/// the vowels `A E`, with which codes would spell words; and `N`, which sounds like `M`.
pub const ALPHABET: &[u8; 20] = b"23456789CFHJKMPRTWXY";

/// Symbols of a made code: 20¹² = 4.1 · 10¹⁵ codes, 51.8 bits. When a million codes are open at once, one guess in four
/// thousand million hits one.
pub const SYMBOLS: usize = 12;

/// Symbols that stand together, as people remember them.
const GROUP: usize = 4;

/// What a code is looked up by: its letters and digits, in capitals.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CodeKey(String);

/// Why a text is no code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoCode {
    /// A character that no code has.
    #[error("`{0}` cannot be part of a code: codes are made of letters from A to Z and digits")]
    Character(char),
    /// Too few letters and digits, or too many.
    #[error("a code has {PROMO_CODE_CHARS_MIN} to {PROMO_CODE_CHARS_MAX} letters and digits, this one has {0}")]
    Length(usize),
    /// So long that it is not read.
    #[error("a code is at most {PROMO_CODE_TEXT_BYTES_MAX} bytes long, with blanks and hyphens")]
    TooLong,
}

impl CodeKey {
    /// Reads a code as somebody has written it: capital or small, with blanks, hyphens, dots or underscores anywhere.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, NoCode> {
        if text.len() > PROMO_CODE_TEXT_BYTES_MAX {
            return Err(NoCode::TooLong);
        }
        let mut key = String::new();
        for character in text.chars().filter(|character| !is_separator(*character)) {
            if !character.is_ascii_alphanumeric() {
                return Err(NoCode::Character(character));
            }
            key.push(character.to_ascii_uppercase());
        }
        match key.len() {
            PROMO_CODE_CHARS_MIN..=PROMO_CODE_CHARS_MAX => Ok(Self(key)),
            length => Err(NoCode::Length(length)),
        }
    }

    /// The letters and digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CodeKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Blanks of all kinds, and what word processors make of a hyphen.
fn is_separator(character: char) -> bool {
    character.is_whitespace()
        || matches!(character, '-' | '_' | '.' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{200b}' | '\u{feff}')
}

/// The code that these bytes spell, in groups: `H7KM-4XRW-9CFP`, behind the prefix if there is one. With bytes that
/// nobody can tell beforehand, nobody can tell the code: each of the 20¹² is as likely as any other, to 1 in 10²².
pub fn spelled(prefix: Option<&str>, bytes: [u8; 16]) -> String {
    let mut number = u128::from_be_bytes(bytes);
    let mut symbols = [0; SYMBOLS];
    for symbol in &mut symbols {
        // Below 20.
        *symbol = ALPHABET[(number % 20) as usize];
        number /= 20;
    }
    let groups = symbols.chunks(GROUP).map(String::from_utf8_lossy);
    let parts: Vec<_> = prefix.map(Into::into).into_iter().chain(groups).collect();
    parts.join("-")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn no_symbol_looks_like_another_one() {
        for alike in ["0OQD", "1IL7", "2Z", "5S", "8B", "6G", "UV", "MN", "4A", "3E"] {
            let there = alike.bytes().filter(|symbol| ALPHABET.contains(symbol)).count();
            assert!(there <= 1, "{alike}");
        }
        let mut sorted = ALPHABET.to_vec();
        sorted.dedup();
        assert_eq!(sorted.len(), 20);
        assert!(SYMBOLS as f64 * 20_f64.log2() > 45.0, "enough bits");
    }

    #[test]
    fn the_same_bytes_spell_the_same_code_for_ever() {
        // A code that was printed yesterday is looked up by what these spell.
        assert_eq!(spelled(None, [0; 16]), "2222-2222-2222");
        assert_eq!(spelled(Some("SPRING"), [0xff; 16]), "SPRING-RKC8-J93T-4HTX");
        assert_eq!(spelled(None, *b"0123456789abcdef"), "4374-5J5T-H7YJ");
    }

    #[test]
    fn a_code_is_read_however_it_is_written() {
        for text in [
            "H7KM-4XRW-9CFP",
            "h7km4xrw9cfp",
            " H7KM 4XRW 9CFP\n",
            "H7KM–4XRW—9CFP",
            "h7km.4xrw_9cfp",
            "\u{feff}H7KM\u{a0}4XRW\u{2011}9CFP",
        ] {
            assert_eq!(CodeKey::parse(text).unwrap().as_str(), "H7KM4XRW9CFP", "{text:?}");
        }
        for (text, expected) in [
            ("", NoCode::Length(0)),
            ("- - -", NoCode::Length(0)),
            ("abc", NoCode::Length(3)),
            ("Ä7KM-4XRW-9CFP", NoCode::Character('Ä')),
            ("H7KM#4XRW", NoCode::Character('#')),
            ("H7KM/../4XRW", NoCode::Character('/')),
        ] {
            assert_eq!(CodeKey::parse(text), Err(expected), "{text:?}");
        }
        assert_eq!(CodeKey::parse(&"A".repeat(41)), Err(NoCode::Length(41)));
        assert_eq!(CodeKey::parse(&"A".repeat(121)), Err(NoCode::TooLong));
    }

    proptest! {
        #[test]
        fn what_is_spelled_is_of_the_alphabet_and_reads_back(bytes: [u8; 16], prefix in prop::option::of("[A-Z0-9]{2,12}")) {
            let code = spelled(prefix.as_deref(), bytes);
            let symbols: String = code.rsplitn(4, '-').take(3).collect();
            prop_assert_eq!(symbols.len(), SYMBOLS);
            prop_assert!(symbols.bytes().all(|symbol| ALPHABET.contains(&symbol)));
            let key = CodeKey::parse(&code).unwrap();
            prop_assert_eq!(key.as_str().len(), SYMBOLS + prefix.as_ref().map_or(0, String::len));
            prop_assert_eq!(CodeKey::parse(&code.to_lowercase().replace('-', " ")).unwrap(), key);
        }

        #[test]
        fn another_number_is_another_code(one: u64, other: u64) {
            // Below 20¹², so that nothing is cut off.
            let bytes = |number: u64| u128::from(number % 4_096_000_000_000_000).to_be_bytes();
            prop_assert_eq!(spelled(None, bytes(one)) == spelled(None, bytes(other)), bytes(one) == bytes(other));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,200}") {
            if let Ok(key) = CodeKey::parse(&text) {
                prop_assert_eq!(CodeKey::parse(key.as_str()).unwrap(), key);
            }
        }
    }
}
