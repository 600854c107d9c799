//! What a notification's content becomes, so that only its browser can read it: message encryption for Web Push (RFC 8291)
//! in one record of the content coding `aes128gcm` (RFC 8188).

use aes_gcm::aead::{Aead, KeyInit};
use aes_gcm::{Aes128Gcm, Nonce};
use hkdf::Hkdf;
use kairos_engine::bounds::WEB_PUSH_PAYLOAD_BYTES_MAX;
use kairos_engine::web_push::WebPushSubscription;
use p256::ecdh::diffie_hellman;
use p256::elliptic_curve::sec1::ToSec1Point;
use p256::{PublicKey, SecretKey};
use sha2::Sha256;

/// The size of the one record (RFC 8291, section 4: services take at least so much).
const RECORD_BYTES: u32 = 4_096;
/// What ends the last record (RFC 8188, section 2).
const LAST_RECORD: u8 = 2;

/// Why a content is not encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotEncrypted {
    /// The browser's key is no point of the curve.
    #[error("the browser's key is none")]
    Key,
    /// The content is too long.
    #[error("the notification has {0} bytes with its links, and {WEB_PUSH_PAYLOAD_BYTES_MAX} is the most; shorten it")]
    TooLarge(usize),
    /// The machine gives no random numbers.
    #[error("there are no random numbers on this machine")]
    NoRandomNumbers,
}

/// A content, encrypted for a browser with a key and a salt of its own.
///
/// # Errors
/// When it cannot be.
pub fn encrypted(content: &[u8], browser: &WebPushSubscription) -> Result<Vec<u8>, NotEncrypted> {
    let random = |bytes: &mut [u8]| getrandom::fill(bytes).map_err(|_| NotEncrypted::NoRandomNumbers);
    let mut salt = [0; 16];
    random(&mut salt)?;
    let key = loop {
        let mut bytes = [0; 32];
        random(&mut bytes)?;
        // Hardly ever it is none: zero, or above the order of the curve.
        if let Ok(key) = SecretKey::from_slice(&bytes) {
            break key;
        }
    };
    encrypted_with(content, browser, &key, salt)
}

fn encrypted_with(
    content: &[u8],
    browser: &WebPushSubscription,
    key: &SecretKey,
    salt: [u8; 16],
) -> Result<Vec<u8>, NotEncrypted> {
    if content.len() > WEB_PUSH_PAYLOAD_BYTES_MAX {
        return Err(NotEncrypted::TooLarge(content.len()));
    }
    let theirs = PublicKey::from_sec1_bytes(&browser.p256dh).map_err(|_| NotEncrypted::Key)?;
    let shared = diffie_hellman(key.to_nonzero_scalar(), theirs.as_affine());
    let own = key.public_key().to_sec1_point(false);

    // RFC 8291, section 3.4: what both sides know, bound to both keys.
    let info = [b"WebPush: info\0".as_slice(), &browser.p256dh, own.as_bytes()].concat();
    let combined: [u8; 32] = derived(&browser.auth, shared.raw_secret_bytes(), &info);
    // RFC 8188, sections 2.2 and 2.3.
    let content_key: [u8; 16] = derived(&salt, &combined, b"Content-Encoding: aes128gcm\0");
    let nonce: [u8; 12] = derived(&salt, &combined, b"Content-Encoding: nonce\0");

    let record = [content, &[LAST_RECORD]].concat();
    let cipher = Aes128Gcm::new(&content_key.into());
    let sealed = cipher.encrypt(&Nonce::from(nonce), record.as_slice()).expect("a record is short enough for AES-GCM");
    let key_length = [u8::try_from(own.as_bytes().len()).expect("a point has 65 bytes")];
    Ok([&salt[..], &RECORD_BYTES.to_be_bytes(), &key_length, own.as_bytes(), &sealed].concat())
}

fn derived<const N: usize>(salt: &[u8], key: &[u8], info: &[u8]) -> [u8; N] {
    let mut bytes = [0; N];
    Hkdf::<Sha256>::new(Some(salt), key).expand(info, &mut bytes).expect("so few bytes HKDF always gives");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use kairos_engine::time::Timestamp;

    fn bytes<const N: usize>(text: &str) -> [u8; N] {
        URL_SAFE_NO_PAD.decode(text).unwrap().try_into().unwrap()
    }

    /// The browser of RFC 8291, section 5.
    fn browser() -> WebPushSubscription {
        WebPushSubscription {
            endpoint: "https://push.example.net/push/JzLQ3raZJfFBR0aqvOMsLrt54w4rJUsV".into(),
            p256dh: bytes("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"),
            auth: bytes("BTBZMqHH6r4Tts7J_aSIgg"),
            at: Timestamp::default(),
            device: None,
        }
    }

    #[test]
    fn the_example_of_the_standard_comes_out_byte_by_byte() {
        let key = SecretKey::from_slice(&bytes::<32>("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw")).unwrap();
        let content = b"When I grow up, I want to be a watermelon";
        let sealed = encrypted_with(content, &browser(), &key, bytes("DGv6ra1nlYgDCS1FRnbzlw")).unwrap();
        let expected = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBr\
                        u3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN";
        assert_eq!(URL_SAFE_NO_PAD.encode(sealed), expected);
    }

    #[test]
    fn each_time_it_is_another_text_and_never_longer_than_services_take() {
        let content = vec![b'x'; WEB_PUSH_PAYLOAD_BYTES_MAX];
        let (one, other) = (encrypted(&content, &browser()).unwrap(), encrypted(&content, &browser()).unwrap());
        assert_eq!(one.len(), RECORD_BYTES as usize);
        assert_ne!(one, other);
        let too_large = encrypted(&[content, vec![b'x']].concat(), &browser());
        assert_eq!(too_large, Err(NotEncrypted::TooLarge(WEB_PUSH_PAYLOAD_BYTES_MAX + 1)));
        let off_the_curve = WebPushSubscription { p256dh: [4; 65], ..browser() };
        assert_eq!(encrypted(b"Hello", &off_the_curve), Err(NotEncrypted::Key));
    }
}
