//! The body of a request as text, whatever wrapping it came in. Headers are not asked: clients send
//! gzip as form data and JSON as plain text.

use std::borrow::Cow;
use std::io::Read;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use flate2::read::MultiGzDecoder;
use kairos_engine::bounds::BATCH_BYTES_MAX;

use crate::refusal::RequestRefusal;

/// Base64 as clients write it, with or without padding.
pub(crate) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// The text of a body.
///
/// # Errors
/// When there is none, it is broken, or it has more than [`BATCH_BYTES_MAX`] bytes. Unpacking stops
/// at that size, however much more there would be.
pub fn text_of(body: Option<&str>, is_base64: bool) -> Result<Cow<'_, str>, RequestRefusal> {
    let body = body.filter(|body| !body.is_empty()).ok_or(RequestRefusal::BodyMissing)?;
    if !is_base64 {
        return bounded(body).map(Cow::Borrowed);
    }
    // Four characters for three bytes, and the padding.
    if body.len() > BATCH_BYTES_MAX.div_ceil(3) * 4 {
        return Err(RequestRefusal::BodyTooLarge);
    }
    let bytes = BASE64.decode(body).map_err(|_| RequestRefusal::BodyNotBase64)?;
    let bytes = if bytes.starts_with(&GZIP_MAGIC) { unpacked(&bytes)? } else { bytes };
    let text = String::from_utf8(bytes).map_err(|_| RequestRefusal::BodyNotText)?;
    bounded(&text).map(str::to_owned).map(Cow::Owned)
}

/// Checks the size, and passes over the mark that some editors put before UTF-8.
fn bounded(text: &str) -> Result<&str, RequestRefusal> {
    if text.len() > BATCH_BYTES_MAX {
        return Err(RequestRefusal::BodyTooLarge);
    }
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

fn unpacked(gzip: &[u8]) -> Result<Vec<u8>, RequestRefusal> {
    let mut bytes = Vec::new();
    MultiGzDecoder::new(gzip)
        .take(BATCH_BYTES_MAX as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|_| RequestRefusal::GzipBroken)?;
    if bytes.len() > BATCH_BYTES_MAX { Err(RequestRefusal::BodyTooLarge) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn read(bytes: &[u8]) -> Result<String, RequestRefusal> {
        text_of(Some(&BASE64.encode(bytes)), true).map(Cow::into_owned)
    }

    #[test]
    fn a_body_is_read_whatever_it_is_wrapped_in() {
        assert_eq!(text_of(Some("{}"), false).as_deref(), Ok("{}"));
        assert_eq!(read(b"{}").as_deref(), Ok("{}"));
        assert_eq!(read(&gzip(b"{}")).as_deref(), Ok("{}"));
        assert_eq!(read(&[gzip(b"{"), gzip(b"}")].concat()).as_deref(), Ok("{}"), "gzip may have several members");
        assert_eq!(read("\u{feff}{}".as_bytes()).as_deref(), Ok("{}"));
        assert_eq!(text_of(Some("e30"), true).as_deref(), Ok("{}"), "padding may be missing");
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let packed = gzip(b"{\"batch\": []}");
        assert_eq!(text_of(None, false), Err(RequestRefusal::BodyMissing));
        assert_eq!(text_of(Some(""), true), Err(RequestRefusal::BodyMissing));
        assert_eq!(text_of(Some("{}"), true), Err(RequestRefusal::BodyNotBase64));
        assert_eq!(read(&packed[..packed.len() - 9]), Err(RequestRefusal::GzipBroken));
        assert_eq!(read(&[0x1f, 0x8b]), Err(RequestRefusal::GzipBroken));
        assert_eq!(read(&[0xff, 0xfe]), Err(RequestRefusal::BodyNotText));
    }

    #[test]
    fn the_largest_body_is_read_and_a_larger_one_is_not() {
        let largest = "x".repeat(BATCH_BYTES_MAX);
        let larger = "x".repeat(BATCH_BYTES_MAX + 1);
        assert_eq!(text_of(Some(&largest), false).as_deref(), Ok(largest.as_str()));
        assert_eq!(read(largest.as_bytes()).as_deref(), Ok(largest.as_str()));
        assert_eq!(read(&gzip(largest.as_bytes())).as_deref(), Ok(largest.as_str()));
        assert_eq!(text_of(Some(&larger), false), Err(RequestRefusal::BodyTooLarge));
        assert_eq!(read(larger.as_bytes()), Err(RequestRefusal::BodyTooLarge));
        assert_eq!(read(&gzip(larger.as_bytes())), Err(RequestRefusal::BodyTooLarge));
    }

    #[test]
    fn a_small_body_that_inflates_without_end_is_not_inflated_to_its_end() {
        let bomb = gzip(&vec![b' '; 50_000_000]);
        assert!(bomb.len() < 60_000, "{}", bomb.len());
        // Its end is cut off: only who reads on to there would call it broken.
        assert_eq!(read(&bomb[..bomb.len() / 2]), Err(RequestRefusal::BodyTooLarge));
    }
}
