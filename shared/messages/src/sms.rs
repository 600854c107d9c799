//! How an SMS is encoded and into how many segments it falls (3GPP TS 23.038 and TS 23.040).

/// The alphabet an SMS is sent in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmsEncoding {
    /// The GSM 7-bit default alphabet with its extension table: 160 septets, or 153 per segment.
    Gsm7,
    /// UCS-2 (in fact UTF-16): 70 units, or 67 per segment.
    Ucs2,
}

/// What an SMS costs to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SmsSize {
    /// The alphabet it needs.
    pub encoding: SmsEncoding,
    /// Its length in septets or UTF-16 units: what counts against the length of a segment.
    pub units: usize,
    /// Into how many segments it falls; each is paid for.
    pub segments: usize,
}

/// 3GPP TS 23.038, table 6.2.1: the default alphabet.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡\
                     ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
/// 3GPP TS 23.038, table 6.2.1.1: the extension table; each takes an escape and so two septets.
const EXTENDED: &str = "\u{c}^{}\\[~]|€";

/// Measures a text. A character of two units (an extended one, an emoji) is never split between
/// two segments, so a segment may stay one unit short.
pub fn sms_size(text: &str) -> SmsSize {
    let septets = |character| {
        if BASIC.contains(character) { Some(1) } else { EXTENDED.contains(character).then_some(2) }
    };
    let gsm: Option<Vec<usize>> = text.chars().map(septets).collect();
    let (encoding, lengths, single, concatenated) = match gsm {
        Some(lengths) => (SmsEncoding::Gsm7, lengths, 160, 153),
        None => (SmsEncoding::Ucs2, text.chars().map(char::len_utf16).collect(), 70, 67),
    };
    let units = lengths.iter().sum();
    let segments = if units <= single {
        1
    } else {
        let mut segments = 1;
        let mut used = 0;
        for length in lengths {
            if used + length > concatenated {
                segments += 1;
                used = 0;
            }
            used += length;
        }
        segments
    };
    SmsSize { encoding, units, segments }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alphabets_and_segments_are_told_as_phones_do() {
        for (text, encoding, units, segments) in [
            ("Hello".to_owned(), SmsEncoding::Gsm7, 5, 1),
            ("a".repeat(160), SmsEncoding::Gsm7, 160, 1),
            ("a".repeat(161), SmsEncoding::Gsm7, 161, 2),
            ("a".repeat(306), SmsEncoding::Gsm7, 306, 2),
            ("a".repeat(307), SmsEncoding::Gsm7, 307, 3),
            ("€".repeat(80), SmsEncoding::Gsm7, 160, 1),
            // 76 euro signs fill 152 septets; the 77th does not fit into the one that is left.
            ("€".repeat(153), SmsEncoding::Gsm7, 306, 3),
            ("Grüße für 5 €".to_owned(), SmsEncoding::Gsm7, 14, 1),
            ("typographic ’".to_owned(), SmsEncoding::Ucs2, 13, 1),
            ("ж".repeat(70), SmsEncoding::Ucs2, 70, 1),
            ("ж".repeat(71), SmsEncoding::Ucs2, 71, 2),
            // An emoji is two units: 33 of them fill 66 of 67.
            ("😀".repeat(67), SmsEncoding::Ucs2, 134, 3),
            (String::new(), SmsEncoding::Gsm7, 0, 1),
        ] {
            assert_eq!(sms_size(&text), SmsSize { encoding, units, segments }, "{text}");
        }
    }
}
